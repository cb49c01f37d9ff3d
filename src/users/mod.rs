//! Principals: who a client is. For now names and passcodes from the configuration.
//!
//! An [`Authenticator`] bounds the work and asks a [`Source`]; another way of knowing users is another file
//! that implements it.

mod authenticator;
mod listed;
mod passcode;
mod source;

pub use authenticator::Authenticator;
pub use passcode::Passcode;
pub use source::{Check, Source, Unknown};

use std::time::Duration;

/// Who may come in, and what finding that out may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Names and passcodes (`user`). If there is none, everybody is anonymous and a login is ignored: it
    /// proves nothing, so it names nobody.
    pub listed: Vec<(String, Passcode)>,
    /// With users: whether a client that sends no login is let in, without a name (`allow-anonymous`, false).
    pub allow_anonymous: bool,
    /// Time for checking a login, waiting included (`auth-timeout`, 10 s).
    pub auth_timeout: Duration,
    /// Logins that wait to be checked (`auth-waiting-max`, 1024); further ones are refused.
    pub auth_waiting_max: usize,
    /// Logins that are checked at the same time (`auth-parallel-max`, 2).
    pub auth_parallel_max: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listed: Vec::new(),
            allow_anonymous: false,
            auth_timeout: Duration::from_secs(10),
            auth_waiting_max: 1024,
            auth_parallel_max: 2,
        }
    }
}

/// Who a session acts as; `name` is `None` for an anonymous one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user's name.
    pub name: Option<std::sync::Arc<str>>,
}

/// What CONNECT brought. `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Credentials {
    /// `login`.
    pub login: Option<String>,
    /// `passcode`.
    pub passcode: Option<String>,
}

/// Why somebody was not let in. The texts for the peer are the same whether the name exists or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// For ERROR's `message`.
    pub summary: &'static str,
    /// For ERROR's body.
    pub detail: String,
    /// For the log only.
    pub reason: &'static str,
    /// The option of the limit, if one was met.
    pub limit: Option<&'static str>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("login", &self.login).finish_non_exhaustive()
    }
}
