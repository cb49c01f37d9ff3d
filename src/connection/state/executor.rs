//! What the broker holds for a connection: subscriptions, temporary queues, and requests in progress.

use super::pending_commit::PendingCommit;
use super::pending_outcomes::PendingOutcomes;
use super::read_pause::ReadPause;
use super::subscription_map::SubscriptionMap;
use crate::broker::{SessionRegistration, Subscription, TempQueueHandle, Ticket};
use crate::budget::Charge;
use crate::command::{Settle, Settlement};
use crate::destination::Destination;
use crate::metrics::Metrics;
use crate::outbound_queue::{Key, OutboundQueue, Tag};
use crate::work;
use std::collections::HashSet;
use std::time::Instant;

/// What the broker holds for a connection. It knows no wire.
pub(crate) struct Executor {
    pub(crate) pause: ReadPause,
    /// The COMMIT in progress.
    pub(crate) commit: Option<Box<PendingCommit>>,
    /// Requests whose outcome a store has not reported yet.
    pub(crate) outcomes: PendingOutcomes,
    /// Subscriptions that have ended and are kept until their messages in the output are written.
    pub(crate) ending_subscriptions: SubscriptionMap<Subscription>,
    pub(crate) subscriptions: SubscriptionMap<Subscription>,
    pub(crate) temp_queues: Vec<TempQueueHandle>,
    /// The address of the temporary queue that is opened with the next subscription.
    pub(crate) next_temp_queue: Option<Destination>,
    /// The charge for the lists of subscriptions in this connection and in its session, and for open transactions.
    pub(crate) subscription_charge: Charge,
    /// Number of bytes that the broker holds for the subscriptions and temporary queues of this connection. Memory that
    /// is shared with other sessions counts in full.
    pub(crate) subscription_bytes: usize,
    /// The registration of the session as online.
    pub(crate) registration: Option<SessionRegistration>,
    pub(crate) parked_charge: Charge,
    pub(crate) transactions: usize,
}

impl Executor {
    /// Creates the state of a connection without subscriptions. `subscription_charge` and `parked_charge` are empty.
    pub(crate) fn new(subscription_charge: Charge, parked_charge: Charge) -> Executor {
        Executor {
            pause: ReadPause::default(),
            commit: None,
            outcomes: PendingOutcomes::default(),
            ending_subscriptions: SubscriptionMap::default(),
            subscriptions: SubscriptionMap::default(),
            temp_queues: Vec::new(),
            next_temp_queue: None,
            subscription_charge,
            subscription_bytes: 0,
            registration: None,
            parked_charge,
            transactions: 0,
        }
    }

    /// Resumes the work queues whose messages the outbound queue has rejected for lack of room.
    pub(crate) fn resume_blocked_queues(&self, outbound_queue: &OutboundQueue, now: Instant) {
        if outbound_queue.take_blocked() {
            for subscription in self.subscriptions.values() {
                work::add(1);
                subscription.resume(now);
            }
        }
    }

    /// Settles deliveries of work queues. Consecutive deliveries of the same subscription are settled together.
    pub(crate) fn settle(&self, deliveries: &[(Key, Tag)], settlement: Settlement, now: Instant) {
        for run in deliveries.chunk_by(|left, right| left.0 == right.0) {
            let key = run[0].0;
            if let Some(subscription) =
                self.subscriptions.get(key).or_else(|| self.ending_subscriptions.get(key))
            {
                let tags: Vec<Tag> = run.iter().map(|(_, tag)| *tag).collect();
                subscription.settle(&tags, settlement, now);
            }
        }
    }

    /// Settles deliveries that the client has acknowledged or rejected. Returns the outcome that a receipt waits for.
    pub(crate) fn settle_for_client(&self, settle: &Settle, now: Instant) -> Option<Ticket> {
        self.subscriptions.get(settle.key)?.settle(&settle.tags, settle.settlement, now)
    }

    /// Requeues deliveries that are not sent because the connection ends. If the connection still has the subscription,
    /// the deliveries are marked, and return to their queue when the subscription is dropped. Deliveries of
    /// subscriptions in `ending_subscriptions` return at once.
    pub(crate) fn return_unsent(&self, mut deliveries: Vec<(Key, Tag)>, now: Instant) {
        deliveries.retain(|(_, tag)| *tag != 0);
        deliveries.sort_by_key(|(key, _)| *key);
        for run in deliveries.chunk_by(|left, right| left.0 == right.0) {
            match self.subscriptions.get(run[0].0) {
                Some(subscription) => {
                    subscription.mark_unwritten(&run.iter().map(|(_, tag)| *tag).collect::<Vec<_>>());
                }
                None => self.settle(run, Settlement::Unwritten, now),
            }
        }
    }

    /// Returns whether there may be subscriptions whose messages were in the output and are written now. There are none
    /// during a COMMIT, because it may settle their deliveries.
    pub(crate) fn may_drop_written(&self) -> bool {
        !self.ending_subscriptions.is_empty() && self.commit.is_none()
    }

    /// Drops the subscriptions in `ending_subscriptions` that have no messages in the output.
    pub(crate) fn drop_written(&mut self, keys_in_output: &HashSet<Key>) {
        self.ending_subscriptions.retain(|key| keys_in_output.contains(&key));
    }

    /// Moves the subscriptions in `ending_subscriptions` that have no messages in the output to `subscriptions`, which
    /// an ending connection drops next.
    pub(crate) fn release_written(&mut self, keys_in_output: &HashSet<Key>) {
        self.ending_subscriptions.move_to(&mut self.subscriptions, |key| !keys_in_output.contains(&key));
    }

    /// Updates the metric of open transactions to `open` transactions of this session.
    pub(crate) fn count_transactions(&mut self, open: usize, metrics: &Metrics) {
        if open != self.transactions {
            metrics.transactions.inc_by(open as i64 - self.transactions as i64);
            self.transactions = open;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{Broker, Options};
    use crate::budget::Budget;
    use crate::command::{Audience, ConsumerOptions, Publish, Subscribe};
    use crate::destination::Selector;
    use crate::outbound_queue::{self, NodeId, SessionIds};
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    /// A broker, and a connection's part of it.
    struct Fixture {
        broker: Broker,
        executor: Executor,
        outbound_queue: Arc<OutboundQueue>,
        metrics: Arc<Metrics>,
        now: Instant,
    }

    impl Fixture {
        fn new() -> Fixture {
            let (budget, metrics, now) = (Budget::new(1 << 20), Metrics::new(), Instant::now());
            let node = NodeId::from_random(1);
            let (id, options) = (SessionIds::new(node).next(), outbound_queue::Options::default());
            let outbound_queue = OutboundQueue::new(id, options, &budget, metrics.clone(), now);
            let broker = Broker::new(Options::default(), node, budget.clone(), metrics.clone());
            let executor = Executor::new(budget.charge(0), budget.charge(0));
            Fixture { broker, executor, outbound_queue, metrics, now }
        }

        fn subscribe(&mut self, key: Key, queue: &str) {
            let options = ConsumerOptions {
                prefetch: 9,
                prefetch_bytes: 1 << 20,
                text_only: false,
                presence_names: false,
            };
            let selector = Selector::parse(queue, 99).expect("a queue");
            let subscribe = Subscribe { key, selector, options };
            let subscription = self.broker.subscribe(&subscribe, &self.outbound_queue, self.now);
            self.executor.subscriptions.insert(key, subscription.expect("subscribed"));
        }

        fn publish(&self, queue: &str) {
            let publish = Publish {
                audience: Audience::One(Destination::parse(queue, 99).expect("a queue")),
                destination_header: queue.into(),
                headers: Default::default(),
                extra: Vec::new(),
                body: Default::default(),
            };
            self.broker.publish(&publish, self.now).expect("published");
        }

        /// Takes all deliveries out of the outbound queue.
        fn take(&self) -> Poll<()> {
            let mut cx = Context::from_waker(Waker::noop());
            self.outbound_queue.poll_take(&mut cx, &mut Vec::new(), usize::MAX, self.now).map(|_| ())
        }

        fn messages(&self) -> i64 {
            self.metrics.queue_messages.get()
        }
    }

    #[test]
    fn deliveries_of_several_subscriptions_are_settled_and_returned() {
        let mut fixture = Fixture::new();
        fixture.subscribe(1, "/queue/a");
        fixture.subscribe(2, "/queue/b");
        ["/queue/a", "/queue/a", "/queue/b"].iter().for_each(|queue| fixture.publish(queue));
        fixture.executor.settle(&[(1, 1), (2, 1), (7, 1)], Settlement::Accepted, fixture.now);
        assert_eq!(fixture.messages(), 1);
        assert!(fixture.take().is_ready());
        fixture.executor.return_unsent(vec![(1, 2), (1, 0)], fixture.now);
        assert!(fixture.executor.subscriptions.pop_first().is_some());
        assert_eq!(fixture.messages(), 1, "the message is back in its queue");
    }

    #[test]
    fn ending_subscription_is_dropped_when_its_output_is_written() {
        let mut fixture = Fixture::new();
        fixture.subscribe(1, "/queue/a");
        let subscription = fixture.executor.subscriptions.remove(1).expect("subscribed");
        fixture.executor.ending_subscriptions.insert(1, subscription);
        assert!(fixture.executor.may_drop_written());
        fixture.executor.drop_written(&HashSet::from([1]));
        assert!(!fixture.executor.ending_subscriptions.is_empty());
        fixture.executor.drop_written(&HashSet::new());
        assert!(fixture.executor.ending_subscriptions.is_empty() && fixture.broker.is_empty());
    }

    #[test]
    fn gauge_of_transactions_follows_the_session() {
        let mut fixture = Fixture::new();
        let metrics = fixture.metrics.clone();
        for open in [2, 5, 1, 0] {
            fixture.executor.count_transactions(open, &metrics);
            assert_eq!(metrics.transactions.get(), open as i64);
        }
        fixture.executor.resume_blocked_queues(&fixture.outbound_queue, fixture.now);
        assert!(fixture.take().is_pending());
    }
}
