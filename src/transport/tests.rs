//! How much one poll of a connection does, and how connections share a thread. Work is counted, not timed.

use super::share::WORK_MAX;
use super::tcp::TcpWire;
use super::{Hub, HubParts, Visitor, drive, random_name};
use crate::broker::Broker;
use crate::budget::Budget;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::users::Authenticator;
use crate::work;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket whose client sends its first frames, and then others again and again without a pause, or closes if there are
/// none. It takes all that it is sent.
struct Flood {
    first: Vec<u8>,
    again: Vec<u8>,
    sent: usize,
    written: Arc<AtomicUsize>,
}

impl Flood {
    fn new(first: &str, again: &str) -> Flood {
        let connect = "CONNECT\naccept-version:1.2\nhost:a\nheart-beat:0,0\n\n\0";
        // Long enough for one read.
        let again = again.repeat(64 * 1024 / again.len().max(1) + 1).into_bytes();
        let first = format!("{connect}{first}").into_bytes();
        Flood { first, again, sent: 0, written: Arc::default() }
    }
}

impl AsyncRead for Flood {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let first = self.first.len();
        let rest = match self.sent.checked_sub(first) {
            None => &self.first[self.sent..],
            Some(_) if self.again.is_empty() => return Poll::Ready(Ok(())),
            Some(again) => &self.again[again % self.again.len()..],
        };
        let length = rest.len().min(out.remaining());
        out.put_slice(&rest[..length]);
        self.sent += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.written.fetch_add(octets.len(), Relaxed);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn hub() -> Arc<Hub> {
    let config = Config::default();
    let permissions = config.permissions();
    let node = random_name();
    let (budget, metrics) = (Budget::new(config.memory_bytes_max), Metrics::new());
    Hub::new(HubParts {
        broker: Broker::new(config.broker, &node, budget.clone(), metrics.clone()),
        budget,
        metrics,
        authenticator: Authenticator::new(config.users).expect("nobody is configured"),
        permissions,
        options: config.transport,
        session: config.session,
        outbox: config.outbox,
        node,
    })
}

fn serve(hub: &Arc<Hub>, flood: Flood) -> Pin<Box<impl Future<Output = ()> + use<>>> {
    let seat = hub.seat(IpAddr::V4(Ipv4Addr::LOCALHOST)).expect("there is room");
    Box::pin(drive::serve(hub.clone(), TcpWire::new(flood, false), Visitor::stranger(seat)))
}

/// Work of giving `unsettled-max` messages back and others out.
const UNSETTLED_WORK: u64 = (10_000 + 2 * 512) * work::QUEUE_MESSAGE as u64;

/// The floods: name, what the client sends first, what it sends again and again, and the work of its most expensive frame
/// with what follows from it.
fn floods() -> Vec<(&'static str, String, String, u64)> {
    let queue: String = (0..10_000).map(|n| format!("SEND\ndestination:/queue/a\n\n{n}\0")).collect();
    let patterns: String = (0..100u32)
        .map(|id| {
            let bits: String = (0..10).map(|bit| if id >> bit & 1 == 1 { "a." } else { "*." }).collect();
            format!("SUBSCRIBE\nid:{id}\ndestination:/topic/**.a.{bits}{}b\n\n\0", "*.".repeat(48))
        })
        .collect();
    let name = "a.".repeat(61);
    let pair = |destination: &str, headers: &str| {
        format!("SUBSCRIBE\nid:x\ndestination:{destination}\n{headers}\n\0UNSUBSCRIBE\nid:x\n\n\0")
    };
    let pile = format!(
        "SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\0{}",
        "SEND\ndestination:/topic/a\n\nx\0".repeat(8000)
    );
    let small = 100;
    vec![
        ("send", String::new(), "SEND\ndestination:/topic/a\n\nx\0".to_owned(), small),
        (
            "receipt",
            String::new(),
            format!("SEND\ndestination:/topic/a\nreceipt:{}\n\nx\0", "r".repeat(200)),
            small,
        ),
        (
            "transaction",
            String::new(),
            "BEGIN\ntransaction:t\n\n\0ABORT\ntransaction:t\n\n\0".to_owned(),
            small,
        ),
        ("topic", String::new(), pair("/topic/a", ""), small),
        ("presence", String::new(), pair("/presence/topic/a", ""), small),
        ("pile", pile, pair("/topic/b", ""), 2 * small),
        // All that the client has and did not settle goes back at once, `unsettled-max` at most.
        ("queue", queue, pair("/queue/a", "ack:client-individual\nprefetch-count:10000\n"), UNSETTLED_WORK),
        // Each node of the patterns is visited once.
        ("patterns", patterns, format!("SEND\ndestination:/topic/{name}c\n\nx\0"), 100 * 50),
    ]
}

/// Polls a connection again and again, and returns the work of each poll.
async fn polls(connection: &mut Pin<Box<impl Future<Output = ()>>>, count: usize) -> Vec<u64> {
    let mut done = Vec::new();
    for _ in 0..count {
        poll_fn(|cx| {
            let before = work::done();
            let polled = connection.as_mut().poll(cx);
            done.push(work::done() - before);
            assert!(polled.is_pending(), "the connection ended");
            Poll::Ready(())
        })
        .await;
        tokio::task::yield_now().await;
    }
    done
}

#[tokio::test]
async fn no_poll_of_a_flooding_connection_does_more_than_its_share_and_one_step() {
    for (name, first, again, step) in floods() {
        let hub = hub();
        let mut connection = serve(&hub, Flood::new(&first, &again));
        let done = polls(&mut connection, 300).await;
        let most = done.iter().max().copied().unwrap_or_default();
        assert!(
            most <= WORK_MAX + step,
            "{name}: one poll did {most}, its share is {WORK_MAX}, a step {step}"
        );
        let frames = hub.metrics.frames_received.get();
        assert!(frames > 150, "{name}: only {frames} frames were handled");
    }
}

/// Each client that has much and closes: its name, what it sends, and the work of releasing the largest thing that it has.
fn endings() -> Vec<(&'static str, String, u64)> {
    let each = |count: u32, frames: fn(u32) -> String| (0..count).map(frames).collect::<String>();
    let topics = each(1000, |n| format!("SUBSCRIBE\nid:{n}\ndestination:/topic/{n}\n\n\0"));
    let patterns = each(300, |n| format!("SUBSCRIBE\nid:{n}\ndestination:/topic/{n}.**.a\n\n\0"));
    let queues = each(50, |n| {
        let send = format!("SEND\ndestination:/queue/{n}\n\nx\0").repeat(100);
        format!("{send}SUBSCRIBE\nid:{n}\ndestination:/queue/{n}\nack:client\nprefetch-count:100\n\n\0")
    });
    let temporary = format!(
        "SUBSCRIBE\nid:1\ndestination:/temp-queue/a\nack:client\nprefetch-count:1\n\n\0{}",
        "SEND\ndestination:/temp-queue/a\n\nx\0".repeat(20_000)
    );
    vec![
        ("topics", topics, 100),
        ("patterns", patterns, 100),
        ("queues", queues, 100 + 3 * 100 * work::QUEUE_MESSAGE as u64),
        ("temporary queue", temporary, 100 + 2 * 256 * work::QUEUE_MESSAGE as u64),
    ]
}

/// Polls a connection until its client has sent all and the connection ends, `true`, or has done `stop_after` polls that
/// release something; the work of each of these.
async fn polls_of_the_end(
    hub: &Hub,
    connection: &mut Pin<Box<impl Future<Output = ()>>>,
    stop_after: usize,
) -> (Vec<u64>, bool) {
    let mut done = Vec::new();
    let held =
        || (hub.metrics.subscriptions.get(), hub.metrics.queues.get(), hub.metrics.queue_messages.get());
    loop {
        let (before, held_before) = (work::done(), held());
        let polled = poll_fn(|cx| Poll::Ready(connection.as_mut().poll(cx))).await;
        let held = held();
        if held.0 < held_before.0 || held.1 < held_before.1 || held.2 < held_before.2 {
            done.push(work::done() - before);
        }
        if polled.is_ready() || done.len() >= stop_after {
            return (done, polled.is_ready());
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_connection_that_has_much_releases_it_in_several_polls() {
    for (name, first, step) in endings() {
        let hub = hub();
        let mut connection = serve(&hub, Flood::new(&first, ""));
        let (done, ended) = polls_of_the_end(&hub, &mut connection, usize::MAX).await;
        let most = done.iter().max().copied().unwrap_or_default();
        assert!(ended && done.len() > 1, "{name}: {} polls", done.len());
        assert!(
            most <= WORK_MAX + step,
            "{name}: one poll did {most}, its share is {WORK_MAX}, a step {step}"
        );
        assert_eq!(hub.metrics.subscriptions.get(), 0, "{name}");
        assert_eq!(hub.permits.available_permits(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_connection_dropped_while_it_is_releasing_releases_the_rest() {
    for (name, first, _) in endings() {
        let hub = hub();
        let mut connection = serve(&hub, Flood::new(&first, ""));
        let (_, ended) = polls_of_the_end(&hub, &mut connection, 1).await;
        assert!(!ended, "{name}");
        drop(connection);
        assert_eq!(hub.metrics.subscriptions.get(), 0, "{name}");
        let kept = if name == "queues" { 50 * 100 } else { 0 };
        assert_eq!(hub.metrics.queue_messages.get(), kept, "{name}");
        assert_eq!(hub.permits.available_permits(), 1, "{name}");
    }
}

#[tokio::test]
async fn connections_that_use_up_their_share_take_turns() {
    let hub = hub();
    let permits = hub.permits.available_permits();
    assert_eq!(permits, 1, "one for each thread of this runtime");
    let mut connections: Vec<_> = (0..8)
        .map(|n| {
            let again = format!("SEND\ndestination:/topic/{n}\n\nx\0");
            serve(&hub, Flood::new("", &again))
        })
        .collect();
    let mut shares = vec![0; connections.len()];
    for round in 0..200 {
        let mut busy = 0;
        for (connection, share) in connections.iter_mut().zip(&mut shares) {
            let done = polls(connection, 1).await[0];
            busy += usize::from(done > WORK_MAX / 2);
            *share += done;
        }
        // The first polls identify the connections that flood.
        assert!(round < 2 || busy <= 2, "{busy} of them worked in round {round}");
    }
    let least = shares.iter().min().copied().unwrap_or_default();
    let most = shares.iter().max().copied().unwrap_or_default();
    assert!(least * 2 > most, "one got {least} where another got {most}");
}

#[tokio::test]
async fn a_connection_that_ends_while_it_has_a_turn_gives_the_permit_back() {
    let hub = hub();
    let mut connection = serve(&hub, Flood::new("", "SEND\ndestination:/topic/a\n\nx\0"));
    polls(&mut connection, 2).await;
    assert_eq!(hub.permits.available_permits(), 0);
    drop(connection);
    assert_eq!(hub.permits.available_permits(), 1);
}
