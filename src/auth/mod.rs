//! Authentication and authorization: determines the principal behind a client's credentials and what it may do.
//!
//! An [`Authenticator`] limits the concurrent checks and tries one [`Source`] of users after the other. To add a way of
//! authenticating users, implement [`Source`] in a new file and add a row in `sources`.

mod authenticator;
mod claims;
mod credentials;
pub mod fetch;
mod gate;
mod keyed_digest;
mod lru_map;
mod name;
mod now;
pub(crate) mod password;
mod principal;
mod source;
pub(crate) mod sources;
mod throttle;

pub(crate) use crate::auth::password::hash::Hash;
pub use crate::auth::password::passcode::Passcode;
pub use crate::auth::sources::users_file::check_users_file;
pub(crate) use crate::auth::sources::users_file::{edit, record};
pub use authenticator::Authenticator;
pub use credentials::{Certificate, Credentials, Handshake, ProxyUser, Secret};
pub(crate) use credentials::{bare_token, is_read_as_token, scheme};
pub use name::Names;
pub use principal::{Claims, Principal, SERVICE};
pub use source::{AccountState, Check, Decision, Source};
pub use sources::SourceKind;
pub(crate) use throttle::network;

use std::path::PathBuf;
use std::time::Duration;

/// Configuration of authentication and authorization, with the limits on their cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Names and passcodes from the configuration (`user`). Without any source of users, every client is anonymous and
    /// a login is ignored: it proves nothing, so it names no user.
    pub static_users: Vec<(String, Passcode)>,
    /// A file with user names and hashed passcodes (`users-file`).
    pub users_file: Option<PathBuf>,
    /// When sources of users are configured: whether a client without credentials is accepted as anonymous
    /// (`allow-anonymous`, false).
    pub allow_anonymous: bool,
    /// Which user names are accepted, from any source (`user-names`, `precis`).
    pub names: Names,
    /// Order in which sources are tried (`auth-order`). Sources that are not listed come last.
    pub order: Vec<SourceKind>,
    /// Time limit for one source to check a login, from the start of the check (`auth-timeout`, 10 s).
    pub auth_timeout: Duration,
    /// Maximum number of logins being checked at the same time, including those that wait for a hashing thread or an
    /// answer (`auth-waiting-max`, 65,536); further logins are rejected. Logins delayed by the throttle do not count.
    pub auth_waiting_max: usize,
    /// Number of threads that hash passcodes (`auth-parallel-max`). 0, the default, means one less than the number of
    /// cores, but at least one.
    pub auth_parallel_max: usize,
    /// Whether a trusted proxy names the user in a header (`proxy-user-header`).
    pub proxy: bool,
    /// Which part of a client certificate is the user name; `None` if certificates do not authenticate users.
    pub certificate: Option<crate::auth::sources::certificate::Options>,
    /// Which tokens are accepted (`jwt-…`).
    pub token: crate::auth::sources::token::Options,
    /// URL of the HTTP authentication service (`hook-url`).
    pub hook_url: Option<fetch::Url>,
    /// Settings for requests to the HTTP authentication service (`hook-…`).
    pub hook: crate::auth::sources::hook::Options,
    /// Permission rules (`permissions`, `permission`).
    pub permissions: crate::permissions::Options,
    /// Number of successful logins to cache; a cached login needs no hash when it is repeated (`auth-cache-max`,
    /// 100,000).
    pub auth_cache_max: usize,
    /// Number of failed logins, per address and per name, before further ones are slowed down (`auth-failures-free`,
    /// 5).
    pub auth_failures_free: u32,
}

impl Options {
    /// Returns whether a source of this kind is configured.
    pub fn has(&self, kind: SourceKind) -> bool {
        match kind {
            SourceKind::Proxy => self.proxy,
            SourceKind::Certificate => self.certificate.is_some(),
            SourceKind::Token => !self.token.is_empty(),
            SourceKind::Hook => self.hook_url.is_some(),
            SourceKind::UsersFile => self.users_file.is_some(),
            SourceKind::User => !self.static_users.is_empty(),
            SourceKind::Anonymous => self.allow_anonymous,
        }
    }

    /// Returns whether clients can have names: whether a source besides [`SourceKind::Anonymous`] is configured.
    pub fn names_users(&self) -> bool {
        SourceKind::ALL.into_iter().any(|kind| kind != SourceKind::Anonymous && self.has(kind))
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            static_users: Vec::new(),
            users_file: None,
            allow_anonymous: false,
            names: Names::default(),
            order: SourceKind::ALL.to_vec(),
            auth_timeout: Duration::from_secs(10),
            auth_waiting_max: 65_536,
            auth_parallel_max: 0,
            auth_cache_max: 100_000,
            auth_failures_free: 5,
            proxy: false,
            certificate: None,
            token: crate::auth::sources::token::Options::default(),
            hook_url: None,
            hook: crate::auth::sources::hook::Options::default(),
            permissions: crate::permissions::Options::default(),
        }
    }
}

/// The cause of a rejected login, for the log and the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The credentials are wrong.
    Credentials,
    /// Too many logins, correct or wrong; the client may try again later.
    Busy,
    /// The named source could not check the login.
    Source(&'static str),
}

/// A rejected login. The texts for the client are the same whether or not the user name exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Text for the `message` header of the ERROR frame.
    pub summary: &'static str,
    /// Text for the body of the ERROR frame.
    pub detail: String,
    /// Reason for the log only. It contains no secret.
    pub reason: String,
    /// The cause, for the log and the metrics.
    pub cause: Cause,
    /// The option with the limit that was exceeded, if the cause is a limit.
    pub limit: Option<&'static str>,
}
