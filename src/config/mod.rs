//! What an operator can set: one table of options, and the [`Config`] that is built from it.
//!
//! Every option is one row of [`table::GROUPS`]. From that row come its flag, its environment variable, its
//! key in the file, its default, its help, and its line in the README. Layers replace each other from low to
//! high: the table's defaults, the file, the environment, the flags. A repeatable option given in one layer
//! replaces the whole list of the layers below.
//!
//! No room imports this module: each gets its own plain `Options`.

mod access;
mod check;
mod environment;
mod error;
mod file;
mod frames;
mod listen;
mod load;
mod login;
mod permissions;
mod presence;
pub mod reference;
mod row;
mod running;
mod sockjs;
pub mod table;
mod token;
mod value;
mod web;

pub use error::{ConfigError, Source, suggestion};
pub use listen::Listen;
pub use load::{ConfigEntry, Loaded, Setting, load};
pub use row::{Group, Kind, Row};
pub(crate) use value::{count, size, time};

use crate::http::forwarded::Proxies;
use crate::http::health::MetricsFrom;
use crate::http::hosts::Hosts;
use crate::http::origin::Origins;
use crate::http::proxy_user::ProxyHeaders;

use crate::{broker, http, outbound_queue, session, transport, users};
use std::time::Duration;
use stompbox_frames::stomp::Limits;

/// Everything that can be set, a section per room. `Config::default()` is what the table says.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where STOMP over TCP is served (`tcp`).
    pub listen_tcp: Vec<Listen>,
    /// Where HTTP, and so WebSocket, is served (`http`).
    pub listen_http: Vec<Listen>,
    /// What holds for every connection, however it came.
    pub transport: transport::Options,
    /// HTTP, WebSocket and the pages for operators.
    pub http: http::Options,
    /// SockJS.
    pub sockjs: transport::sockjs::Options,
    /// One STOMP conversation.
    pub session: session::Options,
    /// Work queues.
    pub broker: broker::Options,
    /// The mailbox of a connection.
    pub outbound_queue: outbound_queue::Options,
    /// Who may come in.
    pub users: users::Options,
    /// Bytes that outbound queues, queues and transactions may hold together (`memory-bytes-max`).
    pub memory_bytes_max: usize,
    /// How long a stopping broker waits for its clients (`drain-time`).
    pub drain_time: Duration,
    /// What is logged, and how.
    pub log: LogOptions,
    /// Threads that run connections; 0: one per core (`worker-threads`).
    pub worker_threads: usize,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Directives of `tracing-subscriber`'s `EnvFilter`, already checked (`log`).
    pub filter: String,
    /// How a line looks (`log-format`).
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Config {
        let mut config = Config::blank();
        for row in table::rows() {
            row.reset(&mut config);
        }
        config
    }
}

impl Config {
    /// Nothing set. Only a ground for the rows of the table, which fill in every field.
    fn blank() -> Config {
        let zero = Duration::ZERO;
        let limits = Limits { frame_bytes_max: 0, header_count_max: 0, header_bytes_max: 0, to_bytes_max: 0 };
        Config {
            listen_tcp: Vec::new(),
            listen_http: Vec::new(),
            transport: transport::Options {
                connect_limits: limits,
                limits,
                backlog: 0,
                connections_max: 0,
                connections_per_address_max: 0,
                prefetch_bytes: 0,
                stall_timeout: zero,
                tcp_user_timeout: zero,
                tcp_keepalive: zero,
                trailing_lf: false,
                linger: zero,
                shutdown_error: false,
                health_check_from: transport::Networks::default(),
            },
            http: http::Options {
                ws_path: String::new(),
                header_timeout: zero,
                metrics_from: MetricsFrom::Off,
                origins: Origins::default(),
                hosts: Hosts::default(),
                proxies: Proxies::default(),
                proxy_user: ProxyHeaders::default(),
                demo: false,
            },
            sockjs: transport::sockjs::Options::default(),
            session: session::Options::default(),
            broker: broker::Options::default(),
            outbound_queue: outbound_queue::Options::default(),
            users: users::Options::default(),
            memory_bytes_max: 0,
            drain_time: zero,
            log: LogOptions { filter: String::new(), format: LogFormat::Text },
            worker_threads: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stompbox_frames::stomp::HeartBeat;

    #[test]
    fn the_defaults_are_those_that_the_rooms_state() {
        let config = Config::default();
        assert_eq!(config.outbound_queue, outbound_queue::Options::default());
        assert_eq!(config.users, users::Options::default());
        assert_eq!(config.sockjs, transport::sockjs::Options::default());
        assert_eq!(config.session.heart_beat, HeartBeat { can: 10_000, wants: 10_000 });
        assert_eq!(config.transport.limits.frame_bytes_max, 2 * 1024 * 1024);
        assert_eq!(config.transport.connect_limits.frame_bytes_max, 64 * 1024);
        assert_eq!(
            config.transport.connect_limits.header_count_max,
            config.transport.limits.header_count_max
        );
        assert_eq!(config.listen_tcp.iter().map(Listen::to_string).collect::<Vec<_>>(), ["127.0.0.1:61613"]);
        assert_eq!(config.listen_http.iter().map(Listen::to_string).collect::<Vec<_>>(), ["127.0.0.1:8080"]);
        assert_eq!(config.http.metrics_from, MetricsFrom::Loopback);
        assert_eq!(config.http.origins, Origins::same_origin_and_loopback());
        assert_eq!(config.http.hosts, Hosts::default());
        assert_eq!(config.http.proxies, Proxies::default());
    }

    #[test]
    fn debug_shows_no_passcode() {
        let mut config = Config::default();
        table::find("user").expect("a row").apply(&mut config, "alice:open-sesame").expect("a user");
        let shown = format!("{config:?}");
        assert!(shown.contains("alice") && !shown.contains("sesame"), "{shown}");
    }
}
