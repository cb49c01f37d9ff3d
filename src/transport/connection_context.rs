//! What all connections share.

use super::connection_limiter::{ConnectionLimiter, ConnectionPermit};
use super::full::{InputRefusals, log_full};
use super::head_memory::HeadMemory;
use super::ignored_headers::IgnoredHeaders;
use super::input::InputShare;
use super::log_limit::LogLimit;
use super::login_log::{LoginLog, Summary};
use super::networks::Networks;
use super::wrong_protocol::WrongProtocols;
use crate::broker::Broker;
use crate::budget::Budget;
use crate::metrics::Metrics;
use crate::outbound_queue::{self, OutboundQueue};
use crate::session;
use crate::users::Authenticator;
use crate::users::permissions::Permissions;
use dashmap::DashMap;
use parking_lot::Mutex;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};
use stompbox_frames::stomp::Limits;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// The part of the byte budget that there is, beside it, for clients that are not signed in.
const UNAUTHENTICATED_DIVISOR: usize = 16;

/// Limits and habits of connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Connections in all (`connections-max`).
    pub connections_max: usize,
    /// Connections of one address, 0 for no limit of its own (`connections-per-address-max`).
    pub connections_per_address_max: usize,
    /// What a frame may cost before CONNECTED (`connect-frame-bytes-max` and the header limits).
    pub connect_limits: Limits,
    /// What a frame may cost after it (`frame-bytes-max` and the header limits).
    pub limits: Limits,
    /// Credit of a work queue's consumer in bytes (`prefetch-bytes`).
    pub prefetch_bytes: usize,
    /// How long a receiver may take nothing while something waits for it (`stall-timeout`).
    pub stall_timeout: Duration,
    /// Whether a LF follows the NUL of each frame over TCP (`trailing-lf`).
    pub trailing_lf: bool,
    /// How long a last frame may take to arrive (`linger`).
    pub linger: Duration,
    /// Unacknowledged bytes end a connection after this; zero: after what the system likes (`tcp-user-timeout`).
    pub tcp_user_timeout: Duration,
    /// A silent connection is probed after this; zero: never (`tcp-keepalive`).
    pub tcp_keepalive: Duration,
    /// Connections that may wait to be accepted (`backlog`).
    pub backlog: i32,
    /// Whether clients on bare TCP are sent an ERROR frame when the broker stops (`shutdown-error`).
    pub shutdown_error: bool,
    /// Networks whose clients may be health checks (`health-check-from`).
    pub health_check_from: Networks,
}

/// The rooms below, and what connections have in common.
pub struct ConnectionContext {
    /// Destinations to subscribers.
    pub broker: Broker,
    /// The broker-wide byte budget.
    pub budget: Arc<Budget>,
    /// What clients that have not proved who they are may hold together: they must not use up what others need.
    pub unauthenticated: Arc<Budget>,
    /// The memory for input of clients that are not signed in and that the broker has not handled yet. It is charged to
    /// `unauthenticated`.
    pub unauthenticated_input: Arc<InputShare>,
    /// The share of the budget for input of signed-in clients that the broker has not handled yet.
    pub input: Arc<InputShare>,
    /// The memory for the heads of HTTP requests.
    pub heads: Arc<HeadMemory>,
    /// The log lines about unfinished input that was refused.
    pub(super) input_refusals: InputRefusals,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Who may come in.
    pub authenticator: Authenticator,
    /// What clients may do, and how often that, or who they are, has changed.
    permissions: Mutex<Arc<Permissions>>,
    access_version: AtomicU64,
    /// The generation of the users at the last look.
    users_seen: AtomicU64,
    /// Options of connections.
    pub options: Options,
    /// Options of conversations.
    pub session: Arc<session::Options>,
    /// Options of outbound queues.
    pub outbound_queue: outbound_queue::Options,
    /// Limits the log lines about ignored headers.
    pub(super) ignored_headers: IgnoredHeaders,
    /// The log lines about clients that speak another protocol than their port.
    pub wrong_protocols: WrongProtocols,
    /// The tasks of all connections.
    pub tasks: TaskTracker,
    /// Permits for polls of connections that have used up their share, one for each worker thread.
    pub(super) permits: Arc<Semaphore>,
    pub(super) addresses: Arc<dyn Fn() -> String + Send + Sync>,
    pub(super) login_log: LoginLog,
    connection_limiter: Arc<ConnectionLimiter>,
    refusals: LogLimit,
    outbound_queues: DashMap<u64, Weak<OutboundQueue>>,
    next_connection_number: AtomicU64,
    /// Set when the broker stops: when its clients have to be gone.
    drain_until: OnceLock<Instant>,
}

impl std::fmt::Debug for ConnectionContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The rooms and options a context is made of.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Parts {
    pub broker: Broker,
    pub budget: Arc<Budget>,
    pub metrics: Arc<Metrics>,
    pub authenticator: Authenticator,
    pub permissions: Permissions,
    pub options: Options,
    pub session: session::Options,
    pub outbound_queue: outbound_queue::Options,
    /// Carried in the addresses of temporary queues.
    pub node: String,
}

impl ConnectionContext {
    /// A context without connections.
    pub fn new(parts: Parts) -> Arc<ConnectionContext> {
        let connection_limiter =
            ConnectionLimiter::new(parts.options.connections_max, parts.options.connections_per_address_max);
        let node = parts.node;
        let unauthenticated = Budget::new(parts.budget.bytes_max() / UNAUTHENTICATED_DIVISOR);
        let stall_timeout = parts.options.stall_timeout;
        Arc::new(ConnectionContext {
            broker: parts.broker,
            authenticator: parts.authenticator.with_budget(unauthenticated.clone()),
            unauthenticated_input: InputShare::new(unauthenticated.clone(), stall_timeout),
            unauthenticated,
            input: InputShare::new(parts.budget.share(), stall_timeout),
            heads: HeadMemory::new(&parts.budget, parts.metrics.clone()),
            input_refusals: InputRefusals::default(),
            budget: parts.budget,
            metrics: parts.metrics,
            permissions: Mutex::new(Arc::new(parts.permissions)),
            access_version: AtomicU64::new(1),
            users_seen: AtomicU64::new(0),
            options: parts.options,
            session: Arc::new(session::Options { boot_id: node.as_str().into(), ..parts.session }),
            outbound_queue: parts.outbound_queue,
            ignored_headers: IgnoredHeaders::default(),
            wrong_protocols: WrongProtocols::default(),
            tasks: TaskTracker::new(),
            login_log: LoginLog::default(),
            permits: Arc::new(Semaphore::new(worker_threads())),
            addresses: Arc::new(move || format!("~{node}-{}", random_name())),
            connection_limiter,
            refusals: LogLimit::default(),
            outbound_queues: DashMap::new(),
            next_connection_number: AtomicU64::new(0),
            drain_until: OnceLock::new(),
        })
    }

    /// A permit for a client at `address`, or the option of the limit; whoever refuses the client counts it.
    pub fn admit(&self, address: IpAddr) -> Result<ConnectionPermit, &'static str> {
        self.connection_limiter.take(address)
    }

    /// A permit for a connection of a proxy that speaks for many clients.
    pub fn proxy_permit(&self, address: IpAddr) -> Result<ConnectionPermit, &'static str> {
        self.connection_limiter.take_for_proxy(address)
    }

    /// Counts and logs that the client at `address` is refused because `limit` is reached.
    pub fn refused(&self, limit: &'static str, address: IpAddr) {
        self.metrics.limit_hit(limit);
        log_full(&self.refusals, limit, address);
    }

    /// Returns whether clients at `address` may be health checks (`health-check-from`).
    pub fn is_health_check(&self, address: IpAddr) -> bool {
        self.options.health_check_from.contains(address)
    }

    /// Tells every connection that the broker stops and is gone at `drain_until`; new ones learn it at once.
    pub fn stop(&self, drain_until: Instant) {
        let _ = self.drain_until.set(drain_until);
        self.wake_connections();
    }

    /// What clients may do, and the state that this is.
    pub(super) fn permissions(&self) -> (Arc<Permissions>, u64) {
        let permissions = self.permissions.lock();
        (permissions.clone(), self.access_version.load(Ordering::Acquire))
    }

    /// The state of rules and users: whoever was judged at another one is judged again.
    pub(super) fn access_version(&self) -> u64 {
        self.access_version.load(Ordering::Acquire)
    }

    /// Other rules hold from now on, for what is subscribed to already as well.
    pub fn permit(&self, permissions: Permissions) {
        *self.permissions.lock() = Arc::new(permissions);
        self.permissions_changed();
    }

    /// Has the sources look whether users have changed, and everybody judged again if they have.
    pub async fn reload_users(&self) {
        if let Err(wrong) = self.authenticator.reload().await {
            tracing::debug!(wrong, "users are not read anew");
        }
        let seen = self.authenticator.generation();
        if self.users_seen.swap(seen, Ordering::AcqRel) != seen {
            self.permissions_changed();
        }
    }

    /// Rules or users have changed.
    pub fn permissions_changed(&self) {
        let permissions = self.permissions.lock();
        self.access_version.fetch_add(1, Ordering::AcqRel);
        drop(permissions);
        self.wake_connections();
    }

    /// Logs the number of refused logins that had no line of their own, if a summary is due.
    pub fn log_refused_logins(&self, now: Instant) {
        self.login_log.summaries(now).iter().for_each(log_summary);
    }

    /// Logs what [`ConnectionContext::log_refused_logins`] would log later.
    pub fn log_last_refused_logins(&self, now: Instant) {
        self.login_log.last_summaries(now).iter().for_each(log_summary);
    }

    /// Wakes all connections.
    fn wake_connections(&self) {
        let outbound_queues: Vec<_> =
            self.outbound_queues.iter().filter_map(|entry| entry.upgrade()).collect();
        outbound_queues.iter().for_each(|outbound_queue| outbound_queue.wake_receiver());
    }

    /// Whether [`ConnectionContext::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.drain_until.get().is_some()
    }

    /// When the clients of a broker that stops have to be gone.
    pub(super) fn drain_until(&self) -> Option<Instant> {
        self.drain_until.get().copied()
    }

    /// Enters an outbound queue, so that [`ConnectionContext::stop`] reaches its connection.
    pub(super) fn enter(&self, outbound_queue: &Arc<OutboundQueue>) -> u64 {
        let number = self.next_connection_number.fetch_add(1, Ordering::Relaxed);
        self.outbound_queues.insert(number, Arc::downgrade(outbound_queue));
        number
    }

    /// The connection has gone.
    pub(super) fn leave(&self, number: u64) {
        self.outbound_queues.remove(&number);
    }
}

fn log_summary(summary: &Summary) {
    let (logins, seconds) = (summary.logins, summary.time.as_secs());
    let address = summary.address.map(tracing::field::display);
    tracing::info!(logins, seconds, address, "more refused logins");
}

/// Returns the number of worker threads of the runtime this is called in, 1 outside of one.
fn worker_threads() -> usize {
    tokio::runtime::Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers())
}

/// 128 random bits in hexadecimal: a session id, the secret part of a temporary queue's address.
pub fn random_name() -> String {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).expect("the system has a source of randomness");
    format!("{:032x}", u128::from_ne_bytes(octets))
}
