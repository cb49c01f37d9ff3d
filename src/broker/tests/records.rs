//! The records of queues in the journal.

use super::fixture::*;
use super::replica::Replica;
use crate::broker::{CommitProgress, Options, Subscription, TempQueueHandle, Ticket, TransactionStep};
use crate::command::Settlement;
use crate::outbound_queue::Tag;
use futures_util::FutureExt;
use std::sync::Arc;
use std::thread;

const Q: &str = "/queue/q";
const DEAD: &str = "/queue/dead.q";
const TEMP: &str = "/temp-queue/~x";

fn with_replica(options: Options, replica: Replica) -> (Fixture, Arc<Replica>) {
    let replica = Arc::new(replica);
    (Fixture::with_journal(options, usize::MAX, Some(replica.clone())), replica)
}

/// Confirms the lines one after the other. The ticket must be complete only after the last one.
fn confirm_all(replica: &Replica, ticket: Option<Ticket>, lines: &[&str]) {
    let mut ticket = ticket.expect("a request waits for its records");
    for line in lines {
        assert!((&mut ticket).now_or_never().is_none(), "before {line:?}");
        replica.confirm(line);
    }
    assert_eq!(ticket.now_or_never(), Some(Ok(())));
}

/// Commits one step. Returns the ticket of the COMMIT.
fn commit_one(fixture: &Fixture, step: TransactionStep) -> Option<Ticket> {
    let mut commit = fixture.broker.commit(vec![step], fixture.budget.charge(0));
    loop {
        if let CommitProgress::Done(committed) = commit.advance(fixture.now()).expect("accepted") {
            return committed.ticket;
        }
    }
}

#[test]
fn dead_letter_is_recorded_as_one_move_after_the_settlement() {
    let (fixture, replica) =
        with_replica(Options { max_deliveries: 2, ..Options::default() }, Replica::default());
    let receiver = fixture.receiver(1);
    let consumer = fixture.subscribe(Q, &receiver, ALL);
    for body in ["a", "b"] {
        fixture.send(Q, body);
    }
    consumer.settle(&[1], Settlement::Rejected, fixture.now());
    consumer.settle(&[2], Settlement::Returned, fixture.now());
    consumer.settle(&[2], Settlement::Lost, fixture.now());
    let expected = [
        "enqueued /queue/q 1 a",
        "delivered /queue/q 1 1",
        "enqueued /queue/q 2 b",
        "delivered /queue/q 2 1",
        "settled /queue/q [1] Rejected",
        "moved /queue/q 1 /queue/dead.q 1 a",
        "settled /queue/q [2] Returned",
        "delivered /queue/q 2 2",
        "settled /queue/q [2] Lost",
        "moved /queue/q 2 /queue/dead.q 2 b",
    ];
    assert_eq!(replica.take_lines(), expected);
}

#[test]
fn rejection_waits_for_the_move_of_its_dead_letter() {
    let (fixture, replica) = with_replica(Options::default(), Replica::with_tickets());
    let receiver = fixture.receiver(1);
    let consumer = fixture.subscribe(Q, &receiver, ALL);
    for body in ["a", "b", "c"] {
        fixture.send(Q, body);
    }
    let ticket = consumer.settle(&[1, 2], Settlement::Rejected, fixture.now());
    let lines = [
        "settled /queue/q [1, 2] Rejected",
        "moved /queue/q 2 /queue/dead.q 2 b",
        "moved /queue/q 1 /queue/dead.q 1 a",
    ];
    confirm_all(&replica, ticket, &lines);

    let consumer = consumer.consumer().expect("a consumer of a queue");
    let step = TransactionStep::Settle { consumer, tags: vec![3], settlement: Settlement::Rejected };
    let ticket = commit_one(&fixture, step);
    let lines = ["settled /queue/q [3] Rejected", "moved /queue/q 3 /queue/dead.q 3 c"];
    confirm_all(&replica, ticket, &lines);
}

#[test]
fn message_that_no_consumer_can_take_waits_for_its_move() {
    let (fixture, replica) = with_replica(Options::default(), Replica::with_tickets());
    let receiver = fixture.receiver(1);
    let _consumer = fixture.subscribe(Q, &receiver, TEXT);
    let ticket = fixture.publish(Q, b"\xff").expect("accepted").ticket;
    let lines = ["enqueued /queue/q 1 \u{fffd}", "moved /queue/q 1 /queue/dead.q 1 \u{fffd}"];
    confirm_all(&replica, ticket, &lines);
    let ticket = commit_one(&fixture, publish_step(&to(Q), b"\xff"));
    let lines = ["enqueued /queue/q 2 \u{fffd}", "moved /queue/q 2 /queue/dead.q 2 \u{fffd}"];
    confirm_all(&replica, ticket, &lines);
}

#[test]
fn message_that_cannot_become_a_dead_letter_is_recorded_as_dropped() {
    let max_deliveries = 1;
    let too_small = Fixture::new();
    too_small.send(Q, "m");
    let queue_bytes_max = too_small.metrics.queue_bytes.get() as usize;
    let cases = [
        ("no further queue", Options { max_deliveries, queues_max: 1, ..Options::default() }, Q),
        ("no space", Options { max_deliveries, queue_bytes_max, ..Options::default() }, Q),
        ("no dead letter queue", Options { max_deliveries, ..Options::default() }, TEMP),
    ];
    for (name, options, queue) in cases {
        let (fixture, replica) = with_replica(options, Replica::with_tickets());
        let receiver = fixture.receiver(1);
        let _temp = fixture.broker.open_temp(&to(TEMP)).expect("opened");
        let consumer = fixture.subscribe(queue, &receiver, ALL);
        fixture.send(queue, "m");
        let ticket = consumer.settle(&[1], Settlement::Returned, fixture.now());
        assert!(replica.messages(queue).is_empty(), "{name}");
        let lines = [format!("settled {queue} [1] Returned"), format!("dropped {queue} 1")];
        confirm_all(&replica, ticket, &lines.each_ref().map(String::as_str));
        assert_eq!(replica.take_lines().len(), 4, "{name}: enqueued, delivered, settled, dropped");
    }
}

#[test]
fn messages_that_make_space_for_dead_letters_are_recorded_as_dropped() {
    let (fixture, replica) =
        with_replica(Options { queue_messages_max: 2, ..Options::default() }, Replica::default());
    let receiver = fixture.receiver(1);
    let consumer = fixture.subscribe(Q, &receiver, ALL);
    for (tag, body) in (1..).zip(["a", "b", "c"]) {
        fixture.send(Q, body);
        consumer.settle(&[tag], Settlement::Rejected, fixture.now());
    }
    let lines = replica.take_lines();
    assert_eq!(lines[lines.len() - 2..], ["dropped /queue/dead.q 1", "moved /queue/q 3 /queue/dead.q 3 c"]);
    let dead_receiver = fixture.receiver(2);
    let _dead = fixture.subscribe(DEAD, &dead_receiver, ALL);
    fixture.send(Q, "d");
    consumer.settle(&[4], Settlement::Rejected, fixture.now());
    let lines = replica.take_lines();
    assert_eq!(lines.last().expect("a record"), "dropped /queue/q 4", "no outstanding message is dropped");
    assert_eq!(replica.messages(DEAD).len(), 2);
}

#[test]
fn closed_temporary_queue_has_one_record_and_no_further_ones() {
    let close_partly = |fixture: &Fixture, temp: &TempQueueHandle, consumer: &Subscription| {
        assert!(!temp.close_partly(1));
        // The client may still settle its deliveries.
        consumer.settle(&[1], Settlement::Accepted, fixture.now());
        consumer.settle(&[2], Settlement::Rejected, fixture.now());
        consumer.settle(&[3], Settlement::Returned, fixture.now());
        consumer.resume(fixture.now());
        assert!(temp.close_partly(100));
    };
    type Close<'a> = &'a dyn Fn(&Fixture, &TempQueueHandle, &Subscription);
    for close in [&close_partly as Close<'_>, &|_, _, _| {}] {
        let (fixture, replica) = with_replica(Options::default(), Replica::default());
        let receiver = fixture.receiver(1);
        let temp = fixture.broker.open_temp(&to(TEMP)).expect("opened");
        let consumer = fixture.subscribe(TEMP, &receiver, credit(3));
        ["a", "b", "c", "d", "e"].iter().for_each(|body| assert_eq!(fixture.send(TEMP, *body), 1));
        replica.take_lines();
        close(&fixture, &temp, &consumer);
        drop(temp);
        drop(consumer);
        assert_eq!(replica.take_lines(), ["closed /temp-queue/~x"]);
        assert!(replica.is_empty() && fixture.broker.is_empty());
    }
}

#[test]
fn end_of_the_broker_removes_only_temporary_queues() {
    let (fixture, replica) = with_replica(Options::default(), Replica::default());
    let receiver = fixture.receiver(1);
    let temp = fixture.broker.open_temp(&to(TEMP)).expect("opened");
    let consumer = fixture.subscribe(Q, &receiver, credit(1));
    [Q, Q, TEMP].iter().for_each(|queue| assert_eq!(fixture.send(queue, "m"), 1));
    replica.take_lines();
    drop((consumer, temp));
    drop(fixture);
    assert_eq!(replica.take_lines(), ["requeued /queue/q [(1, 0)]", "closed /temp-queue/~x"]);
    assert_eq!(replica.messages(Q).len(), 2);
}

#[test]
fn deliveries_of_a_consumer_that_leaves_are_recorded_with_their_counts() {
    let (fixture, replica) = with_replica(Options::default(), Replica::default());
    let [first, second] = [1, 2].map(|key| fixture.receiver(key));
    let consumer = fixture.subscribe(Q, &first, ALL);
    ["a", "b", "c"].iter().for_each(|body| assert_eq!(fixture.send(Q, *body), 1));
    first.deliveries();
    fixture.send(Q, "d");
    consumer.mark_unwritten(&[3]);
    replica.take_lines();
    drop(consumer);
    assert_eq!(
        replica.take_lines(),
        ["requeued /queue/q [(1, 1), (2, 1), (3, 0), (4, 0)]"],
        "two deliveries were not written"
    );
    let consumer = fixture.subscribe(Q, &second, ALL);
    let counts = second.received().into_iter().map(|(_, count, _)| count);
    assert_eq!(counts.collect::<Vec<_>>(), [2, 2, 1, 1]);
    let delivered = (1..).zip([2, 2, 1, 1]).map(|(at, count)| format!("delivered /queue/q {at} {count}"));
    assert_eq!(replica.take_lines(), delivered.collect::<Vec<String>>());
    consumer.settle(&[1, 2, 3, 4], Settlement::Accepted, fixture.now());
    replica.take_lines();
    drop(consumer);
    assert!(replica.take_lines().is_empty(), "the consumer has no deliveries");
}

#[test]
fn queue_that_is_created_again_has_another_identity() {
    let (fixture, replica) = with_replica(Options::default(), Replica::default());
    for body in ["first", "second"] {
        let receiver = fixture.receiver(1);
        let consumer = fixture.subscribe(Q, &receiver, ALL);
        fixture.send(Q, body);
        consumer.settle(&[1], Settlement::Accepted, fixture.now());
        drop(consumer);
        assert!(fixture.broker.is_empty(), "the idle queue is removed");
        let expected = [
            format!("enqueued /queue/q 1 {body}"),
            "delivered /queue/q 1 1".to_owned(),
            "settled /queue/q [1] Accepted".to_owned(),
        ];
        assert_eq!(replica.take_lines(), expected, "positions start at 1");
    }
    assert_eq!(replica.queues(Q), 2);
}

#[test]
fn records_describe_the_queues_while_several_threads_use_them() {
    const THREADS: u32 = 3;
    const ROUNDS: usize = 300;
    let (fixture, replica) = with_replica(Options::default(), Replica::default());
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let fixture = &fixture;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let options = [ALL, TEXT, credit(1)][round % 3];
                    let queue = [Q, DEAD][usize::from(round % 4 == 3)];
                    let receiver = fixture.receiver(thread);
                    let consumer = fixture.subscribe(queue, &receiver, options);
                    fixture.send(Q, ["text".as_bytes(), b"\xff"][round % 2]);
                    for delivery in receiver.deliveries() {
                        let settlement = [Settlement::Accepted, Settlement::Rejected, Settlement::Lost];
                        consumer.settle(&[delivery.tag], settlement[round % 3], fixture.now());
                    }
                }
            });
        }
    });
    let queued = replica.messages(Q).len() + replica.messages(DEAD).len();
    assert_eq!(queued as i64, fixture.metrics.queue_messages.get());
    for queue in [Q, DEAD] {
        let expected = replica.messages(queue).into_iter().map(|message| message.body);
        let receiver = fixture.receiver(9);
        let consumer = fixture.subscribe(queue, &receiver, ALL);
        let deliveries = receiver.deliveries();
        let bodies = deliveries.iter().map(|delivery| delivery.message.body().to_vec());
        assert_eq!(bodies.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        let tags: Vec<Tag> = deliveries.iter().map(|delivery| delivery.tag).collect();
        consumer.settle(&tags, Settlement::Accepted, fixture.now());
    }
    assert!(replica.is_empty() && fixture.broker.is_empty());
}
