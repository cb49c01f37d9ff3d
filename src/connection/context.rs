//! State that all connections share: the broker, memory budgets, limits, options and metrics.

use super::log::ignored_headers::IgnoredHeaders;
use super::log::logins::{LoginLog, Summary};
use super::log::wrong_protocols::WrongProtocols;
use super::options::Options;
use crate::auth::Authenticator;
use crate::broker::Broker;
use crate::budget::Budget;
use crate::destination::Selector;
use crate::limits::connection_limiter::{ConnectionLimiter, ConnectionPermit};
use crate::limits::head_memory::HeadMemory;
use crate::limits::input::InputShare;
use crate::limits::limit_warnings::{InputRejections, log_limit_reached};
use crate::limits::log_limit::LogLimit;
use crate::metrics::Metrics;
use crate::operations::{self, Addresses, Client};
use crate::outbound_queue::{self, NodeId, OutboundQueue, SessionIds};
use crate::permissions::Permissions;
use crate::rejection::{Limit, Quoted, Rejection};
use crate::session;
use dashmap::DashMap;
use parking_lot::Mutex;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// The memory for unauthenticated clients is the byte budget divided by this number. It is an addition to the byte
/// budget, not a part of it.
const UNAUTHENTICATED_DIVISOR: usize = 16;

/// The state that all connections share.
pub struct ConnectionContext {
    /// The broker, which routes messages to subscribers.
    pub broker: Broker,
    /// The byte budget of the whole broker.
    pub budget: Arc<Budget>,
    /// The memory that all unauthenticated clients together may hold. It is a separate budget, so that these clients
    /// cannot use up the memory of others.
    pub unauthenticated: Arc<Budget>,
    /// The part of `unauthenticated` for input that is not handled yet.
    pub unauthenticated_input: Arc<InputShare>,
    /// The part of `budget` for input of authenticated clients that is not handled yet.
    pub input: Arc<InputShare>,
    /// The memory for the request lines and headers of HTTP requests.
    pub heads: Arc<HeadMemory>,
    /// Limits the log lines about rejected unfinished input.
    pub(super) input_rejections: InputRejections,
    /// The metrics of the broker.
    pub metrics: Arc<Metrics>,
    /// The authenticator, which checks the credentials of clients.
    pub authenticator: Authenticator,
    /// The permission rules in effect.
    permissions: Mutex<Arc<Permissions>>,
    /// Version of the rules and users. It is increased whenever either changes.
    access_version: AtomicU64,
    /// The generation of the users ([`Authenticator::generation`]) after the last reload.
    users_generation: AtomicU64,
    /// Options that apply to all connections.
    pub options: Options,
    /// Options that apply to all STOMP sessions.
    pub session: Arc<session::Options>,
    /// Options that apply to the requests of all clients.
    pub operations: Arc<operations::Options>,
    /// Options of outbound queues.
    pub outbound_queue: outbound_queue::Options,
    /// Limits the log lines about ignored headers.
    pub(super) ignored_headers: IgnoredHeaders,
    /// Limits the log lines about clients that speak the wrong protocol for their port.
    pub wrong_protocols: WrongProtocols,
    /// The tasks of all connections.
    pub tasks: TaskTracker,
    /// Permits for polling connections that have used up a poll budget. There is one for each worker thread.
    pub(super) poll_permits: Arc<Semaphore>,
    new_temp_address: Arc<Addresses>,
    pub(super) login_log: LoginLog,
    connection_limiter: Arc<ConnectionLimiter>,
    limit_log: LogLimit,
    outbound_queues: DashMap<u64, Weak<OutboundQueue>>,
    session_ids: SessionIds,
}

impl std::fmt::Debug for ConnectionContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionContext").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The parts from which a [`ConnectionContext`] is created.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct ConnectionContextParts {
    pub broker: Broker,
    pub budget: Arc<Budget>,
    pub metrics: Arc<Metrics>,
    pub authenticator: Authenticator,
    pub permissions: Permissions,
    pub options: Options,
    pub session: session::Options,
    pub operations: operations::Options,
    pub outbound_queue: outbound_queue::Options,
    /// The identity of this run of the node. It is a part of the addresses of temporary queues.
    pub node: NodeId,
}

impl ConnectionContext {
    /// Creates a context without connections.
    pub fn new(parts: ConnectionContextParts) -> Arc<ConnectionContext> {
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
            input_rejections: InputRejections::default(),
            budget: parts.budget,
            metrics: parts.metrics,
            permissions: Mutex::new(Arc::new(parts.permissions)),
            access_version: AtomicU64::new(1),
            users_generation: AtomicU64::new(0),
            options: parts.options,
            session: Arc::new(session::Options { boot_id: node.to_string().into(), ..parts.session }),
            operations: Arc::new(parts.operations),
            outbound_queue: parts.outbound_queue,
            ignored_headers: IgnoredHeaders::default(),
            wrong_protocols: WrongProtocols::default(),
            tasks: TaskTracker::new(),
            login_log: LoginLog::default(),
            poll_permits: Arc::new(Semaphore::new(worker_threads())),
            new_temp_address: Arc::new(Box::new(move || format!("~{node}-{}", random_name()))),
            connection_limiter,
            limit_log: LogLimit::default(),
            outbound_queues: DashMap::new(),
            session_ids: SessionIds::new(node),
        })
    }

    /// Returns a new client, which is not authenticated. The ID of its session is random.
    pub fn client(&self) -> Client {
        Client::new(self.operations.clone(), random_name().into(), self.new_temp_address.clone())
    }

    /// Takes a permit for a client at `address`.
    ///
    /// # Errors
    /// Returns the limit that is reached. A caller that then rejects the client must call
    /// [`ConnectionContext::report_limit_reached`].
    pub fn admit(&self, address: IpAddr) -> Result<ConnectionPermit, Limit> {
        self.connection_limiter.acquire(address)
    }

    /// Takes a permit for the connection of a proxy. The limit per address does not apply to it, because a proxy
    /// forwards the requests of many clients.
    ///
    /// # Errors
    /// Returns the limit that is reached.
    pub fn proxy_permit(&self, address: IpAddr) -> Result<ConnectionPermit, Limit> {
        self.connection_limiter.acquire_for_proxy(address)
    }

    /// Counts and logs that the client at `address` is rejected because the limit of the option `limit` is reached.
    pub fn report_limit_reached(&self, limit: Limit, address: IpAddr) {
        self.metrics.limit_hit(limit);
        log_limit_reached(&self.limit_log, limit, address);
    }

    /// Returns whether clients at `address` may be health checks (`health-check-from`).
    pub fn is_health_check(&self, address: IpAddr) -> bool {
        self.options.health_check_from.contains(address)
    }

    /// Checks that a session whose subscriptions and temporary queues take `held` bytes may hold one more subscription.
    /// A subscription counts with its full size even if it shares memory with those of other sessions, so that the limit
    /// of a session does not depend on other sessions.
    ///
    /// # Errors
    /// The limit of the session (`subscription-bytes-max`) is exceeded.
    pub fn check_subscription(&self, held: usize, selector: &Selector) -> Result<(), Rejection> {
        let max = self.session.subscription_bytes_max;
        let bytes = self.broker.subscription_bytes(selector);
        if held.saturating_add(bytes) <= max {
            return Ok(());
        }
        let detail = format!(
            "The subscription to {} needs {bytes} bytes. The other subscriptions and the temporary queues of this \
             session use {held} bytes. subscription-bytes-max allows {max}. Use fewer subscriptions or wildcards, use \
             shorter names and ids, or ask the operator to raise subscription-bytes-max.",
            Quoted(selector.as_str())
        );
        Err(Rejection::by_limit(Limit::SubscriptionBytes, "subscriptions too large", detail))
    }

    /// Stops all connections: wakes them, so that they end by `drain_until`. Connections that are accepted later end at
    /// their first poll.
    pub fn stop(&self, drain_until: Instant) {
        self.broker.set_drain_until(drain_until);
        self.wake_connections();
    }

    /// Returns the permission rules in effect and their version.
    pub(crate) fn permissions(&self) -> (Arc<Permissions>, u64) {
        let permissions = self.permissions.lock();
        (permissions.clone(), self.access_version.load(Ordering::Acquire))
    }

    /// Returns the version of the rules and users. If a connection has last checked its client under another version,
    /// it must check the client again.
    pub(crate) fn access_version(&self) -> u64 {
        self.access_version.load(Ordering::Acquire)
    }

    /// Replaces the permission rules. The new rules apply to existing subscriptions as well.
    pub fn set_permissions(&self, permissions: Permissions) {
        *self.permissions.lock() = Arc::new(permissions);
        self.permissions_changed();
    }

    /// Reloads the users of all sources. If any user has changed, all connections check their clients again.
    pub async fn reload_users(&self) {
        if let Err(error) = self.authenticator.reload().await {
            tracing::debug!(error, "the users were not reloaded");
        }
        let generation = self.authenticator.generation();
        if self.users_generation.swap(generation, Ordering::AcqRel) != generation {
            self.permissions_changed();
        }
    }

    /// Makes all connections check their clients again, because rules or users have changed.
    pub fn permissions_changed(&self) {
        let permissions = self.permissions.lock();
        self.access_version.fetch_add(1, Ordering::AcqRel);
        drop(permissions);
        self.wake_connections();
    }

    /// Logs how many failed logins were not logged individually, if a summary is due.
    pub fn log_failed_logins(&self, now: Instant) {
        self.login_log.summaries(now).iter().for_each(log_summary);
    }

    /// Logs the summaries that are not due yet, because the broker stops.
    pub fn log_last_failed_logins(&self, now: Instant) {
        self.login_log.final_summaries(now).iter().for_each(log_summary);
    }

    fn wake_connections(&self) {
        let outbound_queues: Vec<_> =
            self.outbound_queues.iter().filter_map(|entry| entry.upgrade()).collect();
        outbound_queues.iter().for_each(|outbound_queue| outbound_queue.wake_receiver());
    }

    /// Returns whether [`ConnectionContext::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.drain_until().is_some()
    }

    /// Returns the time by which clients must be disconnected. Returns `None` if the broker is not stopping.
    pub(super) fn drain_until(&self) -> Option<Instant> {
        self.broker.drain_until()
    }

    /// Creates and registers the outbound queue of a connection, so that the connection is woken when the broker stops
    /// or when rules or users change.
    pub(crate) fn register(&self, now: Instant) -> Arc<OutboundQueue> {
        let id = self.session_ids.next();
        let outbound_queue =
            OutboundQueue::new(id, self.outbound_queue, &self.budget, self.metrics.clone(), now);
        self.outbound_queues.insert(id.number, Arc::downgrade(&outbound_queue));
        outbound_queue
    }

    /// Removes the outbound queue of a connection that has ended.
    pub(crate) fn unregister(&self, outbound_queue: &OutboundQueue) {
        self.outbound_queues.remove(&outbound_queue.session_id().number);
    }
}

fn log_summary(summary: &Summary) {
    let (logins, seconds) = (summary.logins, summary.time.as_secs());
    let address = summary.address.map(tracing::field::display);
    tracing::info!(logins, seconds, address, "further failed logins were not logged individually");
}

/// Returns the number of worker threads of the current runtime, or 1 outside of a runtime.
fn worker_threads() -> usize {
    tokio::runtime::Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers())
}

/// Returns the identity of a node that starts now.
///
/// # Panics
/// Panics if the system has no source of randomness.
pub fn random_node() -> NodeId {
    NodeId::from_random(getrandom::u64().expect("the system has a source of randomness"))
}

/// Returns 128 random bits in hexadecimal. They serve as a session ID, or as the secret part of the address of a
/// temporary queue.
///
/// # Panics
/// Panics if the system has no source of randomness.
pub fn random_name() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has a source of randomness");
    format!("{:032x}", u128::from_ne_bytes(bytes))
}
