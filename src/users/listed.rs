//! Users from a list in the configuration.

use super::passcode::Passcode;
use super::source::{Check, Source, Unknown};
use super::{Credentials, Principal};
use std::collections::HashMap;
use std::sync::Arc;
use subtle::Choice;

/// The list. A client without a login is anonymous if that is allowed, or if the list is empty.
#[derive(Debug)]
pub(super) struct Listed {
    passcodes: HashMap<Arc<str>, Passcode>,
    allow_anonymous: bool,
    /// Compared where there is no such user, so that it takes as long.
    nobody: Passcode,
}

impl Listed {
    pub(super) fn new(listed: &[(String, Passcode)], allow_anonymous: bool) -> Listed {
        let passcodes = listed.iter().map(|(name, passcode)| (Arc::from(name.as_str()), passcode.clone()));
        let nobody = Passcode::new("nobody").expect("it is short");
        Listed { passcodes: passcodes.collect(), allow_anonymous, nobody }
    }

    fn find(&self, credentials: &Credentials) -> Result<Principal, Unknown> {
        if self.passcodes.is_empty() {
            return Ok(Principal { name: None });
        }
        let Some(login) = &credentials.login else {
            let anonymous = Principal { name: None };
            return if self.allow_anonymous { Ok(anonymous) } else { Err(Unknown("no login")) };
        };
        let (name, passcode, listed) = self.expected(login);
        let presented = credentials.passcode.as_deref().unwrap_or_default();
        let matches = passcode.ct_matches(presented) & listed;
        match (bool::from(matches), name) {
            (true, Some(name)) => Ok(Principal { name: Some(name.clone()) }),
            (_, Some(_)) => Err(Unknown("wrong passcode")),
            (_, None) => Err(Unknown("unknown login")),
        }
    }

    /// Whom the login means and what their passcode is: for an unknown one a passcode that does not count.
    fn expected(&self, login: &str) -> (Option<&Arc<str>>, &Passcode, Choice) {
        match self.passcodes.get_key_value(login) {
            Some((name, passcode)) => (Some(name), passcode, Choice::from(1)),
            None => (None, &self.nobody, Choice::from(0)),
        }
    }
}

impl Source for Listed {
    fn check<'a>(&'a self, credentials: &'a Credentials) -> Check<'a> {
        Box::pin(std::future::ready(self.find(credentials)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(names: &[&str], allow_anonymous: bool) -> Listed {
        let passcode = |name: &str| Passcode::new(&format!("{name}'s")).expect("short");
        let users: Vec<_> = names.iter().map(|name| ((*name).to_owned(), passcode(name))).collect();
        Listed::new(&users, allow_anonymous)
    }

    fn find(
        listed: &Listed,
        login: Option<&str>,
        passcode: Option<&str>,
    ) -> Result<Option<String>, &'static str> {
        let credentials =
            Credentials { login: login.map(str::to_owned), passcode: passcode.map(str::to_owned) };
        let found = listed.find(&credentials);
        found.map(|principal| principal.name.as_deref().map(str::to_owned)).map_err(|Unknown(reason)| reason)
    }

    #[test]
    fn who_is_let_in() {
        let alice = || Ok(Some("alice".to_owned()));
        for (names, anonymous, login, passcode, expected) in [
            (&["alice", "bob"][..], false, Some("alice"), Some("alice's"), alice()),
            (&["alice", "bob"], false, Some("alice"), Some("bob's"), Err("wrong passcode")),
            (&["alice", "bob"], false, Some("alice"), None, Err("wrong passcode")),
            (&["alice", "bob"], false, Some("alice"), Some(""), Err("wrong passcode")),
            (&["alice", "bob"], false, Some("Alice"), Some("alice's"), Err("unknown login")),
            (&["alice", "bob"], false, Some("nobody"), Some("nobody"), Err("unknown login")),
            (&["alice", "bob"], false, Some(""), Some(""), Err("unknown login")),
            (&["alice", "bob"], false, None, None, Err("no login")),
            (&["alice", "bob"], false, None, Some("alice's"), Err("no login")),
            (&["alice"], true, None, None, Ok(None)),
            (&["alice"], true, Some("alice"), Some("wrong"), Err("wrong passcode")),
            (&["alice"], true, Some("carol"), Some("x"), Err("unknown login")),
            (&["alice"], true, Some("alice"), Some("alice's"), alice()),
            (&[], false, None, None, Ok(None)),
            (&[], true, Some("alice"), Some("anything"), Ok(None)),
        ] {
            let found = find(&listed(names, anonymous), login, passcode);
            assert_eq!(found, expected, "{names:?} {anonymous} {login:?} {passcode:?}");
        }
    }

    #[test]
    fn an_unknown_login_costs_a_comparison_too_which_does_not_count() {
        let listed = listed(&["alice"], false);
        let (name, passcode, counts) = listed.expected("mallory");
        assert!(name.is_none() && passcode.matches("nobody") && !bool::from(counts));
        let (name, passcode, counts) = listed.expected("alice");
        assert!(name.is_some() && passcode.matches("alice's") && bool::from(counts));
    }
}
