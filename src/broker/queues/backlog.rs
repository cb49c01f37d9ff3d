//! The messages of a queue that are not outstanding, in the order in which they can be delivered.
//!
//! ```text
//!   fresh             never delivered; in order of arrival, with higher positions than all other messages
//!   ready             requeued; every consumer can get them at once; by position
//!   delayed for one   requeued; only the consumer that returned them must wait for the backoff; by position
//!   delayed for all   failed too often in a dead letter queue; every consumer must wait for the backoff; by position
//! ```
//!
//! Of all messages that a consumer can get, the one with the lowest position is delivered first. Delayed messages
//! become ready when their backoff is over.

use super::consumer_id::ConsumerId;
use super::item::Item;
use crate::outbound_queue::Tag;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

/// The location of a message in the backlog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BacklogLocation {
    Fresh,
    Ready(Tag),
    Delayed(BackoffScope, Tag),
}

/// The consumers that must wait for the backoff of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BackoffScope {
    /// Only this consumer, which may have been removed in the meantime. Other consumers can get the message at once.
    One(ConsumerId),
    /// All consumers of the queue.
    All,
}

/// A backlog with the four groups of messages that the module describes.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    fresh: VecDeque<Item>,
    ready: BTreeMap<Tag, Item>,
    delayed: BTreeMap<BackoffScope, BTreeMap<Tag, (Instant, Item)>>,
    /// For each consumer that must wait for messages, the lowest position of these messages.
    fronts: BTreeMap<Tag, ConsumerId>,
    due: BTreeSet<(Instant, Tag, BackoffScope)>,
}

/// Largest capacity of the list of fresh messages that is not shrunk.
const IDLE_CAPACITY: usize = 64;

impl Backlog {
    /// Adds a new message, behind all others.
    pub(crate) fn push(&mut self, item: Item) {
        self.fresh.push_back(item);
    }

    /// Requeues a message at its position. Every consumer can get it at once.
    pub(crate) fn requeue(&mut self, item: Item) {
        self.ready.insert(item.position, item);
    }

    /// Requeues a message at its position. The consumers in `scope` cannot get it before `due`.
    pub(crate) fn delay(&mut self, item: Item, scope: BackoffScope, due: Instant) {
        self.due.insert((due, item.position, scope));
        self.delayed.entry(scope).or_default().insert(item.position, (due, item));
        self.update_front(scope);
    }

    /// Makes delayed messages ready if their backoff is over at `now`.
    pub(crate) fn promote(&mut self, now: Instant) {
        while let Some(&(due, position, scope)) = self.due.first()
            && due <= now
        {
            let item = self.take(BacklogLocation::Delayed(scope, position));
            self.requeue(item);
        }
    }

    /// Returns the time at which the next delayed message becomes ready.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|&(due, ..)| due)
    }

    /// Returns the message with the lowest position that can be delivered. `sole_consumer` is the only willing
    /// consumer, or `None` if several are willing. The function skips messages that this consumer must wait for.
    pub(crate) fn first(&self, sole_consumer: Option<ConsumerId>) -> Option<BacklogLocation> {
        let ready = self.ready.keys().next().map(|&position| (position, BacklogLocation::Ready(position)));
        let delayed = self.fronts.iter().find(|&(_, &owner)| Some(owner) != sole_consumer).map(
            |(&position, &owner)| (position, BacklogLocation::Delayed(BackoffScope::One(owner), position)),
        );
        let requeued = [ready, delayed].into_iter().flatten().min_by_key(|&(position, _)| position);
        requeued.map(|(_, location)| location).or(if self.fresh.is_empty() {
            None
        } else {
            Some(BacklogLocation::Fresh)
        })
    }

    /// Returns the oldest message, delayed or not.
    pub(crate) fn oldest(&self) -> Option<BacklogLocation> {
        let ready = self.ready.keys().next().map(|&position| (position, BacklogLocation::Ready(position)));
        let delayed = self.delayed.iter().filter_map(|(&scope, items)| {
            items.keys().next().map(|&position| (position, BacklogLocation::Delayed(scope, position)))
        });
        let requeued = delayed.chain(ready).min_by_key(|&(position, _)| position);
        requeued.map(|(_, location)| location).or(if self.fresh.is_empty() {
            None
        } else {
            Some(BacklogLocation::Fresh)
        })
    }

    /// Returns the message at this location.
    pub(crate) fn get(&self, location: BacklogLocation) -> &Item {
        const LOCATION_IS_VALID: &str = "a location is valid while the queue stays locked";
        match location {
            BacklogLocation::Fresh => self.fresh.front().expect(LOCATION_IS_VALID),
            BacklogLocation::Ready(position) => self.ready.get(&position).expect(LOCATION_IS_VALID),
            BacklogLocation::Delayed(scope, position) => {
                &self.delayed.get(&scope).and_then(|items| items.get(&position)).expect(LOCATION_IS_VALID).1
            }
        }
    }

    /// Removes and returns the message at this location.
    pub(crate) fn take(&mut self, location: BacklogLocation) -> Item {
        const LOCATION_IS_VALID: &str = "a location is valid while the queue stays locked";
        match location {
            BacklogLocation::Fresh => {
                let item = self.fresh.pop_front().expect(LOCATION_IS_VALID);
                if self.fresh.capacity() > IDLE_CAPACITY && self.fresh.len() < self.fresh.capacity() / 4 {
                    self.fresh.shrink_to(self.fresh.len() * 2);
                }
                item
            }
            BacklogLocation::Ready(position) => self.ready.remove(&position).expect(LOCATION_IS_VALID),
            BacklogLocation::Delayed(scope, position) => {
                let items = self.delayed.get_mut(&scope).expect(LOCATION_IS_VALID);
                let (due, item) = items.remove(&position).expect(LOCATION_IS_VALID);
                if items.is_empty() {
                    self.delayed.remove(&scope);
                }
                self.due.remove(&(due, position, scope));
                self.fronts.remove(&position);
                self.update_front(scope);
                item
            }
        }
    }

    /// Removes and returns any message. The cost does not depend on the number of messages.
    pub(crate) fn take_any(&mut self) -> Option<Item> {
        let location = if !self.fresh.is_empty() {
            BacklogLocation::Fresh
        } else if let Some(&position) = self.ready.keys().next() {
            BacklogLocation::Ready(position)
        } else {
            let &(_, position, scope) = self.due.first()?;
            BacklogLocation::Delayed(scope, position)
        };
        Some(self.take(location))
    }

    /// Removes the messages for which `is_removed` returns `true`, and returns them as a backlog.
    pub(crate) fn split_off(&mut self, is_removed: impl Fn(&Item) -> bool) -> Backlog {
        let all = std::mem::take(self);
        let mut removed = Backlog::default();
        let targets = [self, &mut removed];
        for item in all.fresh {
            targets[usize::from(is_removed(&item))].push(item);
        }
        for item in all.ready.into_values() {
            targets[usize::from(is_removed(&item))].requeue(item);
        }
        for (scope, items) in all.delayed {
            for (due, item) in items.into_values() {
                targets[usize::from(is_removed(&item))].delay(item, scope, due);
            }
        }
        removed
    }

    /// Returns all messages in the order of their positions.
    pub(crate) fn into_items(self) -> Vec<Item> {
        let delayed = self.delayed.into_values().flat_map(BTreeMap::into_values).map(|(_, item)| item);
        let mut items: Vec<Item> = self.ready.into_values().chain(delayed).collect();
        items.sort_unstable_by_key(|item| item.position);
        items.extend(self.fresh);
        items
    }

    pub(crate) fn len(&self) -> usize {
        self.fresh.len() + self.ready.len() + self.due.len()
    }

    /// Updates `fronts` after the delayed messages of `scope` have changed. `fronts` contains only the lowest of their
    /// positions.
    fn update_front(&mut self, scope: BackoffScope) {
        let BackoffScope::One(owner) = scope else { return };
        let Some(items) = self.delayed.get(&scope) else { return };
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
    use super::*;
    use crate::broker::tests::fixture::Fixture;
    use proptest::prelude::*;
    use std::time::Duration;

    fn item(fixture: &Fixture, position: Tag) -> Item {
        Item { position, message: fixture.message("m"), sent: 1, failed: 1, returned_by: None }
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
        backlog.delay(item(&fixture, 3), BackoffScope::One(a), now + Duration::from_millis(10));
        backlog.delay(item(&fixture, 4), BackoffScope::One(b), now + Duration::from_millis(20));
        backlog.delay(item(&fixture, 1), BackoffScope::All, now + Duration::from_millis(30));
        assert_eq!(backlog.len(), 6);
        assert_eq!(backlog.first(None), Some(BacklogLocation::Delayed(BackoffScope::One(a), 3)));
        assert_eq!(
            backlog.first(Some(a)),
            Some(BacklogLocation::Delayed(BackoffScope::One(b), 4)),
            "consumer a must wait for the message it returned"
        );
        assert_eq!(backlog.oldest(), Some(BacklogLocation::Delayed(BackoffScope::All, 1)));
        assert_eq!(backlog.next_due(), Some(now + Duration::from_millis(10)));
        backlog.promote(now + Duration::from_millis(30));
        assert_eq!(backlog.next_due(), None);
        let order: Vec<Tag> =
            std::iter::from_fn(|| backlog.first(Some(a)).map(|location| backlog.take(location).position))
                .collect();
        assert_eq!(order, [1, 3, 4, 5, 7, 8]);
        assert_eq!(backlog.len(), 0);
    }

    proptest! {
        /// Compares the backlog with a map. For each message, the map contains the consumers that must wait for it, and
        /// the end of the wait.
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
                let scope = if consumer == 0 { BackoffScope::All } else { BackoffScope::One(ConsumerId(consumer)) };
                match step {
                    0 | 1 if !model.contains_key(&n) => {
                        let due = now + Duration::from_millis(1 + (n * 7) % 5);
                        backlog.delay(item(&fixture, n), scope, due);
                        model.insert(n, Some((scope, due)));
                    }
                    2 => {
                        now += Duration::from_millis(n % 4);
                        backlog.promote(now);
                        for delayed in model.values_mut() {
                            if delayed.is_some_and(|(_, due)| due <= now) {
                                *delayed = None;
                            }
                        }
                    }
                    _ => {
                        if let Some(location) = backlog.first(Some(ConsumerId(consumer))) {
                            model.remove(&backlog.take(location).position);
                        }
                    }
                }
                for sole_consumer in [None, Some(ConsumerId(1)), Some(ConsumerId(2))] {
                    let expected = model.iter().find(|(_, delayed)| match delayed {
                        None => true,
                        Some((BackoffScope::All, _)) => false,
                        Some((BackoffScope::One(owner), _)) => Some(*owner) != sole_consumer,
                    });
                    prop_assert_eq!(
                        backlog.first(sole_consumer).map(|location| backlog.get(location).position),
                        expected.map(|(&position, _)| position)
                    );
                }
                let consumers = backlog.delayed.keys().filter(|&&scope| scope != BackoffScope::All).count();
                prop_assert_eq!(backlog.fronts.len(), consumers, "one front for each consumer");
                prop_assert_eq!(backlog.len(), model.len());
                prop_assert_eq!(
                    backlog.oldest().map(|location| backlog.get(location).position),
                    model.keys().next().copied()
                );
                prop_assert_eq!(backlog.next_due(), model.values().flatten().map(|&(_, due)| due).min());
            }
        }
    }
}
