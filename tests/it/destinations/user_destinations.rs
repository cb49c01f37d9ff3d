//! `/user/…` and `/users/…`: a message for a user reaches all of its sessions, or one chosen session, and no other.

use crate::support::sign_in::{by_passcode, by_token, with_tokens, with_users};
use crate::support::sockjs::{Session, Transport};
use crate::support::{Broker, Client, Wire, on_each_wire};

/// User names with special characters, and their spelling in a destination.
const NAMES: [(&str, &str); 12] = [
    ("a/b", "a%2Fb"),
    ("a", "a"),
    ("100%", "100%25"),
    ("100%25", "100%2525"),
    ("john.doe", "john.doe"),
    ("Jo Doe", "Jo%20Doe"),
    ("jo doe", "jo doe"),
    ("~s1", "%7Es1"),
    ("小明", "%E5%B0%8F%e6%98%8E"),
    ("小", "小"),
    ("queue", "%71ueue"),
    ("*", "%2A"),
];

/// Signs in a client that subscribes to `/user/queue/x`.
#[track_caller]
fn listener(broker: &Broker, wire: Wire, headers: &str) -> (Client, String) {
    let (mut client, id) = broker.sign_in(wire, headers);
    client.subscribe("x", "/user/queue/x", "");
    (client, id)
}

#[test]
fn a_message_reaches_all_sessions_of_a_user_on_every_transport_and_version() {
    let broker = with_users(&["alice", "bob"], &[]);
    let alice = by_passcode("alice");
    let forms = ["/user/queue/x", "/user/alice/queue/x", "/user/%61lice/queue/x"];
    let mut clients = Vec::new();
    for wire in Wire::ALL {
        for (version, form) in ["1.0", "1.1", "1.2"].into_iter().zip(forms) {
            let (mut client, _) = broker.sign_in_with(wire, version, &alice);
            client.subscribe("x", form, "");
            clients.push(client);
        }
    }
    let mut sessions = Vec::new();
    for (transport, form) in Transport::ALL.into_iter().zip(forms.into_iter().cycle()) {
        let mut session = Session::new(broker.http, "/ws", transport).opened();
        session.sign_in(&alice);
        session.subscribe("x", form, "");
        sessions.push(session);
    }
    let (mut other, _) = listener(&broker, Wire::Tcp, &by_passcode("bob"));
    let (mut bob, _) = broker.sign_in(Wire::Tcp, &by_passcode("bob"));
    assert_eq!(bob.send_and_count("/user/alice/queue/x", "", "hi"), clients.len() + sessions.len());
    let headers = [("destination", "/user/queue/x"), ("user-name", "bob"), ("subscription", "x")];
    for client in &mut clients {
        client.expect("MESSAGE", &headers, "hi");
    }
    for session in &mut sessions {
        session.expect("MESSAGE", &headers, "hi");
    }
    other.expect_quiet_as_user();
    // A message to the sender's own destination reaches all of the sender's sessions.
    let (mut alice, _) = broker.sign_in(Wire::WebSocket, &alice);
    assert_eq!(alice.send_and_count("/user/queue/x", "", "note"), clients.len() + sessions.len());
    let headers = [("destination", "/user/queue/x"), ("user-name", "alice")];
    clients.iter_mut().for_each(|client| drop(client.expect("MESSAGE", &headers, "note")));
    sessions.iter_mut().for_each(|session| drop(session.expect("MESSAGE", &headers, "note")));
}

on_each_wire! {
    fn the_session_header_selects_one_session(wire: Wire) {
        let broker = with_users(&["alice", "bob"], &["--allow-anonymous"]);
        let (mut one, one_id) = listener(&broker, wire, &by_passcode("alice"));
        let (mut two, two_id) = listener(&broker, wire, &by_passcode("alice"));
        let (mut bob, bob_id) = listener(&broker, wire, &by_passcode("bob"));
        let (mut anonymous, anonymous_id) = listener(&broker, wire, "");
        let (mut sender, sender_id) = broker.sign_in(wire, &by_passcode("bob"));
        let to = |id: &str| format!("session:{id}\n");
        // Sends to a session of another user.
        assert_eq!(sender.send_and_count("/user/alice/queue/x", &to(&two_id), "two"), 1);
        let message = two.expect_message("/user/queue/x", "two");
        assert_eq!(message.header("session"), None, "{message:?}");
        // Sends to a session of the sender's own user.
        assert_eq!(sender.send_and_count("/user/queue/x", &to(&bob_id), "bob"), 1);
        bob.expect_message("/user/queue/x", "bob");
        // Sends to a session without a subscription, to sessions of users other than the addressed one, and to ids of
        // no session.
        let wrong = "00000000000000000000000000000000";
        for (destination, id) in [
            ("/user/queue/x", sender_id.as_str()),
            ("/user/queue/x", &one_id),
            ("/user/queue/x", &anonymous_id),
            ("/user/queue/x", wrong),
            ("/user/queue/x", ""),
            ("/user/bob/queue/x", &one_id),
            ("/user/alice/queue/x", &bob_id),
            ("/user/alice/queue/x", &anonymous_id),
            ("/user/alice/queue/x", &format!("~{one_id}")),
            ("/user/alice/queue/x", &one_id.to_uppercase().replace(char::is_alphabetic, "%61")),
            ("/user/carol/queue/x", &one_id),
            ("/user/alice/queue/y", &one_id),
        ] {
            assert_eq!(sender.send_and_count(destination, &to(id), "lost"), 0, "{destination} {id:?}");
        }
        for client in [&mut one, &mut two, &mut bob, &mut anonymous] {
            client.expect_quiet_as_user();
        }
        // A message to a closed session reaches no session.
        two.disconnect();
        broker.wait_for_metric("sessions", 4);
        assert_eq!(sender.send_and_count("/user/alice/queue/x", &to(&two_id), "late"), 0);
        one.expect_quiet_as_user();
    }

    fn each_anonymous_session_has_its_own_user_destinations(wire: Wire) {
        let broker = with_users(&["alice"], &["--allow-anonymous"]);
        let (mut one, one_id) = listener(&broker, wire, "");
        let (mut two, _) = listener(&broker, wire, "");
        let (mut alice, _) = listener(&broker, wire, &by_passcode("alice"));
        let (mut sender, _) = broker.sign_in(wire, "");
        one.send("SEND\ndestination:/user/queue/x\n\nmine\0");
        let message = one.expect_message("/user/queue/x", "mine");
        assert_eq!(message.header("user-name"), None, "{message:?}");
        assert_eq!(sender.send_and_count("/user/queue/x", "", "without subscribers"), 0);
        assert_eq!(sender.send_and_count(&format!("/user/~{one_id}/queue/x"), "", "by address"), 1);
        one.expect_message("/user/queue/x", "by address");
        // No user name reaches an anonymous session.
        for name in ["", "anonymous", "unknown", "null", &format!("%7E{one_id}"), &one_id] {
            if !name.is_empty() {
                assert_eq!(sender.send_and_count(&format!("/user/{name}/queue/x"), "", "?"), 0, "{name}");
            }
        }
        for client in [&mut one, &mut two, &mut alice] {
            client.expect_quiet_as_user();
        }
    }

    fn names_of_every_kind_are_written_percent_encoded(wire: Wire) {
        let names = NAMES.map(|(name, _)| name);
        let broker = with_users(&names, &["--user-names=any"]);
        let mut clients: Vec<Client> = Vec::new();
        for (name, written) in NAMES {
            let (mut client, _) = broker.sign_in(wire, &by_passcode(name));
            client.subscribe("x", &format!("/user/{written}/queue/x"), "");
            clients.push(client);
        }
        let (mut sender, _) = broker.sign_in(wire, &by_passcode("小明"));
        for (at, (name, written)) in NAMES.into_iter().enumerate() {
            assert_eq!(sender.send_and_count(&format!("/user/{written}/queue/x"), "", name), 1, "{name}");
            let message = clients[at].expect_message("/user/queue/x", name);
            assert_eq!(message.expect_header("user-name"), "小明");
        }
        let all = NAMES.map(|(_, written)| written).join(",");
        assert_eq!(sender.send_and_count("/users/queue/x", &format!("to:{all}\n"), "all"), NAMES.len());
        for client in &mut clients {
            client.expect_message("/user/queue/x", "all");
            client.expect_quiet_as_user();
        }
    }

    fn a_message_for_several_users_reaches_each_once_and_hides_the_others(wire: Wire) {
        let broker = with_users(&["alice", "bob", "a,b", "carol"], &[]);
        let (mut one, _) = listener(&broker, wire, &by_passcode("alice"));
        let (mut two, _) = listener(&broker, wire, &by_passcode("alice"));
        let (mut bob, _) = listener(&broker, wire, &by_passcode("bob"));
        let (mut comma, _) = listener(&broker, wire, &by_passcode("a,b"));
        let (mut carol, _) = listener(&broker, wire, &by_passcode("carol"));
        let (mut sender, _) = broker.sign_in(wire, &by_passcode("carol"));
        assert_eq!(sender.send_and_count("/users/queue/x", "to:alice,bob\nmood:good\n", "two"), 3);
        for client in [&mut one, &mut two, &mut bob] {
            let message = client.expect(
                "MESSAGE",
                &[("destination", "/user/queue/x"), ("user-name", "carol"), ("mood", "good")],
                "two",
            );
            assert_eq!(message.header("to"), None, "{message:?}");
        }
        assert_eq!(sender.send_and_count("/users/queue/x", "to:a%2Cb, a%2cb,unknown,a%2Cb\n", "comma"), 1);
        comma.expect_message("/user/queue/x", "comma");
        for client in [&mut one, &mut two, &mut bob, &mut comma, &mut carol] {
            client.expect_quiet_as_user();
        }
        for (to, message) in [
            ("", "missing header"),
            ("to:\n", "missing header"),
            ("to:alice,,bob\n", "malformed to header"),
            ("to:alice,%zz\n", "malformed to header"),
            ("to:alice\nsession:1\n", "session header is not for this destination"),
        ] {
            let (mut sender, _) = broker.sign_in(wire, &by_passcode("carol"));
            sender.send(&format!("SEND\ndestination:/users/queue/x\n{to}\n\0"));
            sender.expect_error(&[("message", message)]);
        }
        one.expect_quiet_as_user();
    }

    fn five_thousand_users_fit_into_one_send(wire: Wire) {
        let broker = with_tokens(&["--to-names-max=5000", "--to-bytes-max=100KiB"]);
        let mut some = ["name-0000-of-many", "name-2500-of-many", "name-4999-of-many"]
            .map(|name| listener(&broker, wire, &by_token(name)).0);
        let (mut outsider, _) = listener(&broker, wire, &by_token("name-5000-of-many"));
        let names = |count: usize| (0..count).map(|at| format!("name-{at:04}-of-many")).collect::<Vec<_>>();
        let to = format!("to:{}\n", names(5000).join(","));
        assert!(to.len() > 64 * 1024);
        let (mut sender, _) = broker.sign_in(wire, &by_token("sender"));
        assert_eq!(sender.send_and_count("/users/queue/x", &to, "to all of you"), 3);
        for client in &mut some {
            let message = client.expect_message("/user/queue/x", "to all of you");
            assert_eq!(message.header("to"), None);
        }
        // Sends the same in a transaction. The limits then reject a longer `to`.
        sender.send("BEGIN\ntransaction:t\n\n\0");
        sender.send_with_receipt("/users/queue/x", &format!("transaction:t\n{to}"), "again");
        some[0].expect_quiet_as_user();
        sender.done("COMMIT\ntransaction:t\nreceipt:done\n\n\0");
        some.iter_mut().for_each(|client| drop(client.expect_message("/user/queue/x", "again")));

        let to = format!("to:{}\n", names(5001).join(","));
        sender.send(&format!("SEND\ndestination:/users/queue/x\n{to}\n\0"));
        let error = sender.expect_error(&[("message", "too many recipients")]);
        assert!(error.text().contains("`to-names-max`"), "{error:?}");
        let (mut sender, _) = broker.sign_in(wire, &by_token("sender"));
        sender.send(&format!("SEND\ndestination:/users/queue/x\nto:{}\n\n\0", "n".repeat(100 * 1024 + 1)));
        let error = sender.expect_error(&[]);
        assert!(error.text().contains("to-bytes-max"), "{error:?}");
        for limit in ["to-names-max", "to-bytes-max"] {
            assert_eq!(broker.limit_hits(limit), 1, "{limit}");
        }
        some[0].expect_quiet_as_user();
        outsider.expect_quiet_as_user();
    }

    fn a_session_with_several_subscriptions_is_counted_once(wire: Wire) {
        let broker = with_users(&["alice", "bob"], &[]);
        let (mut one, _) = listener(&broker, wire, &by_passcode("alice"));
        one.subscribe("again", "/user/queue/x", "");
        one.subscribe("all", "/user/queue/**", "");
        let (mut two, _) = listener(&broker, wire, &by_passcode("alice"));
        let (mut bob, _) = broker.sign_in(wire, &by_passcode("bob"));
        assert_eq!(bob.send_and_count("/user/alice/queue/x", "", "hi"), 2);
        let mut ids: Vec<String> = (0..3).map(|_| one.message().0).collect();
        ids.sort();
        assert_eq!(ids, ["again", "all", "x"]);
        two.expect_message("/user/queue/x", "hi");
        for id in ["x", "again", "all"] {
            one.done(&format!("UNSUBSCRIBE\nid:{id}\nreceipt:done\n\n\0"));
        }
        assert_eq!(bob.send_and_count("/user/alice/queue/x", "", "bye"), 1);
        two.expect_message("/user/queue/x", "bye");
        two.disconnect();
        broker.wait_for_metric("sessions", 2);
        assert_eq!(bob.send_and_count("/user/alice/queue/x", "", "lost"), 0);
        one.expect_quiet_as_user();
        assert_eq!(broker.metric("user_destinations"), 0);
    }

    fn patterns_under_user_match_only_own_messages(wire: Wire) {
        let broker = with_users(&["alice", "bob"], &[]);
        let (mut alice, _) = broker.sign_in(wire, &by_passcode("alice"));
        alice.subscribe("all", "/user/queue/**", "");
        alice.subscribe("one", "/user/queue/*.news", "");
        alice.subscribe("topics", "/user/topic/#", "");
        let (mut bob, _) = broker.sign_in(wire, &by_passcode("bob"));
        bob.subscribe("all", "/user/queue/**", "");
        let (mut sender, _) = broker.sign_in(wire, &by_passcode("bob"));
        for (destination, ids) in [
            ("queue/a.news", &["all", "one"][..]),
            ("queue/a.b.news", &["all"]),
            ("queue/a/news", &["all", "one"]),
            ("topic/a", &["topics"]),
        ] {
            assert_eq!(sender.send_and_count(&format!("/user/alice/{destination}"), "", destination), 1);
            let mut found: Vec<_> = ids
                .iter()
                .map(|_| {
                    let message = alice.expect_message(&format!("/user/{destination}"), destination);
                    message.expect_header("subscription").to_string()
                })
                .collect();
            found.sort();
            assert_eq!(found, ids, "{destination}");
        }
        bob.expect_quiet_as_user();
    }

    fn transactions_may_send_to_users(wire: Wire) {
        let broker = with_users(&["alice", "bob"], &[]);
        let (mut alice, id) = listener(&broker, wire, &by_passcode("alice"));
        let (mut two, _) = listener(&broker, wire, &by_passcode("alice"));
        let (mut bob, _) = broker.sign_in(wire, &by_passcode("bob"));
        for end in ["ABORT", "COMMIT"] {
            bob.send("BEGIN\ntransaction:t\n\n\0");
            bob.send_with_receipt("/user/alice/queue/x", "transaction:t\n", "all");
            bob.send_with_receipt("/user/alice/queue/x", &format!("transaction:t\nsession:{id}\n"), "one");
            bob.send_with_receipt("/users/queue/x", "transaction:t\nto:alice,bob\n", "many");
            bob.done(&format!("{end}\ntransaction:t\nreceipt:done\n\n\0"));
        }
        for body in ["all", "one", "many"] {
            let message = alice.expect_message("/user/queue/x", body);
            assert_eq!(message.expect_header("user-name"), "bob");
            assert_eq!((message.header("to"), message.header("transaction")), (None, None));
        }
        for body in ["all", "many"] {
            two.expect_message("/user/queue/x", body);
        }
        alice.expect_quiet_as_user();
        two.expect_quiet_as_user();
    }

    fn clients_of_older_versions_may_send_to_users(wire: Wire) {
        let broker = with_users(&["alice", "bob"], &[]);
        let (mut alice, id) = listener(&broker, wire, &by_passcode("alice"));
        for version in ["1.0", "1.1"] {
            let (mut bob, _) = broker.sign_in_with(wire, version, &by_passcode("bob"));
            assert_eq!(bob.send_and_count("/user/alice/queue/x", "", version), 1);
            assert_eq!(bob.send_and_count("/user/alice/queue/x", &format!("session:{id}\n"), version), 1);
            assert_eq!(bob.send_and_count("/users/queue/x", "to:alice,bob\n", version), 1);
            for _ in 0..3 {
                let message = alice.expect_message("/user/queue/x", version);
                assert_eq!((message.expect_header("user-name"), message.header("to")), ("bob", None));
            }
        }
        // STOMP 1.0 allows spaces around header values.
        let (mut bob, _) = broker.sign_in_with(wire, "1.0", &by_passcode("bob"));
        bob.send("SEND\ndestination: /users/queue/x\nto: alice\nreceipt: r\n\npadded\0");
        bob.expect("RECEIPT", &[("receipt-id", "r"), ("delivered-sessions", "1")], "");
        let message = alice.expect_message("/user/queue/x", "padded");
        assert_eq!(message.header("to"), None, "{message:?}");
    }
}
