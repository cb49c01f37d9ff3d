//! Tests of COMMITs that take several polls: the work of each poll, the order of messages, and the end of the
//! connection.

use super::client::{Client, PIPE_BYTES};
use super::*;
use crate::broker::Subscription;
use crate::command::{ConsumerOptions, Subscribe};
use crate::connection::state::poll_budget::{PUSHES_MAX, PollBudget};
use crate::destination::Selector;
use crate::outbound_queue::OutboundQueue;
use crate::permissions::{Preset, Rule};
use std::task::Waker;

impl Client {
    /// Polls until a COMMIT is partly applied.
    async fn until_partly_applied(&mut self, context: &ConnectionContext) {
        while context.metrics.messages_published.get() == 0 {
            assert!(self.poll().await.1.is_pending());
        }
        assert!(context.metrics.messages_published.get() < SENDS as u64, "the COMMIT was done in one poll");
    }
}

/// A subscriber with a separate outbound queue, which the test drains.
pub(super) struct Reader {
    outbound_queue: Arc<OutboundQueue>,
    _subscription: Subscription,
}

impl Reader {
    pub(super) fn subscribe(context: &ConnectionContext, topic: &str) -> Reader {
        let now = Instant::now();
        let outbound_queue = context.register(now);
        let options =
            ConsumerOptions { prefetch: 1, prefetch_bytes: 1, text_only: false, presence_names: false };
        let selector = Selector::parse(topic, usize::MAX).expect("a topic");
        let subscribe = Subscribe { key: 1, selector, options };
        let subscription =
            context.broker.subscribe(&subscribe, &outbound_queue, now).expect("a subscription");
        Reader { outbound_queue, _subscription: subscription }
    }

    /// Returns the bodies of the messages that have arrived since the last call.
    pub(super) fn bodies(&self) -> Vec<String> {
        let mut batch = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        let _ = self.outbound_queue.poll_take(&mut cx, &mut batch, usize::MAX, Instant::now());
        batch.iter().map(|delivery| String::from_utf8_lossy(delivery.message.body()).into_owned()).collect()
    }
}

/// Number of messages of a large transaction. They go to a queue and to a topic alternately.
const SENDS: usize = 3000;

fn transaction(sends: impl Iterator<Item = String>) -> String {
    format!("BEGIN\ntransaction:t\n\n\0{}", sends.collect::<String>())
}

fn send(destination: &str, body: impl std::fmt::Display) -> String {
    format!("SEND\ndestination:{destination}\ntransaction:t\n\n{body}\0")
}

const COMMIT: &str = "COMMIT\ntransaction:t\nreceipt:committed\n\n\0";

fn large_transaction() -> String {
    transaction((0..SENDS).map(|n| send(if n % 2 == 0 { "/queue/q" } else { "/topic/t" }, n)))
}

fn odd_numbers() -> Vec<String> {
    (0..SENDS).filter(|n| n % 2 == 1).map(|n| n.to_string()).collect()
}

#[tokio::test]
async fn commit_of_cumulative_acks_settles_each_delivery_once_in_several_polls() {
    const MESSAGES: usize = 4000;
    let context = context();
    let mut client = Client::connect(&context, "").await;
    let sends: String = (0..MESSAGES).map(|n| format!("SEND\ndestination:/queue/q\n\n{n}\0")).collect();
    client.send(&sends).await;
    client.send("SUBSCRIBE\nid:1\ndestination:/queue/q\nack:client\nprefetch-count:10000\n\n\0").await;
    client.until(&format!("\n\n{}\0", MESSAGES - 1)).await;
    let acks: Vec<&str> = client.text.lines().filter_map(|line| line.strip_prefix("ack:")).collect();
    assert_eq!(acks.len(), MESSAGES);
    let acks = acks.iter().map(|ack| format!("ACK\nid:{ack}\ntransaction:t\n\n\0"));
    let frames = transaction(acks) + "BEGIN\ntransaction:u\nreceipt:parked\n\n\0";
    client.send(&frames).await;
    let reserved: u64 = client.until("receipt-id:parked").await.iter().sum();
    client.send(COMMIT).await;
    let done = client.until("receipt-id:committed").await;
    assert_eq!(context.metrics.queue_messages.get(), 0);
    let (most, sum) = (done.iter().max().copied().unwrap_or_default(), done.iter().sum::<u64>());
    // The session collects the deliveries of all steps in one poll.
    let step = 3 * MESSAGES as u64 / 2;
    assert!(most <= WORK_MAX + step, "one poll did {most}");
    assert!(sum < 20 * MESSAGES as u64, "{sum} units for {MESSAGES} deliveries");
    assert!(reserved < 20 * MESSAGES as u64, "{reserved} units for {MESSAGES} frames");
}

#[tokio::test]
async fn poll_of_a_commit_to_many_readers_pushes_a_limited_number_of_messages() {
    const READERS: usize = 700;
    let context = context();
    let readers: Vec<Reader> = (0..READERS).map(|_| Reader::subscribe(&context, "/topic/t")).collect();
    let mut client = Client::connect(&context, "").await;
    client.send(&transaction((0..200).map(|n| send("/topic/t", n)))).await;
    client.send(COMMIT).await;
    let mut bodies = vec![Vec::new(); READERS];
    while !client.text.contains("receipt-id:committed") {
        assert!(client.poll().await.1.is_pending());
        let mut pushed = 0;
        for (reader, bodies) in readers.iter().zip(&mut bodies) {
            let new = reader.bodies();
            pushed += new.len();
            bodies.extend(new);
        }
        assert!(pushed <= PUSHES_MAX + READERS, "one poll pushed {pushed}");
    }
    let all: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    assert!(bodies.iter().all(|bodies| *bodies == all), "every reader receives all messages in order");
}

#[tokio::test]
async fn frames_after_a_commit_are_handled_after_its_receipt() {
    let context = context();
    let reader = Reader::subscribe(&context, "/topic/t");
    let mut client = Client::connect(&context, "").await;
    client.send("SUBSCRIBE\nid:1\ndestination:/user/queue/x\n\n\0").await;
    let sends = (0..SENDS).map(|n| send(if n % 2 == 0 { "/user/alice/queue/x" } else { "/topic/t" }, n));
    client.send(&transaction(sends)).await;
    client.send(COMMIT).await;
    client.send("SEND\ndestination:/topic/t\nreceipt:behind\n\nbehind\0").await;
    client.until_partly_applied(&context).await;
    client.until("receipt-id:committed").await;
    assert!(client.text.contains(&format!("receipt-id:committed\ndelivered-sessions:{}\n", SENDS / 2)));
    client.until("receipt-id:behind").await;
    client.until(&format!("\n\n{}\0", SENDS - 2)).await;
    let bodies = reader.bodies();
    assert_eq!(bodies[..SENDS / 2], odd_numbers()[..], "each message once, in order");
    assert_eq!(bodies[SENDS / 2..], ["behind"]);
    let own_bodies =
        client.text.split('\0').filter_map(|frame| frame.split_once("MESSAGE\n")?.1.rsplit_once("\n\n"));
    let own_bodies: Vec<&str> = own_bodies.map(|(_, body)| body).collect();
    assert_eq!(own_bodies, (0..SENDS).step_by(2).map(|n| n.to_string()).collect::<Vec<_>>());
}

/// The way in which a connection ends while its COMMIT is partly applied.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Closed,
    Reset,
    Shutdown,
    AccessDenied,
    TaskDropped,
}

/// Changes the rules so that no client may subscribe to `destination`.
fn deny(context: &ConnectionContext, destination: &str) {
    let rule = Rule::parse(&format!("deny subscribe anyone {destination}")).expect("a valid rule");
    context.set_permissions(Permissions::new(Preset::Open, vec![rule], Vec::new()));
}

fn end(context: &Arc<ConnectionContext>, client: &mut Client, end: End) {
    match end {
        End::Closed => drop(client.stream.take()),
        End::Reset => client.is_reset.store(true, Relaxed),
        End::Shutdown => context.stop(Instant::now() + Duration::from_secs(3600)),
        End::AccessDenied => deny(context, "/topic/own"),
        End::TaskDropped => drop(client.connection.take()),
    }
}

#[tokio::test]
async fn started_commit_is_applied_fully_and_once_even_if_the_connection_ends() {
    for kind in [End::Closed, End::Reset, End::Shutdown, End::AccessDenied, End::TaskDropped] {
        let context = context();
        let reader = Reader::subscribe(&context, "/topic/t");
        let mut client = Client::connect(&context, "").await;
        client.send("SUBSCRIBE\nid:own\ndestination:/topic/own\n\n\0").await;
        client.send(&large_transaction()).await;
        client.send(COMMIT).await;
        client.until_partly_applied(&context).await;
        end(&context, &mut client, kind);
        client.until_closed().await;
        assert_eq!(context.metrics.messages_published.get(), SENDS as u64, "{kind:?}");
        assert_eq!(context.metrics.queue_messages.get(), SENDS as i64 / 2, "{kind:?}");
        assert_eq!(reader.bodies(), odd_numbers(), "{kind:?}");
        assert_eq!(
            (context.metrics.transactions.get(), context.metrics.subscriptions.get()),
            (0, 1),
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn commit_settles_deliveries_of_a_subscription_that_a_new_rule_ends() {
    let context = context();
    let mut client = Client::connect(&context, "soft-errors:true\n").await;
    client.send("SEND\ndestination:/queue/jobs\n\nfirst\0SEND\ndestination:/queue/jobs\n\nsecond\0").await;
    client.send("SUBSCRIBE\nid:1\ndestination:/queue/jobs\nack:client-individual\n\n\0").await;
    client.until("\n\nsecond\0").await;
    let ack = client.text.lines().find_map(|line| line.strip_prefix("ack:")).expect("a delivery").to_owned();
    client.send(&transaction((0..SENDS).map(|n| send("/topic/t", n)))).await;
    client.send(&format!("ACK\nid:{ack}\ntransaction:t\n\n\0{COMMIT}")).await;
    client.until_partly_applied(&context).await;
    while context.metrics.messages_published.get() < 3 {
        assert!(client.poll().await.1.is_pending());
    }
    deny(&context, "/queue/jobs");
    assert!(client.poll().await.1.is_pending());
    assert_eq!(context.metrics.queue_messages.get(), 2, "the COMMIT is not complete");
    client.until("receipt-id:committed").await;
    assert_eq!((context.metrics.queue_messages.get(), context.metrics.subscriptions.get()), (1, 0));
    deny(&context, "/queue/others");
    let before = client.text.len();
    client.send("SUBSCRIBE\nid:2\ndestination:/queue/jobs\nreceipt:again\n\n\0").await;
    client.until("redelivered:true").await;
    let text = &client.text[before..];
    assert!(text.contains("\n\nsecond\0") && !text.contains("\n\nfirst\0"), "{text}");
}

#[tokio::test]
async fn commit_rejected_after_several_polls_applies_nothing() {
    let mut config = config();
    config.broker.queue_messages_max = SENDS / 2 - 1;
    let context = context_with(config);
    let reader = Reader::subscribe(&context, "/topic/t");
    let mut client = Client::connect(&context, "soft-errors:true\n").await;
    client.send("SUBSCRIBE\nid:1\ndestination:/user/queue/errors\n\n\0").await;
    client.send(&large_transaction()).await;
    client.send("BEGIN\ntransaction:u\nreceipt:parked\n\n\0").await;
    client.until("receipt-id:parked").await;
    client.send(COMMIT).await;
    let polls = client.until("queue-messages-max").await;
    assert!(polls.len() > 2, "rejected after {} polls", polls.len());
    assert!(reader.bodies().is_empty());
    assert_eq!(context.metrics.messages_published.get(), 1, "only the error report is published");
    assert_eq!(context.metrics.queue_messages.get(), 0);
    assert!(!client.text.contains("RECEIPT\nreceipt-id:committed"));
    client.send("SEND\ndestination:/topic/t\nreceipt:next\n\nnext\0").await;
    client.until("receipt-id:next").await;
    assert_eq!(context.broker.stats().queues, 0, "all reserved queues are released");
    assert_eq!(reader.bodies(), ["next"]);
}

#[tokio::test]
async fn commit_waits_for_a_slow_receiver() {
    let mut config = config();
    config.outbound_queue.slow_consumer_grace = Duration::from_secs(3600);
    config.session.transaction_bytes_max = 64 << 20;
    let context = context_with(config);
    let reader = Reader::subscribe(&context, "/topic/t");
    let mut client = Client::connect(&context, "").await;
    let large = "x".repeat(100_000);
    client.send(&transaction((0..100).map(|n| send("/topic/t", format!("{n} {large}"))))).await;
    client.send(COMMIT).await;
    let (mut bodies, mut waited) = (Vec::new(), 0);
    while !client.text.contains("receipt-id:committed") {
        let before = context.metrics.messages_published.get();
        assert!(client.poll().await.1.is_pending());
        if before > 0 && context.metrics.messages_published.get() == before {
            waited += 1;
            let new = reader.bodies();
            assert!(new.len() <= 22, "half of outbound-queue-bytes-max and one more: {}", new.len());
            bodies.extend(new);
        }
    }
    bodies.extend(reader.bodies());
    assert!(waited >= 4, "it waited {waited} times");
    let numbers = bodies.iter().map(|body| body.split(' ').next().unwrap_or_default().to_owned());
    assert_eq!(numbers.collect::<Vec<_>>(), (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn commit_completed_after_disconnect_releases_its_reservation() {
    let context = context();
    let mut client = Client::connect(&context, "").await;
    client.send(&large_transaction()).await;
    client.send(COMMIT).await;
    client.until_partly_applied(&context).await;
    client.is_reset.store(true, Relaxed);
    client.until_closed().await;
    let kept = context.metrics.queue_bytes.get() as usize;
    assert!(
        context.budget.used() >= kept && context.budget.used() < 2 * kept,
        "{} of {kept}",
        context.budget.used()
    );
    let all = context.budget.bytes_max() - context.budget.used();
    assert!(context.budget.reserve(all / 2).is_some(), "the reservation is released");
}

/// Number of small SENDs of a transaction that is not committed. Each goes to a different queue.
const QUEUES: usize = 6000;

/// Returns a connection with a transaction of [`QUEUES`] SENDs.
async fn connect_with_many_queues(context: &Arc<ConnectionContext>) -> Client {
    let mut client = Client::connect(context, "soft-errors:true\n").await;
    client.send("SUBSCRIBE\nid:1\ndestination:/user/queue/errors\n\n\0").await;
    client.send(&transaction((0..QUEUES).map(|n| send(&format!("/queue/{n}"), "x")))).await;
    client.send("BEGIN\ntransaction:u\nreceipt:parked\n\n\0").await;
    client.until("receipt-id:parked").await;
    client
}

/// Checks that the polls together freed [`QUEUES`] frames, and that no poll exceeded its budget.
fn check_freeing(done: &[u64]) {
    let (most, sum) = (done.iter().max().copied().unwrap_or_default(), done.iter().sum::<u64>());
    // ABORT visits the whole list of frames in one portion.
    let step = 100 + (QUEUES / work::VISITS_PER_UNIT) as u64;
    assert!(most <= WORK_MAX + step, "one poll did {most}");
    assert!(sum >= QUEUES as u64, "{sum} units for {QUEUES} frames");
}

#[tokio::test]
async fn rejected_commit_releases_reserved_queues_in_several_polls() {
    let mut config = config();
    config.broker.queues_max = QUEUES;
    let context = context_with(config);
    let mut client = connect_with_many_queues(&context).await;
    client.send(&(send("/queue/more", "x") + COMMIT)).await;
    client.send("SEND\ndestination:/topic/t\nreceipt:next\n\nnext\0").await;
    client.until("queues-max").await;
    let reserved_queues = context.broker.stats().queues;
    assert!(
        reserved_queues > QUEUES / 2,
        "{reserved_queues} queues are reserved after the poll that rejected the COMMIT"
    );
    check_freeing(&client.until("receipt-id:next").await);
    assert_eq!(
        context.broker.stats().queues,
        0,
        "the next frame is handled after all reservations are released"
    );
    client.stream = None;
    client.until_closed().await;
    assert_eq!(context.budget.used(), 0);
}

#[tokio::test]
async fn aborted_transaction_of_many_frames_is_freed_in_several_polls() {
    let context = context();
    let mut client = connect_with_many_queues(&context).await;
    client.send("ABORT\ntransaction:t\n\n\0BEGIN\ntransaction:v\nreceipt:next\n\n\0").await;
    check_freeing(&client.until("receipt-id:next").await);
}

#[tokio::test]
async fn closed_connection_frees_many_transaction_frames_in_several_polls() {
    let context = context();
    let mut client = connect_with_many_queues(&context).await;
    client.stream = None;
    let mut done = Vec::new();
    loop {
        let (work, polled) = client.poll().await;
        done.push(work);
        if polled.is_ready() {
            break;
        }
        assert!(context.budget.used() > 0, "memory is charged until it is freed");
    }
    check_freeing(&done);
    client.connection = None;
    assert_eq!(context.budget.used(), 0);
}

#[tokio::test]
async fn frames_of_an_aborted_or_rejected_transaction_are_freed_in_several_polls() {
    const FRAMES: usize = 60;
    const NAMES: usize = 1000;
    let names: Vec<String> = (0..NAMES).map(|n| format!("user{n}")).collect();
    let to_users = format!("SEND\ndestination:/users/queue/a\ntransaction:t\nto:{}\n\nx\0", names.join(","));
    let sends = transaction((0..FRAMES).map(|_| to_users.clone()));
    let mut config = config();
    config.broker.queue_messages_max = 0;
    for (last, answer) in [
        ("ABORT\ntransaction:t\n\n\0".to_owned(), "receipt-id:next"),
        (send("/queue/full", "x") + COMMIT, "queue-messages-max"),
    ] {
        let context = context_with(config.clone());
        let mut client = Client::connect(&context, "soft-errors:true\n").await;
        client.send(&format!("SUBSCRIBE\nid:1\ndestination:/user/queue/errors\n\n\0{sends}")).await;
        client.send("BEGIN\ntransaction:u\nreceipt:parked\n\n\0").await;
        client.until("receipt-id:parked").await;
        client.send(&last).await;
        client.send("BEGIN\ntransaction:v\nreceipt:next\n\n\0").await;
        let done = client.until("receipt-id:next").await;
        assert!(client.text.contains(answer), "{}", client.text);
        let most = done.iter().max().copied().unwrap_or_default();
        assert!(most <= WORK_MAX + 5 * NAMES as u64, "one poll did {most}");
        assert!(done.len() >= FRAMES * NAMES / (WORK_MAX as usize + NAMES), "{} polls", done.len());
    }
}

#[tokio::test]
async fn closed_connection_frees_large_transaction_frames_in_several_polls() {
    let context = context();
    let mut client = Client::connect(&context, "").await;
    let names: Vec<String> = (0..1000).map(|n| format!("user{n}")).collect();
    let to_users = format!("SEND\ndestination:/users/queue/a\ntransaction:t\nto:{}\n\nx\0", names.join(","));
    client.send(&transaction((0..60).map(|_| to_users.clone()))).await;
    client.send("BEGIN\ntransaction:u\nreceipt:parked\n\n\0").await;
    client.until("receipt-id:parked").await;
    client.stream = None;
    let mut polls = 0;
    while client.poll().await.1.is_pending() {
        polls += 1;
    }
    assert!((60 * 1000 / (WORK_MAX as usize + 1000)..1000).contains(&polls), "{polls} polls");
    client.connection = None;
    assert_eq!(context.budget.used(), 0);
}

#[tokio::test]
async fn recipients_of_an_open_transaction_are_checked_against_new_rules_in_several_polls() {
    const FRAMES: usize = 60;
    const NAMES: usize = 1000;
    let names: Vec<String> = (0..NAMES).map(|n| format!("user{n}")).collect();
    let to_users = format!("SEND\ndestination:/users/queue/a\ntransaction:t\nto:{}\n\nx\0", names.join(","));
    for (denied, answer) in
        [("/topic/other", "receipt-id:committed"), ("/user/user999/**", "transaction cannot be committed")]
    {
        let context = context();
        let mut client = Client::connect(&context, "").await;
        client.send(&transaction((0..FRAMES).map(|_| to_users.clone()))).await;
        client.send("BEGIN\ntransaction:u\nreceipt:parked\n\n\0").await;
        client.until("receipt-id:parked").await;
        let rule = Rule::parse(&format!("deny send anyone {denied}")).expect("a valid rule");
        context.set_permissions(Permissions::new(Preset::Open, vec![rule], Vec::new()));
        let mut done = Vec::new();
        let all_recipients_checked = |done: &[u64]| done.iter().sum::<u64>() >= (FRAMES * NAMES) as u64;
        client.send("BEGIN\ntransaction:v\nreceipt:next\n\n\0").await;
        done.extend(client.until("receipt-id:next").await);
        let most = done.iter().max().copied().unwrap_or_default();
        assert!(most <= WORK_MAX + (work::FRAME * NAMES) as u64 + 100, "one poll did {most}");
        assert_eq!(
            all_recipients_checked(&done),
            denied == "/topic/other",
            "checking stops at the first rejected frame"
        );
        client.send(COMMIT).await;
        while !client.text.contains(answer) {
            assert!(client.poll().await.1.is_pending(), "{}", client.text);
        }
    }
}

#[tokio::test]
async fn no_frame_is_handled_before_the_parked_frames_are_checked_against_new_rules() {
    let context = context();
    let (mut client, socket) = tokio::io::duplex(PIPE_BYTES);
    let permit = context.admit(IpAddr::V4(Ipv4Addr::LOCALHOST)).expect("a permit is available");
    let Peer { permit, handshake } = Peer::unauthenticated(permit);
    let wire = TcpWire::new(socket, false);
    let mut connection =
        crate::connection::state::Connection::new(context.clone(), wire, permit.address(), handshake);
    let parked = "BEGIN\ntransaction:t\n\n\0SEND\ndestination:/queue/a\ntransaction:t\n\nx\0";
    client.write_all((connect() + parked).as_bytes()).await.expect("the pipe has space");
    while connection.io.frames_received < 3 {
        poll_fn(|cx| {
            let now = Instant::now();
            connection.schedule.poll_budget = PollBudget::new(now);
            connection.poll_authentication(cx, now);
            connection.read(cx, now);
            Poll::Ready(())
        })
        .await;
        tokio::task::yield_now().await;
    }
    let rule = Rule::parse("deny send anyone /queue/a").expect("a valid rule");
    context.set_permissions(Permissions::new(Preset::Open, vec![rule], Vec::new()));
    let now = Instant::now();
    connection.schedule.poll_budget = PollBudget::new(now);
    connection.recheck_access(now);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(connection.session.has_deferred_work() && !connection.may_read(&mut cx, now));
    connection.run_deferred_steps(&mut cx, now);
    assert!(!connection.session.has_deferred_work() && connection.may_read(&mut cx, now));
}
