//! Tests of messages of work queues, and of withdrawn deliveries.

use super::*;
use crate::outbound_queue::delivery::Tag;
use crate::work;

#[test]
fn work_queue_fills_at_most_half_and_is_then_blocked() {
    let rig = Rig::new();
    assert!((0..8).all(|_| rig.outbound_queue.try_push(rig.delivery(1))));
    assert!(!rig.outbound_queue.take_blocked());
    assert!(!rig.outbound_queue.try_push(rig.delivery(1)));
    assert_eq!(rig.units(), 8);
    assert!(rig.outbound_queue.take_blocked());
    assert!(!rig.outbound_queue.take_blocked(), "reported once");
    rig.take(1, 0);
    assert!(rig.outbound_queue.try_push(rig.delivery(1)));
    assert!(!rig.outbound_queue.take_blocked());
}

#[test]
fn withdraw_removes_one_subscription_and_keeps_the_order() {
    let rig = Rig::new();
    for (tag, key) in [(1, 7), (2, 8), (3, 7), (4, 9), (5, 7)] {
        rig.outbound_queue.push(Delivery { tag, ..rig.delivery(key) }, rig.start);
    }
    let tags: Vec<Tag> = rig.outbound_queue.withdraw(7).into();
    assert_eq!(tags, [1, 3, 5]);
    assert!(rig.outbound_queue.withdraw(7).is_empty());
    assert_eq!(rig.units(), 2);
    assert_eq!(rig.take(9, 0), Some(Ok(vec![8, 9])));
    assert_eq!(rig.outbound_queue.bytes(), 0);
}

/// Pushes two messages for each of `count` subscriptions and withdraws them, while `others` messages wait for another
/// subscription. Returns the work of this.
fn withdraw_work(others: usize, count: u32) -> u64 {
    let (budget, now) = (Budget::new(usize::MAX), Instant::now());
    let options = Options { outbound_queue_bytes_max: usize::MAX, slow_consumer_grace: GRACE };
    let outbound_queue = OutboundQueue::new(session_id(), options, &budget, Metrics::new(), now);
    let small = message(&budget, 1);
    let delivery = |key, tag| Delivery { message: small.clone(), key, count: 1, tag };
    (0..others).for_each(|_| assert_eq!(outbound_queue.push(delivery(1, 0), now), Pushed::Accepted));
    let before = work::done();
    for key in 2..2 + count {
        outbound_queue.push(delivery(key, 0), now);
        outbound_queue.try_push(delivery(key, 7));
        assert_eq!(outbound_queue.withdraw(key), [7]);
    }
    let done = work::done() - before;
    let mut batch = Vec::new();
    let taken =
        outbound_queue.poll_take(&mut Context::from_waker(Waker::noop()), &mut batch, usize::MAX, now);
    assert_eq!(taken, Poll::Ready(Ok(true)));
    assert!(
        batch.len() == others && batch.iter().all(|delivery| delivery.key == 1),
        "withdrawn deliveries are not taken"
    );
    assert_eq!((outbound_queue.bytes(), outbound_queue.take_blocked()), (0, false));
    done
}

#[test]
fn withdraw_cost_does_not_grow_with_other_deliveries() {
    // All withdrawals together may visit each of the other deliveries once.
    for others in [10, 1000, 10_000] {
        let done = withdraw_work(others, 2000);
        assert!(done <= 2000 * 10 + others as u64, "{done} units beside {others} deliveries");
    }
}

#[test]
fn withdrawn_deliveries_never_outnumber_the_other_deliveries() {
    let (budget, now) = (Budget::new(usize::MAX), Instant::now());
    let options = Options { outbound_queue_bytes_max: usize::MAX, slow_consumer_grace: GRACE };
    let outbound_queue = OutboundQueue::new(session_id(), options, &budget, Metrics::new(), now);
    let small = message(&budget, 1);
    let push = |key| {
        let pushed = outbound_queue.push(Delivery { message: small.clone(), key, count: 1, tag: 0 }, now);
        assert_eq!(pushed, Pushed::Accepted);
    };
    (0..5000).for_each(|_| push(1));
    for key in 2..500 {
        (0..100).for_each(|_| push(key));
        outbound_queue.withdraw(key);
        let waiting = outbound_queue.state.lock().deliveries.len();
        assert!(waiting <= 2 * 5000 + 100, "{waiting} wait, and 5000 are not withdrawn");
    }
}

#[test]
fn work_queue_has_at_most_a_few_hundred_deliveries_waiting() {
    let rig = Rig::new();
    let small = message(&rig.budget, 1);
    let delivery = |tag| Delivery { message: small.clone(), key: 1, count: 1, tag };
    let taken = (1..).take_while(|&tag| rig.outbound_queue.try_push(delivery(tag))).count();
    assert_eq!(taken, QUEUE_DELIVERIES_MAX);
    assert!(rig.outbound_queue.take_blocked());
    assert!(rig.take(1, 0).is_some());
    assert!(rig.outbound_queue.try_push(delivery(9999)), "there is space again");
    rig.outbound_queue.withdraw(1);
    assert!(rig.outbound_queue.try_push(delivery(10_000)));
}

#[test]
fn withdraw_wakes_the_receiver_if_a_work_queue_was_blocked() {
    let rig = Rig::new();
    rig.push(8, 0);
    assert_eq!(rig.take(0, 0), None);
    rig.outbound_queue.withdraw(99);
    rig.outbound_queue.try_push(rig.delivery(2));
    rig.outbound_queue.withdraw(99);
    assert_eq!(rig.receiver.woken(), 0, "nothing has changed");
    rig.outbound_queue.withdraw(1);
    assert_eq!(rig.receiver.woken(), 1);
    assert!(rig.outbound_queue.take_blocked());
}
