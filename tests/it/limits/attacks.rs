//! Attacks with logins, tokens and destinations: they leave no resources in use and do not affect other clients.

use crate::support::frame::Frame;
use crate::support::sign_in::{by_token, token, with_tokens};
use crate::support::{Broker, Client, Event, HANG_TIMEOUT, Wire, on_each_wire};
use rustix::process::Signal;
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Gauges of everything that a client can leave behind.
const GAUGES: [&str; 9] = [
    "sessions",
    "subscriptions",
    "topics",
    "user_destinations",
    "services",
    "presence_topics",
    "transactions",
    "queues",
    "outbound_queue_bytes",
];

#[track_caller]
fn assert_nothing_is_left(broker: &Broker) {
    for gauge in GAUGES {
        broker.wait_for_metric(gauge, 0);
    }
    broker.wait_for_metric("connections{transport=\"tcp\"}", 0);
    broker.wait_for_metric("connections{transport=\"websocket\"}", 0);
    // The broker computes this gauge at each scrape.
    broker.wait_for_metric("memory_used_bytes", 0);
}

on_each_wire! {
    fn connections_cut_at_any_step_leave_nothing_behind(wire: Wire) {
        let broker = with_tokens(&["--presence-grace=0ms", "--permission=allow all users /queue/**"]);
        let alice = by_token("alice");
        let script = [
            format!("CONNECT\naccept-version:1.2\nhost:a\nsoft-errors:true\n{alice}\n\0"),
            "SUBSCRIBE\nid:1\ndestination:/user/queue/**\n\n\0".to_owned(),
            "SUBSCRIBE\nid:2\ndestination:/topic/room\n\n\0".to_owned(),
            "SUBSCRIBE\nid:3\ndestination:/presence/topic/room\n\n\0".to_owned(),
            "SEND\ndestination:/app/x\nreply-to:/temp-queue/t\n\n\0".to_owned(),
            "BEGIN\ntransaction:t\n\n\0".to_owned(),
            "SEND\ndestination:/users/queue/x\nto:alice,bob\ntransaction:t\n\nx\0".to_owned(),
            format!("SEND\ndestination:/auth/refresh\n\n{}\0", token("alice", json!({}))),
            "SEND\ndestination:/topic/forbidden\n\n\0".to_owned(),
            "COMMIT\ntransaction:t\n\n\0".to_owned(),
            "SEND\ndestination:/auth/refresh\n\nno.good.token\0".to_owned(),
        ];
        // Ends the connection after each frame of the script: at once with a reset or a close, or after the first
        // answer. The second loop ends it within a frame.
        for length in 0..=script.len() {
            for kind in 0..3 {
                let mut client = broker.open(wire);
                for frame in &script[..length] {
                    client.send(frame);
                }
                match kind {
                    0 => client.reset(),
                    1 => drop(client),
                    _ => {
                        if length > 0 {
                            client.event();
                        }
                        client.reset();
                    }
                }
            }
        }
        let whole = script.concat().into_bytes();
        for length in (0..whole.len()).step_by(29) {
            let mut client = broker.open(wire);
            let bytes = &whole[..length];
            match wire {
                Wire::Tcp => client.write_bytes(bytes),
                // One WebSocket message contains all frames. Only its first `length` bytes are sent.
                Wire::WebSocket => {
                    let message = crate::support::websocket::frame(0x81, &whole);
                    client.write_bytes(&message[..length]);
                }
            }
            if length % 2 == 0 { client.reset() } else { drop(client) }
        }
        assert_nothing_is_left(&broker);
        assert_alice_can_sign_in(&broker, wire);
    }

    fn random_destinations_do_not_expose_messages_of_other_users(wire: Wire) {
        const PARTS: [&str; 30] = [
            "/", "/", "/", "user", "users", "bob", "%62ob", "queue", "topic", "x", ".", "..", "%2F", "%2f", "%2e",
            "%00", "%25", "~", "~ID", "*", "**", "#", ">", "alice", "presence", "app", "temp-queue", " ", "\\n", "\\c",
        ];
        let broker = with_tokens(&["--default-permissions=open"]);
        let (mut bob, id) = broker.sign_in(wire, &by_token("bob"));
        bob.subscribe("x", "/user/queue/x", "");
        bob.subscribe("t", "/temp-queue/t", "");
        let (mut carol, _) = broker.sign_in(wire, &by_token("carol"));
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        for round in 0..6 {
            let (mut alice, _) = broker.sign_in(wire, &format!("{}soft-errors:true\n", by_token("alice")));
            alice.subscribe("errors", "/user/queue/errors", "");
            alice.subscribe("marks", "/user/queue/marks", "");
            let mut script = String::new();
            for at in 0..500 {
                let start = ["/user/", "/user/", "/user/bob/queue/x", "/", "/topic/"][random(5)];
                let parts = (0..1 + random(7)).map(|_| PARTS[random(PARTS.len())]);
                let destination = parts.fold(start.to_owned(), |text, part| text + part).replace("ID", &id);
                script.push_str(&format!("SUBSCRIBE\nid:{at}\ndestination:{destination}\n\n\0"));
            }
            script.push_str("SEND\ndestination:/user/queue/marks\nlast:1\n\n\0");
            if wire == Wire::Tcp { alice.write_bytes(script.as_bytes()) } else { alice.send(&script) }
            while alice.frame("MESSAGE").header("last").is_none() {}
            let secret = format!("secret {round}");
            assert_eq!(carol.send_and_count("/user/bob/queue/x", "", &secret), 1);
            bob.expect_message("/user/queue/x", &secret);
            alice.send("SEND\ndestination:/user/queue/marks\nlast:2\n\n\0");
            loop {
                let frame = alice.frame("MESSAGE");
                assert!(!frame.text().contains("secret"), "{frame:?}");
                if frame.header("last") == Some("2") {
                    break;
                }
            }
            alice.reset();
        }
        drop((bob, carol));
        assert_nothing_is_left(&broker);
    }

    fn long_recipient_lists_affect_only_the_sender(wire: Wire) {
        let broker = with_tokens(&["--to-bytes-max=64KiB"]);
        let (mut bob, _) = broker.sign_in(wire, &by_token("bob"));
        bob.subscribe("x", "/user/queue/x", "");
        // A name that is almost as long as `to-bytes-max` allows. No user has it, and neither an ERROR nor the log may
        // repeat it.
        let name = "n".repeat(60 * 1024);
        for (destination, to) in [
            ("/users/queue/x", format!("bob,{name}")),
            ("/users/topic/x", name.clone()),
            ("/users/queue/x", format!("bob,{}", "%25".repeat(20_000))),
        ] {
            let (mut alice, _) = broker.sign_in(wire, &by_token("alice"));
            alice.send(&format!("SEND\ndestination:{destination}\nto:{to}\nreceipt:r\n\nx\0"));
            let error = alice.expect_error(&[("receipt-id", "r")]);
            let size: usize = error.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
            assert!(size + error.body.len() < 4096, "an ERROR of {size} bytes about {}", &to[..20]);
        }
        assert!(broker.log().lines().all(|line| line.len() < 4096), "a sender must not cause long log lines");
        bob.expect_quiet_as_user();
        // Only a SEND to `/users/…` may have a header `to` that is longer than `header-bytes-max`.
        for destination in ["/user/bob/queue/x", "/topic/chat.a", "/app/a"] {
            let (mut alice, _) = broker.sign_in(wire, &by_token("alice"));
            alice.send(&format!("SEND\ndestination:{destination}\nto:{name}\nreceipt:r\n\nx\0"));
            let frame = alice.frame("ERROR");
            assert!(frame.text().contains("header-bytes-max"), "{destination}: {frame:?}");
        }
        bob.expect_quiet_as_user();
        // A short name takes more memory than the bytes of its text. The broker must charge this memory.
        let (mut alice, _) = broker.sign_in(wire, &by_token("alice"));
        let to: Vec<String> = (0..9_000).map(|at| format!("{at:x}")).collect();
        let to = to.join(",");
        alice.send("BEGIN\ntransaction:t\n\n\0");
        alice.send_with_receipt("/users/queue/x", &format!("transaction:t\nto:{to}\n"), "");
        let counted = broker.metric("memory_used_bytes");
        assert!(counted > 9_000 * 48, "{counted}");
        alice.done("ABORT\ntransaction:t\nreceipt:done\n\n\0");
        drop((alice, bob));
        assert_nothing_is_left(&broker);
    }

    fn unread_soft_errors_are_bounded(wire: Wire) {
        let broker = with_tokens(&[
            "--outbound-queue-bytes-max=64KiB",
            "--frame-bytes-max=32KiB",
            "--connect-frame-bytes-max=32KiB",
            "--stall-timeout=1s",
            "--linger=200ms",
            "--slow-consumer-grace=100ms",
        ]);
        let (client, _) = broker.sign_in(wire, &format!("{}soft-errors:true\n", by_token("alice")));
        let mut client = client;
        client.shrink_receive_buffer();
        client.subscribe("errors", "/user/queue/errors", "");
        let script = "SEND\ndestination:/topic/a\n\n\0".repeat(1000);
        // The client reads nothing, so the broker closes the connection.
        let started = Instant::now();
        while client.try_send_bytes(script.as_bytes()).is_ok() {
            assert!(started.elapsed() < HANG_TIMEOUT, "the broker still accepts input of the client");
            assert!(broker.metric("outbound_queue_bytes") < 1024 * 1024);
        }
        drop(client);
        broker.wait_for_metric("sessions", 0);
        let denied = broker.log().lines().filter(|line| line.contains("access denied")).count();
        assert!(denied <= 20, "{denied} log lines about one client");
        assert_nothing_is_left(&broker);
    }

    fn token_refreshes_run_in_order_and_one_at_a_time(wire: Wire) {
        let broker = with_tokens(&[]);
        let (mut alice, _) = broker.sign_in(wire, &by_token("alice"));
        alice.subscribe("x", "/user/queue/x", "");
        let fresh = token("alice", json!({ "roles": ["service"] }));
        let stale = token("alice", json!({}));
        let mut script = String::new();
        for at in 0..200 {
            let token = if at % 2 == 0 { &fresh } else { &stale };
            script.push_str(&format!("SEND\ndestination:/auth/refresh\nreceipt:{at}\n\n{token}\0"));
            if at % 2 == 0 {
                // Only a user with the role `service` may send to this topic. The preceding refresh grants the role.
                script.push_str("SEND\ndestination:/topic/for.services\n\n\0");
            }
        }
        if wire == Wire::Tcp { alice.write_bytes(script.as_bytes()) } else { alice.send(&script) }
        for at in 0..200 {
            alice.expect("RECEIPT", &[("receipt-id", &at.to_string())], "");
        }
        // The last refresh has removed the role.
        alice.send("SEND\ndestination:/topic/for.services\n\n\0");
        alice.expect_error(&[("message", "access denied")]);
        for (bad, message) in [
            (token("bob", json!({})), "token refused"),
            (token("Alice", json!({})), "token refused"),
            (token("alice", json!({ "exp": 1_000_000_000 })), "login failed"),
            ("a.b.c".to_owned(), "login failed"),
            ("x".repeat(100_000), "login failed"),
        ] {
            let (mut alice, _) = broker.sign_in(wire, &by_token("alice"));
            alice.send(&format!(
                "SEND\ndestination:/auth/refresh\nreceipt:r\n\n{bad}\0SEND\ndestination:/user/alice/queue/x\n\nno\0"
            ));
            let error = alice.expect_error(&[("receipt-id", "r")]);
            assert_eq!(error.expect_header("message"), message, "{error:?}");
            assert!(!error.text().contains(&bad[..5]), "{error:?}");
        }
        let log = broker.log();
        assert!(!log.contains(&fresh) && !log.contains("a.b.c") && !log.contains("xxxxx"), "{log}");
        drop(alice);
        assert_nothing_is_left(&broker);
    }

    /// STOMP 1.0 has no escapes. A client of that version must not read a header that the sender did not write.
    fn an_escaped_line_break_does_not_inject_a_header(wire: Wire) {
        let broker = with_tokens(&[]);
        let mut listeners = ["1.0", "1.1", "1.2"].map(|version| {
            let (mut client, _) = broker.sign_in_with(wire, version, &by_token("bob"));
            client.subscribe("x", "/user/queue/**", "");
            client
        });
        let (mut alice, _) = broker.sign_in(wire, &by_token("alice"));
        for (destination, headers) in [
            ("/user/bob/queue/x", "mood:good\\nuser-name\\croot\\n\\nsecret\n"),
            ("/user/bob/queue/x", "mo\\nuser-name\\croot\\nod:good\n"),
            ("/user/bob/queue/x\\nuser-name\\croot", ""),
            ("/user/bob/queue/x\\r\\nuser-name\\croot", "a\\r:b\\r\n"),
        ] {
            assert_eq!(alice.send_and_count(destination, headers, "body"), 3);
            for client in &mut listeners {
                let message: Frame = client.expect("MESSAGE", &[("user-name", "alice")], "body");
                let named = |(name, value): &&(String, String)| name == "user-name" || value == "root";
                assert_eq!(message.headers.iter().filter(named).count(), 1, "{message:?}");
            }
        }
    }
}

#[track_caller]
fn assert_alice_can_sign_in(broker: &Broker, wire: Wire) {
    let (mut client, _) = broker.sign_in(wire, &by_token("alice"));
    client.expect_quiet_as_user();
    client.disconnect();
}

// ---- slow logins ----

/// An authentication hook that accepts every login. It answers no request before `release`.
struct SlowHook {
    url: String,
    release: std::sync::mpsc::Sender<()>,
}

impl SlowHook {
    fn start() -> SlowHook {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let (release, released) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut waiting = Vec::new();
            // Accepts only the first connection. Later connections wait in the backlog of the listener.
            if let Ok((stream, _)) = listener.accept() {
                waiting.push(stream);
            }
            if released.recv().is_err() {
                return;
            }
            for stream in waiting.into_iter().map(Ok).chain(listener.incoming()) {
                let Ok(stream) = stream else { return };
                std::thread::spawn(move || answer_requests(stream));
            }
        });
        SlowHook { url, release }
    }
}

/// Answers the requests of a connection one after another, with the login as the user's name.
fn answer_requests(stream: TcpStream) {
    let Ok(writing) = stream.try_clone() else { return };
    let (mut reader, mut writing) = (BufReader::new(stream), writing);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if !reader.read_line(&mut line).is_ok_and(|count| count > 0) {
                return;
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(digits) = line.strip_prefix("content-length:") {
                length = digits.trim().parse().expect("a length");
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let request: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let reply = json!({ "name": request["login"] }).to_string();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{reply}", reply.len());
        if writing.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn a_thousand_pending_logins_do_not_block_other_logins_and_can_be_abandoned() {
    const LOGINS: usize = 1000;
    let hook = SlowHook::start();
    let flags =
        ["--hook-url", &hook.url, "--hook-timeout=1m", "--auth-timeout=1m", "--auth-waiting-max=1001"];
    let broker = with_tokens(&flags);
    let login = |at: usize| format!("CONNECT\naccept-version:1.2\nhost:a\nlogin:user-{at}\npasscode:p\n\n\0");
    let mut waiting: Vec<Client> = (0..LOGINS)
        .map(|at| {
            let mut client = broker.open(Wire::ALL[at % 2]);
            client.send(&login(at));
            client
        })
        .collect();
    broker.wait_for_metric("connections", LOGINS as i64);
    // A login with a token does not wait for the pending logins.
    assert_alice_can_sign_in(&broker, Wire::Tcp);
    // The broker releases the permit of a client when it detects that the client has disconnected. TCP clients send a
    // reset, because a client that has only ended its stream may still read.
    let rest = waiting.split_off(LOGINS / 2);
    for (at, client) in rest.into_iter().enumerate() {
        if at % 2 == 0 { client.reset() } else { drop(client) }
    }
    broker.wait_for_metric("connections", (LOGINS / 2) as i64);
    assert_alice_can_sign_in(&broker, Wire::Tcp);
    assert_eq!(broker.metric("sessions"), 0);
    hook.release.send(()).expect("the hook waits for the release");
    for (at, client) in waiting.iter_mut().enumerate() {
        client.expect("CONNECTED", &[("user-name", &format!("user-{at}"))], "");
    }
    assert_eq!(broker.metric("sessions"), (LOGINS / 2) as i64);
    drop(waiting);
    assert_nothing_is_left(&broker);
}

#[test]
fn half_closed_clients_are_answered_and_frames_sent_before_a_close_are_executed() {
    let hook = SlowHook::start();
    let flags =
        ["--hook-url", &hook.url, "--hook-timeout=1m", "--auth-timeout=1m", "--default-permissions=open"];
    let broker = with_tokens(&flags);
    let (mut alice, _) = broker.sign_in(Wire::Tcp, &by_token("alice"));
    alice.subscribe("x", "/user/queue/x", "");
    let connect = "CONNECT\naccept-version:1.2\nhost:a\nlogin:bob\npasscode:p\n\n\0";
    let send = "SEND\ndestination:/user/alice/queue/x\n\nlast words\0";
    let mut half = broker.open(Wire::Tcp);
    half.send(connect);
    half.shutdown_write();
    let mut closed = broker.open(Wire::WebSocket);
    closed.send(connect);
    closed.send(send);
    drop(closed);
    let mut given_up = broker.open(Wire::WebSocket);
    given_up.send(connect);
    drop(given_up);
    broker.log_line(|line| line.contains("peer-left"));
    hook.release.send(()).expect("the hook waits for the release");
    half.expect("CONNECTED", &[("user-name", "bob")], "");
    half.expect_end();
    let message = alice.expect_message("/user/queue/x", "last words");
    assert_eq!(message.expect_header("user-name"), "bob");
    drop(alice);
    assert_nothing_is_left(&broker);
}

/// A users file that is deleted when dropped.
struct UsersFile(PathBuf);

impl UsersFile {
    fn new(name: &str) -> UsersFile {
        let name = format!("{name}-{}", std::process::id());
        UsersFile(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }

    fn add(&self, name: &str, passcode: &str) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stompbox"));
        command.args(["passwd", self.path(), name]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().expect("the command runs");
        child.stdin.take().expect("a pipe").write_all(passcode.as_bytes()).expect("the command reads");
        assert!(child.wait().expect("the command ends").success());
    }
}

impl Drop for UsersFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn logins_are_checked_correctly_while_the_users_file_is_reloaded() {
    let users = UsersFile::new("storm");
    users.add("alice", "sesame");
    let one = std::fs::read(&users.0).expect("a file");
    users.add("bob", "tulip");
    let both = std::fs::read(&users.0).expect("a file");
    let flags = ["--users-file", users.path(), "--auth-failures-free=100000", "--auth-cache-max=0"];
    let broker = Broker::start(&[&flags[..], &["--permission=deny send users /user/queue/no"]].concat());
    let beside = users.0.with_extension("new");
    for round in 0..15 {
        // Replaces the file as a whole, as `passwd` and editors do.
        std::fs::write(&beside, if round % 2 == 0 { &one } else { &both }).expect("a file");
        std::fs::rename(&beside, &users.0).expect("the file is replaced");
        let mut clients = [0, 1, 2].map(|at| broker.open(Wire::ALL[at % 2]));
        let logins = [("alice", "sesame"), ("bob", "tulip"), ("alice", "wrong")];
        for (client, (login, passcode)) in clients.iter_mut().zip(logins) {
            broker.signal(Signal::HUP);
            client.send(&format!(
                "CONNECT\naccept-version:1.2\nhost:a\nlogin:{login}\npasscode:{passcode}\n\n\0"
            ));
        }
        broker.signal(Signal::HUP);
        clients[0].expect("CONNECTED", &[("user-name", "alice")], "");
        clients[0].expect_quiet_as_user();
        match clients[1].event() {
            Event::Frame(frame) if frame.command == "CONNECTED" => {}
            Event::Frame(frame) => assert_eq!(frame.expect_header("message"), "login failed"),
            other => panic!("{other:?}"),
        }
        clients[2].expect_error(&[("message", "login failed")]);
        // The permission rules are the same after every signal.
        clients[0].send("SEND\ndestination:/user/queue/no\n\n\0");
        clients[0].expect_error(&[("message", "access denied")]);
    }
    assert_nothing_is_left(&broker);
}

#[test]
fn a_removed_user_is_disconnected_and_its_messages_reach_no_other_user() {
    let users = UsersFile::new("gone");
    users.add("alice", "sesame");
    let without_bob = std::fs::read(&users.0).expect("a file");
    users.add("bob", "tulip");
    let broker = Broker::start(&["--users-file", users.path()]);
    let (mut bob, _) = broker.sign_in(Wire::Tcp, "login:bob\npasscode:tulip\n");
    bob.subscribe("x", "/user/queue/x", "");
    let (mut alice, _) = broker.sign_in(Wire::Tcp, "login:alice\npasscode:sesame\n");
    std::fs::write(&users.0, without_bob).expect("a file");
    broker.signal(Signal::HUP);
    broker.log_line(|line| line.contains("permission rules and users file reloaded"));
    bob.expect_error(&[("message", "access revoked")]);
    broker.wait_for_metric("sessions", 1);
    assert_eq!(alice.send_and_count("/user/bob/queue/x", "", "for bob"), 0);
    let mut again = broker.open(Wire::Tcp);
    again.send("CONNECT\naccept-version:1.2\nhost:a\nlogin:bob\npasscode:tulip\n\n\0");
    again.expect_error(&[("message", "login failed")]);
    alice.expect_quiet_as_user();
}

#[test]
fn user_names_of_at_most_256_bytes_are_accepted_and_others_rejected() {
    let broker = with_tokens(&["--destination-bytes-max=1024"]);
    let (mut sender, _) = broker.sign_in(Wire::Tcp, &by_token("sender"));
    for name in ["n".repeat(256), "/".repeat(256), "%".repeat(256), "小".repeat(85), "~".repeat(256)] {
        let (mut client, _) = broker.sign_in(Wire::Tcp, &by_token(&name));
        client.subscribe("x", "/user/queue/x", "");
        let written: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        assert_eq!(sender.send_and_count(&format!("/user/{written}/queue/x"), "", "hi"), 1);
        client.expect_message("/user/queue/x", "hi");
        assert_eq!(sender.send_and_count("/users/queue/x", &format!("to:{written}\n"), "hi"), 1);
        client.expect_message("/user/queue/x", "hi");
    }
    for name in ["n".repeat(257), String::new(), "a\nb".to_owned(), "a\0b".to_owned()] {
        let mut client = broker.open(Wire::Tcp);
        client.send(&format!("CONNECT\naccept-version:1.2\nhost:a\n{}\n\0", by_token(&name)));
        client.expect_error(&[("message", "login failed")]);
    }
}
