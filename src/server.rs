//! A placeholder: it listens nowhere.

use crate::config::Config;
use std::io;

/// A broker with its listeners.
#[derive(Debug)]
pub struct Server {
    _private: (),
}

impl Server {
    /// Binds the listeners.
    ///
    /// # Errors
    /// A listener cannot be bound: the error's text names the option and the address.
    pub async fn bind(config: Config) -> io::Result<Server> {
        let _ = config;
        Ok(Server { _private: () })
    }

    /// The URLs of what it listens on.
    pub fn listening(&self) -> Vec<String> {
        Vec::new()
    }

    /// Serves until `shutdown`, then lets clients take what waits for them.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        shutdown.await;
    }
}
