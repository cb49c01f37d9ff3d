//! Assertions about logins in the log.

use crate::support::Broker;
use std::collections::BTreeMap;

/// Reasons for failed logins, and how often each was logged.
pub(super) type Reasons = BTreeMap<String, usize>;

/// Stops the broker, whose log level must be `debug` or `trace`. Asserts that the log has exactly these reasons for
/// failed logins, that each failed login has ended its connection, and that the log contains none of the secrets.
#[track_caller]
pub(super) fn assert_log(broker: Broker, expected: &Reasons, secrets: &[String]) {
    let log = broker.whole_log();
    let mut found = Reasons::new();
    let is_failure = |line: &&str| {
        ["login failed reason=", "login not checked reason="].iter().any(|text| line.contains(text))
    };
    for line in log.lines().filter(is_failure) {
        *found.entry(reason(line)).or_default() += 1;
    }
    assert_eq!(&found, expected);
    let closed = log.lines().filter(|line| line.contains("connection closed reason=\"unauthenticated\""));
    assert_eq!(closed.count(), expected.values().sum::<usize>(), "each failed login must end its connection");
    assert!(!secrets.is_empty());
    for secret in secrets {
        assert!(secret.len() > 8, "{secret:?} is too short to search for");
        let line = log.lines().find(|line| line.contains(secret.as_str()));
        assert_eq!(line, None, "{secret} is in the log");
    }
}

/// Returns the value of the field `reason` of a log line.
pub(super) fn reason(line: &str) -> String {
    let (_, rest) = line.split_once("reason=\"").unwrap_or_else(|| panic!("no reason in {line}"));
    let end = rest.find("\" ").unwrap_or(rest.len());
    rest[..end].trim_end_matches('"').replace("\\\"", "\"")
}
