//! The kinds of sources of users.

/// A kind of source of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A header that a trusted proxy sets.
    Proxy,
    /// A TLS client certificate.
    Certificate,
    /// A signed token (JWT).
    Token,
    /// A file with user names and hashed passcodes.
    UsersFile,
    /// The list of users in the configuration.
    User,
    /// An external HTTP service.
    Hook,
    /// Clients without credentials.
    Anonymous,
}

impl SourceKind {
    /// All kinds, in the default order. First come credentials that a proxy or TLS has verified, then signed tokens,
    /// then locally stored users. Then come requests to another service, and last anonymous clients.
    pub const ALL: [SourceKind; 7] = [
        SourceKind::Proxy,
        SourceKind::Certificate,
        SourceKind::Token,
        SourceKind::UsersFile,
        SourceKind::User,
        SourceKind::Hook,
        SourceKind::Anonymous,
    ];

    /// The kinds that `auth-order` accepts, in the default order: all kinds that an option can enable. No option enables
    /// [`SourceKind::Certificate`] yet.
    pub const CONFIGURABLE: [SourceKind; 6] = [
        SourceKind::Proxy,
        SourceKind::Token,
        SourceKind::UsersFile,
        SourceKind::User,
        SourceKind::Hook,
        SourceKind::Anonymous,
    ];

    /// Returns the name of the kind, as in the configuration and the log.
    pub fn as_str(self) -> &'static str {
        match self {
            SourceKind::Proxy => "proxy",
            SourceKind::Certificate => "certificate",
            SourceKind::Token => "token",
            SourceKind::UsersFile => "users-file",
            SourceKind::User => "user",
            SourceKind::Hook => "hook",
            SourceKind::Anonymous => "anonymous",
        }
    }
}
