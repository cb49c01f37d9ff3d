//! Principals: who a client is, by which of several sources, and what it may do.
//!
//! An [`Authenticator`] bounds the work and asks one [`Source`] after the other; another way of knowing users is another
//! file that implements it.

mod anonymous;
mod authenticator;
pub mod certificate;
mod claims;
mod credentials;
pub mod fetch;
pub mod hook;
mod listed;
mod name;
mod now;
mod passcode;
pub mod permissions;
mod principal;
pub mod proxy;
#[cfg(test)]
mod site;
mod source;
pub mod token;

pub use authenticator::Authenticator;
pub use credentials::{Certificate, Credentials, Handshake, ProxyUser, Secret};
pub use passcode::Passcode;
pub use principal::{Claims, Principal, SERVICE};
pub use source::{Check, Source, Verdict};

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

/// Why somebody was not let in. The texts for the peer are the same whether the name exists or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// For ERROR's `message`.
    pub summary: &'static str,
    /// For ERROR's body.
    pub detail: String,
    /// For the log only; holds no secret.
    pub reason: String,
    /// The option of the limit, if one was met.
    pub limit: Option<&'static str>,
}
