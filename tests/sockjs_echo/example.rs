//! The SockJS layer by itself, for conformance checkers: `cargo run --release --example sockjs-echo -- ADDRESS`.
//!
//! | path | service |
//! |---|---|
//! | `/echo` | echoes; streaming responses end at 4096 octets |
//! | `/disabled_websocket_echo` | the same without WebSocket |
//! | `/cookie_needed_echo` | the same with JSESSIONID |
//! | `/close` | closes every session with 3000 `Go away!` |
//!
//! `/echo/websocket` echoes text and binary messages verbatim, up to 16 MiB. `/` tells what is open.

mod echo;

use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("expected an address such as 127.0.0.1:8081")?;
    let listener = TcpListener::bind(&address).await?;
    println!("listening http://{}", listener.local_addr()?);
    echo::Services::new(|_| {}).serve(listener).await;
    Ok(())
}
