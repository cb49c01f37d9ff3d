//! Delivery to clients that poll, poll late, or stop polling.

use super::stomp::connect;
use crate::support::sockjs::{Frame, Session, Transport};
use crate::support::{Broker, Client, Wire, client, frame};

/// Makes the broker remove a session after the shortest delay that works on a busy machine.
const SHORT_DISCONNECT_DELAY: &str = "--sockjs-disconnect-delay=3s";
/// Makes the broker keep sessions for longer than any test runs.
const LONG_DISCONNECT_DELAY: &str = "--sockjs-disconnect-delay=1h";

/// Publishes the bodies `0` to `count - 1`, and waits until the broker has routed them.
#[track_caller]
fn publish(broker: &Broker, destination: &str, count: usize) {
    let mut publisher = broker.connect(Wire::Tcp);
    for number in 0..count {
        publisher.send(&format!("SEND\ndestination:{destination}\n\n{number}\0"));
    }
    publisher.publish("/topic/unused", "all sent");
    publisher.disconnect();
}

/// Returns the STOMP frames in the next SockJS frame, which must contain messages.
#[track_caller]
fn one_answer(session: &mut Session) -> Vec<frame::Frame> {
    let Frame::Messages(messages) = session.frame() else { panic!("expected messages") };
    let whole = |message: &String| {
        let (frame, length) = frame::Frame::parse(message.as_bytes()).expect("a whole frame");
        assert_eq!(length, message.len(), "a message must be one frame");
        frame
    };
    messages.iter().map(whole).collect()
}

fn bodies(frames: &[frame::Frame]) -> Vec<String> {
    frames.iter().map(frame::Frame::text).collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// Returns the next `count` messages of a work queue.
#[track_caller]
fn take(consumer: &mut Client, count: usize) -> Vec<String> {
    (0..count).map(|_| consumer.message().1).collect()
}

#[test]
fn messages_published_between_polls_come_with_the_next_poll_in_order() {
    let broker = Broker::start(&[LONG_DISCONNECT_DELAY]);
    for transport in Transport::POLLING {
        let mut session = connect(&broker, transport);
        session.subscribe("1", "/topic/a", "");
        for round in 0..3 {
            publish(&broker, "/topic/a", 50 + round);
            assert_eq!(
                bodies(&one_answer(&mut session)),
                numbers(0..50 + round),
                "{transport:?}: all in one answer"
            );
        }
        session.expect_quiet();
    }
}

#[test]
fn messages_published_during_a_poll_are_delivered_at_once() {
    let broker = Broker::start(&[LONG_DISCONNECT_DELAY]);
    for transport in Transport::POLLING {
        let mut session = connect(&broker, transport);
        session.subscribe("1", "/topic/a", "");
        for number in 0..10 {
            session.attach();
            client::publish(&broker, "/topic/a", &number.to_string());
            assert_eq!(bodies(&one_answer(&mut session)), [number.to_string()], "{transport:?}");
        }
    }
}

#[test]
fn no_message_is_lost_or_duplicated_over_many_responses() {
    let broker = Broker::start(&[LONG_DISCONNECT_DELAY, "--sockjs-stream-bytes-max=1000"]);
    for transport in Transport::HTTP {
        let mut session = connect(&broker, transport);
        session.subscribe("1", "/topic/a", "");
        let mut publisher = broker.connect(Wire::Tcp);
        let publishing = std::thread::spawn(move || {
            for number in 0..1000 {
                publisher.send(&format!("SEND\ndestination:/topic/a\n\n{number}\0"));
            }
            publisher.disconnect();
        });
        for number in 0..1000 {
            session.expect("MESSAGE", &[], &number.to_string());
        }
        publishing.join().expect("all messages are published");
        session.expect_quiet();
    }
}

// ---- clients that disappear ----

/// Starts a consumer on every polling transport, each on its own queue with `count` messages.
#[track_caller]
fn consumers(broker: &Broker, headers: &str, count: usize) -> [(Session, String); 2] {
    Transport::POLLING.map(|transport| {
        let queue = format!("/queue/{}", transport.option());
        let mut consumer = connect(broker, transport);
        consumer.subscribe("1", &queue, headers);
        // Publishes after the RECEIPT of SUBSCRIBE, so that the response with the RECEIPT contains no message.
        publish(broker, &queue, count);
        (consumer, queue)
    })
}

/// Waits until the sessions of all polling transports have been removed.
#[track_caller]
fn wait_until_removed(broker: &Broker) {
    for transport in Transport::POLLING {
        broker.wait_for_metric(&format!("connections{{transport=\"{}\"}}", transport.label()), 0);
    }
}

#[test]
fn messages_of_a_consumer_that_stops_polling_are_requeued() {
    let broker = Broker::start(&[SHORT_DISCONNECT_DELAY]);
    let consumers = consumers(&broker, "", 150);
    // Each consumer has prefetched all of its messages. No response has taken a message, because the clients no longer
    // poll.
    wait_until_removed(&broker);
    assert_eq!(broker.metric("queue_messages"), 300);
    for (_, queue) in consumers {
        let mut other = broker.connect(Wire::Tcp);
        other.subscribe("1", &queue, "");
        assert_eq!(take(&mut other, 150), numbers(0..150), "{queue}: each once, in order");
        other.expect_quiet();
        other.disconnect();
    }
    assert_eq!(broker.metric("queue_messages"), 0);
}

#[test]
fn messages_written_to_a_response_are_not_redelivered_and_the_others_are_requeued() {
    let broker = Broker::start(&[SHORT_DISCONNECT_DELAY]);
    let consumers = consumers(&broker, "prefetch-count:10\n", 100).map(|(mut consumer, queue)| {
        let mut seen = Vec::new();
        for _ in 0..2 {
            seen.extend(bodies(&one_answer(&mut consumer)));
        }
        assert!((2..=100).contains(&seen.len()), "{seen:?}");
        (consumer, queue, seen)
    });
    wait_until_removed(&broker);
    for (_, queue, mut seen) in consumers {
        let mut other = broker.connect(Wire::Tcp);
        other.subscribe("1", &queue, "");
        seen.extend(take(&mut other, 100 - seen.len()));
        assert_eq!(seen, numbers(0..100), "{queue}");
        other.expect_quiet();
        other.disconnect();
    }
    assert_eq!(broker.metric("queue_messages"), 0);
}

#[test]
fn unacknowledged_messages_go_to_another_consumer_as_redelivered() {
    let broker = Broker::start(&[SHORT_DISCONNECT_DELAY]);
    let consumers = consumers(&broker, "ack:client-individual\n", 10).map(|(mut consumer, queue)| {
        for number in 0..10 {
            consumer.expect("MESSAGE", &[], &number.to_string());
        }
        (consumer, queue)
    });
    wait_until_removed(&broker);
    for (_, queue) in consumers {
        let mut other = broker.connect(Wire::Tcp);
        other.subscribe("1", &queue, "");
        for number in 0..10 {
            other.expect("MESSAGE", &[("redelivered", "true")], &number.to_string());
        }
        other.expect_quiet();
        other.disconnect();
    }
}

#[test]
fn an_aborted_receiver_requeues_its_messages_at_once() {
    let broker = Broker::start(&[LONG_DISCONNECT_DELAY]);
    for transport in Transport::HTTP {
        let mut consumer = connect(&broker, transport);
        consumer.subscribe("1", "/queue/a", "ack:client-individual\n");
        publish(&broker, "/queue/a", 5);
        for number in 0..5 {
            consumer.expect("MESSAGE", &[], &number.to_string());
        }
        drop(consumer.detach());
        broker.wait_for_metric(&format!("connections{{transport=\"{}\"}}", transport.label()), 0);
        let mut other = broker.connect(Wire::Tcp);
        other.subscribe("1", "/queue/a", "");
        assert_eq!(take(&mut other, 5), numbers(0..5), "{transport:?}");
        other.disconnect();
    }
}

#[test]
fn a_poll_cut_off_before_its_answer_loses_no_queue_message() {
    let broker = Broker::start(&[LONG_DISCONNECT_DELAY]);
    for transport in Transport::POLLING {
        let mut consumer = connect(&broker, transport);
        consumer.subscribe("1", "/queue/a", "");
        consumer.detach().reset();
        broker.wait_for_metric(&format!("connections{{transport=\"{}\"}}", transport.label()), 0);
        publish(&broker, "/queue/a", 10);
        let mut other = broker.connect(Wire::Tcp);
        other.subscribe("1", "/queue/a", "");
        assert_eq!(take(&mut other, 10), numbers(0..10), "{transport:?}");
        other.disconnect();
    }
}

#[test]
fn a_stream_that_is_not_read_is_cut_off_and_its_unsent_messages_are_requeued() {
    const COUNT: usize = 30;
    let broker = Broker::start(&[
        "--stall-timeout=2s",
        "--linger=200ms",
        "--sockjs-stream-bytes-max=1GiB",
        LONG_DISCONNECT_DELAY,
    ]);
    let mut stalled = connect(&broker, Transport::XhrStreaming);
    stalled.subscribe("1", "/queue/a", "");
    let receiver = stalled.detach();
    receiver.shrink_receive_buffer();
    let mut publisher = broker.connect(Wire::Tcp);
    let padding = "x".repeat(500_000);
    for number in 0..COUNT {
        publisher.publish("/queue/a", &format!("{number} {padding}"));
    }
    broker.wait_for_metric("limit_hits_total{limit=\"stall-timeout\"}", 1);
    broker.wait_for_metric("connections_closed_total{reason=\"slow-consumer\"}", 1);
    broker.wait_for_metric("connections{transport=\"sockjs-xhr-streaming\"}", 0);
    let left = usize::try_from(broker.metric("queue_messages")).expect("the gauge is not negative");
    assert!(left > 0, "more must be published than fits into the socket buffers");
    let mut other = broker.connect(Wire::Tcp);
    other.subscribe("1", "/queue/a", "");
    let bodies = take(&mut other, left);
    let seen: Vec<_> = bodies.iter().map(|body| body.split(' ').next().expect("a number")).collect();
    assert_eq!(seen, numbers(COUNT - left..COUNT), "in order, and none twice");
    other.expect_quiet();
    // The response has ended within a SockJS frame. The client therefore discards this frame.
    drop(receiver);
    assert_eq!(stalled.try_send("[\"\\n\"]").status, 204, "the session must be closing");
    stalled.expect_close(1008, "slow consumer");
}

// ---- limits ----

#[test]
fn a_client_that_does_not_poll_is_a_slow_consumer_when_its_queue_is_full() {
    let flags = [
        "--outbound-queue-bytes-max=256KiB",
        "--frame-bytes-max=64KiB",
        "--slow-consumer-grace=50ms",
        LONG_DISCONNECT_DELAY,
    ];
    for transport in Transport::POLLING {
        let broker = Broker::start(&flags);
        let mut slow = connect(&broker, transport);
        slow.subscribe("1", "/topic/a", "");
        let mut healthy = broker.connect(Wire::Tcp);
        healthy.subscribe("1", "/topic/a", "");
        let body = "x".repeat(10_000);
        let mut count = 0;
        while broker.limit_hits("outbound-queue-bytes-max") == 0 {
            assert!(count < 1000, "{transport:?}: the outbound queue has no limit");
            healthy.send(&format!("SEND\ndestination:/topic/a\n\n{body}\0"));
            healthy.expect("MESSAGE", &[], &body);
            count += 1;
        }
        // Messages have waited only in the outbound queue, and the broker has dropped them.
        slow.expect("ERROR", &[("message", "slow consumer")], "");
        slow.expect_close(1008, "slow consumer");
        broker.wait_for_metric("connections_closed_total{reason=\"slow-consumer\"}", 1);
        broker.wait_for_metric("outbound_queue_bytes", 0);
        assert!(count >= 20, "{count} messages of 10 kB reached the limit of 256 KiB");
        healthy.expect_quiet();
    }
}

#[test]
fn the_outbound_queue_of_a_polling_client_has_the_same_limit() {
    let flags = ["--outbound-queue-bytes-max=256KiB", "--frame-bytes-max=64KiB", LONG_DISCONNECT_DELAY];
    let broker = Broker::start(&flags);
    let body = "x".repeat(10_000);
    for transport in Transport::POLLING {
        let mut session = connect(&broker, transport);
        session.subscribe("1", "/topic/a", "");
        for _ in 0..5 {
            // These messages take less than half of the limit, so that publishers need not wait.
            for _ in 0..10 {
                client::publish(&broker, "/topic/a", &body);
            }
            for _ in 0..10 {
                session.expect("MESSAGE", &[], &body);
            }
        }
        session.stomp("DISCONNECT\n\n\0");
        session.expect_close(1000, "");
    }
    assert_eq!(broker.metric("limit_hits_total"), 0);
}

#[test]
fn removed_sessions_leave_no_resources_behind() {
    let broker = Broker::start(&[SHORT_DISCONNECT_DELAY]);
    let mut publisher = broker.connect(Wire::Tcp);
    let sessions = Transport::HTTP.map(|transport| {
        let mut session = connect(&broker, transport);
        session.subscribe("1", "/topic/a", "");
        session.subscribe("2", "/queue/a", "");
        session.stomp("BEGIN\ntransaction:t\n\n\0");
        let parked = format!("SEND\ndestination:/topic/b\ntransaction:t\n\n{}\0", "y".repeat(50_000));
        session.stomp(&parked);
        // Sends an incomplete frame, so that the broker holds its first part.
        session.stomp(&format!("SEND\ndestination:/topic/b\n\n{}", "z".repeat(50_000)));
        if !transport.polls() {
            drop(session.detach());
        }
        session
    });
    for _ in 0..10 {
        publisher.publish("/topic/a", &"x".repeat(10_000));
    }
    for session in &sessions {
        let label = session.transport.label();
        broker.wait_for_metric(&format!("connections{{transport=\"{label}\"}}"), 0);
    }
    broker.wait_for_metric("connections_closed_total{reason=\"peer-left\"}", 5);
    for gauge in [
        "subscriptions",
        "topics",
        "transactions",
        "outbound_queue_bytes",
        "queue_messages",
        "memory_used_bytes",
    ] {
        broker.wait_for_metric(gauge, 0);
    }
    publisher.disconnect();
}

#[test]
fn a_removed_session_starts_anew_and_must_connect_again() {
    let broker = Broker::start(&[SHORT_DISCONNECT_DELAY]);
    let sessions = Transport::POLLING.map(|transport| {
        let mut session = connect(&broker, transport);
        session.subscribe("1", "/topic/a", "");
        session
    });
    wait_until_removed(&broker);
    assert_eq!(broker.metric("subscriptions"), 0);
    for mut session in sessions {
        assert_eq!(session.try_send("[\"\\n\"]").status, 404, "{:?}", session.transport);
        assert_eq!(session.frame(), Frame::Open, "{:?}", session.transport);
        session.connect("1.2");
        session.expect_quiet();
    }
}
