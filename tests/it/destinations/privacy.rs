//! Isolation of users: no spelling, forged header, other session or race lets a client read another user's messages.

use crate::support::http::{self, Request};
use crate::support::sign_in::{as_service, by_token, token, with_tokens};
use crate::support::sockjs::{self, Session, Transport};
use crate::support::{Broker, Client, Event, Wire, on_each_wire};
use serde_json::json;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Signs in a client that subscribes to `/user/queue/x`.
#[track_caller]
fn listener(broker: &Broker, wire: Wire, headers: &str) -> (Client, String) {
    let (mut client, id) = broker.sign_in(wire, headers);
    client.subscribe("x", "/user/queue/x", "");
    (client, id)
}

/// Reads frames until the RECEIPT or the end, and asserts that no MESSAGE contains `secret`.
#[track_caller]
fn assert_receives_no_secret(client: &mut Client, title: &str) {
    loop {
        match client.event() {
            Event::Frame(frame) if frame.command == "RECEIPT" => return,
            Event::End | Event::Reset => return,
            Event::Frame(frame) => assert!(!frame.text().contains("secret"), "{title}: {frame:?}"),
            Event::HeartBeat | Event::Close(_) => {}
            other @ Event::Pong(_) => panic!("{other:?}"),
        }
    }
}

/// Attempts to spell bob's destination. `ID` stands for the id of bob's session.
const SPELLINGS: [&str; 46] = [
    "/user/bob/queue/x",
    "/user/bob/topic/x",
    "/user/%62ob/queue/x",
    "/user/%62%6F%62/queue/x",
    "/user/bo%62/queue/x",
    "/user/%2562ob/queue/x",
    "/user/bob%2Fqueue%2Fx",
    "/user/bob%2fqueue/x",
    "/user%2Fbob/queue/x",
    "/%75ser/bob/queue/x",
    "/user/./bob/queue/x",
    "/user/%2e/bob/queue/x",
    "/user/%2e%2e/user/bob/queue/x",
    "/user/queue/../bob/queue/x",
    "/user/queue/%2e%2e/bob/queue/x",
    "/user/queue/%2E%2E%2Fbob%2Fqueue%2Fx",
    "/user/alice/../bob/queue/x",
    "/user/alice/queue/../../bob/queue/x",
    "/user//bob/queue/x",
    "//user/bob/queue/x",
    "/user/bob//queue/x",
    "/user/bob/queue/x/",
    "/user/bob/queue/x ",
    " /user/bob/queue/x",
    "/user/bob/queue/x\\n",
    "/user/ bob/queue/x",
    "/User/bob/queue/x",
    "/USER/bob/queue/x",
    "/user/Bob/queue/x",
    "/user/bob\\c/queue/x",
    "/user/~ID/queue/x",
    "/user/%7EID/queue/x",
    "/user/~%49D/queue/x",
    "/user/*/queue/x",
    "/user/**/queue/x",
    "/user/**",
    "/user/#",
    "/user/>",
    "/user/*/queue/*",
    "/user/bob/queue/**",
    "/user/bob/**",
    "/user/~*/queue/x",
    "/users/queue/x",
    "/**",
    "/#",
    "/*/bob/queue/x",
];

/// Destinations that a client may subscribe to, none of which receives bob's messages.
const WILDCARDS: [&str; 14] = [
    "/topic/**",
    "/topic/#",
    "/topic/>",
    "/topic/*",
    "/topic/user/bob/queue/x",
    "/topic/user.bob.queue.x",
    "/queue/x",
    "/queue/user/bob/queue/x",
    "/queue/x-user-bob",
    "/app/**",
    "/user/queue/**",
    "/user/topic/**",
    "/user/queue/*",
    "/user/queue/bob.queue.x",
];

on_each_wire! {
    fn no_spelling_of_a_destination_subscribes_to_another_users_queue(wire: Wire) {
        for permissions in ["--default-permissions=safe", "--default-permissions=open"] {
            let broker = with_tokens(&[permissions, "--allow-anonymous", "--permission=allow all user:greedy **"]);
            let (mut bob, id) = listener(&broker, wire, &by_token("bob"));
            let (mut sender, _) = broker.sign_in(wire, &by_token("carol"));
            let mut spies = Vec::new();
            for headers in ["", &by_token("alice"), &by_token("greedy"), &as_service("service")] {
                for spelling in SPELLINGS {
                    let spelling = spelling.replace("ID", &id);
                    let (mut spy, _) = broker.sign_in(wire, headers);
                    match spy.rejection(&format!("SUBSCRIBE\nid:spy\ndestination:{spelling}")) {
                        None => spies.push((format!("{headers:?} at {spelling:?}"), spy)),
                        Some(error) => {
                            assert_eq!(error.command, "ERROR");
                            assert!(!error.text().contains("online"), "{error:?}");
                        }
                    }
                }
                let (mut spy, _) = broker.sign_in(wire, &format!("{headers}soft-errors:true\n"));
                spy.subscribe("errors", "/user/queue/errors", "");
                for (at, destination) in WILDCARDS.into_iter().enumerate() {
                    let _ = spy.rejection(&format!("SUBSCRIBE\nid:{at}\ndestination:{destination}"));
                }
                spies.push((format!("{headers:?} with wildcards"), spy));
            }
            assert_eq!(sender.send_and_count("/user/bob/queue/x", "", "secret"), 1);
            assert_eq!(sender.send_and_count(&format!("/user/~{id}/queue/x"), "", "secret"), 1);
            assert_eq!(sender.send_and_count("/users/queue/x", "to:bob\n", "secret"), 1);
            (0..3).for_each(|_| drop(bob.expect_message("/user/queue/x", "secret")));
            for (title, spy) in &mut spies {
                spy.send("UNSUBSCRIBE\nid:spy\nreceipt:r\n\n\0");
                assert_receives_no_secret(spy, title);
            }
        }
    }

    fn forged_headers_are_ignored(wire: Wire) {
        let broker = with_tokens(&["--default-permissions=open", "--show-sender"]);
        let (mut bob, bob_id) = listener(&broker, wire, &by_token("bob"));
        bob.subscribe("t", "/topic/t", "");
        let (mut carol, _) = listener(&broker, wire, &by_token("carol"));
        let (mut alice, _) = broker.sign_in(wire, &by_token("alice"));
        let forged = "user-name:root\nsubscription:x\nmessage-id:1\ndestination:/user/carol/queue/x\nack:1\n\
                      user-name :root\n\\nuser-name:root\nsubscription :x\nsequence:kept\nredelivered:true\n\
                      User-Name:root\nUSER-NAME:root\n User-name :root\nu\u{17f}er-name:root\nSubscription:root\n";
        for (destination, origin) in [("/user/bob/queue/x", "/user/queue/x"), ("/topic/t", "/topic/t")] {
            alice.send_with_receipt(destination, forged, "forged");
            let message = bob.expect_message(origin, "forged");
            assert_eq!(message.expect_header("user-name"), "alice");
            assert_eq!(message.expect_header("sequence"), "kept");
            for (name, value) in &message.headers {
                let is_broker_s = ["user-name", "subscription", "message-id", "destination"].contains(&name.as_str());
                assert!(!value.contains("root") && (is_broker_s || !name.contains("user")), "{message:?}");
            }
            assert_ne!(message.expect_header("message-id"), "1");
        }
        // The id of bob's session in the header `session` reaches no session of another user.
        for destination in ["/user/queue/x", "/user/carol/queue/x", "/user/alice/queue/x"] {
            let reached = alice.send_and_count(destination, &format!("session:{bob_id}\n"), "lost");
            assert_eq!(reached, 0, "{destination}");
        }
        // The headers `login` and `passcode` of a SEND do not authenticate its sender.
        alice.send_with_receipt("/user/queue/x", "login:bob\npasscode:x\nuser:bob\n", "mine");
        for client in [&mut bob, &mut carol] {
            client.expect_quiet_as_user();
        }
    }

    fn a_message_does_not_reveal_other_recipients(wire: Wire) {
        let broker = with_tokens(&["--default-permissions=open"]);
        let (mut bob, bob_id) = listener(&broker, wire, &by_token("bob"));
        bob.subscribe("t", "/topic/t", "");
        bob.subscribe("q", "/queue/q", "");
        let secrets = "login:alice-login\npasscode:secret\nAuthorization:Bearer secret\nauthorization:Bearer secret\n\
                       access_token:secret\npasscode :secret\nto:alice,carol\nsession:SID\n";
        for (version, destination) in [
            ("1.2", "/user/bob/queue/x"),
            ("1.1", "/users/queue/x"),
            ("1.0", "/user/bob/queue/x"),
            ("1.2", "/topic/t"),
            ("1.2", "/queue/q"),
        ] {
            let (mut alice, alice_id) = broker.sign_in_with(wire, version, &by_token("alice"));
            let of_many = destination.starts_with("/users");
            let secrets = if of_many {
                secrets.replace("session:SID\n", "").replace("alice,carol", "bob,carol")
            } else if destination.starts_with("/user/") {
                secrets.replace("SID", &bob_id)
            } else {
                secrets.replace("SID", &alice_id)
            };
            alice.send_with_receipt(destination, &secrets, "hi");
            let message = bob.frame("MESSAGE");
            let text = format!("{:?}", message.headers);
            for secret in ["secret", "alice-login", alice_id.as_str(), bob_id.as_str()] {
                assert!(!text.contains(secret), "{secret} at {destination}: {text}");
            }
            let has_to = message.header("to").is_some();
            assert_eq!(has_to, !of_many, "only messages to several users lose `to`: {message:?}");
        }
    }

    fn a_destination_without_a_grant_is_denied_by_every_command(wire: Wire) {
        let flags = [
            "--permission=allow all user:worker /queue/jobs",
            "--permission=deny subscribe user:alice /topic/board.**",
            "--max-deliveries=1",
        ];
        let broker = with_tokens(&flags);
        let (mut worker, _) = broker.sign_in(wire, &by_token("worker"));
        worker.send_with_receipt("/queue/jobs", "", "secret");
        worker.subscribe("q", "/queue/jobs", "ack:client-individual\n");
        let ack = worker.frame("MESSAGE").expect_header("ack").to_string();
        worker.done(&format!("NACK\nid:{ack}\nreceipt:done\n\n\0"));
        broker.wait_for_metric("dead_letters_total", 1);
        let rejected = [
            "SUBSCRIBE\nid:1\ndestination:/queue/jobs",
            "SUBSCRIBE\nid:1\ndestination:/queue/dead.jobs",
            "SUBSCRIBE\nid:1\ndestination:/queue/dead/jobs",
            "SEND\ndestination:/queue/jobs",
            "SEND\ndestination:/queue/dead.jobs",
            "SUBSCRIBE\nid:1\ndestination:/topic/board.a",
            "SUBSCRIBE\nid:1\ndestination:/topic/board/a",
            "SUBSCRIBE\nid:1\ndestination:/topic/**",
            "SUBSCRIBE\nid:1\ndestination:/topic/*.a",
            "SUBSCRIBE\nid:1\ndestination:/presence/topic/board.a",
            "SUBSCRIBE\nid:1\ndestination:/presence/users",
            "SUBSCRIBE\nid:1\ndestination:/app/**",
        ];
        for head in rejected {
            let (mut alice, _) = broker.sign_in(wire, &by_token("alice"));
            let error = alice.rejection(head).unwrap_or_else(|| panic!("{head} is allowed"));
            assert_eq!(error.expect_header("message"), "access denied", "{head}");
        }
        // The same frames are rejected with `soft-errors`, too.
        let (mut alice, _) = broker.sign_in(wire, &format!("{}soft-errors:true\n", by_token("alice")));
        alice.subscribe("errors", "/user/queue/errors", "");
        for head in rejected {
            assert!(alice.rejection(head).is_some(), "{head}");
        }
        let mut service = broker.sign_in(wire, &as_service("s")).0;
        service.send_with_receipt("/topic/board.a", "", "secret");
        alice.expect_quiet_as_user();
        // An ACK for a delivery of another session settles nothing.
        let (mut alice, _) = broker.sign_in(wire, &by_token("alice"));
        alice.send(&format!("ACK\nid:{ack}\n\n\0"));
        alice.expect_error(&[("message", "nothing to settle")]);
    }

    fn a_temporary_queue_is_private_to_its_session(wire: Wire) {
        let broker = with_tokens(&["--default-permissions=open"]);
        let (mut bob, _) = broker.sign_in(wire, &by_token("bob"));
        let (mut two, _) = broker.sign_in(wire, &by_token("bob"));
        two.subscribe("t", "/temp-queue/t", "");
        let (mut peer, _) = broker.sign_in(wire, &by_token("peer"));
        peer.subscribe("p", "/topic/p", "");
        bob.send("SEND\ndestination:/topic/p\nreply-to:/temp-queue/t\n\n\0");
        let address = peer.frame("MESSAGE").expect_header("reply-to").to_string();
        for destination in [address.clone(), address.replace('~', "%7E"), address.replace('~', "")] {
            for name in ["alice", "bob"] {
                let (mut spy, _) = broker.sign_in(wire, &format!("{}soft-errors:true\n", by_token(name)));
                spy.subscribe("errors", "/user/queue/errors", "");
                let _ = spy.rejection(&format!("SUBSCRIBE\nid:1\ndestination:{destination}"));
                peer.send_with_receipt(&address, "", "for bob");
                bob.expect("MESSAGE", &[("subscription", "/temp-queue/t")], "for bob");
                spy.expect_quiet_as_user();
            }
        }
        two.expect_quiet_as_user();
    }
}

// ---- SockJS ----

/// Headers that identify the user of a request. There is one for bob and one for alice of each kind, and one that
/// identifies no user.
fn sockjs_identities() -> Vec<(&'static str, String)> {
    vec![
        ("Authorization", format!("Bearer {}", token("bob", json!({})))),
        ("Authorization", format!("Bearer {}", token("alice", json!({})))),
        ("Cookie", format!("auth={}", token("bob", json!({})))),
        ("Cookie", format!("auth={}", token("alice", json!({})))),
        ("X-User", "bob".to_owned()),
        ("X-User", "alice".to_owned()),
        ("X-Nothing", String::new()),
    ]
}

#[test]
fn knowing_the_id_of_a_sockjs_session_does_not_grant_access_to_it() {
    let flags = ["--token-cookie=auth", "--trusted-proxies=127.0.0.1", "--proxy-user-header=X-User"];
    let broker = with_tokens(&flags);
    let identities = sockjs_identities();
    let (mut sender, _) = broker.sign_in(Wire::Tcp, &by_token("carol"));
    for (at, (name, value)) in identities.iter().enumerate().take(6).filter(|(at, _)| at % 2 == 0) {
        for transport in Transport::HTTP {
            let mut session = Session::new(broker.http, "/ws", transport).with_header(name, value).opened();
            session.sign_in("");
            session.subscribe("x", "/user/queue/x", "");
            // Sessions of previous iterations may still exist and receive the message, too.
            assert!(sender.send_and_count("/user/bob/queue/x", "", "secret") >= 1);
            for (other, (name, value)) in identities.iter().enumerate().filter(|(other, _)| *other != at) {
                for transport in Transport::HTTP {
                    let request = transport.receive(&session.path).header(name, value);
                    let answer = http::fetch(broker.http, &request);
                    assert_eq!(answer.status, 404, "{other} takes {at} by {transport:?}: {answer:?}");
                    assert!(!answer.body.contains("secret"));
                    let json = r#"["SEND\ndestination:/user/queue/x\n\nforged\u0000"]"#;
                    let request = transport.send(&session.path, json).header(name, value);
                    let answer = http::fetch(broker.http, &request);
                    assert_eq!(answer.status, 404, "{other} sends as {at} by {transport:?}: {answer:?}");
                }
            }
            // With alice's token in the query, the request has another identity, although it has bob's header.
            let with_query = format!("{}/xhr?access_token={}", session.path, token("alice", json!({})));
            let answer = http::fetch(broker.http, &Request::post(&with_query, "").header(name, value));
            assert_eq!(answer.status, 404);
            session.expect("MESSAGE", &[("destination", "/user/queue/x")], "secret");
        }
    }
}

#[test]
fn a_guessed_sockjs_id_opens_a_new_session() {
    let broker = with_tokens(&[]);
    let path = format!("/ws/000/{}", sockjs::session_name());
    // A WebSocket with the same id is a separate session. An id can be used again when its session has ended.
    let bearer = |name: &str| format!("Bearer {}", token(name, json!({})));
    let poll = |name: &str| Request::post(&format!("{path}/xhr"), "").header("Authorization", &bearer(name));
    http::fetch(broker.http, &poll("bob")).assert(200, "o");
    assert_eq!(http::fetch(broker.http, &poll("alice")).status, 404);
    let mut socket = sockjs::Socket::open(broker.http, &format!("{path}/websocket"));
    assert_eq!(socket.frame(), sockjs::Frame::Open);
    drop(socket);
    let send = |name: &str, text: &str| {
        let json = serde_json::to_string(&[text]).expect("JSON");
        let request = Request::post(&format!("{path}/xhr_send"), json).header("Authorization", &bearer(name));
        http::fetch(broker.http, &request).status
    };
    assert_eq!(send("alice", "CONNECT\naccept-version:1.2\nhost:a\n\n\0"), 404);
    assert_eq!(send("bob", "CONNECT\naccept-version:1.2\nhost:a\n\n\0DISCONNECT\nreceipt:d\n\n\0"), 204);
    let answer = http::fetch(broker.http, &poll("bob"));
    assert!(answer.body.contains("user-name:bob"), "{answer:?}");
    broker.wait_for_metric("sessions", 0);
    assert_eq!(http::fetch(broker.http, &poll("alice")).status, 404, "only bob may read the close frame");
}

#[test]
fn a_page_of_another_origin_is_not_authenticated_by_the_browser() {
    let flags = ["--token-cookie=auth", "--trusted-proxies=127.0.0.1", "--proxy-user-header=X-User"];
    let broker = with_tokens(&flags);
    for (name, value) in sockjs_identities().into_iter().filter(|(name, _)| *name != "Authorization") {
        let path = format!("/ws/000/{}", sockjs::session_name());
        let request = Request::post(&format!("{path}/xhr"), "");
        let request = request.header(name, &value).header("Origin", "https://evil.example");
        let answer = http::fetch(broker.http, &request);
        assert_eq!(answer.status, 403, "{name}: {answer:?}");
        let handshake = Request::get("/ws")
            .headers(&[("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")])
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header(name, &value)
            .header("Origin", "https://evil.example");
        assert_eq!(http::fetch(broker.http, &handshake).status, 403, "{name}");
    }
}

// ---- races ----

/// Signs in a client over TCP. Needs only an address, so that threads can use it.
fn sign_in(address: SocketAddr, headers: &str) -> Client {
    let mut client = Client::new(Wire::Tcp, TcpStream::connect(address).expect("the TCP port accepts"));
    client.send(&format!("CONNECT\naccept-version:1.2\nhost:a\n{headers}\n\0"));
    client.expect("CONNECTED", &[], "");
    client
}

#[test]
fn reconnecting_users_never_receive_messages_of_others() {
    const ROUNDS: usize = 120;
    let broker = with_tokens(&["--default-permissions=open"]);
    let address = broker.tcp;
    let (is_stopped, reached) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for at in 0..4 {
            // Each thread alternates between alice and bob, so that a slot that one user frees is soon used for the
            // other.
            threads.push(scope.spawn(move || {
                let mut received = 0;
                for round in 0..ROUNDS {
                    let name = ["alice", "bob"][(at + round) % 2];
                    let mut client = sign_in(address, &by_token(name));
                    let pattern = if round % 3 == 0 { "/user/queue/**" } else { "/user/queue/x" };
                    client.subscribe("x", pattern, "");
                    client.send("SEND\ndestination:/user/queue/own\nreceipt:r\n\n\0");
                    // Only the pattern matches `/user/queue/own`. Such a message must have been sent by a session of
                    // the same user.
                    loop {
                        match client.event() {
                            Event::Frame(frame) if frame.command == "RECEIPT" => break,
                            Event::Frame(frame)
                                if frame.expect_header("destination") == "/user/queue/own" =>
                            {
                                assert_eq!(frame.expect_header("user-name"), name);
                            }
                            Event::Frame(frame) => {
                                assert_eq!(frame.text(), name, "{frame:?}");
                                received += 1;
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                    if round % 2 == 0 { client.reset() } else { drop(client) }
                }
                received
            }));
        }
        for name in ["alice", "bob"] {
            let (is_stopped, reached) = (&is_stopped, &reached);
            scope.spawn(move || {
                let mut sender = sign_in(address, &by_token("sender"));
                while !is_stopped.load(Ordering::Relaxed) {
                    reached.fetch_add(
                        sender.send_and_count(&format!("/user/{name}/queue/x"), "", name),
                        Ordering::Relaxed,
                    );
                    reached.fetch_add(
                        sender.send_and_count("/users/queue/x", &format!("to:{name}\n"), name),
                        Ordering::Relaxed,
                    );
                }
            });
        }
        let results: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        is_stopped.store(true, Ordering::Relaxed);
        let received: usize = results.into_iter().map(|result| result.expect("no message leaked")).sum();
        assert!(received > 0 && reached.load(Ordering::Relaxed) > 0, "{received}");
    });
    for gauge in ["sessions", "subscriptions", "user_destinations", "outbound_queue_bytes"] {
        broker.wait_for_metric(gauge, 0);
    }
}

#[test]
fn replies_reach_the_requesting_session_while_others_reconnect() {
    const ROUNDS: usize = 60;
    let broker = with_tokens(&[]);
    let address = broker.tcp;
    let (mut service, _) = broker.sign_in(Wire::Tcp, &as_service("echo"));
    service.subscribe("s", "/app/echo", "");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            loop {
                match service.event() {
                    Event::Frame(frame) if frame.command == "MESSAGE" => {
                        if frame.text() == "over" {
                            break;
                        }
                        let reply_to = frame.expect_header("reply-to");
                        service.send(&format!("SEND\ndestination:{reply_to}\n\n{}\0", frame.text()));
                    }
                    other => panic!("{other:?}"),
                }
            }
        });
        let requesters: Vec<_> = (0..4)
            .map(|at| {
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        // All sessions belong to the same user, so only the session distinguishes the replies.
                        let mut client = sign_in(address, &by_token("alice"));
                        client.subscribe("r", "/user/queue/replies", "");
                        client.send("SEND\ndestination:/app/echo\n\nleft behind\0");
                        let request = format!("{at}-{round}");
                        client.send(&format!("SEND\ndestination:/app/echo\n\n{request}\0"));
                        assert_eq!(client.message(), ("r".to_owned(), "left behind".to_owned()));
                        assert_eq!(client.message(), ("r".to_owned(), request));
                        client.send("SEND\ndestination:/app/echo\n\nleft behind\0");
                        client.reset();
                    }
                })
            })
            .collect();
        let results: Vec<_> = requesters.into_iter().map(|requester| requester.join()).collect();
        sign_in(address, &by_token("alice")).send_with_receipt("/app/echo", "", "over");
        results.into_iter().for_each(|result| result.expect("each session received only its own replies"));
    });
    for gauge in ["sessions", "subscriptions", "services", "user_destinations", "outbound_queue_bytes"] {
        broker.wait_for_metric(gauge, 0);
    }
}
