//! Memory of subscriptions, names and ids is counted at its real size and is limited per session.

use crate::support::{Broker, Client, Event, Wire, on_each_wire};

// ---- the account compared with the memory of the process ----

/// Minimum growth in bytes that can be measured in the memory of the process.
const BYTES_MIN: usize = 24 << 20;
/// Options with which one session may use all the memory.
const OPEN: &[&str] = &[
    "--memory-bytes-max=2GiB",
    "--subscription-bytes-max=1GiB",
    "--id-bytes-max=16KiB",
    "--temp-queues-max=1000",
    "--default-permissions=open",
];

/// Connects `sessions` clients. Each client sends `frame(session, number)` for the numbers below `count`, and waits
/// until the broker has processed the frames.
fn grow(
    broker: &Broker,
    sessions: usize,
    count: usize,
    frame: impl Fn(usize, usize) -> String,
) -> Vec<Client> {
    (0..sessions)
        .map(|session| {
            let mut client = broker.connect(Wire::Tcp);
            // Waits for a RECEIPT after every 100 frames, so that neither side blocks on writing.
            for begin in (0..count).step_by(100) {
                let frames: String = (begin..begin + 100).map(|number| frame(session, number)).collect();
                client.send(&frames);
                client.send("SEND\ndestination:/topic/none\nreceipt:batch\n\n\0");
                loop {
                    match client.event() {
                        Event::Frame(frame) if frame.command == "RECEIPT" => break,
                        Event::Frame(frame) if frame.command == "MESSAGE" => {}
                        other => panic!("{other:?}"),
                    }
                }
            }
            client
        })
        .collect()
}

/// Asserts that the memory of the process and `memory_used_bytes` grow alike when `sessions` sessions create `count`
/// items each.
#[track_caller]
fn assert_account(sessions: usize, count: usize, frame: impl Fn(usize, usize) -> String) {
    let broker = Broker::start(OPEN);
    // Causes the allocations that happen only once.
    drop(grow(&broker, 1, 100, |_, number| frame(1_000_000, number)));
    broker.wait_for_metric("connections", 0);
    let (resident, account) = (broker.resident_bytes(), broker.metric("memory_used_bytes"));
    let clients = grow(&broker, sessions, count, frame);
    let grown = broker.resident_bytes().saturating_sub(resident);
    let counted =
        usize::try_from(broker.metric("memory_used_bytes") - account).expect("the account has grown");
    assert!(grown >= BYTES_MIN, "{grown} bytes are too few to compare");
    assert!(grown * 10 <= counted * 13, "{grown} bytes of memory, only {counted} in the account");
    assert!(counted * 10 <= grown * 13, "{counted} bytes in the account, only {grown} of memory");
    drop(clients);
    broker.wait_for_metric("connections", 0);
}

/// Returns a name of 1 KiB that begins with `prefix`.
fn long(prefix: &str, session: usize, number: usize) -> String {
    let name = format!("{prefix}{session}-{number}-");
    let rest = 1024 - name.len();
    name + &"x".repeat(rest)
}

fn subscribe(number: usize, destination: &str) -> String {
    format!("SUBSCRIBE\nid:{number}\ndestination:{destination}\n\n\0")
}

#[test]
fn deep_wildcard_subscriptions_are_in_the_account() {
    assert_account(5, 300, |session, number| {
        subscribe(number, &format!("/topic/{session}.{number}.{}*", "a.b.c.".repeat(20)))
    });
}

#[test]
fn topics_with_long_names_are_in_the_account() {
    assert_account(18, 1000, |session, number| subscribe(number, &long("/topic/", session, number)));
}

#[test]
fn temporary_queues_are_in_the_account() {
    assert_account(14, 1000, |_, number| subscribe(number, &format!("/temp-queue/t{number}")));
}

#[test]
fn long_subscription_ids_are_in_the_account() {
    assert_account(3, 1000, |_, number| {
        format!("SUBSCRIBE\nid:{number}-{}\ndestination:/topic/a\n\n\0", "x".repeat(16_000))
    });
}

#[test]
fn presence_of_topics_with_long_names_is_in_the_account() {
    assert_account(7, 1000, |session, number| subscribe(number, &long("/presence/topic/", session, number)));
}

#[test]
fn queues_with_long_names_are_in_the_account() {
    assert_account(1, 12_000, |session, number| {
        format!("SEND\ndestination:{}\n\nhi\0", long("/queue/", session, number))
    });
}

#[test]
fn queues_with_short_names_are_in_the_account() {
    assert_account(1, 36_000, |session, number| {
        format!("SEND\ndestination:/queue/{session}-{number}\n\nhi\0")
    });
}

#[test]
fn frames_with_many_headers_in_transactions_are_in_the_account() {
    assert_account(5, 3000, |_, number| {
        let headers = "a:\n".repeat(97);
        let send = format!("SEND\ndestination:/topic/a\ntransaction:t\n{headers}\n\0");
        if number == 0 { format!("BEGIN\ntransaction:t\n\n\0{send}") } else { send }
    });
}

// ---- rejections ----

/// Subscribes to names of 1 KiB until a SUBSCRIBE is rejected. Returns the number of subscriptions and the ERROR.
#[track_caller]
fn subscribe_until_rejected(client: &mut Client, session: usize) -> (usize, String) {
    for number in 0.. {
        client.send(&format!(
            "SUBSCRIBE\nid:{number}\ndestination:{}\nreceipt:{number}\n\n\0",
            long("/topic/", session, number)
        ));
        let Event::Frame(frame) = client.event() else { panic!("expected an answer") };
        if frame.command != "RECEIPT" {
            assert_eq!(
                (frame.command.as_str(), frame.expect_header("receipt-id")),
                ("ERROR", number.to_string().as_str())
            );
            client.expect_end();
            return (number, frame.text());
        }
    }
    unreachable!("the loop has no end of its own")
}

on_each_wire! {
    fn a_session_over_subscription_bytes_max_is_rejected_with_the_options_name(wire: Wire) {
        let broker = Broker::start(&["--subscription-bytes-max=64KiB"]);
        let mut other = broker.connect(wire);
        other.subscribe("1", "/topic/a", "");
        let mut client = broker.connect(wire);
        let (accepted, error) = subscribe_until_rejected(&mut client, 0);
        assert!(error.contains("subscription-bytes-max allows 65536"), "{error}");
        assert!((25..45).contains(&accepted), "{accepted} subscriptions of about 2 KB were accepted");
        assert_eq!(broker.limit_hits("subscription-bytes-max"), 1);
        broker.wait_for_metric("subscriptions", 1);
        other.publish("/topic/a", "hi");
        other.expect("MESSAGE", &[], "hi");
        drop(other);
        broker.wait_for_metric("memory_used_bytes", 0);
    }

    fn a_thousand_ordinary_subscriptions_fit_by_default(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        for number in 0..1000 {
            let name = format!("/topic/market.{number}.prices.{}.*", "x".repeat(60));
            client.send(&subscribe(number, &name));
        }
        client.publish("/topic/none", "and the connection lives");
        assert_eq!(broker.metric("subscriptions"), 1000);
    }

    fn subscribers_that_use_up_their_share_do_not_block_publishers(wire: Wire) {
        let broker = Broker::start(&["--memory-bytes-max=4MiB"]);
        let (mut receiver, mut sender) = (broker.connect(wire), broker.connect(wire));
        receiver.subscribe("1", "/topic/a", "");
        // Four sessions use up most of the share for subscriptions without reaching their own limits. One more session
        // reaches the limit of the share.
        let hoarders: Vec<_> = (0..4)
            .map(|session| {
                let mut client = broker.connect(wire);
                (0..100).for_each(|n| client.subscribe(&n.to_string(), &long("/topic/", session, n), ""));
                client
            })
            .collect();
        let mut last = broker.connect(wire);
        let (accepted, error) = subscribe_until_rejected(&mut last, 9);
        assert!(error.contains("memory-bytes-max"), "{error}");
        assert!(accepted > 10, "{accepted}");
        let mut greedy = broker.connect(wire);
        let _ = subscribe_until_rejected(&mut greedy, 10);
        for number in 0..20 {
            sender.publish("/topic/a", &number.to_string());
            receiver.expect("MESSAGE", &[], &number.to_string());
            broker.connect(wire).publish("/queue/a", "of a client that comes now");
        }
        drop(hoarders);
        broker.wait_for_metric("subscriptions", 1);
        receiver.subscribe("2", &long("/topic/", 0, 0), "");
    }

    fn begin_over_the_share_is_rejected_and_publishers_continue(wire: Wire) {
        let broker = Broker::start(&["--memory-bytes-max=1MiB", "--default-permissions=open"]);
        let mut sender = broker.connect(wire);
        let begin = |number: usize, receipt: &str| {
            format!("BEGIN\ntransaction:{number}{}\nreceipt:{receipt}\n\n\0", "x".repeat(1000))
        };
        // Each session opens the maximum of 100 transactions, about 1.2 KB each.
        let hoarders: Vec<_> = (0..2)
            .map(|_| {
                let mut client = broker.connect(wire);
                (0..100).for_each(|number| client.done(&begin(number, "done")));
                client
            })
            .collect();
        let mut last = broker.connect(wire);
        for number in 0.. {
            last.send(&begin(number, &number.to_string()));
            let Event::Frame(frame) = last.event() else { panic!("expected an answer") };
            if frame.command == "RECEIPT" {
                continue;
            }
            assert_eq!(frame.expect_header("receipt-id"), number.to_string());
            assert_eq!(frame.expect_header("message"), "memory limit reached");
            assert!(frame.text().contains("no memory for the transaction, which needs 1"), "{frame:?}");
            assert!(frame.text().contains("memory-bytes-max"), "{frame:?}");
            last.expect_end();
            break;
        }
        assert_eq!(broker.limit_hits("memory-bytes-max"), 1);
        let held = broker.metric("memory_used_bytes");
        assert!((200_000..300_000).contains(&held), "{held}");
        sender.publish("/queue/a", "hi");
        drop((hoarders, last));
        sender.done(&begin(0, "done"));
        broker.wait_for_metric("transactions", 1);
    }

    fn subscribe_over_the_limit_is_a_soft_error_and_the_session_continues(wire: Wire) {
        let broker = Broker::start(&["--subscription-bytes-max=64KiB", "--default-permissions=open"]);
        let mut client = broker.open(wire);
        client.send("CONNECT\naccept-version:1.2\nhost:a\nsoft-errors:true\n\n\0");
        client.frame("CONNECTED");
        client.subscribe("errors", "/user/queue/errors", "");
        for round in 0..2 {
            let mut number = 0;
            let report = loop {
                let id = format!("{round}-{number}");
                client.send(&format!(
                    "SUBSCRIBE\nid:{id}\ndestination:/temp-queue/{id}-{}\nreceipt:r\n\n\0",
                    "x".repeat(900)
                ));
                let Event::Frame(frame) = client.event() else { panic!("expected an answer") };
                if frame.command == "MESSAGE" {
                    break frame;
                }
                assert_eq!(frame.command, "RECEIPT");
                number += 1;
                if round == 1 {
                    assert!(number < 100, "temporary queues must last as long as their session");
                }
            };
            assert!(report.text().contains("subscription-bytes-max"), "{report:?}");
            assert!(round == 1 || number > 10, "{number}");
        }
        client.publish("/topic/a", "and it lives");
        client.disconnect();
        broker.wait_for_metric("memory_used_bytes", 0);
        broker.wait_for_metric("queues", 0);
    }

    fn names_chosen_by_a_client_have_a_maximum_length(wire: Wire) {
        let broker = Broker::start(&[]);
        let (fits, long) = ("x".repeat(1024), "x".repeat(1025));
        let mut client = broker.connect(wire);
        client.done(&format!("SUBSCRIBE\nid:{fits}\ndestination:/topic/a\nreceipt:done\n\n\0"));
        client.done(&format!("BEGIN\ntransaction:{fits}\nreceipt:done\n\n\0"));
        client.send(&format!("SEND\ndestination:/topic/b\nreceipt:{fits}\n\nhi\0"));
        client.expect("RECEIPT", &[("receipt-id", &fits)], "");
        for (hits, (frame, header)) in [
            (format!("SUBSCRIBE\nid:{long}\ndestination:/topic/a\n\n\0"), "id"),
            (format!("BEGIN\ntransaction:{long}\n\n\0"), "transaction"),
            (format!("SEND\ndestination:/topic/b\nreceipt:{long}\n\nhi\0"), "receipt"),
            (format!("DISCONNECT\nreceipt:{long}\n\n\0"), "receipt"),
        ]
        .into_iter()
        .enumerate()
        {
            let mut client = broker.connect(wire);
            client.send(&frame);
            let error = client.expect_error(&[("message", "id too long")]);
            assert!(error.text().contains(&format!("The header {header} has 1025 bytes; expected at most 1024")), "{error:?}");
            assert!(error.text().contains("id-bytes-max") && error.header("receipt-id").is_none(), "{error:?}");
            assert_eq!(broker.limit_hits("id-bytes-max"), hits as i64 + 1);
        }
        assert_eq!(broker.metric("messages_published_total"), 1);
    }

    fn commit_over_the_memory_limit_is_rejected_and_other_clients_continue(wire: Wire) {
        const LIMIT: usize = 4 << 20;
        let broker = Broker::start(&["--memory-bytes-max=4MiB", "--default-permissions=open"]);
        let (mut receiver, mut sender) = (broker.connect(wire), broker.connect(wire));
        let resident = broker.resident_bytes();
        let subscriptions = (0..200).map(|id| format!("SUBSCRIBE\nid:{id}\ndestination:/topic/a\n\n\0"));
        receiver.send(&subscriptions.collect::<String>());
        receiver.subscribe("b", "/topic/b", "");
        let commit = |client: &mut Client| {
            client.send("BEGIN\ntransaction:t\n\n\0");
            client.send(&"SEND\ndestination:/topic/a\ntransaction:t\n\nhi\0".repeat(1000));
            client.send("SEND\ndestination:/queue/a\ntransaction:t\n\nhi\0");
            client.send("COMMIT\ntransaction:t\nreceipt:7\n\n\0");
        };
        let mut client = broker.connect(wire);
        commit(&mut client);
        let error = client.expect_error(&[("receipt-id", "7")]);
        assert!(error.text().contains("memory-bytes-max"), "{error:?}");
        let mut soft = broker.open(wire);
        soft.send("CONNECT\naccept-version:1.2\nhost:a\nsoft-errors:true\n\n\0");
        soft.frame("CONNECTED");
        soft.subscribe("errors", "/user/queue/errors", "");
        commit(&mut soft);
        let report = soft.frame("MESSAGE");
        assert_eq!(report.expect_header("receipt-id"), "7");
        assert_eq!(report.expect_header("message"), "memory limit reached");
        assert!(report.text().contains("The broker applied no step of the transaction"), "{report:?}");
        assert_eq!((broker.metric("deliveries_total"), broker.metric("queues")), (1, 0), "only the error");
        soft.publish("/topic/none", "and the session goes on");
        sender.publish("/topic/b", "hi");
        receiver.expect("MESSAGE", &[("subscription", "b")], "hi");
        let grown = broker.resident_bytes_peak().saturating_sub(resident);
        assert!(grown * 10 <= LIMIT * 13, "{grown} bytes of memory at the peak; the limit is {LIMIT}");
    }

    fn unsettled_deliveries_of_all_subscriptions_share_one_limit(wire: Wire) {
        let broker = Broker::start(&["--subscription-bytes-max=256KiB"]);
        let mut client = broker.connect(wire);
        let frames = (1..100).map(|id| format!("SUBSCRIBE\nid:{id}\ndestination:/topic/a\nack:client\n\n\0"));
        client.send(&frames.collect::<String>());
        client.subscribe("100", "/topic/a", "ack:client\n");
        let mut publisher = broker.connect(Wire::Tcp);
        let mut received = 0;
        let error = loop {
            publisher.publish("/topic/a", "hi");
            let mut messages = 0;
            let ended = loop {
                match client.event() {
                    Event::Frame(frame) if frame.command == "MESSAGE" => messages += 1,
                    Event::Frame(frame) => break Some(frame),
                    other => panic!("{other:?}"),
                }
                received += 1;
                if messages == 100 {
                    break None;
                }
            };
            if let Some(error) = ended {
                break error;
            }
        };
        let text = error.text();
        let waiting = text.split_once(" deliveries to this session wait for an ACK or NACK. They use ");
        let (waiting, rest) = waiting.unwrap_or_else(|| panic!("no number of deliveries: {text}"));
        let waiting: usize = waiting.parse().expect("a number");
        // Deliveries of the last message may be counted in the ERROR, although the client has not received them.
        assert!((received..received + 100).contains(&waiting), "{received} were received: {text}");
        assert!(rest.contains("subscription-bytes-max allows 262144"), "{text}");
        assert_eq!(broker.limit_hits("subscription-bytes-max"), 1);
        publisher.publish("/topic/a", "goes on");
    }

    fn a_client_that_never_acknowledges_is_closed_near_the_memory_limit(wire: Wire) {
        let broker = Broker::start(&["--memory-bytes-max=1MiB", "--slow-consumer-grace=0"]);
        let mut client = broker.connect(wire);
        let frames = (1..100).map(|id| format!("SUBSCRIBE\nid:{id}\ndestination:/topic/a\nack:client\n\n\0"));
        client.send(&frames.collect::<String>());
        client.subscribe("100", "/topic/a", "ack:client\n");
        let mut publisher = broker.connect(Wire::Tcp);
        let error = 'messages: loop {
            publisher.publish("/topic/a", "hi");
            for _ in 0..100 {
                match client.event() {
                    Event::Frame(frame) if frame.command == "MESSAGE" => {}
                    Event::Frame(frame) => break 'messages frame,
                    other => panic!("{other:?}"),
                }
            }
        };
        assert_eq!(error.expect_header("message"), "slow consumer");
        assert!(error.text().contains("The memory of the broker is nearly full"), "{error:?}");
        assert_eq!(broker.limit_hits("memory-bytes-max"), 1);
        publisher.publish("/topic/a", "goes on");
    }
}

#[test]
fn copies_for_older_versions_stay_within_the_limit() {
    const LIMIT: usize = 64 << 20;
    let broker =
        Broker::start(&["--memory-bytes-max=64MiB", "--prefetch-bytes=64MiB", "--slow-consumer-grace=10ms"]);
    let mut sender = broker.connect(Wire::Tcp);
    let resident = broker.resident_bytes();
    let (header, body) = ("x".repeat(15_000), "y".repeat(85_000));
    let count = 480;
    for _ in 0..count {
        sender.done(&format!("SEND\ndestination:/queue/a\nx:\\r{header}\nreceipt:done\n\n{body}\0"));
    }
    let account_of =
        |broker: &Broker| usize::try_from(broker.metric("memory_used_bytes")).expect("not negative");
    let filled = account_of(&broker);
    for version in ["1.1", "1.0"] {
        let mut reader = broker.connect_with(Wire::Tcp, version);
        reader.subscribe("1", "/queue/a", "ack:client\nprefetch-count:10000\n");
        for _ in 0..count {
            let message = reader.frame("MESSAGE");
            assert_eq!(message.text().len(), body.len());
        }
        reader.reset();
        broker.wait_for_metric("subscriptions", 0);
    }
    let account = account_of(&broker);
    assert!(account >= filled && account <= LIMIT, "{account} in the account, {filled} before");
    let grown = broker.resident_bytes().saturating_sub(resident);
    assert!(grown * 10 <= account * 13, "{grown} bytes of memory, only {account} in the account");
    let grown = broker.resident_bytes_peak().saturating_sub(resident);
    assert!(grown * 10 <= LIMIT * 13, "{grown} bytes of memory at the peak; the limit is {LIMIT}");
    sender.publish("/topic/a", "and publishers go on");
}
