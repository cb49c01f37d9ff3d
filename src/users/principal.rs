//! Who a session acts as.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// The role of backend services, which may do everything.
pub const SERVICE: &str = "service";

/// What a token or a hook says of somebody, as texts: rules use it as `{claim.NAME}`.
pub type Claims = BTreeMap<Box<str>, Box<str>>;

/// Who a session acts as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user's name; `None` for an anonymous one.
    pub name: Option<Arc<str>>,
    /// What the user is, for rules.
    pub roles: Arc<[Box<str>]>,
    /// What else is said of the user.
    pub claims: Arc<Claims>,
    /// When this is true no more.
    pub expires: Option<Instant>,
    /// Which source knows it, for the log.
    pub source: &'static str,
    /// What the source knew it by, in the source's own terms: where that has changed since, so has who this is
    /// ([`Source::standing`](super::Source::standing)).
    pub stamp: u64,
}

impl Default for Principal {
    /// Nobody. All who have no claims share that they have none: an idle session is to be small.
    fn default() -> Principal {
        static NO_CLAIMS: OnceLock<Arc<Claims>> = OnceLock::new();
        let claims = NO_CLAIMS.get_or_init(Arc::default).clone();
        Principal { name: None, roles: Arc::default(), claims, expires: None, source: "", stamp: 0 }
    }
}

impl Principal {
    /// Somebody without a name.
    pub fn anonymous() -> Principal {
        Principal { source: "anonymous", ..Principal::default() }
    }

    /// A user, known by `source`.
    pub fn named(name: &str, source: &'static str) -> Principal {
        Principal { name: Some(name.into()), source, ..Principal::default() }
    }

    /// Whether the user has this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| **own == *role)
    }

    /// Whether it is a backend service.
    pub fn is_service(&self) -> bool {
        self.has_role(SERVICE)
    }

    /// A claim.
    pub fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name).map(|value| &**value)
    }
}
