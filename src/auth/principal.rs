//! The identity of a session.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// The role of backend services, which may do everything.
pub const SERVICE: &str = "service";

/// Claims of a user from a token or a hook, as text. A rule refers to a claim as `{claim.NAME}`.
pub type Claims = BTreeMap<Box<str>, Box<str>>;

/// The identity and the rights of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The name of the user. `None` for an anonymous client.
    pub name: Option<Arc<str>>,
    /// The roles of the user, for rules.
    pub roles: Arc<[Box<str>]>,
    /// The claims of the user, for rules.
    pub claims: Arc<Claims>,
    /// Time at which the authentication expires. `None` if it does not expire.
    pub expires: Option<Instant>,
    /// Name of the source that authenticated the user, for the log.
    pub source: &'static str,
    /// Version of the user's data in the source. If the source has another version later, the account has changed. See
    /// [`Source::account_state`](super::source::Source::account_state).
    pub version: u64,
}

impl Default for Principal {
    /// Returns a principal without name and roles. All principals without claims share one empty map, to keep idle
    /// sessions small.
    fn default() -> Principal {
        static NO_CLAIMS: OnceLock<Arc<Claims>> = OnceLock::new();
        let claims = NO_CLAIMS.get_or_init(Arc::default).clone();
        Principal { name: None, roles: Arc::default(), claims, expires: None, source: "", version: 0 }
    }
}

impl Principal {
    /// Creates an anonymous principal.
    pub fn anonymous() -> Principal {
        Principal { source: "anonymous", ..Principal::default() }
    }

    /// Creates the principal of a user that `source` has authenticated.
    pub fn named(name: &str, source: &'static str) -> Principal {
        Principal { name: Some(name.into()), source, ..Principal::default() }
    }

    /// Returns whether the user has this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| **own == *role)
    }

    /// Returns whether the user is a backend service.
    pub fn is_service(&self) -> bool {
        self.has_role(SERVICE)
    }

    /// Returns the value of a claim.
    pub fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name).map(|value| &**value)
    }
}
