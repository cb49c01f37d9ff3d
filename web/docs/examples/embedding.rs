//! Starts a broker inside a program, publishes a message and stops the broker.

use std::error::Error;
use stompbox::{Config, Listeners, Server};
use tokio::net::TcpListener;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().event_interval(16).enable_all().build()?;
    runtime.block_on(async {
        let tcp = TcpListener::bind("127.0.0.1:0").await?;
        let http = TcpListener::bind("127.0.0.1:0").await?;
        let server = Server::start(Config::default(), Listeners { tcp: vec![tcp], http: vec![http] })?;
        for url in server.listening() {
            println!("listening {url}");
        }

        let subscriptions = server.publish("/topic/news", &[("content-type", "text/plain")], b"hello")?;
        println!("delivered to {subscriptions} subscriptions");

        let connections = server.shut_down().await;
        println!("{connections} connections did not close in time");
        Ok::<(), Box<dyn Error>>(())
    })
}
