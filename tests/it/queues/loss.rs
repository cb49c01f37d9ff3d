//! No message is lost, processed twice or dead-lettered, no matter how its worker disconnects.
//!
//! A worker connects, takes one job, acknowledges it and disconnects, like a cron script. The other messages that it
//! has received must reach the next worker, and must not count as failed deliveries.

use crate::support::client::publish;
use crate::support::frame::Frame;
use crate::support::http::Http;
use crate::support::sockjs::{Session, Transport};
use crate::support::{Broker, Client, Event, Wire, on_each_wire};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Number of rounds for each combination of departure, acknowledgement mode and STOMP version, on each transport.
const ROUNDS: usize = 100;
/// Number of workers that run at the same time.
const THREADS: usize = 12;

const VERSIONS: [&str; 3] = ["1.0", "1.1", "1.2"];
const MODES: [&str; 3] = ["auto", "client", "client-individual"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Departure {
    Disconnect,
    Unsubscribe,
    /// The end of the stream, without DISCONNECT.
    Finish,
    Reset,
    /// The process of the worker is killed: the system closes its socket, in which messages are unread.
    Killed,
}

impl Departure {
    const ALL: [Departure; 5] = [
        Departure::Disconnect,
        Departure::Unsubscribe,
        Departure::Finish,
        Departure::Reset,
        Departure::Killed,
    ];
}

/// The connection of a worker, over a socket or by polling.
enum Worker {
    Socket(Client),
    Polling(Box<Session>),
}

impl Worker {
    fn connect(broker: &Broker, wire: Option<Wire>, version: &str) -> Worker {
        match wire {
            Some(wire) => Worker::Socket(broker.connect_with(wire, version)),
            None => {
                let mut session = Session::new(broker.http, "/ws", Transport::XhrPolling).opened();
                session.connect(version);
                Worker::Polling(session.into())
            }
        }
    }

    fn send(&mut self, frame: &str) {
        match self {
            Worker::Socket(client) => client.send(frame),
            Worker::Polling(session) => session.stomp(frame),
        }
    }

    fn frame(&mut self) -> Frame {
        match self {
            Worker::Socket(client) => loop {
                match client.event() {
                    Event::Frame(frame) => return frame,
                    Event::HeartBeat => {}
                    other => panic!("expected a frame, got {other:?}"),
                }
            },
            Worker::Polling(session) => session.stomp_frame(),
        }
    }

    /// Returns the next frame, which must be a MESSAGE.
    fn take(&mut self) -> Frame {
        let frame = self.frame();
        assert_eq!(frame.command, "MESSAGE", "{frame:?}");
        frame
    }

    /// Sends an ACK and does not wait for a RECEIPT.
    fn acknowledge(&mut self, version: &str, message: &Frame) {
        let name = match version {
            "1.2" => format!("id:{}", message.expect_header("ack")),
            "1.1" => format!("message-id:{}\nsubscription:s", message.expect_header("message-id")),
            _ => format!("message-id:{}", message.expect_header("message-id")),
        };
        self.send(&format!("ACK\n{name}\n\n\0"));
    }

    /// Sends a frame and skips all frames until its RECEIPT.
    fn done(&mut self, frame: &str) {
        self.send(&format!("{frame}\nreceipt:done\n\n\0"));
        while self.frame().command != "RECEIPT" {}
    }

    fn leave(mut self, broker: &Broker, departure: Departure) {
        match departure {
            Departure::Disconnect => return self.done("DISCONNECT"),
            Departure::Unsubscribe => return self.done("UNSUBSCRIBE\nid:s"),
            Departure::Finish | Departure::Reset | Departure::Killed => {}
        }
        match (self, departure) {
            (Worker::Socket(mut client), Departure::Finish) => {
                client.shutdown_write();
                while !matches!(client.event(), Event::End | Event::Reset | Event::Close(_)) {}
            }
            (Worker::Socket(client), Departure::Reset) => client.reset(),
            (Worker::Socket(client), _) => drop(client),
            (Worker::Polling(session), Departure::Finish) => drop(session),
            (Worker::Polling(session), departure) => {
                let mut poll = Http::connect(broker.http);
                poll.send_request(&session.transport.receive(&session.path));
                if departure == Departure::Reset {
                    poll.reset();
                }
            }
        }
    }
}

/// One queue and its workers, which run one after another.
struct QueueRun {
    departure: Departure,
    mode: &'static str,
    version: &'static str,
    queue: String,
    done: BTreeSet<String>,
}

impl QueueRun {
    /// Runs one worker that does one job. In auto mode a message is settled when it is written, so the queue gets one
    /// job at a time.
    fn round(&mut self, broker: &Broker, wire: Option<Wire>) {
        if self.mode == "auto" {
            publish(broker, &self.queue, &self.done.len().to_string());
        }
        let mut worker = Worker::connect(broker, wire, self.version);
        worker.send(&format!("SUBSCRIBE\nid:s\ndestination:{}\nack:{}\n\n\0", self.queue, self.mode));
        let message = worker.take();
        if self.mode != "auto" {
            worker.acknowledge(self.version, &message);
        }
        worker.leave(broker, self.departure);
        assert!(self.done.insert(message.text()), "processed twice: {message:?} of {}", self.queue);
    }
}

/// Runs [`ROUNDS`] workers for each combination of departure, mode and version. On each queue, `rounds` workers run one
/// after another.
fn assert_every_job_is_done_once(wire: Option<Wire>, rounds: usize) {
    // Each job may fail once: when a worker is lost after its own job, the next job is its oldest unsettled delivery. A
    // polling worker that leaves without DISCONNECT is lost only after `sockjs-disconnect-delay`.
    let broker = Broker::start(&["--max-deliveries=2", "--sockjs-disconnect-delay=5s"]);
    let mut publisher = broker.connect(Wire::Tcp);
    let mut queue_runs = Vec::new();
    for departure in Departure::ALL {
        for (mode, version) in MODES.into_iter().flat_map(|mode| VERSIONS.map(|version| (mode, version))) {
            for number in 0..ROUNDS / rounds {
                let queue = format!("/queue/{departure:?}.{mode}.{version}.{number}");
                let jobs = if mode == "auto" { 0 } else { rounds };
                let sends = |job| format!("SEND\ndestination:{queue}\n\n{job}\0");
                publisher.send(&(0..jobs).map(sends).collect::<String>());
                queue_runs.push(Mutex::new(QueueRun {
                    departure,
                    mode,
                    version,
                    queue,
                    done: BTreeSet::new(),
                }));
            }
        }
    }
    publisher.disconnect();
    for _ in 0..rounds {
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(queue_run) = queue_runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                queue_run.lock().expect("no worker panics").round(&broker, wire);
            }
        };
        std::thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(work))));
    }
    broker.wait_for_metric("queue_messages", 0);
    assert_eq!(broker.metric("dead_letters_total"), 0);
    assert_eq!(broker.metric("messages_dropped_total"), 0);
    for queue_run in queue_runs {
        let queue_run = queue_run.into_inner().expect("no worker panics");
        assert_eq!(queue_run.done, (0..rounds).map(|job| job.to_string()).collect(), "{}", queue_run.queue);
    }
}

#[test]
fn every_job_is_done_once_over_tcp() {
    assert_every_job_is_done_once(Some(Wire::Tcp), 20);
}

#[test]
fn every_job_is_done_once_over_websocket() {
    assert_every_job_is_done_once(Some(Wire::WebSocket), 20);
}

/// An abandoned session ends only seconds later. Therefore this test runs few rounds one after another, and uses many
/// queues.
#[test]
fn every_job_is_done_once_over_sockjs_polling() {
    assert_every_job_is_done_once(None, 4);
}

/// Runs a worker that takes messages in order and acknowledges them. It resets its connection when it receives
/// `poison`.
fn work(broker: &Broker, wire: Wire, done: &mut BTreeSet<String>, jobs: usize) {
    let mut worker = broker.connect(wire);
    worker.subscribe("s", "/queue/jobs", "ack:client-individual\n");
    while done.len() < jobs {
        let message = worker.frame("MESSAGE");
        if message.text() == "poison" {
            return worker.reset();
        }
        worker.send(&format!("ACK\nid:{}\n\n\0", message.expect_header("ack")));
        assert!(done.insert(message.text()), "{message:?} is processed twice");
    }
    worker.disconnect();
}

on_each_wire! {
    /// Each worker takes one job and leaves. The broker has default options.
    fn cron_style_workers_do_all_jobs_and_none_is_dead_lettered(wire: Wire) {
        let broker = Broker::start(&[]);
        for departure in Departure::ALL {
            let queue = format!("/queue/cron.{departure:?}");
            let mut publisher = broker.connect(Wire::Tcp);
            (0..100).for_each(|job| publisher.publish(&queue, &job.to_string()));
            publisher.disconnect();
            for job in 0..100 {
                let mut worker = Worker::connect(&broker, Some(wire), "1.2");
                worker.send(&format!("SUBSCRIBE\nid:s\ndestination:{queue}\nack:client-individual\n\n\0"));
                let message = worker.take();
                assert_eq!(message.text(), job.to_string(), "{departure:?}");
                worker.acknowledge("1.2", &message);
                worker.leave(&broker, departure);
            }
            let mut dead_letter_consumer = broker.connect(Wire::Tcp);
            dead_letter_consumer.subscribe("dead", &format!("/queue/dead.cron.{departure:?}"), "");
            dead_letter_consumer.expect_quiet();
        }
        broker.wait_for_metric("queue_messages", 0);
        assert_eq!(broker.metric("dead_letters_total"), 0);
    }

    fn a_message_that_crashes_its_consumers_is_dead_lettered_and_others_are_not(wire: Wire) {
        let broker = Broker::start(&["--max-deliveries=5"]);
        let mut publisher = broker.connect(Wire::Tcp);
        for job in 0..20 {
            publisher.publish("/queue/jobs", &if job == 5 { "poison".into() } else { job.to_string() });
        }
        publisher.disconnect();
        let mut done = BTreeSet::new();
        let mut workers = 0;
        while done.len() < 19 {
            work(&broker, wire, &mut done, 19);
            workers += 1;
        }
        assert_eq!(workers, 6, "the message crashes five workers");
        assert_eq!(broker.metric("dead_letters_total"), 1);
        let mut dead_letter_consumer = broker.connect(wire);
        dead_letter_consumer.subscribe("dead", "/queue/dead.jobs", "");
        let headers = [("dead-reason", "max-deliveries"), ("dead-origin", "/queue/jobs"), ("dead-deliveries", "5")];
        dead_letter_consumer.expect("MESSAGE", &headers, "poison");
        dead_letter_consumer.expect_quiet();
        let line = broker.log_line(|line| line.contains("dead letter queue"));
        for part in ["WARN", "queue=\"/queue/jobs\"", "messages=1", "reason=\"max-deliveries\""] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }

    /// Every worker reacts to the message with a frame or a transaction that is too large.
    fn a_message_that_makes_its_consumers_exceed_a_limit_is_dead_lettered(wire: Wire) {
        let limits = ["--frame-bytes-max=100KiB", "--transaction-bytes-max=50KiB", "--ws-message-bytes-max=200KiB"];
        let broker = Broker::start(&[&limits[..], &["--max-deliveries=3"]].concat());
        let send = |size| format!("SEND\ndestination:/topic/results\ntransaction:t\n\n{}\0", "x".repeat(size));
        for (queue, size) in [("frame", 110_000), ("transaction", 60_000), ("transport", 250_000)] {
            publish(&broker, &format!("/queue/{queue}"), "poison");
            for _ in 0..3 {
                let mut worker = broker.connect(wire);
                worker.subscribe("s", &format!("/queue/{queue}"), "ack:client-individual\n");
                worker.expect("MESSAGE", &[], "poison");
                worker.send("BEGIN\ntransaction:t\n\n\0");
                worker.send(&send(size));
                worker.frame("ERROR");
            }
            let mut dead_letter_consumer = broker.connect(wire);
            dead_letter_consumer.subscribe("dead", &format!("/queue/dead.{queue}"), "");
            dead_letter_consumer.expect("MESSAGE", &[("dead-reason", "max-deliveries")], "poison");
        }
    }

    fn a_partly_written_message_does_not_count_as_a_failed_delivery(wire: Wire) {
        let sizes = ["--frame-bytes-max=20MiB", "--ws-message-bytes-max=24MiB", "--outbound-queue-bytes-max=64MiB"];
        let broker = Broker::start(&[&sizes[..], &["--max-deliveries=1"]].concat());
        // The message does not fit into the socket buffers of both sides, so it is written only in part.
        let large = "x".repeat(16 << 20);
        publish(&broker, "/queue/large", &large);
        for lost in 1..=3 {
            let mut client = broker.connect(wire);
            client.shrink_receive_buffer();
            let sent = broker.metric("sent_bytes_total");
            client.send("SUBSCRIBE\nid:s\ndestination:/queue/large\nack:client\n\n\0");
            broker.wait_for_metric_where("sent_bytes_total", |now| now > sent + 1000);
            client.reset();
            broker.wait_for_metric("connections_closed_total{reason=\"peer-left\"}", lost);
        }
        let mut successor = broker.connect(wire);
        successor.subscribe("s", "/queue/large", "ack:client\n");
        assert_eq!(successor.frame("MESSAGE").body.len(), large.len());
        assert_eq!(broker.metric("dead_letters_total"), 0);
    }

    fn a_redelivered_message_has_the_headers_redelivered_and_delivery_count(wire: Wire) {
        let broker = Broker::start(&["--max-deliveries=1"]);
        publish(&broker, "/queue/a", "m");
        for sent in 1..=5 {
            let mut client = broker.connect(wire);
            client.subscribe("s", "/queue/a", "ack:client\n");
            let message = client.expect("MESSAGE", &[], "m");
            let expected = (sent > 1).then(|| sent.to_string());
            assert_eq!(message.header("delivery-count"), expected.as_deref());
            assert_eq!(message.header("redelivered"), expected.map(|_| "true"));
            client.disconnect();
        }
        assert_eq!(broker.metric("dead_letters_total"), 0);
    }

    fn nack_with_requeue_false_dead_letters_the_message_with_its_reason(wire: Wire) {
        let broker = Broker::start(&[]);
        for version in ["1.1", "1.2"] {
            let queue = format!("/queue/{version}");
            publish(&broker, &queue, "broken");
            let mut client = broker.connect_with(wire, version);
            client.subscribe("s", &queue, "ack:client-individual\n");
            let message = client.expect("MESSAGE", &[], "broken");
            let name = match version {
                "1.2" => format!("id:{}", message.expect_header("ack")),
                _ => format!("message-id:{}\nsubscription:s", message.expect_header("message-id")),
            };
            client.done(&format!("NACK\n{name}\nrequeue:false\nreceipt:done\n\n\0"));
            client.subscribe("dead", &format!("/queue/dead.{version}"), "");
            let headers = [("dead-reason", "rejected"), ("dead-origin", &*queue), ("dead-deliveries", "1")];
            client.expect("MESSAGE", &headers, "broken");
            client.expect_quiet();
        }
    }

    fn the_headers_of_dead_letters_cannot_be_forged(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.connect(wire);
        for destination in ["/queue/a", "/queue/dead.a", "/topic/a"] {
            client.subscribe(destination, destination, "");
            client.send(&format!(
                "SEND\ndestination:{destination}\ndead-reason:max-deliveries\ndead-origin:/queue/b\n\
                 dead-deliveries:20\nkept:1\n\nm\0"
            ));
            let message = client.expect("MESSAGE", &[("kept", "1")], "m");
            let forged = message.headers.iter().find(|(name, _)| name.starts_with("dead-"));
            assert_eq!(forged, None, "{message:?}");
        }
    }
}

/// Delivers job A to a worker, resets its connection, and connects the worker again. Returns the new connection, which
/// has received job B; the connection of another worker, which has received job A; and the MESSAGE with job A that the
/// first connection received.
fn reconnect_worker(broker: &Broker, wire: Wire, mode: &str) -> (Client, Client, Frame) {
    let headers = format!("ack:{mode}\nprefetch-count:1\n");
    publish(broker, "/queue/jobs", "A");
    let mut before = broker.connect(wire);
    before.subscribe("s", "/queue/jobs", &headers);
    let kept = before.expect("MESSAGE", &[], "A");
    before.reset();
    let mut other = broker.connect(wire);
    other.subscribe("s", "/queue/jobs", &headers);
    other.expect("MESSAGE", &[("redelivered", "true")], "A");
    publish(broker, "/queue/jobs", "B");
    let mut again = broker.connect(wire);
    again.subscribe("s", "/queue/jobs", &headers);
    let given = again.expect("MESSAGE", &[], "B");
    assert_ne!(given.expect_header("ack"), kept.expect_header("ack"));
    (again, other, kept)
}

on_each_wire! {
    fn an_ack_id_of_a_previous_connection_settles_nothing(wire: Wire) {
        for mode in ["client", "client-individual"] {
            for command in ["ACK", "NACK", "NACK\nrequeue:false"] {
                // The lost connection is the only failed delivery of A, and no delivery of B fails. Thus neither job
                // reaches `max-deliveries`.
                let broker = Broker::start(&["--max-deliveries=2"]);
                let (mut again, _other, kept) = reconnect_worker(&broker, wire, mode);
                for _ in 0..3 {
                    again.send(&format!("{command}\nid:{}\nreceipt:5\n\n\0", kept.expect_header("ack")));
                    let error = again.expect_error(&[("message", "nothing to settle"), ("receipt-id", "5")]);
                    let hint = "In STOMP 1.2, copy the header ack of the MESSAGE into the header id";
                    assert!(error.text().contains(hint), "{error:?}");
                    again = broker.connect(wire);
                    again.subscribe("s", "/queue/jobs", "ack:client\nprefetch-count:1\n");
                    again.expect("MESSAGE", &[("redelivered", "true")], "B");
                }
                assert_eq!((broker.metric("queue_messages"), broker.metric("dead_letters_total")), (2, 0));
            }
        }
    }

    fn an_error_counts_a_failed_delivery_only_if_the_client_broke_the_protocol(wire: Wire) {
        for (frame, summary, is_failed) in [
            ("ACK\nid:1-0", "nothing to settle", false),
            ("SEND\ndestination:/user/queue/errors", "access denied", false),
            ("SUBSCRIBE\nid:t\ndestination:/topic/a", "too many subscriptions", false),
            ("SEND", "missing header", true),
            ("SEND\ndestination:/nowhere", "invalid destination", true),
        ] {
            let broker = Broker::start(&["--max-deliveries=1", "--subscriptions-max=1"]);
            publish(&broker, "/queue/jobs", "job");
            let mut worker = broker.connect(wire);
            worker.subscribe("s", "/queue/jobs", "ack:client\n");
            worker.expect("MESSAGE", &[], "job");
            worker.send(&format!("{frame}\n\n\0"));
            worker.expect_error(&[("message", summary)]);
            let mut successor = broker.connect(wire);
            successor.subscribe("s", if is_failed { "/queue/dead.jobs" } else { "/queue/jobs" }, "");
            successor.expect("MESSAGE", &[], "job");
            assert_eq!(broker.metric("dead_letters_total"), i64::from(is_failed), "{frame}");
        }
    }

    fn ack_ids_are_not_reused_after_a_restart(wire: Wire) {
        let values = [0, 1].map(|_| {
            let broker = Broker::start(&[]);
            let mut client = broker.connect(wire);
            client.subscribe("s", "/topic/a", "ack:client\n");
            client.send("SEND\ndestination:/topic/a\n\nm\0");
            client.expect("MESSAGE", &[], "m").expect_header("ack").to_owned()
        });
        assert_ne!(values[0], values[1]);
    }
}
