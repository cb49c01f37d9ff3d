//! The options of authentication.

use super::http_client::HttpUrl;
use super::name::Names;
use super::password::passcode::Passcode;
use super::sources::kind::SourceKind;
use super::sources::{certificate, hook, token};
use std::path::PathBuf;
use std::time::Duration;

/// Configuration of authentication: the sources of users, and the limits on logins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Names and passcodes from the configuration (`user`). If no source of users is configured, every client is
    /// anonymous. The broker then ignores logins, because no source can check them.
    pub static_users: Vec<(String, Passcode)>,
    /// A file with user names and hashed passcodes (`users-file`).
    pub users_file: Option<PathBuf>,
    /// Whether a client without credentials is accepted as anonymous (`allow-anonymous`, false). Applies only if a
    /// source of users is configured.
    pub allow_anonymous: bool,
    /// The rule that the user names of all sources must follow (`user-names`, `precis`).
    pub names: Names,
    /// Order in which sources are tried (`auth-order`). Sources that are not in this list come last.
    pub order: Vec<SourceKind>,
    /// Time limit for one source to check a login, from the start of the check (`auth-timeout`, 10 s).
    pub auth_timeout: Duration,
    /// Maximum number of concurrent checks of logins (`auth-waiting-max`, 65,536). Checks that wait for a hashing
    /// thread or for a response count. Further logins fail. Logins that the throttle delays do not count.
    pub auth_waiting_max: usize,
    /// Number of threads that hash passcodes (`auth-parallel-max`, 0). 0 means one thread less than the number of
    /// cores, but at least one thread.
    pub auth_parallel_max: usize,
    /// Whether a trusted proxy names the user in a header (`proxy-user-header`).
    pub proxy: bool,
    /// The part of a client certificate that is the user name. `None` if certificates do not authenticate users.
    pub certificate: Option<certificate::Options>,
    /// The settings that determine which tokens are accepted (`jwt-…`).
    pub token: token::options::Options,
    /// URL of the HTTP authentication service (`hook-url`).
    pub hook_url: Option<HttpUrl>,
    /// Settings for requests to the HTTP authentication service (`hook-…`).
    pub hook: hook::options::Options,
    /// Number of successful logins to cache (`auth-cache-max`, 100,000). Repeating a cached login computes no hash.
    pub auth_cache_max: usize,
    /// Number of wrong passcodes of one name from one address before the throttle delays further ones
    /// (`auth-failures-free`, 5).
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

    /// Returns whether clients can have names. This requires a source other than [`SourceKind::Anonymous`].
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
            order: SourceKind::CONFIGURABLE.to_vec(),
            auth_timeout: Duration::from_secs(10),
            auth_waiting_max: 65_536,
            auth_parallel_max: 0,
            auth_cache_max: 100_000,
            auth_failures_free: 5,
            proxy: false,
            certificate: None,
            token: token::options::Options::default(),
            hook_url: None,
            hook: hook::options::Options::default(),
        }
    }
}
