//! Starts the broker's binary, and provides clients that exchange bytes with it.

pub(crate) mod broker;
pub(crate) mod client;
pub(crate) mod frame;
pub(crate) mod http;
mod log;
pub(crate) mod sign_in;
pub(crate) mod sockjs;
pub(crate) mod users_directory;
pub(crate) mod websocket;

pub(crate) use broker::Broker;
pub(crate) use client::{Client, Event, Wire};

use std::time::Duration;

/// Deadline that only guards against a hang. It is far above any wait on a busy machine, so a test that reaches it has
/// failed.
pub(crate) const HANG_TIMEOUT: Duration = Duration::from_secs(60);

/// Defines each function as two tests, one over TCP and one over WebSocket.
macro_rules! on_each_wire {
    ($($(#[$doc:meta])* fn $name:ident($wire:ident: $kind:ty) $body:block)*) => { $(
        $(#[$doc])*
        fn $name($wire: $kind) $body
        mod $name {
            #[test]
            fn over_tcp() {
                super::$name($crate::support::Wire::Tcp);
            }
            #[test]
            fn over_websocket() {
                super::$name($crate::support::Wire::WebSocket);
            }
        }
    )* };
}
pub(crate) use on_each_wire;
