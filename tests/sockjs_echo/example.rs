//! The SockJS layer by itself, for conformance checkers: `cargo run --release --example sockjs-echo -- ADDRESS`.
//!
//! | path | service |
//! |---|---|
//! | `/echo` | sends messages back; streaming responses end at 4096 bytes |
//! | `/disabled_websocket_echo` | the same without WebSocket |
//! | `/cookie_needed_echo` | the same with the cookie JSESSIONID |
//! | `/close` | closes every session with 3000 `Go away!` |
//!
//! `/echo/websocket` sends text and binary messages back unchanged, up to 16 MiB. `/` shows the numbers of open
//! sessions and connections, and the bytes of memory that they hold.

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
