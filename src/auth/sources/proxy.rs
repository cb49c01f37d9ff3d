//! Authentication by a trusted proxy.

use crate::auth::credentials::Credentials;
use crate::auth::name;
use crate::auth::principal::Principal;
use crate::auth::source::{Decision, DecisionFuture, Source};

/// A source that accepts the user that a proxy names in the handshake. The HTTP layer reads the name only from trusted
/// proxies.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proxy;

impl Proxy {
    fn find(self, credentials: &Credentials) -> Decision {
        let Some(user) = &credentials.handshake.proxy else { return Decision::Unknown };
        // A proxy sends an empty header for a client that it has not authenticated.
        if user.name.is_empty() {
            return Decision::Unknown;
        }
        match name::checked(&user.name) {
            Ok(name) => Decision::Known(Principal {
                name: Some(name),
                roles: user.roles.iter().map(|role| role.as_str().into()).collect(),
                source: self.name(),
                ..Principal::default()
            }),
            Err(reason) => Decision::Rejected(reason.to_owned()),
        }
    }
}

impl Source for Proxy {
    fn name(&self) -> &'static str {
        "proxy"
    }

    fn reads_tokens(&self) -> bool {
        false
    }

    fn check<'a>(&'a self, credentials: &'a Credentials) -> DecisionFuture<'a> {
        Box::pin(std::future::ready(self.find(credentials)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::credentials::{ClientHandshake, ProxyUser};
    use std::sync::Arc;

    fn from_proxy(name: &str, roles: &[&str]) -> Credentials {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        let proxy = Some(ProxyUser { name: name.to_owned(), roles });
        Credentials {
            handshake: Arc::new(ClientHandshake { proxy, ..ClientHandshake::default() }),
            ..Credentials::default()
        }
    }

    #[test]
    fn user_and_roles_are_read_from_the_proxy() {
        let Decision::Known(principal) = Proxy.find(&from_proxy("alice", &["admin", "service"])) else {
            panic!("alice is known")
        };
        assert_eq!((principal.name.as_deref(), principal.source), (Some("alice"), "proxy"));
        assert!(principal.has_role("admin") && principal.is_service());
        assert_eq!(Proxy.find(&Credentials::default()), Decision::Unknown);
        assert_eq!(Proxy.find(&from_proxy("", &["admin"])), Decision::Unknown, "an anonymous client");
        for invalid in ["a\nb", &"x".repeat(257)] {
            assert!(matches!(Proxy.find(&from_proxy(invalid, &[])), Decision::Rejected(_)), "{invalid:?}");
        }
    }
}
