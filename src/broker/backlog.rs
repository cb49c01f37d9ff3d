//! The messages of a queue that are not outstanding, in the order in which they can be delivered.
//!
//! ```text
//!   fresh    never delivered, in order of arrival; their positions are above those of all others
//!   ready    requeued, for any consumer; by position
//!   waiting  requeued by a consumer that must wait for the backoff, others need not; by consumer and position
//!   barred   failed too often in a dead letter queue: all consumers wait for the backoff
//! ```
//!
//! Of all messages that a consumer can get, the one with the lowest position is delivered first. Waiting and barred
//! messages become ready when their backoff is over.

use super::consumer::ConsumerId;
use crate::outbound_queue::{Message, Tag};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

/// A message in its queue.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// The position in the queue, from 1 on. A message keeps its position for ever.
    pub(super) position: Tag,
    pub(super) message: Message,
    /// Number of times that the message was sent to a consumer, for `delivery-count`.
    pub(super) sent: u32,
    /// Number of failed deliveries: those that were NACKed, or that a client was working on when its connection was
    /// lost.
    pub(super) failed: u32,
    /// The consumer that returned the message last. Other consumers are preferred.
    pub(super) last: Option<ConsumerId>,
}

/// The location of a message in the backlog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BacklogPosition {
    Fresh,
    Ready(Tag),
    Held(BackoffScope, Tag),
}

/// The consumers for which the backoff of a message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum BackoffScope {
    /// This consumer, even if it has been removed since; others can get the message at once.
    One(ConsumerId),
    /// All consumers.
    All,
}

/// A backlog with the four groups of messages that the module describes.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    fresh: VecDeque<Item>,
    ready: BTreeMap<Tag, Item>,
    held: BTreeMap<BackoffScope, BTreeMap<Tag, (Instant, Item)>>,
    /// The lowest waiting position of each consumer that has waiting messages.
    fronts: BTreeMap<Tag, ConsumerId>,
    due: BTreeSet<(Instant, Tag, BackoffScope)>,
}

/// Largest capacity that is not shrunk.
const SMALL: usize = 64;

impl Backlog {
    /// Adds a new message, behind all others.
    pub(super) fn push(&mut self, item: Item) {
        self.fresh.push_back(item);
    }

    /// Requeues a message at its position, for any consumer at once.
    pub(super) fn requeue(&mut self, item: Item) {
        self.ready.insert(item.position, item);
    }

    /// Requeues a message at its position, but not for `holder` before `due`.
    pub(super) fn hold(&mut self, item: Item, holder: BackoffScope, due: Instant) {
        self.due.insert((due, item.position, holder));
        self.held.entry(holder).or_default().insert(item.position, (due, item));
        self.renew_front(holder);
    }

    /// Makes the messages ready whose backoff ends by `now`.
    pub(super) fn promote(&mut self, now: Instant) {
        while let Some(&(due, position, holder)) = self.due.first()
            && due <= now
        {
            let item = self.take(BacklogPosition::Held(holder, position));
            self.requeue(item);
        }
    }

    /// Returns when the next held message becomes ready.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|&(due, ..)| due)
    }

    /// Returns the lowest position that can be delivered. `alone` is the only willing consumer, if there is just one:
    /// its own waiting messages are skipped.
    pub(super) fn first(&self, alone: Option<ConsumerId>) -> Option<BacklogPosition> {
        let ready = self.ready.keys().next().map(|&position| (position, BacklogPosition::Ready(position)));
        let waiting =
            self.fronts.iter().find(|&(_, &owner)| Some(owner) != alone).map(|(&position, &owner)| {
                (position, BacklogPosition::Held(BackoffScope::One(owner), position))
            });
        let given_back = [ready, waiting].into_iter().flatten().min_by_key(|&(position, _)| position);
        given_back.map(|(_, place)| place).or(if self.fresh.is_empty() {
            None
        } else {
            Some(BacklogPosition::Fresh)
        })
    }

    /// Returns the oldest message, held or not.
    pub(super) fn oldest(&self) -> Option<BacklogPosition> {
        let ready = self.ready.keys().next().map(|&position| (position, BacklogPosition::Ready(position)));
        let held = self.held.iter().filter_map(|(&holder, items)| {
            items.keys().next().map(|&position| (position, BacklogPosition::Held(holder, position)))
        });
        let given_back = held.chain(ready).min_by_key(|&(position, _)| position);
        given_back.map(|(_, place)| place).or(if self.fresh.is_empty() {
            None
        } else {
            Some(BacklogPosition::Fresh)
        })
    }

    /// Returns the message at this position.
    pub(super) fn get(&self, place: BacklogPosition) -> &Item {
        const THERE: &str = "a place is used while the queue is locked";
        match place {
            BacklogPosition::Fresh => self.fresh.front().expect(THERE),
            BacklogPosition::Ready(position) => self.ready.get(&position).expect(THERE),
            BacklogPosition::Held(holder, position) => {
                &self.held.get(&holder).and_then(|items| items.get(&position)).expect(THERE).1
            }
        }
    }

    /// Removes and returns the message at this position.
    pub(super) fn take(&mut self, place: BacklogPosition) -> Item {
        const THERE: &str = "a place is used while the queue is locked";
        match place {
            BacklogPosition::Fresh => {
                let item = self.fresh.pop_front().expect(THERE);
                if self.fresh.capacity() > SMALL && self.fresh.len() < self.fresh.capacity() / 4 {
                    self.fresh.shrink_to(self.fresh.len() * 2);
                }
                item
            }
            BacklogPosition::Ready(position) => self.ready.remove(&position).expect(THERE),
            BacklogPosition::Held(holder, position) => {
                let items = self.held.get_mut(&holder).expect(THERE);
                let (due, item) = items.remove(&position).expect(THERE);
                if items.is_empty() {
                    self.held.remove(&holder);
                }
                self.due.remove(&(due, position, holder));
                self.fronts.remove(&position);
                self.renew_front(holder);
                item
            }
        }
    }

    /// Removes and returns any message. The cost does not depend on the number of messages.
    pub(super) fn take_any(&mut self) -> Option<Item> {
        let place = if !self.fresh.is_empty() {
            BacklogPosition::Fresh
        } else if let Some(&position) = self.ready.keys().next() {
            BacklogPosition::Ready(position)
        } else {
            let &(_, position, holder) = self.due.first()?;
            BacklogPosition::Held(holder, position)
        };
        Some(self.take(place))
    }

    /// Removes the messages for which `goes` returns true, and returns them as a backlog with the same positions.
    pub(super) fn split_off(&mut self, goes: impl Fn(&Item) -> bool) -> Backlog {
        let all = std::mem::take(self);
        let mut out = Backlog::default();
        let sides = [self, &mut out];
        for item in all.fresh {
            sides[usize::from(goes(&item))].push(item);
        }
        for item in all.ready.into_values() {
            sides[usize::from(goes(&item))].requeue(item);
        }
        for (holder, items) in all.held {
            for (due, item) in items.into_values() {
                sides[usize::from(goes(&item))].hold(item, holder, due);
            }
        }
        out
    }

    /// Returns all messages by position.
    pub(super) fn into_items(self) -> Vec<Item> {
        let held = self.held.into_values().flat_map(BTreeMap::into_values).map(|(_, item)| item);
        let mut items: Vec<Item> = self.ready.into_values().chain(held).collect();
        items.sort_unstable_by_key(|item| item.position);
        items.extend(self.fresh);
        items
    }

    /// Returns the number of messages.
    pub(super) fn len(&self) -> usize {
        self.fresh.len() + self.ready.len() + self.due.len()
    }

    /// Updates `fronts` after the messages of `holder` have changed: exactly its lowest position is in it.
    fn renew_front(&mut self, holder: BackoffScope) {
        let BackoffScope::One(owner) = holder else { return };
        let Some(items) = self.held.get(&holder) else { return };
        let mut positions = items.keys();
        if let Some(&first) = positions.next() {
            self.fronts.insert(first, owner);
        }
        if let Some(second) = positions.next() {
            self.fronts.remove(second);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture::Fixture;
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn item(fixture: &Fixture, position: Tag) -> Item {
        Item { position, message: fixture.message("m"), sent: 1, failed: 1, last: None }
    }

    #[test]
    fn lowest_position_is_first_regardless_of_the_consumer_that_returned_it() {
        let fixture = Fixture::new();
        let now = fixture.now();
        let (a, b) = (ConsumerId(1), ConsumerId(2));
        let mut backlog = Backlog::default();
        for position in [7, 8] {
            backlog.push(item(&fixture, position));
        }
        backlog.requeue(item(&fixture, 5));
        backlog.hold(item(&fixture, 3), BackoffScope::One(a), now + Duration::from_millis(10));
        backlog.hold(item(&fixture, 4), BackoffScope::One(b), now + Duration::from_millis(20));
        backlog.hold(item(&fixture, 1), BackoffScope::All, now + Duration::from_millis(30));
        assert_eq!(backlog.len(), 6);
        assert_eq!(backlog.first(None), Some(BacklogPosition::Held(BackoffScope::One(a), 3)));
        assert_eq!(
            backlog.first(Some(a)),
            Some(BacklogPosition::Held(BackoffScope::One(b), 4)),
            "consumer a must wait for the message it returned"
        );
        assert_eq!(backlog.oldest(), Some(BacklogPosition::Held(BackoffScope::All, 1)));
        assert_eq!(backlog.next_due(), Some(now + Duration::from_millis(10)));
        backlog.promote(now + Duration::from_millis(30));
        assert_eq!(backlog.next_due(), None);
        let order: Vec<Tag> =
            std::iter::from_fn(|| backlog.first(Some(a)).map(|place| backlog.take(place).position)).collect();
        assert_eq!(order, [1, 3, 4, 5, 7, 8]);
        assert_eq!(backlog.len(), 0);
    }

    proptest! {
        /// Compares the backlog with a plain map of which consumer must wait for which message, and until when.
        #[test]
        fn first_is_the_lowest_deliverable_position(
            steps in prop::collection::vec((0u8..4, 0u64..40, 0u64..3), 1..80),
        ) {
            let fixture = Fixture::new();
            let start = fixture.now();
            let mut now = start;
            let mut backlog = Backlog::default();
            let mut model: BTreeMap<Tag, Option<(BackoffScope, Instant)>> = BTreeMap::new();
            for (step, n, consumer) in steps {
                let holder = if consumer == 0 { BackoffScope::All } else { BackoffScope::One(ConsumerId(consumer)) };
                match step {
                    0 | 1 if !model.contains_key(&n) => {
                        let due = now + Duration::from_millis(1 + (n * 7) % 5);
                        backlog.hold(item(&fixture, n), holder, due);
                        model.insert(n, Some((holder, due)));
                    }
                    2 => {
                        now += Duration::from_millis(n % 4);
                        backlog.promote(now);
                        for held in model.values_mut() {
                            if held.is_some_and(|(_, due)| due <= now) {
                                *held = None;
                            }
                        }
                    }
                    _ => {
                        if let Some(place) = backlog.first(Some(ConsumerId(consumer))) {
                            model.remove(&backlog.take(place).position);
                        }
                    }
                }
                for alone in [None, Some(ConsumerId(1)), Some(ConsumerId(2))] {
                    let expected = model.iter().find(|(_, held)| match held {
                        None => true,
                        Some((BackoffScope::All, _)) => false,
                        Some((BackoffScope::One(owner), _)) => Some(*owner) != alone,
                    });
                    prop_assert_eq!(
                        backlog.first(alone).map(|place| backlog.get(place).position),
                        expected.map(|(&position, _)| position)
                    );
                }
                let waiting = backlog.held.keys().filter(|&&holder| holder != BackoffScope::All).count();
                prop_assert_eq!(backlog.fronts.len(), waiting, "one front for each consumer");
                prop_assert_eq!(backlog.len(), model.len());
                prop_assert_eq!(
                    backlog.oldest().map(|place| backlog.get(place).position),
                    model.keys().next().copied()
                );
                prop_assert_eq!(backlog.next_due(), model.values().flatten().map(|&(_, due)| due).min());
            }
        }
    }
}
