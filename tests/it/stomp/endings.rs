//! How connections end: frames sent before the end are executed, receipts arrive, and no message is lost.

use crate::support::websocket::{self, CLOSE, FIN, TEXT};
use crate::support::{Broker, Client, Event, HANG_TIMEOUT, Wire, on_each_wire};
use rustix::process::Signal;
use std::cell::Cell;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Sends frames and closes the client's side of the connection at once: over TCP with the end of the stream, over
/// WebSocket with a close frame in the same write.
fn send_and_close(client: &mut Client, wire: Wire, text: &str) {
    match wire {
        Wire::Tcp => {
            client.send(text);
            client.shutdown_write();
        }
        Wire::WebSocket => {
            let message = websocket::frame(FIN | TEXT, text.as_bytes());
            let close = websocket::frame(FIN | CLOSE, &1000_u16.to_be_bytes());
            client.write_bytes(&[message, close].concat());
        }
    }
}

/// Starts a thread that reads MESSAGEs with the bodies `0` to `count - 1`. Each body must arrive `times` times.
fn reader(mut client: Client, count: usize, times: usize) -> JoinHandle<Client> {
    std::thread::spawn(move || {
        for number in 0..count {
            for _ in 0..times {
                assert_eq!(client.message().1, number.to_string());
            }
        }
        client
    })
}

fn send_frames(destination: &str, count: usize) -> String {
    (0..count).map(|number| format!("SEND\ndestination:{destination}\n\n{number}\0")).collect()
}

on_each_wire! {
    fn connect_send_and_close_in_one_segment_are_executed(wire: Wire) {
        for flags in [&[][..], &["--user", "alice:in", "--allow-anonymous"]] {
            let broker = Broker::start(flags);
            let mut client = broker.open(wire);
            let frames = "CONNECT\naccept-version:1.2\nhost:a\n\n\0SEND\ndestination:/queue/a\nreceipt:1\n\nhi\0";
            send_and_close(&mut client, wire, frames);
            client.expect("CONNECTED", &[], "");
            client.expect("RECEIPT", &[("receipt-id", "1")], "");
            client.expect_closed(1000);
            assert_eq!(broker.metric("queue_messages"), 1);
        }
    }

    fn frames_before_a_close_are_executed_after_a_slow_login(wire: Wire) {
        let broker = Broker::start(&["--user", "alice:in"]);
        let mut client = broker.open(wire);
        let connect = "CONNECT\naccept-version:1.2\nhost:a\nlogin:alice\npasscode:in\n\n\0";
        send_and_close(&mut client, wire, &format!("{connect}{}", send_frames("/queue/a", 100)));
        client.expect("CONNECTED", &[], "");
        client.expect_closed(1000);
        assert_eq!(broker.metric("queue_messages"), 100);
    }

    fn sends_before_a_close_reach_2_subscribers(wire: Wire) {
        let broker = Broker::start(&[]);
        let readers = [0, 1].map(|_| {
            let mut subscriber = broker.connect(wire);
            subscriber.subscribe("1", "/topic/a", "");
            reader(subscriber, 1500, 1)
        });
        let mut publisher = broker.connect(wire);
        send_and_close(&mut publisher, wire, &send_frames("/topic/a", 1500));
        publisher.expect_closed(1000);
        for reader in readers {
            reader.join().expect("everything arrives, in order").expect_quiet();
        }
    }

    fn sends_before_a_close_reach_3000_subscriptions(wire: Wire) {
        let broker = Broker::start(&[]);
        let readers = [0, 1, 2].map(|_| {
            let mut subscriber = broker.connect(wire);
            let frames = (1..1000).map(|id| format!("SUBSCRIBE\nid:{id}\ndestination:/topic/a\n\n\0"));
            subscriber.send(&frames.collect::<String>());
            subscriber.subscribe("1000", "/topic/a", "");
            reader(subscriber, 5, 1000)
        });
        let mut publisher = broker.connect(wire);
        send_and_close(&mut publisher, wire, &send_frames("/topic/a", 5));
        publisher.expect_closed(1000);
        for reader in readers {
            reader.join().expect("everything arrives, in order");
        }
    }

    fn sends_before_a_close_wait_for_a_slow_receiver(wire: Wire) {
        let broker = Broker::start(&["--outbound-queue-bytes-max=256KiB", "--frame-bytes-max=64KiB", "--slow-consumer-grace=20s"]);
        let mut subscriber = broker.connect(wire);
        subscriber.shrink_receive_buffer();
        subscriber.subscribe("1", "/topic/a", "");
        let mut publisher = broker.connect(wire);
        let body = "x".repeat(10_000);
        let frames = format!("SEND\ndestination:/topic/a\n\n{body}\0").repeat(300);
        send_and_close(&mut publisher, wire, &frames);
        broker.wait_for_metric_where("outbound_queue_bytes", |bytes| bytes > 100_000);
        for _ in 0..300 {
            assert_eq!(subscriber.message().1, body);
        }
        publisher.expect_closed(1000);
    }

    fn heartbeats_received_while_the_process_was_stopped_count(wire: Wire) {
        // The broker closes a connection after 6 s without input. The test stops the process of the broker for 8 s,
        // because a busy machine needs a margin.
        let broker = Broker::start(&["--heart-beat", "3000,3000"]);
        let mut clients: Vec<Client> = (0..20)
            .map(|_| {
                let mut client = broker.open(wire);
                client.send("CONNECT\naccept-version:1.2\nhost:a\nheart-beat:3000,0\n\n\0");
                client.expect("CONNECTED", &[], "");
                client
            })
            .collect();
        broker.signal(Signal::STOP);
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(8) {
            assert_eq!(clients[0].event_within(Duration::from_millis(200)), None);
            clients.iter_mut().for_each(|client| client.send("\n"));
        }
        broker.signal(Signal::CONT);
        for client in &mut clients {
            client.publish("/topic/a", "still there");
        }
        clients.into_iter().for_each(Client::disconnect);
        assert_eq!(broker.metric("connections_closed_total{reason=\"heart-beat-lost\"}"), 0);
    }

    fn shutdown_waits_for_a_client_that_reads_slowly_but_steadily(wire: Wire) {
        const COUNT: usize = 10;
        let clock = Broker::start(&[]);
        let mut broker =
            Broker::start(&["--linger=1s", "--drain-time=60s", "--outbound-queue-bytes-max=32MiB"]);
        let mut subscriber = broker.connect(wire);
        subscriber.subscribe("1", "/topic/a", "");
        subscriber.shrink_receive_buffer();
        let mut publisher = broker.connect(Wire::Tcp);
        let body = "x".repeat(1_000_000);
        for _ in 0..COUNT {
            publisher.publish("/topic/a", &body);
        }
        broker.terminate();
        // The client pauses once for longer than `linger`, then reads steadily. In total it takes longer than the
        // broker would wait without `drain-time`.
        clock.request_health_for(Duration::from_secs(2));
        for _ in 0..80 {
            let is_open = subscriber.read_ahead(100_000);
            assert!(is_open, "the broker closed the connection before all messages were written");
            clock.request_health_for(Duration::from_millis(45));
        }
        for number in 0..COUNT {
            assert_eq!(subscriber.message().1.len(), body.len(), "message {number}");
        }
        match wire {
            Wire::Tcp => {}
            Wire::WebSocket => assert_eq!(subscriber.event(), Event::Close(Some(1001))),
        }
        assert_eq!(subscriber.event(), Event::End);
        drop((subscriber, publisher));
        assert_eq!(broker.exit_status(HANG_TIMEOUT).code(), Some(0));
    }

    fn unsubscribe_on_a_full_socket_and_a_lost_connection_lose_no_message(wire: Wire) {
        const COUNT: i64 = 60;
        let broker = Broker::start(&["--prefetch-bytes=16MiB"]);
        let mut first = broker.connect(wire);
        first.shrink_receive_buffer();
        let mut publisher = broker.connect(Wire::Tcp);
        let padding = "x".repeat(200_000);
        for number in 0..COUNT {
            publisher.publish("/queue/a", &format!("{number} {padding}"));
        }
        let frames = broker.metric("frames_received_total");
        first.send("SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0");
        // Waits until the socket is full and the number of sent bytes no longer changes.
        let (seen, unchanged) = (Cell::new(0), Cell::new(0));
        broker.wait_for_metric_where("sent_bytes_total", |sent| {
            unchanged.set(if seen.replace(sent) == sent && sent > 100_000 { unchanged.get() + 1 } else { 0 });
            unchanged.get() == 20
        });
        let sent = broker.metric("frames_sent_total");
        first.send("UNSUBSCRIBE\nid:1\nreceipt:1\n\n\0");
        broker.wait_for_metric("frames_received_total", frames + 2);
        assert_eq!(broker.metric("frames_sent_total"), sent, "the socket is full");
        first.reset();
        broker.wait_for_metric("connections", 1);
        // Besides MESSAGEs, the broker has sent two CONNECTED frames, and `COUNT` RECEIPTs to the publisher.
        let written = sent - 2 - COUNT;
        let left = broker.metric("queue_messages");
        assert!(left > 0, "no message is left in the queue");
        assert_eq!(written + left, COUNT, "each message is either written or in the queue");
        let mut second = broker.connect(wire);
        second.subscribe("1", "/queue/a", "");
        for number in written..COUNT {
            assert_eq!(second.message().1.split(' ').next(), Some(number.to_string().as_str()));
        }
        broker.wait_for_metric("queue_messages", 0);
        second.expect_quiet();
    }
}
