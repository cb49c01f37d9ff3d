//! `/app/…`: a message goes to one service with its sender's name, and the reply goes to the requesting session.

use crate::support::frame::Frame;
use crate::support::sign_in::{as_service, by_token, with_tokens};
use crate::support::sockjs::{Session, Transport};
use crate::support::{Broker, Client, Event, Wire, on_each_wire};

/// Connects a service that subscribes to `/app/orders`.
#[track_caller]
fn service(broker: &Broker, wire: Wire) -> Client {
    let (mut client, _) = broker.sign_in(wire, &as_service("orders"));
    client.subscribe("s", "/app/orders", "");
    client
}

/// Signs in a client that subscribes to its replies.
#[track_caller]
fn requester(broker: &Broker, wire: Wire, headers: &str) -> (Client, String) {
    let (mut client, id) = broker.sign_in(wire, headers);
    client.subscribe("r", "/user/queue/replies", "");
    (client, id)
}

/// Returns the number of headers with this name. Ignores case, and spaces around names.
fn count(frame: &Frame, name: &str) -> usize {
    frame.headers.iter().filter(|(given, _)| given.trim().eq_ignore_ascii_case(name)).count()
}

on_each_wire! {
    fn requests_are_distributed_round_robin_among_services(wire: Wire) {
        let broker = with_tokens(&[]);
        let (mut one, mut two) = (service(&broker, wire), service(&broker, wire));
        let (mut alice, _) = requester(&broker, wire, &by_token("alice"));
        for at in 0..10 {
            let receipt = alice.send_with_receipt("/app/orders", "", &at.to_string());
            assert_eq!(receipt.expect_header("delivered-services"), "1");
            assert_eq!(receipt.header("delivered-sessions"), None);
        }
        for service in [&mut one, &mut two] {
            let mut numbers: Vec<usize> = (0..5).map(|_| service.message().1.parse().expect("a number")).collect();
            assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "in order: {numbers:?}");
            numbers.retain(|number| number % 2 == 0);
            assert!(numbers.is_empty() || numbers.len() == 5, "in round robin: {numbers:?}");
            service.expect_quiet_as_user();
        }
        // Services that subscribe with a pattern are included.
        let (mut three, _) = broker.sign_in(wire, &as_service("all"));
        three.subscribe("s", "/app/**", "");
        (0..3).for_each(|_| drop(alice.send_with_receipt("/app/orders", "", "job")));
        for service in [&mut one, &mut two, &mut three] {
            service.expect("MESSAGE", &[("destination", "/app/orders")], "job");
            service.expect_quiet_as_user();
        }
    }

    fn the_senders_name_is_set_by_the_broker_and_cannot_be_forged(wire: Wire) {
        let broker = with_tokens(&["--allow-anonymous"]);
        let mut service = service(&broker, wire);
        let (mut alice, id) = requester(&broker, wire, &by_token("alice"));
        let forged = "user-name:root\nsession:1\nuser-name :root\n session:1\nsession :2\ndestination:/app/other\n\
                      message-id:1\nsubscription:x\nack:1\nreply-to :/user/bob/queue/x\n reply-to:/queue/x\n\
                      redelivered:true\ndelivery-count:7\nmood:good\nUser-Name:root\nSession:1\nSESSION :1\n\
                      se\u{17f}\u{17f}ion:1\nReply-To:/queue/x\nReply-to\u{a0}:/queue/x\nMessage-Id:1\nAck:1\n";
        alice.send_with_receipt("/app/orders", forged, "ask");
        let reply_to = format!("/user/~{id}/queue/replies");
        let headers = [
            ("destination", "/app/orders"),
            ("user-name", "alice"),
            ("session", &id),
            ("reply-to", &reply_to),
            ("subscription", "s"),
            ("mood", "good"),
        ];
        let message = service.expect("MESSAGE", &headers, "ask");
        for name in ["user-name", "session", "reply-to", "destination", "message-id", "subscription"] {
            assert_eq!(count(&message, name), 1, "{name} of {message:?}");
        }
        for name in ["ack", "redelivered", "delivery-count"] {
            assert_eq!(count(&message, name), 0, "{name} of {message:?}");
        }
        assert_ne!(message.expect_header("message-id"), "1");
        for version in ["1.0", "1.1"] {
            let (mut alice, id) = broker.sign_in_with(wire, version, &by_token("alice"));
            alice.send_with_receipt("/app/orders", "user-name : root\nsession:1\nuser-name:root\n", version);
            let message = service.expect("MESSAGE", &[("user-name", "alice"), ("session", &id)], version);
            assert_eq!((count(&message, "user-name"), count(&message, "session")), (1, 1), "{message:?}");
        }
        // An anonymous sender has no user name.
        let (mut anonymous, id) = requester(&broker, wire, "");
        anonymous.send_with_receipt("/app/orders", "user-name:root\n", "ask");
        let message = service.expect("MESSAGE", &[("session", &id)], "ask");
        assert_eq!(count(&message, "user-name"), 0, "{message:?}");
    }

    fn a_reply_reaches_only_the_requesting_session(wire: Wire) {
        let broker = with_tokens(&["--allow-anonymous", "--user-names=any"]);
        let mut service = service(&broker, wire);
        let (mut one, one_id) = requester(&broker, wire, &by_token("a/b 小明"));
        let (mut two, _) = requester(&broker, wire, &by_token("a/b 小明"));
        let (mut anonymous, anonymous_id) = requester(&broker, wire, "");
        one.subscribe("mine", "/user/queue/mine", "");
        two.subscribe("mine", "/user/queue/mine", "");
        for (headers, destination) in
            [("", "/user/queue/replies"), ("reply-to:/user/queue/mine\n", "/user/queue/mine")]
        {
            one.send_with_receipt("/app/orders", headers, "ask");
            let request = service.expect("MESSAGE", &[("session", &one_id)], "ask");
            let reply_to = request.expect_header("reply-to").to_string();
            assert_eq!(service.send_and_count(&reply_to, "correlation-id:7\n", "answer"), 1);
            let headers = [("destination", destination), ("user-name", "orders"), ("correlation-id", "7")];
            one.expect("MESSAGE", &headers, "answer");
            one.expect_quiet_as_user();
            two.expect_quiet_as_user();
        }
        anonymous.send_with_receipt("/app/orders", "", "ask");
        let request = service.expect("MESSAGE", &[("session", &anonymous_id)], "ask");
        let reply_to = request.expect_header("reply-to").to_string();
        assert_eq!(service.send_and_count(&reply_to, "", "answer"), 1);
        anonymous.expect_message("/user/queue/replies", "answer");
        two.expect_quiet_as_user();
        // A reply to a closed session reaches no other session.
        one.send_with_receipt("/app/orders", "", "ask");
        let reply_to = service.frame("MESSAGE").expect_header("reply-to").to_string();
        one.disconnect();
        broker.wait_for_metric("sessions", 3);
        assert_eq!(service.send_and_count(&reply_to, "", "late"), 0);
        two.expect_quiet_as_user();
    }

    fn a_reply_may_go_to_a_temporary_queue(wire: Wire) {
        let broker = with_tokens(&[]);
        let mut service = service(&broker, wire);
        let (mut one, _) = requester(&broker, wire, &by_token("alice"));
        let (mut two, _) = requester(&broker, wire, &by_token("alice"));
        one.send_with_receipt("/app/orders", "reply-to:/temp-queue/mine\n", "ask");
        let reply_to = service.frame("MESSAGE").expect_header("reply-to").to_string();
        assert!(reply_to.starts_with("/temp-queue/~"), "{reply_to}");
        service.send_with_receipt(&reply_to, "", "answer");
        one.expect("MESSAGE", &[("subscription", "/temp-queue/mine")], "answer");
        two.expect_quiet_as_user();
        // A client may give its own address in `reply-to`. The broker does not forward the header `reply-to ` with a
        // space.
        one.send_with_receipt("/app/orders", &format!("reply-to:{reply_to}\nreply-to :/topic/x\n"), "ask");
        let request = service.frame("MESSAGE");
        assert_eq!(request.expect_header("reply-to"), reply_to, "{request:?}");
        assert_eq!(count(&request, "reply-to"), 1, "{request:?}");
    }

    /// A service may have more permissions than its clients. A client must not be able to use them through `reply-to`.
    fn a_client_cannot_direct_a_reply_to_another_session(wire: Wire) {
        let broker = with_tokens(&[]);
        let mut service = service(&broker, wire);
        let (mut bob, bob_id) = requester(&broker, wire, &by_token("bob"));
        // The service knows the address of bob's temporary queue from bob's request.
        bob.send_with_receipt("/app/orders", "reply-to:/temp-queue/t\n", "ask");
        let temp = service.frame("MESSAGE").expect_header("reply-to").to_string();
        for reply_to in [
            "/topic/news",
            "/queue/orders",
            "/user/bob/queue/replies",
            "/user/alice/queue/replies",
            "/users/queue/replies",
            "/auth/refresh",
            "/app/orders",
            "/presence/users",
            "/user/queue/*",
            "/user/queue/**",
            "",
            "nowhere",
            &temp,
            &format!("/user/~{bob_id}/queue/replies"),
            "/user/%71ueue/queue/x",
        ] {
            let (mut alice, _) = requester(&broker, wire, &by_token("alice"));
            alice.send(&format!("SEND\ndestination:/app/orders\nreply-to:{reply_to}\nreceipt:r\n\nask\0"));
            match alice.event() {
                Event::Frame(frame) if frame.command == "ERROR" => {}
                other => {
                    let request = service.frame("MESSAGE");
                    panic!("{reply_to:?} leads to {:?}, after {other:?}", request.header("reply-to"));
                }
            }
        }
        service.expect_quiet_as_user();
        bob.expect_quiet_as_user();
    }

    fn a_request_without_a_service_is_rejected_at_once(wire: Wire) {
        let broker = with_tokens(&[]);
        let (mut alice, _) = requester(&broker, wire, &by_token("alice"));
        let (mut other, _) = requester(&broker, wire, &by_token("alice"));
        let receipt = alice.send_with_receipt("/app/orders", "", "ask");
        assert_eq!(receipt.expect_header("delivered-services"), "0");
        alice.expect_quiet_as_user();
        for (reply_to, subscription) in
            [("/user/queue/replies", "r"), ("/temp-queue/t", "/temp-queue/t")]
        {
            alice.send(&format!(
                "SEND\ndestination:/app/orders\nreply-to:{reply_to}\ncorrelation-id:7\nreceipt:q\n\nask\0"
            ));
            let mut seen = Vec::new();
            for _ in 0..2 {
                let Event::Frame(frame) = alice.event() else { panic!("expected two frames") };
                if frame.command == "RECEIPT" {
                    assert_eq!(frame.expect_header("delivered-services"), "0");
                } else {
                    for (name, value) in [
                        ("subscription", subscription),
                        ("destination", reply_to),
                        ("message", "no service"),
                        ("correlation-id", "7"),
                        ("refused", "/app/orders"),
                        ("receipt-id", "q"),
                    ] {
                        assert_eq!(frame.expect_header(name), value, "{name} of {frame:?}");
                    }
                    assert_eq!(frame.header("user-name"), None);
                }
                seen.push(frame.command);
            }
            seen.sort();
            assert_eq!(seen, ["MESSAGE", "RECEIPT"], "{reply_to}");
        }
        // In a transaction the rejection comes at COMMIT.
        alice.send("BEGIN\ntransaction:t\n\n\0");
        alice.send_with_receipt("/app/orders", "transaction:t\nreply-to:/user/queue/replies\n", "ask");
        alice.expect_quiet_as_user();
        alice.send("COMMIT\ntransaction:t\n\n\0");
        let message = alice.frame("MESSAGE");
        assert_eq!(message.expect_header("message"), "no service");
        assert_eq!(message.expect_header("destination"), "/user/queue/replies");
        alice.expect_quiet_as_user();
        other.expect_quiet_as_user();
        // The broker has not kept the rejected request.
        let mut late = service(&broker, wire);
        late.expect_quiet_as_user();
    }

    fn a_restart_of_a_service_does_not_disconnect_clients(wire: Wire) {
        let broker = with_tokens(&[]);
        let (mut alice, _) = requester(&broker, wire, &by_token("alice"));
        for round in 0..3 {
            let mut service = service(&broker, wire);
            alice.send_with_receipt("/app/orders", "", "ask");
            let reply_to = service.expect("MESSAGE", &[], "ask").expect_header("reply-to").to_string();
            assert_eq!(service.send_and_count(&reply_to, "", "answer"), 1);
            alice.expect_message("/user/queue/replies", "answer");
            if round % 2 == 0 { service.reset() } else { service.disconnect() }
            broker.wait_for_metric("sessions", 1);
            let receipt = alice.send_with_receipt("/app/orders", "", "ask");
            assert_eq!(receipt.expect_header("delivered-services"), "0");
        }
        broker.wait_for_metric("services", 0);
    }

    fn subscribing_as_a_service_requires_permission(wire: Wire) {
        let broker = with_tokens(&[]);
        let mut service = service(&broker, wire);
        for destination in ["/app/orders", "/app/**", "/app/*", "/app/#", "/app/>"] {
            let (mut mallory, _) = broker.sign_in(wire, &by_token("mallory"));
            mallory.send(&format!("SUBSCRIBE\nid:1\ndestination:{destination}\n\n\0"));
            mallory.expect_error(&[("message", "access denied"), ("destination", destination)]);
        }
        let (mut mallory, _) = broker.sign_in(wire, &by_token("mallory"));
        mallory.subscribe("all", "/topic/**", "");
        let (mut alice, _) = requester(&broker, wire, &by_token("alice"));
        alice.send_with_receipt("/app/orders", "", "secret");
        service.expect("MESSAGE", &[], "secret");
        mallory.expect_quiet_as_user();
    }
}

#[test]
fn a_reply_reaches_the_requesting_sockjs_session() {
    let broker = with_tokens(&[]);
    let mut service = service(&broker, Wire::WebSocket);
    let mut sessions: Vec<(Session, String)> = Transport::ALL
        .into_iter()
        .map(|transport| {
            let mut session = Session::new(broker.http, "/ws", transport).opened();
            let id = session.sign_in(&by_token("alice"));
            session.subscribe("r", "/user/queue/replies", "");
            (session, id)
        })
        .collect();
    for (session, id) in &mut sessions {
        session.stomp("SEND\ndestination:/app/orders\n\nask\0");
        let request = service.expect("MESSAGE", &[("user-name", "alice"), ("session", id)], "ask");
        assert!(!session.path.contains(id.as_str()), "the SockJS id is a secret");
        assert_eq!(service.send_and_count(request.expect_header("reply-to"), "", id), 1);
    }
    for (session, id) in &mut sessions {
        session.expect("MESSAGE", &[("destination", "/user/queue/replies")], id);
    }
}
