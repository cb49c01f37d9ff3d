//! Programs that embed the broker: clients in the same process, and a protocol of their own.

mod client;
mod decisions;
mod line_protocol;
mod transaction;

use futures_util::{FutureExt, StreamExt};
use stompbox::{Client, Config, Listeners, Received, Server};

/// Starts a broker without listeners. `options` is a configuration file.
fn server(options: &str) -> Server {
    let config = Config::from_toml(options).expect("a valid configuration");
    Server::start(config, Listeners::default()).expect("the broker starts")
}

/// Permits everything to everyone, except what the test denies before.
const OPEN: &str = "default-permissions = \"open\"\n";

/// Returns the next message. Fails if the stream has an error or has ended.
async fn next(client: &mut Client) -> Received {
    client.next().await.expect("the stream goes on").expect("a message")
}

/// Asserts that no message waits. Publishing pushes messages at once, so nothing is on its way.
fn assert_nothing_waits(client: &mut Client) {
    assert!(client.next().now_or_never().is_none());
}
