//! Programs that embed the broker: clients in the same process, and a protocol of their own.

mod client;
mod decisions;
mod line_protocol;

use stompbox::{Config, Listeners, Server};

/// Starts a broker without listeners. `options` is a configuration file.
fn server(options: &str) -> Server {
    let config = Config::from_toml(options).expect("a valid configuration");
    Server::start(config, Listeners::default()).expect("the broker starts")
}
