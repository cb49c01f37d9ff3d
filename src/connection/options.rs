//! Options of connections.

use crate::networks::Networks;
use std::time::Duration;
use stompbox_frames::stomp::Limits;

/// Options of connections: limits, timeouts and settings of sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most connections in total (`connections-max`).
    pub connections_max: usize,
    /// Most connections from one address; 0 means no separate limit (`connections-per-address-max`).
    pub connections_per_address_max: usize,
    /// Limits of a frame before CONNECTED (`connect-frame-bytes-max` and the header limits).
    pub connect_limits: Limits,
    /// Limits of a frame after CONNECTED (`frame-bytes-max` and the header limits).
    pub limits: Limits,
    /// Credit of a work queue's consumer in bytes (`prefetch-bytes`).
    pub prefetch_bytes: usize,
    /// Longest time for which a receiver may read nothing while data waits for it (`stall-timeout`).
    pub stall_timeout: Duration,
    /// Whether an LF follows the NUL of each frame over TCP (`trailing-lf`).
    pub trailing_lf: bool,
    /// Time allowed for the last frame to reach the client (`linger`).
    pub linger: Duration,
    /// Time after which unacknowledged bytes end a connection; zero means the default of the system
    /// (`tcp-user-timeout`).
    pub tcp_user_timeout: Duration,
    /// Time after which a silent connection is probed; zero disables probes (`tcp-keepalive`).
    pub tcp_keepalive: Duration,
    /// Most connections that may wait to be accepted (`backlog`).
    pub backlog: i32,
    /// Whether clients on bare TCP are sent an ERROR frame when the broker stops (`shutdown-error`).
    pub shutdown_error: bool,
    /// Networks whose clients may be health checks (`health-check-from`).
    pub health_check_from: Networks,
}
