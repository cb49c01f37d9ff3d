//! A client that applies presence reports and checks their consistency.

use super::fixture::*;
use crate::outbound_queue::{Delivery, OutboundQueue};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A client that watches presence.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) version: u64,
    /// The users by name: the time since which each is present, and its number of sessions. `None` if the client gets
    /// only numbers.
    pub(super) users: Option<BTreeMap<String, (u64, u64)>>,
    /// The number of members, the number of their sessions, and the number of anonymous sessions.
    pub(super) totals: (u64, u64, u64),
    /// Number of messages received so far.
    pub(super) messages: usize,
    /// Number of pages of the current version that have not arrived yet.
    missing: u64,
}

impl Client {
    /// Applies all new deliveries. Returns their number.
    pub(super) fn read(&mut self, outbound_queue: &Arc<OutboundQueue>) -> usize {
        let deliveries = drain(outbound_queue);
        deliveries.iter().for_each(|delivery| self.apply(delivery));
        assert_eq!(self.missing, 0, "all pages arrive together");
        if let Some(users) = &self.users {
            let sessions = users.values().map(|(_, sessions)| sessions).sum::<u64>();
            assert_eq!((users.len() as u64, sessions), (self.totals.0, self.totals.1), "{self:?}");
        }
        deliveries.len()
    }

    fn apply(&mut self, delivery: &Delivery) {
        let report: Value = serde_json::from_slice(delivery.message.body()).expect("JSON");
        let number = |name: &str| report[name].as_u64().expect(name);
        let event = report["event"].as_str().expect("an event");
        assert!(headers(delivery).contains(&format!("event:{event}")));
        assert!(headers(delivery).contains(&"content-type:application/json".to_owned()));
        let (version, page, pages) = (number("version"), number("page"), number("pages"));
        self.messages += 1;
        if page > 1 {
            assert_eq!((version, page), (self.version, pages - self.missing + 1), "the next page");
        } else {
            let is_next = version == self.version + 1;
            assert!(is_next || self.version == 0 && event == "snapshot", "{version} after {}", self.version);
            assert_eq!(self.missing, 0);
            self.missing = pages;
        }
        self.missing -= 1;
        self.version = version;
        self.totals = (number("members"), number("sessions"), number("anonymous"));
        match event {
            "snapshot" => self.replace(&report, page),
            "changes" => self.change(&report),
            other => panic!("{other}"),
        }
    }

    fn replace(&mut self, report: &Value, page: u64) {
        if page == 1 {
            self.users = report.get("users").map(|_| BTreeMap::new());
        }
        for user in report.get("users").and_then(Value::as_array).into_iter().flatten() {
            let (name, present) = (user["user"].as_str().expect("a name"), present(user));
            let before = self.users.as_mut().expect("names").insert(name.to_owned(), present);
            assert_eq!(before, None, "{name} twice");
        }
    }

    fn change(&mut self, report: &Value) {
        let Some(changes) = report.get("changes").and_then(Value::as_array) else {
            self.users = None;
            return;
        };
        let users = self.users.as_mut().expect("changes follow a snapshot with names");
        for change in changes {
            let name = change["user"].as_str().expect("a name");
            match change["event"].as_str().expect("an event") {
                "join" => {
                    assert_eq!(users.insert(name.to_owned(), present(change)), None, "{name} joins twice")
                }
                "update" => {
                    let before = users.insert(name.to_owned(), present(change)).expect("known");
                    assert!(before.0 == present(change).0 && before.1 != present(change).1, "{name}");
                }
                "leave" => assert!(users.remove(name).is_some(), "{name} was not there"),
                other => panic!("{other}"),
            }
        }
    }

    /// Returns the name of each user and how many sessions the user has.
    pub(super) fn names(&self) -> Vec<(&str, u64)> {
        let users = self.users.as_ref().expect("names");
        users.iter().map(|(name, (_, sessions))| (name.as_str(), *sessions)).collect()
    }
}

fn present(user: &Value) -> (u64, u64) {
    (user["since"].as_u64().expect("since"), user["sessions"].as_u64().expect("sessions"))
}
