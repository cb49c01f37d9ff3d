//! Settings for requests to the HTTP authentication service.

use crate::auth::secret::Secret;
use std::time::Duration;

/// Settings for requests to the service. `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Time limit for a response, including the wait before the request is sent (`hook-timeout`, 2 s).
    pub timeout: Duration,
    /// Time for which the broker caches an accepted login (`hook-cache`, 0 s). 0 s means that it caches none.
    pub cache: Duration,
    /// Maximum number of concurrent requests (`hook-parallel-max`, 64). Further requests wait.
    pub parallel_max: usize,
    /// Value of the header `Authorization` that authenticates the broker to the service (`hook-authorization`).
    pub authorization: Option<Secret>,
}

impl Default for Options {
    fn default() -> Options {
        let timeout = Duration::from_secs(2);
        Options { timeout, cache: Duration::ZERO, parallel_max: 64, authorization: None }
    }
}
