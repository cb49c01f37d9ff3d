//! Options of connections.

use crate::networks::Networks;
use std::time::Duration;
use stompbox_frames::stomp::Limits;

/// Options of connections: limits, timeouts and socket options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Maximum number of connections (`connections-max`).
    pub connections_max: usize,
    /// Maximum number of connections from one address (`connections-per-address-max`). 0 means no limit for each
    /// address.
    pub connections_per_address_max: usize,
    /// Limits of frames before CONNECTED (`connect-frame-bytes-max` and the header limits).
    pub connect_limits: Limits,
    /// Limits of frames after CONNECTED (`frame-bytes-max` and the header limits).
    pub limits: Limits,
    /// Time after which a stalled connection is closed (`stall-timeout`). A connection is stalled if its client does
    /// not read waiting data, or if an unfinished frame makes no progress.
    pub stall_timeout: Duration,
    /// Whether an LF follows the NUL of each frame over TCP (`trailing-lf`).
    pub trailing_lf: bool,
    /// Maximum time to wait for the client to read the last frame (`linger`).
    pub linger: Duration,
    /// Time after which the system closes a connection whose client does not acknowledge sent bytes
    /// (`tcp-user-timeout`). Zero means the default of the system.
    pub tcp_user_timeout: Duration,
    /// Time without traffic after which the system probes whether the client still exists (`tcp-keepalive`). Zero
    /// disables probes.
    pub tcp_keepalive: Duration,
    /// Maximum number of connections that wait to be accepted (`backlog`).
    pub backlog: i32,
    /// Whether the broker sends TCP clients an ERROR frame when it stops (`shutdown-error`).
    pub shutdown_error: bool,
    /// Networks from which health checks may connect (`health-check-from`).
    pub health_check_from: Networks,
}
