//! The fields of a session.

use super::extensions::warned_headers::WarnedHeaders;
use super::options::Options;
use super::receipts::Receipts;
use super::state::SessionState;
use super::subscriptions::Subscriptions;
use super::timers::{RateLimiter, Timers};
use super::transactions::{Discarded, Transactions};
use super::unsettled::AckPrefix;
use crate::auth::Principal;
use crate::operations::Client;
use std::sync::Arc;
use std::time::Instant;
use stompbox_frames::stomp::Version;

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
    pub(super) receipts: Receipts,
    /// The identity and the permissions of the client.
    pub(super) client: Client,
    pub(super) rate: RateLimiter,
    pub(super) transactions: Transactions,
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
    /// The ID of the client must be random. CONNECTED shows it, and `ack` values contain a part of it, so that they
    /// differ between sessions.
    pub fn new(options: Arc<Options>, client: Client, now: Instant) -> Session {
        Session {
            options,
            ack_prefix: AckPrefix::of(client.id()),
            client,
            soft_errors: false,
            version: Version::V1_2,
            state: SessionState::Connecting,
            timers: Timers::new(now),
            rate: RateLimiter::default(),
            receipts: Receipts::default(),
            subscriptions: Subscriptions::default(),
            transactions: Transactions::default(),
            rare: None,
        }
    }

    /// Returns the negotiated version. Before CONNECT, returns 1.2.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns the name of the authenticated user.
    pub fn user(&self) -> Option<&str> {
        self.client.user()
    }

    /// Returns the principal of this session.
    pub fn principal(&self) -> &Principal {
        self.client.principal()
    }

    /// Returns the session ID, which CONNECTED shows.
    pub fn id(&self) -> &str {
        self.client.id()
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("client", &self.client)
            .field("version", &self.version)
            .field("state", &self.state)
            .field("subscriptions", &self.subscriptions)
            .field("transactions", &self.transactions)
            .finish_non_exhaustive()
    }
}
