//! The state of an authenticator.

use super::pending::LoginsInProgress;
use crate::auth::address_limiter::AddressLimiter;
use crate::auth::keyed_digest::DigestKey;
use crate::auth::options::Options;
use crate::auth::source::Source;
use crate::auth::throttle::Throttle;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The state that all clones of an authenticator share.
pub(super) struct AuthenticatorState {
    pub(super) options: Options,
    pub(super) sources: Vec<Arc<dyn Source>>,
    pub(super) permits: Semaphore,
    pub(super) address_limiter: AddressLimiter,
    pub(super) throttle: Mutex<Throttle>,
    pub(super) key: DigestKey,
    pub(super) in_progress: Arc<LoginsInProgress>,
}

impl fmt::Debug for AuthenticatorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticatorState")
            .field("options", &self.options)
            .field("sources", &self.sources)
            .field("throttle", &self.throttle)
            .finish_non_exhaustive()
    }
}
