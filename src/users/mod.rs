//! Principals: who a client is, by which of several sources, and what it may do.
//!
//! An [`Authenticator`] bounds the work and asks one [`Source`] after the other; another way of knowing users is another
//! file that implements it, and a row in `sources`.

mod anonymous;
mod authenticator;
pub mod certificate;
mod claims;
mod credentials;
mod fair_queue;
pub mod fetch;
mod file;
mod gate;
mod hash;
mod hash_pool;
pub mod hook;
mod keyed_digest;
mod lru_map;
mod name;
mod now;
mod passcode;
pub mod permissions;
mod principal;
pub mod proxy;
mod source;
mod sources;
mod static_users;
#[cfg(test)]
mod test_server;
mod throttle;
pub mod token;
mod verifier;

pub use authenticator::Authenticator;
pub use credentials::{Certificate, Credentials, Handshake, ProxyUser, Secret};
pub(crate) use credentials::{bare_token, scheme, taken_for_token};
pub use file::check_users_file;
pub(crate) use file::{edit, record};
pub(crate) use hash::Hash;
pub use name::Names;
pub use passcode::Passcode;
pub use principal::{Claims, Principal, SERVICE};
pub use source::{AccountState, Check, Decision, Source};
pub use sources::Kind;
pub(crate) use throttle::network;

use std::path::PathBuf;
use std::time::Duration;

/// Who may come in, and what finding that out may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Names and passcodes (`user`). If there is none, everybody is anonymous and a login is ignored: it
    /// proves nothing, so it names nobody.
    pub listed: Vec<(String, Passcode)>,
    /// A file of names and hashes of passcodes (`users-file`).
    pub users_file: Option<PathBuf>,
    /// With users: whether a client that sends no login is let in, without a name (`allow-anonymous`, false).
    pub allow_anonymous: bool,
    /// Which user names are accepted, whatever source they come from (`user-names`, `precis`).
    pub names: Names,
    /// In which order sources are asked (`auth-order`); those that it leaves out come behind.
    pub order: Vec<Kind>,
    /// Time for a source to say who somebody is, once it has been asked (`auth-timeout`, 10 s).
    pub auth_timeout: Duration,
    /// Maximum number of logins that are checked at the same time, those that wait for a thread or an answer included
    /// (`auth-waiting-max`, 65,536); further ones are refused. Logins that the throttle holds back do not count.
    pub auth_waiting_max: usize,
    /// Threads that hash passcodes (`auth-parallel-max`); 0, the default: one less than the cores, at least one.
    pub auth_parallel_max: usize,
    /// Whether a trusted proxy says who somebody is (`proxy-user-header`).
    pub proxy: bool,
    /// How a client certificate names a user; `None`: it names nobody.
    pub certificate: Option<certificate::Options>,
    /// Which tokens are believed (`jwt-…`).
    pub token: token::Options,
    /// Who is asked over HTTP (`hook-url`).
    pub hook_url: Option<fetch::Url>,
    /// How (`hook-…`).
    pub hook: hook::Options,
    /// What who may do (`permissions`, `permission`).
    pub permissions: permissions::Options,
    /// Right logins that are remembered, and need no hash when they come again (`auth-cache-max`, 100,000).
    pub auth_cache_max: usize,
    /// Failed logins of an address, and of a name, before further ones are slowed down (`auth-failures-free`, 5).
    pub auth_failures_free: u32,
}

impl Options {
    /// Whether a source of this kind is configured.
    pub fn has(&self, kind: Kind) -> bool {
        match kind {
            Kind::Proxy => self.proxy,
            Kind::Certificate => self.certificate.is_some(),
            Kind::Token => !self.token.is_empty(),
            Kind::Hook => self.hook_url.is_some(),
            Kind::UsersFile => self.users_file.is_some(),
            Kind::User => !self.listed.is_empty(),
            Kind::Anonymous => self.allow_anonymous,
        }
    }

    /// Returns whether clients can have names: whether a source besides [`Kind::Anonymous`] is configured.
    pub fn names_users(&self) -> bool {
        Kind::ALL.into_iter().any(|kind| kind != Kind::Anonymous && self.has(kind))
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listed: Vec::new(),
            users_file: None,
            allow_anonymous: false,
            names: Names::default(),
            order: Kind::ALL.to_vec(),
            auth_timeout: Duration::from_secs(10),
            auth_waiting_max: 65_536,
            auth_parallel_max: 0,
            auth_cache_max: 100_000,
            auth_failures_free: 5,
            proxy: false,
            certificate: None,
            token: token::Options::default(),
            hook_url: None,
            hook: hook::Options::default(),
            permissions: permissions::Options::default(),
        }
    }
}

/// The cause of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The credentials are wrong.
    Credentials,
    /// Too many logins, right or wrong: the client may try again later.
    Busy,
    /// The named source could not check the login.
    Source(&'static str),
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
    /// The cause, for the log and the metrics.
    pub cause: Cause,
    /// The option of the limit, if one was met.
    pub limit: Option<&'static str>,
}
