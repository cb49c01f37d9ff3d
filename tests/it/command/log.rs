//! The log: one line for each closed connection, as text or JSON, without secrets.

use crate::support::{Broker, Client, Wire, on_each_wire};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

type End = (&'static str, fn(&mut Client));

const SIGN_IN: &str = "CONNECT\naccept-version:1.2\nhost:a\nlogin:alice\npasscode:open-sesame\n\n\0";

/// The properties of a session that the log must contain.
struct EndedSession {
    session: String,
    bytes_received: usize,
}

/// Signs in as alice, sends itself a message, and disconnects. The client sends 4 frames in all.
#[track_caller]
fn run_session(broker: &Broker, wire: Wire) -> EndedSession {
    let mut client = broker.open(wire);
    let frames = [
        SIGN_IN,
        "SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:done\n\n\0",
        "SEND\ndestination:/topic/a\n\nhi\0",
        "DISCONNECT\nreceipt:done\n\n\0",
    ];
    client.send(frames[0]);
    let session = client.frame("CONNECTED").expect_header("session").to_string();
    client.done(frames[1]);
    client.send(frames[2]);
    client.expect("MESSAGE", &[], "hi");
    client.done(frames[3]);
    client.expect_closed(1000);
    drop(client);
    broker.wait_for_metric("connections_closed_total", 1);
    EndedSession { session, bytes_received: frames.iter().map(|frame| frame.len()).sum() }
}

/// Returns the `name=value` pairs of a line in text form, without quotation marks.
fn pairs(line: &str) -> BTreeMap<&str, &str> {
    let pairs = line.split(' ').filter_map(|word| word.split_once('='));
    pairs.map(|(name, value)| (name, value.trim_matches('"'))).collect()
}

/// Parses a line in JSON form.
#[track_caller]
fn object(line: &str) -> Map<String, Value> {
    match serde_json::from_str(line) {
        Ok(Value::Object(object)) => object,
        other => panic!("expected a JSON object, got {other:?}: {line}"),
    }
}

/// Returns whether a line in JSON form has this message.
fn has_message(line: &Map<String, Value>, message: &str) -> bool {
    line.get("message").and_then(Value::as_str) == Some(message)
}

on_each_wire! {
    fn a_closed_connection_is_logged_on_one_line_with_its_statistics(wire: Wire) {
        let broker = Broker::start(&["--user", "alice:open-sesame"]);
        let ended = run_session(&broker, wire);
        let [received, frames_sent, sent] =
            ["received_bytes_total", "frames_sent_total", "sent_bytes_total"].map(|name| broker.metric(name));
        let log = broker.whole_log();
        let lines: Vec<_> = log.lines().filter(|line| line.contains("connection closed")).collect();
        let [line] = lines[..] else { panic!("expected one line:\n{log}") };
        let facts = pairs(line);
        let expected = [
            ("reason", "disconnected"),
            ("user", "alice"),
            ("address", "127.0.0.1"),
            ("transport", wire.label()),
            ("session", &ended.session),
            ("frames_received", "4"),
            ("bytes_received", &ended.bytes_received.to_string()),
            ("frames_sent", &frames_sent.to_string()),
            ("bytes_sent", &sent.to_string()),
        ];
        for (name, value) in expected {
            assert_eq!(facts.get(name), Some(&value), "{name} in {line}");
        }
        assert_eq!(received, ended.bytes_received as i64, "the log and the metrics agree");
        // The broker has sent CONNECTED, RECEIPT, MESSAGE and RECEIPT, and over WebSocket also a close frame.
        assert_eq!(frames_sent, if wire == Wire::Tcp { 4 } else { 5 }, "{line}");
        assert!(facts["seconds"].parse::<f64>().is_ok_and(|seconds| seconds >= 0.0), "{line}");
        let digits = facts["seconds"].split_once('.').map_or(0, |(_, digits)| digits.len());
        assert!(digits <= 3, "milliseconds are enough: {line}");
        assert!(!facts.contains_key("limit"), "no limit was reached: {line}");
    }

    fn every_line_is_a_json_object_with_log_format_json(wire: Wire) {
        let broker = Broker::start(&["--user", "alice:open-sesame", "--log-format", "json", "--log", "trace"]);
        let ended = run_session(&broker, wire);
        let [frames_sent, sent] = ["frames_sent_total", "sent_bytes_total"].map(|name| broker.metric(name));
        let log = broker.whole_log();
        let lines: Vec<_> = log.lines().map(object).collect();
        for line in &lines {
            for name in ["timestamp", "level", "target"] {
                assert!(line.get(name).is_some_and(Value::is_string), "{name} in {line:?}");
            }
            assert!(!line.contains_key("fields"), "fields must be at the top level: {line:?}");
        }
        let closed: Vec<_> = lines.iter().filter(|line| has_message(line, "connection closed")).collect();
        let [fields] = closed[..] else { panic!("expected one line:\n{log}") };
        let expected: [(&str, Value); 9] = [
            ("reason", "disconnected".into()),
            ("user", "alice".into()),
            ("address", "127.0.0.1".into()),
            ("transport", wire.label().into()),
            ("session", ended.session.into()),
            ("frames_received", 4.into()),
            ("bytes_received", ended.bytes_received.into()),
            ("frames_sent", frames_sent.into()),
            ("bytes_sent", sent.into()),
        ];
        for (name, value) in expected {
            assert_eq!(fields[name], value, "{name} in {fields:?}");
        }
        assert!(fields["seconds"].is_number(), "{fields:?}");
    }

    fn every_closed_connection_is_logged_with_its_reason(wire: Wire) {
        let flags = ["--user=alice:open-sesame", "--connect-silence=3s", "--frame-bytes-max=64KiB"];
        let broker = Broker::start(&[flags.as_slice(), &["--log-format=json", "--drain-time=300ms"]].concat());
        let ends: [End; 5] = [
            ("disconnected", |client| client.done("DISCONNECT\nreceipt:done\n\n\0")),
            ("peer-left", |_| {}),
            ("rejected", |client| {
                client.send("HELLO\n\n\0");
                client.expect_error(&[]);
            }),
            ("limit", |client| {
                client.send(&format!("SEND\ndestination:/topic/a\n\n{}\0", "x".repeat(70_000)));
                client.expect_error(&[]);
            }),
            ("shutdown", |_| {}),
        ];
        let mut stays = None;
        for (_, end) in ends {
            let mut client = broker.open(wire);
            client.send(SIGN_IN);
            client.frame("CONNECTED");
            end(&mut client);
            stays = Some(client);
        }
        let mut unauthenticated = [broker.open(wire), broker.open(wire)];
        unauthenticated[0].send("CONNECT\naccept-version:1.2\nhost:a\nlogin:alice\npasscode:guess\n\n\0");
        unauthenticated.iter_mut().for_each(|client| drop(client.expect_error(&[])));
        drop(unauthenticated);
        broker.wait_for_metric("connections_closed_total", 6);
        broker.terminate();
        stays.as_mut().expect("the last client stays connected").expect_end();
        drop(stays);
        let log = broker.log_after_exit();
        let mut reasons = BTreeMap::new();
        for fields in log.lines().map(object) {
            if has_message(&fields, "connection closed") {
                let limit = fields.get("limit").and_then(Value::as_str);
                reasons.insert(fields["reason"].as_str().map(str::to_string), limit.map(str::to_string));
            }
        }
        let expected = [
            ("connect-timeout", None),
            ("disconnected", None),
            ("limit", Some("frame-bytes-max")),
            ("peer-left", None),
            ("rejected", None),
            ("shutdown", None),
            ("unauthenticated", None),
        ];
        let expected = expected.map(|(reason, limit)| (Some(reason.to_string()), limit.map(str::to_string)));
        assert_eq!(reasons, BTreeMap::from(expected), "{log}");
    }

    fn a_login_is_logged_on_one_line_with_the_user_agent(wire: Wire) {
        let broker = Broker::start(&["--user", "alice:open-sesame", "--allow-anonymous"]);
        let mut client = broker.open(wire);
        let connect = SIGN_IN.replace("host:a\n", "host:a\nuser-agent:pump/7 \u{1b}[31m\n");
        client.send(&connect);
        let session = client.frame("CONNECTED").expect_header("session").to_string();
        let _anonymous = broker.connect(wire);
        let line = broker.log_line(|line| line.contains("signed in") && line.contains(&session));
        let facts = pairs(&line);
        let expected =
            [("user", "alice"), ("source", "user"), ("address", "127.0.0.1"), ("transport", wire.label())];
        for (name, value) in expected {
            assert_eq!(facts.get(name), Some(&value), "{name} in {line}");
        }
        assert!(line.contains("INFO") && line.contains("agent=\"pump/7  [31m\""), "{line}");
        let line = broker.log_line(|line| line.contains("signed in source=\"anonymous\""));
        assert!(!line.contains("user="), "{line}");
        assert_eq!(broker.metric("logins_total{result=\"accepted\"}"), 2);
        assert_eq!(broker.metric("logins_total{result=\"refused\"}"), 0, "the series exists before a login fails");
    }

    fn repeated_failed_logins_are_summarized_in_few_lines(wire: Wire) {
        let broker = Broker::start(&["--user", "alice:open-sesame"]);
        for _ in 0..100 {
            let mut client = broker.open(wire);
            client.send("CONNECT\naccept-version:1.2\nhost:a\n\n\0");
            client.expect_error(&[("message", "login failed")]);
        }
        broker.wait_for_metric("connections_closed_total", 100);
        assert_eq!(broker.metric("logins_total{result=\"refused\"}"), 100);
        broker.terminate();
        let log = broker.log_after_exit();
        let count = |text: &str| log.lines().filter(|line| line.contains(text)).count();
        // The broker sums up failed logins every ten seconds. On a slow machine the test takes longer than that.
        let windows = count("further failed logins were not logged individually");
        assert!((1..10).contains(&windows), "{log}");
        assert!((5..=5 * (windows + 1)).contains(&count("login failed reason=")), "{log}");
        assert_eq!(count("login failed reason="), count("connection closed reason=\"unauthenticated\""), "{log}");
        let summed = log.lines().filter(|line| line.contains("further failed logins were not logged individually"));
        let summed: usize = summed.map(|line| pairs(line)["logins"].parse::<usize>().expect("a number")).sum();
        assert_eq!(summed + count("login failed reason="), 100, "every failed login is counted:\n{log}");
    }

    fn a_rejection_is_logged_with_the_message_of_its_error(wire: Wire) {
        let broker = Broker::start(&["--log-format=json"]);
        let mut client = broker.connect(wire);
        client.send("SEND\ndestination:/nowhere/secret-name\n\n\0");
        let error = client.expect_error(&[]);
        drop(client);
        let line = broker.log_line(|line| line.contains("connection closed"));
        assert_eq!(object(&line)["error"].as_str(), error.header("message"));
        assert!(!line.contains("secret-name"), "{line}");
    }

    fn no_passcode_is_logged_at_any_level(wire: Wire) {
        for format in ["text", "json"] {
            let flags = ["--user=alice:open-sesame", "--user=bob:pass:word", "--log=trace", "--log-format", format];
            let broker = Broker::start(&flags);
            let mut client = broker.open(wire);
            client.send(SIGN_IN);
            client.expect("CONNECTED", &[], "");
            client.send(SIGN_IN);
            let again = client.expect_error(&[]);
            assert!(!again.text().contains("sesame"), "{again:?}");
            drop(client);
            let attempts = [
                "CONNECT\naccept-version:1.2\nhost:a\nlogin:alice\npasscode:open-barley\n\n\0",
                "CONNECT\naccept-version:1.2\nhost:a\nlogin:mallory\npasscode:open-wheat\n\n\0",
                "CONNECT\naccept-version:1.2\nlogin:bob\npasscode:open-rye\nno colon\n\n\0",
                "CONNECT\naccept-version:7.0\nlogin:bob\npasscode:open-rye\n\n\0",
                "CONNECT\naccept-version:1.2\nlogin:bob\nheart-beat:x\npasscode:open-rye\n\n\0",
                "CONNEC\naccept-version:1.2\nlogin:bob\npasscode:open-rye\n\n\0",
            ];
            for attempt in attempts {
                let mut client = broker.open(wire);
                client.send(attempt);
                let error = client.expect_error(&[]);
                assert!(!error.text().contains("open-"), "{error:?}");
            }
            // This client disconnects within its CONNECT frame.
            broker.open(wire).send("CONNECT\naccept-version:1.2\nlogin:bob\npasscode:open-oats");
            broker.wait_for_metric("connections_closed_total", 2 + attempts.len() as i64);
            let log = broker.whole_log();
            assert!(log.contains("alice"), "user names may be logged:\n{log}");
            for secret in ["sesame", "pass:word", "barley", "wheat", "rye", "oats"] {
                assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
            }
        }
    }
}

#[test]
fn a_tcp_connection_that_never_sent_a_byte_is_logged_as_no_data_at_debug() {
    let broker = Broker::start(&["--log=debug"]);
    let [closed, reset] = [broker.open(Wire::Tcp), broker.open(Wire::Tcp)];
    drop(closed);
    reset.reset();
    broker.wait_for_metric("connections_closed_total{reason=\"no-data\"}", 2);
    let mut sender = broker.open(Wire::Tcp);
    sender.send("\n");
    drop(sender);
    broker.wait_for_metric("connections_closed_total{reason=\"peer-left\"}", 1);
    let log = broker.whole_log();
    let closed: Vec<_> = log.lines().filter(|line| line.contains("connection closed")).collect();
    let levels = |reason: &str| -> Vec<_> {
        let of_reason = closed.iter().filter(|line| line.contains(&format!("reason=\"{reason}\"")));
        of_reason.map(|line| line.split_whitespace().nth(1).unwrap_or_default()).collect()
    };
    assert_eq!((levels("no-data"), levels("peer-left")), (vec!["DEBUG", "DEBUG"], vec!["INFO"]), "{log}");
}

on_each_wire! {
    fn a_health_check_from_a_listed_network_is_logged_at_debug(wire: Wire) {
        for (networks, level) in [("10.0.0.0/8", "INFO"), ("127.0.0.0/8,::1", "DEBUG")] {
            let broker = Broker::start(&["--log=debug", "--health-check-from", networks]);
            // One client sends DISCONNECT, the other does not.
            broker.connect(wire).disconnect();
            drop(broker.connect(wire));
            broker.wait_for_metric("connections_closed_total", 2);
            let log = broker.whole_log();
            let closed = log.lines().filter(|line| line.contains("connection closed"));
            let levels: Vec<_> = closed.filter_map(|line| line.split_whitespace().nth(1)).collect();
            assert_eq!(levels, [level, level], "{networks}: {log}");
            let signed_in = log.lines().filter(|line| line.contains("signed in"));
            let levels: Vec<_> = signed_in.filter_map(|line| line.split_whitespace().nth(1)).collect();
            assert_eq!(levels, [level, level], "{networks}: {log}");
        }
    }

    fn other_clients_from_a_health_check_network_are_logged_at_info(wire: Wire) {
        let broker = Broker::start(&["--log=debug", "--health-check-from=127.0.0.1", "--user=alice:a"]);
        let sign_in = "CONNECT\naccept-version:1.2\nhost:a\nlogin:alice\npasscode:a\n\n\0";
        let mut sends = broker.open(wire);
        sends.send(sign_in);
        sends.frame("CONNECTED");
        sends.publish("/topic/a", "hello");
        drop(sends);
        let mut wrong = broker.open(wire);
        wrong.send("CONNECT\naccept-version:1.2\nhost:a\nlogin:alice\npasscode:b\n\n\0");
        wrong.expect_error(&[]);
        drop(wrong);
        broker.wait_for_metric("connections_closed_total", 2);
        let log = broker.whole_log();
        let closed = log.lines().filter(|line| line.contains("connection closed"));
        let levels: Vec<_> = closed.filter_map(|line| line.split_whitespace().nth(1)).collect();
        assert_eq!(levels, ["INFO", "INFO"], "{log}");
    }
}
