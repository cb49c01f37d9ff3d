//! The configuration of the broker.

use super::listen::Listen;
use crate::http::metrics_page::MetricsFrom;
use crate::http::policy::forwarded::Proxies;
use crate::http::policy::host_policy::Hosts;
use crate::http::policy::origin_policy::Origins;
use crate::http::policy::proxy_user::ProxyHeaders;
use crate::networks::Networks;
use crate::{auth, broker, connection, http, operations, outbound_queue, permissions, session};
use std::time::Duration;
use stompbox_frames::stomp::Limits;

/// The configuration of a broker: the values of all options.
///
/// `Config::default()` contains the default of every option. [`Config::from_toml`] reads a configuration file, and
/// [`Config::set`] sets one option. The names, values and defaults of the options are those of the command
/// (`stompbox --help`).
///
/// ```
/// use stompbox::Config;
///
/// let mut config = Config::from_toml("frame-bytes-max = \"64KiB\"\nuser = [\"alice:secret\"]")?;
/// config.set("heart-beat", "5000,5000")?;
/// config.check()?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses for STOMP over TCP (`tcp`).
    pub(crate) listen_tcp: Vec<Listen>,
    /// Addresses for HTTP, WebSocket and SockJS (`http`).
    pub(crate) listen_http: Vec<Listen>,
    /// Options of connections over every transport.
    pub(crate) transport: connection::Options,
    /// Options of HTTP, WebSocket and the pages for operators.
    pub(crate) http: http::Options,
    /// Options of the SockJS transports.
    pub(crate) sockjs: crate::http::sockjs::Options,
    /// Options of a STOMP session.
    pub(crate) session: session::Options,
    /// Options of the requests of a client.
    pub(crate) operations: operations::Options,
    /// Options of the broker: work queues and presence.
    pub(crate) broker: broker::Options,
    /// Options of the outbound queue of a connection.
    pub(crate) outbound_queue: outbound_queue::Options,
    /// Options of authentication: the sources of users, and the limits on checking logins.
    pub(crate) users: auth::Options,
    /// The operator's permission rules, and the preset that adds further rules.
    pub(crate) permissions: permissions::Options,
    /// Maximum memory in bytes that clients can make the broker use (`memory-bytes-max`).
    pub(crate) memory_bytes_max: usize,
    /// Maximum time of a stop (`drain-time`).
    pub(crate) drain_time: Duration,
    /// The filter and the format of the log.
    pub(crate) log: LogOptions,
    /// Number of threads that run connections (`worker-threads`). 0 means one per core.
    pub(crate) worker_threads: usize,
}

/// The filter and the format of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Validated directives for `EnvFilter` of `tracing-subscriber` (`log`).
    pub filter: String,
    /// The format of a line (`log-format`).
    pub format: LogFormat,
}

/// The format of a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for human readers, one line per event.
    Text,
    /// One JSON object per line.
    Json,
}

impl Config {
    /// Returns a configuration with placeholder values. The rows of the table replace each of them by the default.
    pub(super) fn blank() -> Config {
        let zero = Duration::ZERO;
        let limits = Limits { frame_bytes_max: 0, header_count_max: 0, header_bytes_max: 0, to_bytes_max: 0 };
        Config {
            listen_tcp: Vec::new(),
            listen_http: Vec::new(),
            transport: connection::Options {
                connect_limits: limits,
                limits,
                backlog: 0,
                connections_max: 0,
                connections_per_address_max: 0,
                stall_timeout: zero,
                tcp_user_timeout: zero,
                tcp_keepalive: zero,
                trailing_lf: false,
                linger: zero,
                shutdown_error: false,
                health_check_from: Networks::default(),
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
            sockjs: crate::http::sockjs::Options::default(),
            session: session::Options::default(),
            operations: operations::Options::default(),
            broker: broker::Options::default(),
            outbound_queue: outbound_queue::Options::default(),
            users: auth::Options::default(),
            permissions: permissions::Options::default(),
            memory_bytes_max: 0,
            drain_time: zero,
            log: LogOptions { filter: String::new(), format: LogFormat::Text },
            worker_threads: 0,
        }
    }
}
