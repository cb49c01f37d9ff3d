//! Tests of one outbound queue, its receiver and its publishers.

mod work_queue;

use super::*;
use crate::outbound_queue::batch_wakes;
use crate::outbound_queue::delivery::Message;
use crate::outbound_queue::state::OVERHEAD_BYTES;
use crate::outbound_queue::{NodeId, SessionIds};
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;
use std::time::Duration;
use stompbox_frames::message::MessageParts;
use stompbox_frames::stomp::Headers;

/// A waker that counts how often it is woken.
#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Task {
    fn woken(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// An outbound queue and its receiver. One delivery is one unit, and the queue's limit is `UNITS` units.
struct Rig {
    budget: Arc<Budget>,
    metrics: Arc<Metrics>,
    outbound_queue: Arc<OutboundQueue>,
    start: Instant,
    receiver: Arc<Task>,
}

const UNITS: usize = 16;
const GRACE: Duration = Duration::from_secs(5);

fn message(budget: &Arc<Budget>, bytes: usize) -> Message {
    let body = vec![b'x'; bytes];
    let parts = MessageParts {
        id: "n-1",
        destination: "/topic/t",
        headers: &Headers::default(),
        extra: &[],
        body: &body,
    };
    Message::new(parts, |bytes| budget.charge(bytes))
}

impl Rig {
    fn new() -> Rig {
        let (budget, metrics, start) = (Budget::new(usize::MAX), Metrics::new(), Instant::now());
        let unit = message(&budget, 40_000).size() + OVERHEAD_BYTES;
        let options = Options { outbound_queue_bytes_max: UNITS * unit, slow_consumer_grace: GRACE };
        let outbound_queue = OutboundQueue::new(session_id(), options, &budget, metrics.clone(), start);
        Rig { budget, metrics, outbound_queue, start, receiver: Arc::default() }
    }

    fn delivery(&self, key: Key) -> Delivery {
        Delivery { message: message(&self.budget, 40_000), key, count: 1, tag: 0 }
    }

    fn units(&self) -> usize {
        self.outbound_queue.bytes() * UNITS / self.outbound_queue.options.outbound_queue_bytes_max
    }

    /// Pushes this many deliveries `after` seconds after the start. Returns the result of the last push.
    fn push(&self, deliveries: usize, after: u64) -> Pushed {
        assert!(deliveries > 0);
        (0..deliveries).fold(Pushed::Gone, |_, _| self.outbound_queue.push(self.delivery(1), self.at(after)))
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    /// Takes up to this many deliveries. Returns their keys, or `None` if the queue returns `Pending`.
    fn take(&self, deliveries: usize, after: u64) -> Option<Result<Vec<Key>, QueueOverflow>> {
        let mut batch = Vec::new();
        let waker = Waker::from(self.receiver.clone());
        let unit = self.outbound_queue.options.outbound_queue_bytes_max / UNITS;
        match self.outbound_queue.poll_take(
            &mut Context::from_waker(&waker),
            &mut batch,
            deliveries * unit,
            self.at(after),
        ) {
            Poll::Pending => None,
            Poll::Ready(result) => Some(result.map(|_| batch.iter().map(|delivery| delivery.key).collect())),
        }
    }

    fn drained(&self, publisher: &Arc<Task>, is_widespread: bool, after: u64) -> bool {
        let waker = Waker::from(publisher.clone());
        self.outbound_queue
            .poll_drained(&mut Context::from_waker(&waker), is_widespread, self.at(after))
            .is_ready()
    }
}

pub(super) fn session_id() -> SessionId {
    SessionIds::new(NodeId::from_random(0)).next()
}

#[test]
fn deliveries_are_taken_in_order_in_batches_of_about_the_requested_size() {
    let rig = Rig::new();
    for key in 1..=5 {
        rig.outbound_queue.push(rig.delivery(key), rig.start);
    }
    assert_eq!(rig.take(2, 0), Some(Ok(vec![1, 2])));
    let mut batch = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(rig.outbound_queue.poll_take(&mut cx, &mut batch, 1, rig.start).is_ready());
    assert_eq!(batch.len(), 1, "a limit of one byte yields one delivery");
    assert_eq!(rig.take(9, 0), Some(Ok(vec![4, 5])));
    assert_eq!(rig.take(9, 0), None);
}

#[test]
fn push_result_follows_the_fill_level_and_the_grace_period() {
    let rig = Rig::new();
    assert_eq!(rig.push(8, 0), Pushed::Accepted, "up to one half");
    assert_eq!(rig.push(1, 0), Pushed::Congested, "above one half");
    assert_eq!(rig.push(7, 0), Pushed::Congested, "up to the limit");
    assert_eq!(rig.units(), 16);
    assert_eq!(rig.push(48, 4), Pushed::Congested, "up to four times the limit in the grace period");
    assert_eq!(rig.push(1, 4), Pushed::Gone, "overflow");
    assert_eq!(rig.outbound_queue.bytes(), 0, "everything unsent is dropped");
    assert_eq!(rig.push(1, 0), Pushed::Gone);
    assert_eq!(rig.take(1, 0), Some(Err(QueueOverflow)));
    assert_eq!(rig.take(0, 0), Some(Err(QueueOverflow)), "the overflow is reported again");
    assert!(rig.drained(&Arc::default(), false, 0), "publishers do not wait for a receiver that has gone");
}

#[test]
fn queue_overflows_at_its_limit_after_the_grace_period() {
    let rig = Rig::new();
    rig.push(16, 0);
    assert_eq!(rig.push(1, 5), Pushed::Gone, "the grace period began at one half, 5 s before");
    let rig = Rig::new();
    rig.push(20, 0);
    assert_eq!(rig.take(1, 4), Some(Ok(vec![1])));
    assert_eq!(rig.push(1, 8), Pushed::Congested, "taking a batch extends the grace period");
    assert_eq!(rig.push(1, 9), Pushed::Gone, "it ends 5 s after the last batch");
}

#[test]
fn empty_queue_accepts_one_message_of_any_size() {
    let rig = Rig::new();
    let huge = Delivery { message: message(&rig.budget, 40_000 * 80), key: 1, count: 1, tag: 0 };
    assert_eq!(rig.outbound_queue.push(huge.clone(), rig.start), Pushed::Congested);
    assert_eq!(rig.take(99, 0), Some(Ok(vec![1])));
    assert!(rig.outbound_queue.try_push(huge.clone()));
    assert!(!rig.outbound_queue.try_push(rig.delivery(1)));
    assert_eq!(rig.take(99, 0), Some(Ok(vec![1])));
    rig.push(1, 0);
    assert_eq!(rig.outbound_queue.push(huge, rig.start), Pushed::Gone, "it overflows behind another message");
}

#[test]
fn closed_queue_accepts_no_messages_and_returns_its_deliveries() {
    let rig = Rig::new();
    rig.push(3, 0);
    assert_eq!(rig.outbound_queue.close().len(), 3);
    assert_eq!(rig.push(1, 0), Pushed::Gone);
    assert!(!rig.outbound_queue.try_push(rig.delivery(1)));
    assert_eq!(rig.take(1, 0), None);
    assert_eq!(rig.outbound_queue.bytes(), 0);
    assert!(rig.outbound_queue.close().is_empty());
}

#[test]
fn receiver_is_woken_at_the_end_of_a_wake_batch_or_above_half() {
    let rig = Rig::new();
    assert_eq!(rig.take(9, 0), None);
    let wakes = batch_wakes();
    rig.push(8, 0);
    assert_eq!(rig.receiver.woken(), 0, "the wake is deferred");
    drop(wakes);
    assert_eq!(rig.receiver.woken(), 1);
    assert!(rig.take(9, 0).is_some());
    assert_eq!(rig.take(9, 0), None);
    let wakes = batch_wakes();
    rig.push(9, 0);
    assert_eq!(rig.receiver.woken(), 1, "above half it is woken at once");
    rig.push(1, 0);
    drop(wakes);
    assert_eq!(rig.receiver.woken(), 0, "it is woken only once");
}

#[test]
fn overflow_wakes_a_receiver_whose_wake_was_deferred() {
    let rig = Rig::new();
    assert_eq!(rig.take(9, 0), None);
    let wakes = batch_wakes();
    rig.push(1, 0);
    let huge = Delivery { message: message(&rig.budget, 40_000 * 80), key: 1, count: 1, tag: 0 };
    assert_eq!(rig.outbound_queue.push(huge, rig.start), Pushed::Gone);
    assert_eq!(rig.receiver.woken(), 1);
    drop(wakes);
}

#[test]
fn receiver_is_woken_once_per_wait() {
    let rig = Rig::new();
    rig.push(1, 0);
    assert_eq!(rig.receiver.woken(), 0, "it has not waited");
    assert!(rig.take(9, 0).is_some());
    assert_eq!(rig.take(9, 0), None);
    rig.push(3, 0);
    assert_eq!(rig.receiver.woken(), 1);
    assert!(rig.take(9, 0).is_some());
    assert_eq!(rig.take(9, 0), None);
    assert!(rig.outbound_queue.try_push(rig.delivery(1)));
    assert_eq!(rig.receiver.woken(), 1, "a message of a work queue wakes, too");
}

#[test]
fn receiver_without_write_space_is_woken_only_by_overflow() {
    let rig = Rig::new();
    rig.push(1, 0);
    assert_eq!(rig.take(0, 0), None);
    rig.push(63, 0);
    assert_eq!(rig.receiver.woken(), 0);
    rig.push(1, 0);
    assert_eq!(rig.receiver.woken(), 1);
}

#[test]
fn receiver_that_ran_out_of_write_space_is_not_woken_by_messages() {
    let rig = Rig::new();
    assert_eq!(rig.take(9, 0), None);
    assert_eq!(rig.take(0, 0), None);
    rig.push(1, 0);
    assert_eq!(rig.receiver.woken(), 0);
    assert_eq!(rig.take(9, 0), Some(Ok(vec![1])));
}

#[test]
fn only_the_task_that_polled_last_is_woken() {
    let mut rig = Rig::new();
    assert_eq!(rig.take(9, 0), None);
    let before = std::mem::take(&mut rig.receiver);
    assert_eq!(rig.take(9, 0), None);
    rig.push(1, 0);
    assert_eq!((before.woken(), rig.receiver.woken()), (0, 1));
}

#[test]
fn publishers_wait_above_half_and_continue_at_half() {
    let rig = Rig::new();
    let publisher: Arc<Task> = Arc::default();
    rig.push(8, 0);
    assert!(rig.drained(&publisher, false, 0), "half is not above half");
    rig.push(3, 0);
    assert!(!rig.drained(&publisher, false, 0));
    rig.take(2, 0);
    assert_eq!((rig.units(), publisher.woken()), (9, 0));
    rig.take(1, 0);
    assert_eq!((rig.units(), publisher.woken()), (8, 1));
    assert!(rig.drained(&publisher, false, 0));
}

#[test]
fn publishers_continue_when_the_receiver_is_gone() {
    type End = fn(&Rig);
    let cases: [(&str, End); 3] = [
        ("overflow", |rig| assert_eq!(rig.push(60, 0), Pushed::Gone)),
        ("close", |rig| drop(rig.outbound_queue.close())),
        ("withdraw", |rig| drop(rig.outbound_queue.withdraw(1))),
    ];
    for (name, end) in cases {
        let rig = Rig::new();
        let publishers: [Arc<Task>; 2] = Default::default();
        rig.push(9, 0);
        assert!(publishers.iter().all(|publisher| !rig.drained(publisher, false, 0)));
        end(&rig);
        assert!(publishers.iter().all(|publisher| publisher.woken() == 1), "{name}");
        assert!(rig.drained(&publishers[0], false, 0), "{name}");
    }
}

/// Columns, in seconds: the queue passes one half, a batch is taken, the grace period of a single slow receiver ends,
/// and the grace period with `is_widespread` ends. The queue is still above one half after the batch.
#[test]
fn grace_period_starts_above_half_or_when_widespread_at_the_last_batch() {
    for (passed, taken, ends_alone, ends_widespread) in
        [(0, None, 5, 5), (3, None, 8, 8), (3, Some(4), 8, 9), (3, Some(7), 8, 12), (3, Some(30), 8, 35)]
    {
        let rig = Rig::new();
        rig.push(8, 0);
        rig.push(5, passed);
        rig.push(1, passed + 1);
        if let Some(taken) = taken {
            rig.take(2, taken);
        }
        assert_eq!(rig.outbound_queue.grace_ends(false), rig.at(ends_alone), "{passed} {taken:?}");
        assert_eq!(rig.outbound_queue.grace_ends(true), rig.at(ends_widespread), "{passed} {taken:?}");
        let publisher = Arc::default();
        let latest = taken.unwrap_or(0).max(passed);
        for (is_widespread, ends) in [(false, ends_alone), (true, ends_widespread)] {
            for after in latest..ends + 2 {
                assert_eq!(
                    rig.drained(&publisher, is_widespread, after),
                    after >= ends,
                    "{passed} {taken:?} {after}"
                );
            }
        }
    }
}

#[test]
fn grace_period_is_renewed_only_below_a_quarter() {
    let rig = Rig::new();
    rig.push(9, 0);
    rig.take(5, 1);
    assert_eq!(rig.units(), 4);
    rig.push(5, 7);
    assert!(rig.drained(&Arc::default(), false, 7), "a quarter is not below a quarter");
    rig.take(6, 8);
    assert_eq!(rig.units(), 3);
    rig.push(6, 9);
    assert_eq!(rig.outbound_queue.grace_ends(false), rig.at(14));
    assert!(!rig.drained(&Arc::default(), false, 13));
}

#[test]
fn endless_grace_period_does_not_overflow_the_clock() {
    let rig = Rig::new();
    let options = Options { outbound_queue_bytes_max: 1, slow_consumer_grace: Duration::MAX };
    let outbound_queue =
        OutboundQueue::new(session_id(), options, &rig.budget, rig.metrics.clone(), rig.start);
    assert!(outbound_queue.grace_ends(true) > rig.at(3600));
}

#[test]
fn waiting_publisher_is_stored_once_and_removed_when_it_leaves() {
    let rig = Rig::new();
    rig.push(9, 0);
    let staying: Arc<Task> = Arc::default();
    for _ in 0..3 {
        assert!(!rig.drained(&staying, false, 0));
    }
    assert_eq!(rig.outbound_queue.state.lock().publishers.len(), 1);
    // With `is_widespread` the grace period does not end while batches are taken. Meanwhile other publishers begin to
    // wait and give up.
    let mut woken = 0;
    for second in 1..1000 {
        rig.push(1, second);
        rig.take(1, second);
        for _ in 0..10 {
            assert!(!rig.drained(&Arc::default(), true, second));
        }
        woken += staying.woken();
        assert!(!rig.drained(&staying, true, second), "it still waits");
        assert!(rig.outbound_queue.state.lock().publishers.len() <= 12);
    }
    assert_eq!(woken, 999, "woken once a second to confirm that it still waits");
    rig.take(1, 1000);
    assert_eq!(staying.woken(), 1);
}

#[test]
fn bytes_above_half_are_reported_until_the_queue_is_closed() {
    let rig = Rig::new();
    let unit = rig.outbound_queue.options.outbound_queue_bytes_max / UNITS;
    assert_eq!(rig.outbound_queue.bytes_above_half(), Some(0));
    for (push, bytes_above_half) in [(8, 0), (1, unit), (7, 8 * unit)] {
        rig.push(push, 0);
        assert_eq!(rig.outbound_queue.bytes_above_half(), Some(bytes_above_half));
    }
    rig.take(8, 0);
    assert_eq!(rig.outbound_queue.bytes_above_half(), Some(0));
    rig.outbound_queue.close();
    assert_eq!(rig.outbound_queue.bytes_above_half(), None);
}

#[test]
fn label_is_set_only_once() {
    let rig = Rig::new();
    let label = |session: &str| Arc::new(Label { session: session.into(), user: None });
    assert_eq!(rig.outbound_queue.label(), None);
    rig.outbound_queue.set_label(label("1"));
    rig.outbound_queue.set_label(label("2"));
    assert_eq!(rig.outbound_queue.label(), Some(&label("1")));
}

#[test]
fn dropped_queue_releases_its_memory_and_its_gauge() {
    type Empty = fn(&Rig);
    let cases: [(&str, Empty); 5] = [
        ("taken", |rig| drop(rig.take(99, 0))),
        ("withdrawn", |rig| drop(rig.outbound_queue.withdraw(1))),
        ("closed", |rig| drop(rig.outbound_queue.close())),
        ("overflowed", |rig| assert_eq!(rig.push(65, 0), Pushed::Gone)),
        ("left", |_| {}),
    ];
    for (name, empty) in cases {
        let rig = Rig::new();
        rig.push(16, 0);
        assert_eq!(rig.metrics.outbound_queue_bytes.get(), rig.outbound_queue.bytes() as i64, "{name}");
        assert!(rig.budget.used() > 16 * 40_000);
        empty(&rig);
        assert_eq!(rig.metrics.outbound_queue_bytes.get(), rig.outbound_queue.bytes() as i64, "{name}");
        if name != "left" {
            assert_eq!(rig.budget.used(), 0, "{name}: unused memory is released");
        }
        drop(rig.outbound_queue);
        assert_eq!((rig.metrics.outbound_queue_bytes.get(), rig.budget.used()), (0, 0), "{name}");
    }
}

proptest! {
    #[test]
    fn bytes_memory_and_gauge_match_the_model_after_every_step(
        steps in prop::collection::vec((0u8..7, 1usize..5), 1..100),
    ) {
        let rig = Rig::new();
        let unit = rig.outbound_queue.options.outbound_queue_bytes_max / UNITS;
        let mut model: VecDeque<Key> = VecDeque::new();
        for (step, n) in steps {
            match step {
                0..=2 if model.len() + n <= UNITS => {
                    for key in (1..).take(n) {
                        rig.outbound_queue.push(rig.delivery(key), rig.start);
                        model.push_back(key);
                    }
                }
                3 => {
                    let taken = rig.outbound_queue.try_push(rig.delivery(9));
                    prop_assert_eq!(taken, model.len() < UNITS / 2);
                    if taken {
                        model.push_back(9);
                    }
                }
                4 => {
                    let expected: Vec<Key> = model.drain(..n.min(model.len())).collect();
                    let taken = rig.take(n, 0).map(|result| result.expect("no overflow"));
                    prop_assert_eq!(taken.unwrap_or_default(), expected);
                }
                5 => {
                    rig.outbound_queue.withdraw(n as Key);
                    model.retain(|&key| key != n as Key);
                }
                _ => {}
            }
            prop_assert_eq!(rig.outbound_queue.bytes(), model.len() * unit);
            prop_assert_eq!(rig.metrics.outbound_queue_bytes.get(), rig.outbound_queue.bytes() as i64);
            let state = rig.outbound_queue.state.lock();
            prop_assert_eq!(state.capacity_charge.bytes(), state.deliveries.capacity() * size_of::<Delivery>());
        }
    }
}
