//! STOMP over every transport of SockJS, against the real broker.

use crate::support::sockjs::{Frame, Session, Socket, Transport};
use crate::support::websocket::{CLOSE, FIN, TEXT, upgrade};
use crate::support::{Broker, Client, HANG_TIMEOUT, Wire, client};
use std::time::{Duration, Instant};

/// Opens a SockJS session with the broker. Does not send CONNECT.
#[track_caller]
pub(super) fn open(broker: &Broker, transport: Transport) -> Session {
    Session::new(broker.http, "/ws", transport).opened()
}

/// Opens a session and connects with STOMP 1.2.
#[track_caller]
pub(super) fn connect(broker: &Broker, transport: Transport) -> Session {
    let mut session = open(broker, transport);
    session.connect("1.2");
    session
}

#[test]
fn a_whole_conversation_in_every_version() {
    let broker = Broker::start(&[]);
    for transport in Transport::ALL {
        for version in ["1.0", "1.1", "1.2"] {
            let mut session = open(&broker, transport);
            session.connect(version);
            let topic = format!("/topic/{}-{version}", transport.option());
            session.subscribe("1", &topic, "");
            session
                .stomp(&format!("SEND\ndestination:{topic}\ncontent-type:text/plain\nx:y\n\nzw\u{f6}lf\0"));
            let headers =
                [("subscription", "1"), ("destination", &*topic), ("x", "y"), ("content-type", "text/plain")];
            let message = session.expect("MESSAGE", &headers, "zw\u{f6}lf");
            assert_eq!(message.expect_header("content-length"), "6", "bytes are counted, not characters");
            session.done(&format!("SEND\ndestination:/topic/other\nreceipt:done\n\n{version}\0"));
            session.done("UNSUBSCRIBE\nid:1\nreceipt:done\n\n\0");
            session.done(&format!("SEND\ndestination:{topic}\nreceipt:done\n\nunheard\0"));
            session.done("DISCONNECT\nreceipt:done\n\n\0");
            session.expect_close(1000, "");
        }
    }
    broker.wait_for_metric("connections_closed_total{reason=\"disconnected\"}", 18);
}

#[test]
fn a_work_queue_with_acknowledgements() {
    let broker = Broker::start(&[]);
    for transport in Transport::ALL {
        let mut session = connect(&broker, transport);
        let queue = format!("/queue/{}", transport.option());
        for body in ["1", "2", "3"] {
            session.done(&format!("SEND\ndestination:{queue}\nreceipt:done\n\n{body}\0"));
        }
        session.subscribe("1", &queue, "ack:client-individual\n");
        let acks =
            ["1", "2", "3"].map(|body| session.expect("MESSAGE", &[], body).expect_header("ack").to_string());
        session.stomp(&format!("ACK\nid:{}\n\n\0", acks[0]));
        session.stomp(&format!("NACK\nid:{}\n\n\0", acks[1]));
        let again = session.expect("MESSAGE", &[("redelivered", "true")], "2");
        session.stomp(&format!("ACK\nid:{}\n\n\0", again.expect_header("ack")));
        session.done(&format!("ACK\nid:{}\nreceipt:done\n\n\0", acks[2]));
        assert_eq!(broker.metric("queue_messages"), 0, "{transport:?}");
        session.stomp("DISCONNECT\n\n\0");
        session.expect_close(1000, "");
    }
}

#[test]
fn a_client_that_leaves_with_unread_input_is_released_completely() {
    let flags = ["--sockjs-heartbeat=0", "--heart-beat=0,0", "--sockjs-disconnect-delay=1h"];
    let broker = Broker::start(&flags);
    let mut watcher = broker.connect(Wire::Tcp);
    watcher.subscribe("watch", "/presence/topic/room", "");
    watcher.frame("MESSAGE");
    let mut other = broker.connect(Wire::Tcp);
    for transport in Transport::HTTP {
        for resets in [false, true] {
            let mut session = connect(&broker, transport);
            session.subscribe("1", "/topic/room", "");
            session.subscribe("2", "/queue/jobs", "ack:client-individual\n");
            client::publish(&broker, "/queue/jobs", "job");
            session.expect("MESSAGE", &[], "job");
            let mut receiver = session.detach();
            receiver.write_bytes(b"\n");
            if resets {
                receiver.reset();
            } else {
                drop(receiver);
            }
            other.subscribe("1", "/queue/jobs", "ack:client-individual\n");
            let job = other.expect("MESSAGE", &[("redelivered", "true")], "job");
            other.done(&format!("ACK\nid:{}\nreceipt:done\n\n\0", job.expect_header("ack")));
            other.done("UNSUBSCRIBE\nid:1\nreceipt:done\n\n\0");
            broker.wait_for_metric("subscriptions", 1);
            broker.wait_for_metric("sessions", 2);
            other.subscribe("2", "/presence/topic/room", "");
            let snapshot = other.frame("MESSAGE");
            assert_eq!(snapshot.expect_header("event"), "snapshot");
            assert!(snapshot.text().contains("\"sessions\":0"), "{transport:?}: {snapshot:?}");
            other.done("UNSUBSCRIBE\nid:2\nreceipt:done\n\n\0");
        }
    }
}

#[test]
fn a_transaction_is_committed_as_a_whole() {
    let broker = Broker::start(&[]);
    for transport in Transport::ALL {
        let mut session = connect(&broker, transport);
        session.subscribe("1", "/topic/a", "");
        session.stomp("BEGIN\ntransaction:t\n\n\0");
        for body in ["1", "2"] {
            session.stomp(&format!("SEND\ndestination:/topic/a\ntransaction:t\n\n{body}\0"));
        }
        session.stomp("SEND\ndestination:/topic/a\n\nbefore\0");
        session.expect("MESSAGE", &[], "before");
        session.stomp("COMMIT\ntransaction:t\n\n\0");
        session.expect("MESSAGE", &[], "1");
        session.expect("MESSAGE", &[], "2");
        session.stomp("DISCONNECT\n\n\0");
        session.expect_close(1000, "");
    }
}

#[test]
fn frames_may_be_split_over_messages_and_several_may_be_in_one() {
    let broker = Broker::start(&[]);
    for transport in Transport::ALL {
        let mut session = connect(&broker, transport);
        session.subscribe("1", "/topic/a", "");
        session.send(&["SEND\ndestination:/top", "ic/a\n\nzw\u{f6}", "", "lf\0\n\n"]);
        session.expect("MESSAGE", &[], "zw\u{f6}lf");
        session.stomp(&"SEND\ndestination:/topic/a\n\nhi\0\n".repeat(50));
        for _ in 0..50 {
            // `expect` also asserts that each STOMP frame is exactly one message.
            session.expect("MESSAGE", &[], "hi");
        }
    }
}

#[test]
fn characters_that_json_and_browsers_mangle_come_back_unchanged() {
    let broker = Broker::start(&[]);
    let body = "\"\\/ \r\n\t\u{1} %25 %E0 </script><!-- \u{2028}\u{200c}\u{fff0}\u{feff} \u{1f600} \u{e9}";
    for transport in Transport::ALL {
        let mut session = connect(&broker, transport);
        session.subscribe("1", "/topic/\u{fc}/\"%", "");
        client::publish(&broker, "/topic/\u{fc}/\"%", body);
        session.expect("MESSAGE", &[("destination", "/topic/\u{fc}/\"%")], body);
        session.stomp(&format!("SEND\ndestination:/topic/\u{fc}/\"%\ncontent-length:{}\n\na\0b\0", 3));
        session.expect("MESSAGE", &[], "a\0b");
    }
}

#[test]
fn one_message_reaches_every_transport_alike() {
    let broker = Broker::start(&[]);
    let mut sessions = Transport::ALL.map(|transport| connect(&broker, transport));
    let mut others = Wire::ALL.map(|wire| broker.connect(wire));
    sessions.iter_mut().for_each(|session| session.subscribe("1", "/topic/a", ""));
    others.iter_mut().for_each(|client| client.subscribe("1", "/topic/a", ""));
    client::publish(&broker, "/topic/a", "100% \u{20ac}");
    let expected = others[0].frame("MESSAGE");
    assert_eq!(others[1].frame("MESSAGE"), expected);
    for session in &mut sessions {
        assert_eq!(session.stomp_frame(), expected, "{:?}", session.transport);
    }
}

#[test]
fn large_messages_come_back() {
    let broker = Broker::start(&[]);
    for transport in Transport::ALL {
        let mut session = connect(&broker, transport);
        // The session of the previous transport no longer reads. If it received these messages, it would slow down the
        // publisher.
        let topic = format!("/topic/{}", transport.option());
        session.subscribe("1", &topic, "");
        for length in [0, 1000, 65_536, 500_000] {
            let body = "x\n\"%".repeat(length / 4);
            session.stomp(&format!("SEND\ndestination:{topic}\n\n{body}\0"));
            session.expect("MESSAGE", &[], &body);
        }
    }
}

// ---- text only ----

#[test]
fn a_binary_broadcast_is_skipped_counted_and_logged_once() {
    let broker = Broker::start(&[]);
    let mut publisher = broker.connect(Wire::Tcp);
    publisher.subscribe("1", "/topic/a", "");
    let mut skipped = 0;
    for transport in Transport::ALL {
        let mut session = connect(&broker, transport);
        session.subscribe("1", "/topic/a", "");
        for body in [&b"\xff\xfe"[..], b"\xc3"] {
            let frame = [b"SEND\ndestination:/topic/a\n\n", body, b"\0"].concat();
            publisher.send_bytes(&frame);
            assert_eq!(publisher.frame("MESSAGE").body, body, "native clients must receive it");
        }
        publisher.send("SEND\ndestination:/topic/a\n\ntext\0");
        publisher.expect("MESSAGE", &[], "text");
        session.expect("MESSAGE", &[], "text");
        skipped += 2;
        assert_eq!(broker.metric("messages_skipped_total"), skipped, "{transport:?}");
        session.stomp("DISCONNECT\n\n\0");
        session.expect_close(1000, "");
    }
    drop(publisher);
    broker.wait_for_metric("connections_closed_total", 7);
    let log = broker.whole_log();
    for transport in Transport::ALL {
        let label = format!("transport=\"{}\"", transport.label());
        let of_it = |line: &&str| line.contains(&label) && line.contains("skipped a message");
        assert_eq!(log.lines().filter(of_it).count(), 1, "{label} in\n{log}");
        let end = log.lines().find(|line| line.contains("connection closed") && line.contains(&label));
        assert!(end.is_some_and(|line| line.contains("skipped=2")), "{end:?}");
    }
}

#[test]
fn a_binary_queue_message_goes_to_a_consumer_that_accepts_binary() {
    let broker = Broker::start(&[]);
    let mut publisher = broker.connect(Wire::Tcp);
    for transport in Transport::ALL {
        let queue = format!("/queue/{}", transport.option());
        let mut other = broker.connect(Wire::WebSocket);
        other.subscribe("1", &queue, "");
        let mut session = connect(&broker, transport);
        session.subscribe("1", &queue, "");
        for _ in 0..5 {
            publisher.send_bytes(format!("SEND\ndestination:{queue}\n\n").as_bytes());
            publisher.send_bytes(b"\xff\0");
            assert_eq!(other.frame("MESSAGE").body, b"\xff");
        }
        other.disconnect();
        publisher.publish(&queue, "text");
        session.expect("MESSAGE", &[], "text");
        session.stomp("DISCONNECT\n\n\0");
        session.expect_close(1000, "");
    }
    assert_eq!(broker.metric("messages_skipped_total"), 0, "no consumer may skip a queue message");
    assert_eq!(broker.metric("dead_letters_total"), 0);
}

#[test]
fn a_binary_queue_message_is_dead_lettered_without_a_capable_consumer() {
    let broker = Broker::start(&[]);
    let mut publisher = broker.connect(Wire::Tcp);
    for transport in Transport::ALL {
        let mut session = connect(&broker, transport);
        session.subscribe("1", "/queue/a", "");
        publisher.send_bytes(b"SEND\ndestination:/queue/a\n\n\xff\0");
        publisher.publish("/queue/a", "text");
        session.expect("MESSAGE", &[], "text");
        session.expect_quiet();
        let mut other = broker.connect(Wire::WebSocket);
        other.subscribe("1", "/queue/dead.a", "");
        let letter = other.frame("MESSAGE");
        assert_eq!(
            (&letter.body[..], letter.expect_header("dead-reason")),
            (&b"\xff"[..], "not-text"),
            "{transport:?}"
        );
        other.disconnect();
        session.stomp("DISCONNECT\n\n\0");
        session.expect_close(1000, "");
    }
    assert_eq!(broker.metric("messages_skipped_total"), 0);
    assert_eq!(broker.metric("dead_letters_total"), 6);
}

// ---- ends ----

#[test]
fn an_error_is_followed_by_1002() {
    let broker = Broker::start(&[]);
    for transport in Transport::ALL {
        let mut session = connect(&broker, transport);
        session.subscribe("1", "/topic/a", "");
        session.send(&[
            "HELLO\n\n\0SEND\ndestination:/topic/a\n\nunheard\0",
            "SEND\ndestination:/queue/a\n\n\0",
        ]);
        let error = session.expect("ERROR", &[("content-type", "text/plain")], "");
        assert!(!error.expect_header("message").is_empty() && !error.text().is_empty(), "{error:?}");
        session.expect_close(1002, "protocol error");
        assert_eq!(broker.metric("queue_messages"), 0, "frames after the offending one must not be executed");
    }
}

#[test]
fn an_error_names_the_receipt_of_the_offending_frame() {
    let broker = Broker::start(&[]);
    for transport in Transport::ALL {
        let mut session = connect(&broker, transport);
        session.stomp("SEND\ndestination:/nowhere\nreceipt:r1\n\nhi\0");
        session.expect("ERROR", &[("receipt-id", "r1")], "");
        session.expect_close(1002, "protocol error");
    }
}

#[test]
fn the_receipt_of_disconnect_comes_before_1000() {
    let broker = Broker::start(&[]);
    for transport in Transport::ALL {
        let mut session = connect(&broker, transport);
        session.send(&["DISCONNECT\nreceipt:bye\n\n\0", "SEND\ndestination:/queue/a\n\nignored\0"]);
        session.expect("RECEIPT", &[("receipt-id", "bye")], "");
        session.expect_close(1000, "");
        if transport != Transport::WebSocket {
            session.expect_close(1000, "");
        }
    }
    assert_eq!(broker.metric("queue_messages"), 0);
}

#[test]
fn a_shutdown_closes_with_1001_after_the_receipted_messages() {
    let mut broker = Broker::start(&["--drain-time", "5s"]);
    let mut sessions: Vec<Session> = Transport::ALL
        .map(|transport| {
            let mut session = connect(&broker, transport);
            session.subscribe("1", "/topic/a", "");
            session
        })
        .into();
    client::publish(&broker, "/topic/a", "last");
    for session in &mut sessions {
        session.expect("MESSAGE", &[], "last");
        if session.transport != Transport::WebSocket {
            session.attach();
        }
    }
    broker.terminate();
    for session in &mut sessions {
        let frame = session.frame();
        assert_eq!(frame, Frame::Close(1001, "shutting down".to_string()), "{:?}", session.transport);
    }
    drop(sessions);
    assert_eq!(broker.exit_status(HANG_TIMEOUT).code(), Some(0));
}

#[test]
fn a_wrong_passcode_and_silence_have_different_reasons() {
    let broker = Broker::start(&["--user=alice:open-sesame", "--connect-silence=2s"]);
    for transport in Transport::ALL {
        let mut unauthenticated = open(&broker, transport);
        unauthenticated.stomp("CONNECT\naccept-version:1.2\nhost:a\nlogin:alice\npasscode:guess\n\n\0");
        unauthenticated.expect("ERROR", &[], "");
        unauthenticated.expect_close(1002, "not authenticated");
    }
    let mut silent = Transport::ALL.map(|transport| open(&broker, transport));
    for session in &mut silent {
        session.expect("ERROR", &[("message", "connect timeout")], "");
        session.expect_close(1002, "no CONNECT in time");
    }
}

#[test]
fn every_connection_is_counted_and_logged_by_its_transport() {
    let broker = Broker::start(&["--user=alice:open-sesame"]);
    for transport in Transport::ALL {
        let name = format!("connections{{transport=\"{}\"}}", transport.label());
        let mut session = open(&broker, transport);
        session.stomp("CONNECT\naccept-version:1.2\nhost:a\nlogin:alice\npasscode:open-sesame\n\n\0");
        session.expect("CONNECTED", &[("user-name", "alice")], "");
        assert_eq!(broker.metric(&name), 1, "{name}");
        session.stomp("DISCONNECT\n\n\0");
        session.expect_close(1000, "");
        drop(session);
        broker.wait_for_metric(&name, 0);
        let label = format!("transport=\"{}\"", transport.label());
        let line = broker.log_line(|line| line.contains("connection closed") && line.contains(&label));
        for fact in ["reason=\"disconnected\"", "user=\"alice\"", "address=127.0.0.1"] {
            assert!(line.contains(fact), "{fact} in {line}");
        }
    }
}

#[test]
fn the_id_of_a_sockjs_session_is_never_logged() {
    let broker = Broker::start(&["--log", "trace"]);
    let mut ids = Vec::new();
    for transport in Transport::HTTP {
        let mut session = open(&broker, transport);
        session.stomp("CONNECT\naccept-version:1.2\nhost:a\n\n\0");
        let connected = session.expect("CONNECTED", &[], "");
        let id = session.path.rsplit('/').next().expect("an id").to_string();
        assert_ne!(connected.expect_header("session"), id);
        session.stomp("HELLO\n\n\0");
        session.expect("ERROR", &[], "");
        session.expect_close(1002, "protocol error");
        ids.push(id);
    }
    assert!(ids.iter().all(|id| !broker.get("/metrics").body.contains(id)));
    broker.wait_for_metric("connections_closed_total", 5);
    let log = broker.whole_log();
    for id in ids {
        let line = log.lines().find(|line| line.contains(&id));
        assert_eq!(line, None, "{id} is in the log");
    }
}

// ---- heartbeats ----

const BEAT: Duration = Duration::from_millis(500);

#[track_caller]
fn connect_with_heartbeats(broker: &Broker, transport: Transport, heart_beat: &str) -> Session {
    connect_with(broker, transport, heart_beat, "500,500")
}

#[track_caller]
fn connect_with(broker: &Broker, transport: Transport, heart_beat: &str, of_broker: &str) -> Session {
    let mut session = open(broker, transport);
    session.stomp(&format!("CONNECT\naccept-version:1.2\nhost:a\nheart-beat:{heart_beat}\n\n\0"));
    session.expect("CONNECTED", &[("heart-beat", of_broker)], "");
    session
}

#[test]
fn stomp_heartbeats_are_messages_with_a_line_end() {
    let broker = Broker::start(&["--heart-beat", "500,500"]);
    let started = Instant::now();
    let mut sessions = Transport::ALL.map(|transport| connect_with_heartbeats(&broker, transport, "0,500"));
    for round in 1..=2 {
        for session in &mut sessions {
            session.expect_message("\n");
            // The broker may send a heartbeat up to half an interval early, so that it arrives in time.
            assert!(
                started.elapsed() >= BEAT * round / 2,
                "{:?}: {:?}",
                session.transport,
                started.elapsed()
            );
        }
    }
}

#[test]
fn at_most_one_stomp_heartbeat_waits_for_a_receiver() {
    let broker = Broker::start(&["--heart-beat", "500,500"]);
    let mut polls = connect_with_heartbeats(&broker, Transport::XhrPolling, "0,500");
    let mut clock = connect_with_heartbeats(&broker, Transport::WebSocket, "0,500");
    for _ in 0..3 {
        clock.expect_message("\n");
    }
    assert_eq!(polls.frame(), Frame::Messages(vec!["\n".to_string()]), "only one may wait");
}

#[test]
fn stomp_heartbeats_replace_sockjs_heartbeats() {
    let flags = ["--heart-beat=500,500", "--sockjs-heartbeat=1s"];
    let broker = Broker::start(&flags);
    let mut beaten = Transport::ALL.map(|transport| connect_with_heartbeats(&broker, transport, "0,500"));
    let mut others = Transport::ALL.map(|transport| connect_with_heartbeats(&broker, transport, "0,0"));
    others.iter_mut().filter(|session| session.transport != Transport::WebSocket).for_each(|session| {
        session.attach();
    });
    for _ in 0..2 {
        for session in &mut beaten {
            assert_eq!(session.frame(), Frame::Messages(vec!["\n".to_string()]), "{:?}", session.transport);
        }
    }
    for session in &mut others {
        assert_eq!(session.frame(), Frame::HeartBeat, "{:?}", session.transport);
    }
}

#[test]
fn no_sockjs_heartbeats_are_sent_while_stomp_heartbeats_are_agreed() {
    // With these options a SockJS heartbeat would arrive before the first STOMP heartbeat.
    let broker = Broker::start(&["--heart-beat=1500,0", "--sockjs-heartbeat=300ms"]);
    for transport in [Transport::XhrStreaming, Transport::WebSocket] {
        let mut session = open(&broker, transport);
        session.stomp("CONNECT\naccept-version:1.2\nhost:a\nheart-beat:0,1500\n\n\0");
        session.expect("CONNECTED", &[("heart-beat", "1500,0")], "");
        assert_eq!(session.frame(), Frame::Messages(vec!["\n".to_string()]), "{transport:?}");
    }
}

#[test]
fn a_client_without_heartbeats_is_closed_with_a_reason_and_others_stay() {
    // On a busy machine a client may be late by one more interval.
    let (agreed, rounds) = ("2000,2000", 3);
    let broker = Broker::start(&["--heart-beat", agreed]);
    let mut silent = Transport::ALL.map(|transport| connect_with(&broker, transport, "2000,0", agreed));
    let mut beating = Transport::ALL.map(|transport| connect_with(&broker, transport, agreed, agreed));
    for _ in 0..rounds {
        for session in &mut beating {
            session.expect_message("\n");
            session.stomp("\n");
        }
    }
    for session in &mut silent {
        session.expect_close(1002, "heartbeat lost");
    }
    drop(silent);
    for session in &mut beating {
        session.stomp("SEND\ndestination:/topic/a\nreceipt:done\n\n\0");
        while session.message() != "RECEIPT\nreceipt-id:done\n\n\0" {}
    }
    broker.wait_for_metric("connections_closed_total{reason=\"heart-beat-lost\"}", 6);
    assert_eq!(broker.metric("connections_closed_total"), 6);
}

// ---- native WebSocket beside it ----

#[test]
fn the_path_serves_the_greeting_and_native_clients() {
    let broker = Broker::start(&[]);
    for path in ["/ws", "/ws/"] {
        broker.get(path).assert(200, "Welcome to SockJS!");
        for (offered, chosen) in [(Some("v10.stomp, v12.stomp"), Some("v12.stomp")), (None, None)] {
            let (stream, response) = upgrade(broker.http, path, offered);
            assert_eq!((response.status, response.header("sec-websocket-protocol")), (101, chosen));
            let mut client = Client::new(Wire::WebSocket, stream);
            client.send("CONNECT\naccept-version:1.2\nhost:a\n\n\0");
            client.expect("CONNECTED", &[], "");
            client.disconnect();
        }
    }
}

#[test]
fn the_raw_path_is_native_websocket_with_a_subprotocol() {
    let broker = Broker::start(&[]);
    for (offered, chosen) in [
        (Some("v11.stomp, v12.stomp"), Some("v12.stomp")),
        (Some("v10.stomp"), Some("v10.stomp")),
        (None, None),
    ] {
        let (stream, response) = upgrade(broker.http, "/ws/websocket", offered);
        assert_eq!((response.status, response.header("sec-websocket-protocol")), (101, chosen));
        let mut client = Client::new(Wire::WebSocket, stream);
        client.send("CONNECT\naccept-version:1.2\nhost:a\n\n\0");
        client.expect("CONNECTED", &[], "");
        assert_eq!(broker.metric("connections{transport=\"websocket\"}"), 1);
        client.subscribe("1", "/topic/a", "");
        client.send_bytes(b"SEND\ndestination:/topic/a\n\n\xff\0");
        assert_eq!(client.frame("MESSAGE").body, b"\xff", "native clients receive binary messages");
        client.send("HELLO\n\n\0");
        client.frame("ERROR");
        client.expect_closed(1002);
        drop(client);
        broker.wait_for_metric("connections{transport=\"websocket\"}", 0);
    }
}

#[test]
fn no_subprotocol_is_chosen_for_sockjs() {
    let broker = Broker::start(&[]);
    let (_, response) = upgrade(broker.http, "/ws/000/a/websocket", None);
    assert_eq!((response.status, response.header("sec-websocket-protocol")), (101, None));
}

#[test]
fn broken_json_over_websocket_is_logged_as_rejected() {
    let broker = Broker::start(&[]);
    let mut socket = Socket::open(broker.http, "/ws/000/a/websocket");
    assert_eq!(socket.frame(), Frame::Open);
    socket.send(FIN | TEXT, b"[\"CONNECT");
    socket.expect_close(3000, "Broken framing.");
    drop(socket);
    broker.wait_for_metric("connections_closed_total{reason=\"rejected\"}", 1);
    // A client that closes the connection itself is not rejected.
    let mut session = connect(&broker, Transport::WebSocket);
    session.socket().send(FIN | CLOSE, &1000_u16.to_be_bytes());
    assert_eq!(session.frame(), Frame::SocketClose(1000, String::new()));
    drop(session);
    broker.wait_for_metric("connections_closed_total{reason=\"peer-left\"}", 1);
}
