//! `/presence/…`: a snapshot of the members of a topic, followed by its changes.

use crate::support::frame::Frame;
use crate::support::sign_in::{as_service, by_token, token, with_tokens};
use crate::support::{Broker, Client, Event, HANG_TIMEOUT, Wire, on_each_wire};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const ROOM: &str = "/presence/topic/room";

/// A client that watches a presence destination, and the state that it has computed from the events.
struct Watcher {
    client: Client,
    of: &'static str,
    /// Number of sessions of each user.
    users: BTreeMap<String, u64>,
    /// `members`, `sessions` and `anonymous` of the latest event.
    counts: [u64; 3],
    version: u64,
    /// Number of snapshot pages that have not arrived yet.
    pages_to_come: u64,
}

impl Watcher {
    #[track_caller]
    fn start(
        broker: &Broker,
        wire: Wire,
        user_headers: &str,
        destination: &'static str,
        headers: &str,
    ) -> Watcher {
        let (mut client, _) = broker.sign_in(wire, user_headers);
        client.subscribe("watch", destination, headers);
        let of = destination.strip_prefix("/presence").expect("presence");
        let of = if of == "/users" { "users" } else { of };
        Watcher { client, of, users: BTreeMap::new(), counts: [0; 3], version: 0, pages_to_come: 0 }
    }

    /// Applies the next event and returns it.
    #[track_caller]
    fn next(&mut self) -> Value {
        let frame = self.client.frame("MESSAGE");
        self.apply(&frame)
    }

    #[track_caller]
    fn apply(&mut self, frame: &Frame) -> Value {
        assert_eq!(frame.expect_header("content-type"), "application/json");
        assert_eq!(frame.expect_header("subscription"), "watch");
        let event: Value = serde_json::from_slice(&frame.body).expect("JSON");
        assert_eq!(event["event"], frame.expect_header("event"), "{event}");
        assert_eq!(event["of"], self.of, "{event}");
        let number = |name: &str| event[name].as_u64().unwrap_or_else(|| panic!("{name} in {event}"));
        let (version, page, pages) = (number("version"), number("page"), number("pages"));
        if page > 1 || self.version == 0 || event["event"] == "snapshot" {
            assert!(version >= self.version, "{event} behind {}", self.version);
        } else {
            assert_eq!(version, self.version + 1, "no gap: {event}");
        }
        self.version = version;
        self.counts = ["members", "sessions", "anonymous"].map(number);
        self.pages_to_come = pages - page;
        if event["event"] == "snapshot" {
            if page == 1 {
                self.users.clear();
            }
            for user in event["users"].as_array().into_iter().flatten() {
                let name = user["user"].as_str().expect("a name").to_string();
                assert!(user["since"].as_u64().is_some_and(|since| since > 1_600_000_000_000), "{user}");
                let before = self.users.insert(name, user["sessions"].as_u64().expect("a number"));
                assert_eq!(before, None, "{event}");
            }
        }
        for change in event["changes"].as_array().into_iter().flatten() {
            let name = change["user"].as_str().expect("a name").to_string();
            let is_known = self.users.contains_key(&name);
            match change["event"].as_str().expect("an event") {
                "leave" => {
                    assert!(self.users.remove(&name).is_some(), "{change}: only a member can leave")
                }
                event => {
                    assert_eq!(event == "update", is_known, "{change}");
                    self.users.insert(name, change["sessions"].as_u64().expect("a number"));
                }
            }
        }
        if self.pages_to_come == 0 && (event["users"].is_array() || event["changes"].is_array()) {
            assert_eq!(self.counts[0], self.users.len() as u64, "{event}");
            assert_eq!(self.counts[1], self.users.values().sum::<u64>(), "{event}");
        }
        event
    }

    /// Applies events until exactly these users are members, each with this number of sessions.
    #[track_caller]
    fn wait_for(&mut self, expected: &BTreeMap<String, u64>) {
        while self.users != *expected || self.pages_to_come > 0 {
            self.next();
        }
    }

    #[track_caller]
    fn wait_for_users(&mut self, names: &[&str]) {
        self.wait_for(&names.iter().map(|name| (name.to_string(), 1)).collect());
    }
}

/// Signs in a client and subscribes it to the watched topic.
#[track_caller]
fn member(broker: &Broker, wire: Wire, user_headers: &str) -> Client {
    let (mut client, _) = broker.sign_in(wire, user_headers);
    client.subscribe("room", "/topic/room", "");
    client
}

on_each_wire! {
    fn a_snapshot_comes_first_and_then_joins_and_leaves(wire: Wire) {
        let flags = ["--presence-grace=50ms", "--presence-interval=10ms", "--allow-anonymous"];
        let broker = with_tokens(&[&flags[..], &["--user-names=any"]].concat());
        let mut alice = member(&broker, wire, &by_token("alice"));
        alice.subscribe("again", "/topic/room", "");
        let _second = member(&broker, wire, &by_token("alice"));
        let _nobody = member(&broker, wire, "");
        let mut watcher = Watcher::start(&broker, wire, &by_token("watcher"), ROOM, "");
        let first = watcher.next();
        assert_eq!(first["event"], "snapshot");
        assert_eq!(watcher.counts, [1, 2, 1], "{first}");
        assert_eq!(first["users"][0]["user"], "alice");
        assert_eq!(first["users"][0]["sessions"], 2);

        let bob = member(&broker, wire, &by_token("小明 / \"bob\""));
        let joined = watcher.next();
        assert_eq!(joined["changes"][0]["event"], "join");
        assert_eq!(joined["changes"][0]["user"], "小明 / \"bob\"");
        // DISCONNECT, a lost connection and UNSUBSCRIBE are each reported as a leave.
        bob.reset();
        assert_eq!(watcher.next()["changes"], json!([{ "event": "leave", "user": "小明 / \"bob\"" }]));
        alice.done("UNSUBSCRIBE\nid:room\nreceipt:done\n\n\0");
        alice.done("UNSUBSCRIBE\nid:again\nreceipt:done\n\n\0");
        let update = watcher.next();
        assert_eq!(update["changes"][0]["event"], "update", "{update}");
        assert_eq!(update["changes"][0]["sessions"], 1);
        let _another = member(&broker, wire, "");
        watcher.next();
        assert_eq!(watcher.counts, [1, 1, 2]);
        watcher.client.expect_quiet_as_user();
    }

    fn watchers_and_pattern_subscribers_are_not_members(wire: Wire) {
        let broker = with_tokens(&["--presence-grace=0ms", "--presence-interval=10ms"]);
        let mut watchers: Vec<_> = (0..3)
            .map(|at| Watcher::start(&broker, wire, &by_token(&format!("watcher-{at}")), ROOM, ""))
            .collect();
        for (at, pattern) in ["/topic/*", "/topic/**", "/topic/#", "/topic/room.*"].into_iter().enumerate() {
            let (mut client, _) = broker.sign_in(wire, &by_token(&format!("pattern-{at}")));
            client.subscribe("p", pattern, "");
            // The receipt of DISCONNECT means that the subscription was processed.
            client.disconnect();
        }
        for watcher in &mut watchers {
            watcher.next();
            assert_eq!(watcher.counts, [0; 3]);
        }
        let _alice = member(&broker, wire, &by_token("alice"));
        for watcher in &mut watchers {
            watcher.next();
            assert_eq!((watcher.counts, watcher.version), ([1, 1, 0], 2), "the first reported change");
            watcher.client.expect_quiet_as_user();
        }
    }

    fn a_user_that_returns_within_the_grace_period_has_not_left(wire: Wire) {
        let broker = with_tokens(&["--presence-grace=3s", "--presence-interval=10ms"]);
        let alice = member(&broker, wire, &by_token("alice"));
        let mut watcher = Watcher::start(&broker, wire, &by_token("watcher"), ROOM, "");
        watcher.next();
        alice.reset();
        broker.wait_for_metric("sessions", 1);
        let alice = member(&broker, wire, &by_token("alice"));
        // Waits longer than the grace period, which began when the first session was lost.
        broker.request_health_for(Duration::from_millis(3500));
        watcher.client.expect_quiet_as_user();
        assert_eq!(watcher.users.keys().collect::<Vec<_>>(), ["alice"]);
        let left = Instant::now();
        alice.disconnect();
        assert_eq!(watcher.next()["changes"], json!([{ "event": "leave", "user": "alice" }]));
        assert!(left.elapsed() >= Duration::from_millis(2900), "{:?}", left.elapsed());
    }

    fn names_in_large_topics_are_reported_only_on_request(wire: Wire) {
        let broker =
            with_tokens(&["--presence-names-max=3", "--presence-grace=0ms", "--presence-interval=10ms"]);
        let mut members: Vec<_> =
            (0..3).map(|at| member(&broker, wire, &by_token(&format!("m{at}")))).collect();
        let mut plain = Watcher::start(&broker, wire, &by_token("watcher"), ROOM, "");
        let mut named = Watcher::start(&broker, wire, &by_token("watcher"), ROOM, "presence-names:true\n");
        assert!(plain.next()["users"].is_array());
        assert!(named.next()["users"].is_array());
        members.push(member(&broker, wire, &by_token("m3")));
        let event = plain.next();
        assert_eq!((event.get("changes"), plain.counts), (None, [4, 4, 0]), "{event}");
        assert_eq!(named.next()["changes"][0]["user"], "m3");
        let mut late = Watcher::start(&broker, wire, &by_token("watcher"), ROOM, "presence-names:false\n");
        let event = late.next();
        assert_eq!((event["event"].as_str(), event.get("users")), (Some("snapshot"), None), "{event}");
        assert_eq!(late.counts, [4, 4, 0]);
        // When the number of members falls below the limit, events contain names again.
        for _ in 0..2 {
            members.pop().expect("members").disconnect();
        }
        plain.wait_for_users(&["m0", "m1"]);
        named.wait_for_users(&["m0", "m1"]);
        late.wait_for_users(&["m0", "m1"]);
    }

    fn presence_of_users_reports_the_users_that_are_online(wire: Wire) {
        let flags = [
            "--permission=allow subscribe role:chief /presence/users",
            "--presence-grace=0ms",
            "--presence-interval=10ms",
            "--allow-anonymous",
        ];
        let broker = with_tokens(&flags);
        for user_headers in ["", &by_token("alice")] {
            let (mut client, _) = broker.sign_in(wire, user_headers);
            client.send("SUBSCRIBE\nid:1\ndestination:/presence/users\n\n\0");
            client.expect_error(&[("message", "access denied"), ("destination", "/presence/users")]);
        }
        broker.wait_for_metric("sessions", 0);
        let chief = format!("passcode:{}\n", token("chief", json!({ "roles": ["chief"] })));
        let mut watcher = Watcher::start(&broker, wire, &chief, "/presence/users", "");
        watcher.wait_for_users(&["chief"]);
        let (alice, _) = broker.sign_in(wire, &by_token("alice"));
        watcher.wait_for_users(&["alice", "chief"]);
        let anonymous = broker.connect(wire);
        watcher.next();
        assert_eq!(watcher.counts, [2, 2, 1]);
        // A client whose login fails does not count as online.
        let mut rejected = broker.open(wire);
        rejected.send("CONNECT\naccept-version:1.2\nhost:a\npasscode:a.b.c\n\n\0");
        rejected.expect_error(&[]);
        alice.disconnect();
        watcher.wait_for_users(&["chief"]);
        anonymous.disconnect();
        watcher.next();
        assert_eq!(watcher.counts, [1, 1, 0]);
        watcher.client.expect_quiet_as_user();
        let mut service = Watcher::start(&broker, wire, &as_service("s"), "/presence/users", "");
        service.wait_for_users(&["chief", "s"]);
    }

    fn presence_of_a_topic_requires_permission_to_subscribe_to_it(wire: Wire) {
        let broker = with_tokens(&["--permission=deny subscribe users /topic/board.**"]);
        for destination in ["/presence/topic/board.a", "/presence/topic/board/a", "/presence/topic/board"] {
            let (mut client, _) = broker.sign_in(wire, &by_token("alice"));
            client.send(&format!("SUBSCRIBE\nid:1\ndestination:{destination}\n\n\0"));
            client.expect_error(&[("message", "access denied"), ("destination", destination)]);
        }
        for destination in
            ["/presence/topic/*", "/presence/**", "/presence/topic/", "/presence/queue/a", "/presence/user/bob"]
        {
            let (mut client, _) = broker.sign_in(wire, &by_token("alice"));
            client.send(&format!("SUBSCRIBE\nid:1\ndestination:{destination}\n\n\0"));
            client.expect_error(&[("message", "invalid destination")]);
        }
        let (mut client, _) = broker.sign_in(wire, &as_service("s"));
        client.send("SEND\ndestination:/presence/topic/room\n\n\0");
        client.expect_error(&[("message", "invalid destination")]);
        assert_eq!(broker.metric("presence_topics"), 0);
    }
}

#[test]
fn all_watchers_of_a_large_topic_converge_to_the_same_state() {
    const MEMBERS: usize = 300;
    let broker = with_tokens(&["--presence-grace=100ms", "--presence-interval=20ms"]);
    let mut watchers: Vec<Watcher> = (0..20)
        .map(|at| Watcher::start(&broker, Wire::ALL[at % 2], &by_token("watcher"), ROOM, ""))
        .collect();
    let name = |at: usize| format!("member-{at}");
    let watch = |watchers: &mut Vec<Watcher>, expected: &BTreeMap<String, u64>| {
        for watcher in watchers {
            watcher.wait_for(expected);
        }
    };
    let mut members: Vec<Client> = Vec::new();
    for at in 0..MEMBERS {
        members.push(member(&broker, Wire::ALL[at % 2], &by_token(&name(at))));
    }
    // Concurrently, some members subscribe twice, some leave for good, and some leave and return at once.
    let mut expected: BTreeMap<String, u64> = (0..MEMBERS).map(|at| (name(at), 1)).collect();
    let gone: BTreeSet<usize> = (0..MEMBERS).step_by(3).collect();
    let mut kept = Vec::new();
    for (at, client) in members.into_iter().enumerate() {
        if gone.contains(&at) {
            client.reset();
            expected.remove(&name(at));
        } else {
            kept.push(client);
        }
        if at % 6 == 0 {
            kept.push(member(&broker, Wire::Tcp, &by_token(&name(at))));
            expected.insert(name(at), 1);
        }
        if at % 60 == 1 {
            kept.push(member(&broker, Wire::Tcp, &by_token(&name(at))));
            expected.insert(name(at), 2);
        }
    }
    watch(&mut watchers, &expected);
    // One more member joins, so that all watchers wait for the same last event.
    kept.push(member(&broker, Wire::Tcp, &by_token("the-last")));
    expected.insert("the-last".into(), 1);
    watch(&mut watchers, &expected);
    let versions: BTreeSet<u64> = watchers.iter().map(|watcher| watcher.version).collect();
    assert_eq!(versions.len(), 1, "all watchers must end at the same version: {versions:?}");
    kept.into_iter().for_each(Client::reset);
    watch(&mut watchers, &BTreeMap::new());
    drop(watchers);
    for gauge in ["sessions", "subscriptions", "presence_topics", "topics"] {
        broker.wait_for_metric(gauge, 0);
    }
}

#[test]
fn repeated_watching_and_leaving_does_not_leak() {
    let broker = with_tokens(&["--presence-grace=0ms", "--presence-interval=10ms"]);
    let _alice = member(&broker, Wire::Tcp, &by_token("alice"));
    std::thread::scope(|scope| {
        for at in 0..4 {
            let (mut client, _) = broker.sign_in(Wire::ALL[at % 2], &by_token(&format!("w{at}")));
            scope.spawn(move || {
                for round in 0..150 {
                    let head = if round % 2 == 0 { "presence-names:true\n" } else { "" };
                    client.send(&format!(
                        "SUBSCRIBE\nid:w\ndestination:{ROOM}\n{head}\n\0SUBSCRIBE\nid:m\ndestination:/topic/room\n\n\0\
                         UNSUBSCRIBE\nid:w\n\n\0UNSUBSCRIBE\nid:m\nreceipt:{round}\n\n\0"
                    ));
                    let started = Instant::now();
                    let mut snapshots = 0;
                    loop {
                        assert!(started.elapsed() < HANG_TIMEOUT);
                        match client.event() {
                            Event::Frame(frame) if frame.command == "RECEIPT" => break,
                            Event::Frame(frame) => {
                                snapshots += usize::from(frame.expect_header("event") == "snapshot");
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                    assert!(snapshots <= 2, "{snapshots}");
                }
            });
        }
    });
    broker.wait_for_metric("sessions", 1);
    broker.wait_for_metric("subscriptions", 1);
    broker.wait_for_metric("presence_topics", 0);
    assert_eq!(broker.metric("topics"), 1);
    broker.wait_for_metric("outbound_queue_bytes", 0);
}
