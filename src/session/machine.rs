//! The fields of a session.

use super::access_cache::AccessCache;
use super::extensions::warned_headers::WarnedHeaders;
use super::options::Options;
use super::receipts::Receipts;
use super::state::SessionState;
use super::subscriptions::Subscriptions;
use super::temp::TempQueues;
use super::timers::{RateLimiter, Timers};
use super::transactions::{Discarded, Transactions};
use super::unsettled::AckPrefix;
use crate::auth::Principal;
use crate::permissions::Permissions;
use std::sync::Arc;
use std::time::Instant;
use stompbox_frames::stomp::Version;

/// A function that returns a new unguessable name for a temporary queue. The name is the part after `/temp-queue/` and
/// starts with `~`.
type Addresses = dyn Fn() -> String + Send + Sync;

/// A STOMP session: the state machine of one connection. It does no input and output itself.
///
/// `repr(C)` keeps the order of the fields. The fields that every delivery uses come first.
#[repr(C)]
pub struct Session {
    pub(super) state: SessionState,
    pub(super) version: Version,
    /// Whether the client requested `soft-errors`.
    pub(super) soft_errors: bool,
    pub(super) ack_prefix: AckPrefix,
    pub(super) timers: Timers,
    pub(super) subscriptions: Subscriptions,
    pub(super) options: Arc<Options>,
    pub(super) principal: Principal,
    pub(super) receipts: Receipts,
    pub(super) addresses: Arc<Addresses>,
    pub(super) id: Box<str>,
    /// The permission rules. `None` before the client is authenticated.
    pub(super) permissions: Option<Arc<Permissions>>,
    pub(super) access_cache: AccessCache,
    pub(super) rate: RateLimiter,
    pub(super) transactions: Transactions,
    pub(super) temps: TempQueues,
    /// State that few sessions need. `None` until it is used.
    pub(super) rare: Option<Box<RareState>>,
}

/// State that few sessions need. It is boxed to keep [`Session`] small.
#[derive(Debug, Default)]
pub(super) struct RareState {
    /// The ignored headers for which the session has requested a warning already.
    pub(super) warned: WarnedHeaders,
    /// The `message` header of the ERROR that ended the session.
    pub(super) error: Option<Box<str>>,
    /// Parked frames that will not be committed and are not freed yet.
    pub(super) discarded: Vec<Discarded>,
}

impl Session {
    /// Creates a session that waits for CONNECT.
    ///
    /// `id` must be random. CONNECTED shows it, and `ack` values contain a part of it, so that they differ between
    /// sessions. `addresses` returns unguessable names for temporary queues. Each name is the part after `/temp-queue/`
    /// and starts with `~`.
    pub fn new(options: Arc<Options>, id: String, addresses: Arc<Addresses>, now: Instant) -> Session {
        Session {
            options,
            addresses,
            ack_prefix: AckPrefix::of(&id),
            id: id.into(),
            principal: Principal::default(),
            permissions: None,
            access_cache: AccessCache::default(),
            soft_errors: false,
            version: Version::V1_2,
            state: SessionState::Connecting,
            timers: Timers::new(now),
            rate: RateLimiter::default(),
            receipts: Receipts::default(),
            subscriptions: Subscriptions::default(),
            transactions: Transactions::default(),
            temps: TempQueues::default(),
            rare: None,
        }
    }

    /// Returns the negotiated version. Before CONNECT, returns 1.2.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns the name of the authenticated user.
    pub fn user(&self) -> Option<&str> {
        self.principal.name.as_deref()
    }

    /// Returns the principal of this session.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Returns the session ID, which CONNECTED shows.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("principal", &self.principal)
            .field("version", &self.version)
            .field("state", &self.state)
            .field("subscriptions", &self.subscriptions)
            .field("transactions", &self.transactions)
            .finish_non_exhaustive()
    }
}
