//! Authentication with users from the configuration.

use crate::auth::credentials::Credentials;
use crate::auth::password::passcode::Passcode;
use crate::auth::principal::Principal;
use crate::auth::source::{Decision, DecisionFuture, Source};
use std::collections::HashMap;
use std::sync::Arc;
use subtle::Choice;

/// A source with the users in the configuration.
#[derive(Debug)]
pub(crate) struct StaticUsers {
    passcodes: HashMap<Arc<str>, Passcode>,
    /// The passcode to compare for an unknown user. The check then takes as long as for a known user.
    dummy: Passcode,
}

impl StaticUsers {
    pub(crate) fn new(listed: &[(String, Passcode)]) -> StaticUsers {
        let passcodes = listed.iter().map(|(name, passcode)| (Arc::from(name.as_str()), passcode.clone()));
        let dummy = Passcode::new("dummy").expect("it is short");
        StaticUsers { passcodes: passcodes.collect(), dummy }
    }

    fn find(&self, credentials: &Credentials) -> Decision {
        let Some((login, presented)) = credentials.login() else { return Decision::Unknown };
        let (name, passcode, listed) = self.expected(login);
        let matches = passcode.ct_matches(presented) & listed;
        match (bool::from(matches), name) {
            (true, Some(name)) => Decision::Known(Principal::named(name, self.name())),
            (_, Some(_)) => Decision::Rejected("wrong passcode".to_owned()),
            (_, None) => Decision::Unknown,
        }
    }

    /// Returns the user, the passcode to compare, and whether the user exists. For an unknown user, the passcode is the
    /// dummy.
    fn expected(&self, login: &str) -> (Option<&Arc<str>>, &Passcode, Choice) {
        match self.passcodes.get_key_value(login) {
            Some((name, passcode)) => (Some(name), passcode, Choice::from(1)),
            None => (None, &self.dummy, Choice::from(0)),
        }
    }
}

impl Source for StaticUsers {
    fn name(&self) -> &'static str {
        "user"
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

    fn listed(names: &[&str]) -> StaticUsers {
        let passcode = |name: &str| Passcode::new(&format!("{name}'s")).expect("short");
        let users: Vec<_> = names.iter().map(|name| ((*name).to_owned(), passcode(name))).collect();
        StaticUsers::new(&users)
    }

    #[test]
    fn logins_are_checked_against_the_configured_users() {
        let listed = listed(&["alice", "bob"]);
        let known = |name| Decision::Known(Principal::named(name, "user"));
        let wrong = || Decision::Rejected("wrong passcode".to_owned());
        for (login, passcode, expected) in [
            (Some("alice"), Some("alice's"), known("alice")),
            (Some("bob"), Some("bob's"), known("bob")),
            (Some("alice"), Some("bob's"), wrong()),
            (Some("alice"), None, wrong()),
            (Some("alice"), Some(""), wrong()),
            (Some("Alice"), Some("alice's"), Decision::Unknown),
            (Some("dummy"), Some("dummy"), Decision::Unknown),
            (Some(""), Some(""), Decision::Unknown),
            (None, None, Decision::Unknown),
            (None, Some("alice's"), Decision::Unknown),
        ] {
            let credentials = Credentials {
                login: login.map(str::to_owned),
                passcode: passcode.map(crate::auth::secret::Secret::new),
                ..Credentials::default()
            };
            assert_eq!(listed.find(&credentials), expected, "{login:?} {passcode:?}");
        }
    }

    #[test]
    fn unknown_login_is_compared_too_without_effect() {
        let listed = listed(&["alice"]);
        let (name, passcode, counts) = listed.expected("mallory");
        assert!(name.is_none() && passcode.matches("dummy") && !bool::from(counts));
        let (name, passcode, counts) = listed.expected("alice");
        assert!(name.is_some() && passcode.matches("alice's") && bool::from(counts));
    }
}
