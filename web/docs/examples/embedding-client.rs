//! Connects two clients inside a program, without a socket.

use futures_util::StreamExt;
use std::error::Error;
use stompbox::{Config, Listeners, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().event_interval(16).enable_all().build()?;
    runtime.block_on(async {
        let rules = "default-permissions = \"safe\"\npermission = [\"allow all users /topic/news\"]";
        let config = Config::from_toml(rules)?;
        let server = Server::start(config, Listeners::default())?;

        let mut alice = server.client(Some("alice"), &[]);
        alice.subscribe("/topic/news")?;

        let mut bob = server.client(Some("bob"), &[]);
        let headers = [("content-type", "text/plain")];
        let published = bob.publish("/topic/news", &headers, "hello").await?;
        println!("published to {} subscription", published.subscriptions);

        let message = alice.next().await.expect("the broker runs")?;
        println!("alice received {}", String::from_utf8_lossy(message.body()));

        if let Err(error) = bob.publish("/topic/admin", &[], "x").await {
            println!("bob: {error}");
        }
        server.shut_down().await;
        Ok::<(), Box<dyn Error>>(())
    })
}
