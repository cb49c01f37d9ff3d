//! Tests of the effect that each row of the table of extension headers has on sessions.

use super::extension::Condition;
use super::*;
use crate::session::tests::{Peer, VERSIONS};
use std::collections::BTreeSet;
use stompbox_frames::stomp::Version;

/// Unsupported headers, with a value that requests the feature and a value that does not.
const VALUES: [(&str, &str, &str); 28] = [
    ("durable persistent auto-delete exclusive activemq.exclusive x-single-active-consumer", "true", "false"),
    ("no-local activemq.noLocal activemq.retroactive browser x-stream-match-unfiltered", "1", "FALSE"),
    ("activemq.subscriptionName activemq.subcriptionName x-queue-name", "x", ""),
    ("durable-subscription-name durable-subscriber-name", "x", ""),
    ("selector", "x=1", ""),
    ("include-seq from-seq", "0", ""),
    ("activemq.priority", "9", "0"),
    ("x-priority", "-1", "0"),
    ("activemq.maximumPendingMessageLimit", "5", "-1"),
    ("subscription-type destination-type", "MULTICAST", "ANYCAST"),
    ("transformation", "jms-json", ""),
    ("x-queue-type", "quorum", "classic"),
    ("x-queue-mode", "lazy", "default"),
    ("x-quorum-initial-group-size", "3", "1"),
    ("x-message-ttl x-expires x-max-age ttl expiration", "1000", ""),
    ("x-max-length x-max-length-bytes x-max-in-memory-length x-max-in-memory-bytes", "5", ""),
    ("x-overflow", "drop-head", "reject-publish"),
    ("x-max-priority x-delivery-limit", "5", ""),
    ("x-dead-letter-exchange x-dead-letter-routing-key", "dlx", ""),
    ("x-dead-letter-strategy", "at-least-once", "at-most-once"),
    (
        "x-stream-max-segment-size-bytes x-stream-filter-size-bytes x-stream-filter x-stream-filter-value",
        "16",
        "",
    ),
    ("x-stream-offset", "first", "next"),
    ("priority JMSPriority", "9", "4"),
    ("JMSDeliveryMode", "PERSISTENT", "NON_PERSISTENT"),
    ("JMSReplyTo", "/temp-queue/a", "/queue/a"),
    (
        "expires delay x-delay AMQ_SCHEDULED_DELAY AMQ_SCHEDULED_TIME AMQ_SCHEDULED_PERIOD AMQ_SCHEDULED_REPEAT \
         _AMQ_SCHED_DELIVERY _AMQ_EXPIRATION JMSExpiration JMSXGroupSeq _AMQ_GROUP_SEQUENCE",
        "1700000000000",
        "0",
    ),
    (
        "AMQ_SCHEDULED_CRON JMSXGroupID _AMQ_GROUP_ID message_group _AMQ_LVQ_NAME _AMQ_DUPL_ID user-id JMSXUserID",
        "a",
        "",
    ),
    ("retain ActiveMQ.Retain", "true", "false"),
];

/// Returns every unsupported row for `command`, with a value that requests the feature and a value that does not.
fn unsupported(command: Command) -> Vec<(&'static Extension, &'static str, &'static str)> {
    let rows =
        TABLE.iter().filter(|row| row.treatment == Treatment::Unsupported && row.commands.contains(&command));
    let with_values = |row: &'static Extension| {
        let values = VALUES.iter().find(|(names, ..)| names.split(' ').any(|name| name == row.name));
        let (_, requesting, harmless) =
            values.unwrap_or_else(|| panic!("VALUES has no entry for {}", row.name));
        (row, *requesting, *harmless)
    };
    rows.map(with_values).collect()
}

/// Returns whether the ERROR names the header of a row, its value, and the alternative.
fn is_named(peer: &Peer, command: &str, row: &Extension, value: &str) -> bool {
    let begin = format!("{command} has the header {} with the value \"{value}\", ", row.name);
    peer.detail.starts_with(&begin) && peer.detail.contains(row.text)
}

#[test]
fn unsupported_header_in_subscribe_is_rejected_by_name() {
    for (row, requesting, harmless) in unsupported(Command::Subscribe) {
        let name = row.name;
        for version in VERSIONS {
            let mut peer = Peer::connected(version);
            peer.send(&format!("SUBSCRIBE id:1 destination:/queue/a receipt:r {name}:{requesting}"));
            peer.expect("ERROR unsupported header receipt r\nclose Rejected");
            assert!(is_named(&peer, "SUBSCRIBE", row, requesting), "{name}: {}", peer.detail);
            let mut peer = Peer::connected(version);
            peer.send(&format!("SUBSCRIBE id:1 destination:/queue/a {name}:{harmless}"));
            peer.expect("subscribe 1 /queue/a 250");
        }
    }
}

#[test]
fn unsupported_header_in_send_is_warned_about_once_per_connection() {
    for (row, requesting, harmless) in unsupported(Command::Send) {
        let name = row.name;
        let mut peer = Peer::connected(Version::V1_2);
        peer.send(&format!("SEND destination:/queue/a {name}:{harmless} = x")).expect("publish /queue/a = x");
        peer.send(&format!("SEND destination:/queue/a {name}:{requesting} = x"));
        peer.expect(&format!("ignored {name}\npublish /queue/a = x"));
        peer.send(&format!("SEND destination:/queue/b {name}:{requesting} = y"))
            .expect("publish /queue/b = y");
        peer.send(&format!("SEND destination:/queue/b {name}:{requesting} AMQ_SCHEDULED_DELAY:1 = z"));
        let other = if name == "AMQ_SCHEDULED_DELAY" { "" } else { "ignored AMQ_SCHEDULED_DELAY\n" };
        peer.expect(&format!("{other}publish /queue/b = z"));
    }
}

#[test]
fn strict_headers_reject_send_with_an_unsupported_header_by_name() {
    for (row, requesting, harmless) in unsupported(Command::Send) {
        let name = row.name;
        let mut peer = Peer::limited(|options| options.strict_headers = true);
        peer.send(&format!("SEND destination:/queue/a {name}:{harmless} = x")).expect("publish /queue/a = x");
        peer.send(&format!("SEND destination:/queue/a receipt:r {name}:{requesting} = x"));
        peer.expect("ERROR unsupported header receipt r\nclose Rejected");
        assert!(is_named(&peer, "SEND", row, requesting), "{name}: {}", peer.detail);
    }
}

#[test]
fn every_value_in_values_belongs_to_an_unsupported_row() {
    for name in VALUES.iter().flat_map(|(names, ..)| names.split(' ')) {
        assert!(
            TABLE.iter().any(|row| row.name == name && row.treatment == Treatment::Unsupported),
            "{name}"
        );
    }
}

#[test]
fn each_header_has_at_most_one_row_per_command() {
    let mut seen = BTreeSet::new();
    for row in TABLE {
        assert!(row.name.is_ascii() && row.name.len() < 64, "{}", row.name);
        assert!(row.text.ends_with('.') && !row.text.contains('|'), "{}: {}", row.name, row.text);
        for command in row.commands {
            assert!(seen.insert((row.name, command.as_str())), "{} on {command} twice", row.name);
        }
        let is_checked = row.commands.iter().all(|on| matches!(on, Command::Send | Command::Subscribe));
        assert!(
            is_checked || matches!(row.treatment, Treatment::Honoured | Treatment::Ignored),
            "{}",
            row.name
        );
    }
}

#[test]
fn unknown_header_names_rarely_cause_a_table_lookup() {
    for row in TABLE.iter().filter(|row| row.is_checked()) {
        assert!(may_be_known(row.name.as_bytes()), "{}", row.name);
    }
    for name in [
        "destination",
        "content-length",
        "content-type",
        "correlation-id",
        "receipt",
        "transaction",
        "id",
        "ack",
        "",
        "é",
        "x",
    ] {
        assert!(!may_be_known(name.as_bytes()), "{name:?}");
    }
    assert!(!may_be_known(&[b'x'; 64]) && !may_be_known(&[0xff; 4]));
}

#[test]
fn values_that_do_not_request_the_feature_are_harmless() {
    let switch = Condition::Unless(&["false", "0", "no", "off"]);
    for (condition, value, destination, expected) in [
        (switch, "true", "/queue/a", true),
        (switch, "1", "/queue/a", true),
        (switch, " FALSE ", "/queue/a", false),
        (switch, "0", "/queue/a", false),
        (switch, "", "/queue/a", false),
        (Condition::Always, "", "/queue/a", false),
        (Condition::Always, "false", "/queue/a", true),
        (Condition::OfQueueUnless(&["false"]), "true", "/queue/a", true),
        (Condition::OfQueueUnless(&["false"]), "true", "/topic/a", false),
        (Condition::OtherRouting, "ANYCAST", "/queue/a", false),
        (Condition::OtherRouting, "ANYCAST", "/topic/a", true),
        (Condition::OtherRouting, "MULTICAST", "/topic/a", false),
        (Condition::OtherRouting, "MULTICAST", "/queue/a", true),
        (Condition::OtherRouting, "BOTH", "/queue/a", true),
    ] {
        assert_eq!(condition.matches(value, destination), expected, "{condition:?} {value:?} {destination}");
    }
}
