//! The messages of a queue that no consumer has, by the order in which they may go.
//!
//! ```text
//!   fresh    never given out, in order of arrival; all positions are above those of the others
//!   ready    given back, may go to anybody; by position
//!   waiting  given back by a consumer that must wait for it (back-off), others need not; by owner and position
//!   barred   given back too often in a queue that keeps its messages: everybody waits
//! ```
//!
//! Of all that may go to a consumer the lowest position goes first. Waiting and barred messages become ready when
//! they are due.

use super::consumer::ConsumerId;
use crate::outbound_queue::{Message, Tag};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

/// A message in its queue.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Its place, from 1 on; its own for ever.
    pub(super) position: Tag,
    pub(super) message: Message,
    /// Times it was sent to a consumer, for `delivery-count`.
    pub(super) sent: u32,
    /// Deliveries that failed: those that were NACKed, or that a client was working on when its connection was lost.
    pub(super) failed: u32,
    /// Who gave it back last: others go first.
    pub(super) last: Option<ConsumerId>,
}

/// Where in the backlog a message lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BacklogPosition {
    Fresh,
    Ready(Tag),
    Held(BackoffScope, Tag),
}

/// Who waits for the back-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum BackoffScope {
    /// This consumer, even if it has gone since; others may have the message at once.
    One(ConsumerId),
    /// Everybody.
    All,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    fresh: VecDeque<Item>,
    ready: BTreeMap<Tag, Item>,
    held: BTreeMap<BackoffScope, BTreeMap<Tag, (Instant, Item)>>,
    /// The lowest waiting position of each consumer that waits.
    fronts: BTreeMap<Tag, ConsumerId>,
    due: BTreeSet<(Instant, Tag, BackoffScope)>,
}

/// Capacity below which nothing is given back.
const SMALL: usize = 64;

impl Backlog {
    /// A new message, behind all others.
    pub(super) fn push(&mut self, item: Item) {
        self.fresh.push_back(item);
    }

    /// Back to its place, for anybody at once.
    pub(super) fn requeue(&mut self, item: Item) {
        self.ready.insert(item.position, item);
    }

    /// Back to its place, but not for `holder` before `due`.
    pub(super) fn hold(&mut self, item: Item, holder: BackoffScope, due: Instant) {
        self.due.insert((due, item.position, holder));
        self.held.entry(holder).or_default().insert(item.position, (due, item));
        self.renew_front(holder);
    }

    /// What is due by `now` is ready.
    pub(super) fn promote(&mut self, now: Instant) {
        while let Some(&(due, position, holder)) = self.due.first()
            && due <= now
        {
            let item = self.take(BacklogPosition::Held(holder, position));
            self.requeue(item);
        }
    }

    /// When the next held message becomes ready.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|&(due, ..)| due)
    }

    /// The lowest position that may go; `alone` is the only consumer that could take it, if there is but one.
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

    /// The oldest of all, held or not.
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

    /// What lies there.
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

    /// Takes it out.
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

    /// Takes out any message, at a cost that does not depend on how many there are.
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

    /// Takes out what `goes`, each at its place.
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

    /// All, by position.
    pub(super) fn into_items(self) -> Vec<Item> {
        let held = self.held.into_values().flat_map(BTreeMap::into_values).map(|(_, item)| item);
        let mut items: Vec<Item> = self.ready.into_values().chain(held).collect();
        items.sort_unstable_by_key(|item| item.position);
        items.extend(self.fresh);
        items
    }

    /// Messages in it.
    pub(super) fn len(&self) -> usize {
        self.fresh.len() + self.ready.len() + self.due.len()
    }

    /// After a change at `holder`'s messages: exactly its lowest position is a front.
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
    fn the_lowest_position_goes_first_whoever_gave_it_back() {
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
            "a waits for its own"
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
        /// Against a plain list of what is held by whom until when.
        #[test]
        fn first_is_the_lowest_that_may_go(steps in prop::collection::vec((0u8..4, 0u64..40, 0u64..3), 1..80)) {
            let fixture = Fixture::new();
            let start = fixture.now();
            let mut now = start;
            let mut backlog = Backlog::default();
            let mut model: BTreeMap<Tag, Option<(BackoffScope, Instant)>> = BTreeMap::new();
            for (step, n, who) in steps {
                let holder = if who == 0 { BackoffScope::All } else { BackoffScope::One(ConsumerId(who)) };
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
                        if let Some(place) = backlog.first(Some(ConsumerId(who))) {
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
                prop_assert_eq!(backlog.fronts.len(), waiting, "one front each, or finding one takes long");
                prop_assert_eq!(backlog.len(), model.len());
                prop_assert_eq!(backlog.oldest().map(|place| backlog.get(place).position), model.keys().next().copied());
                prop_assert_eq!(backlog.next_due(), model.values().flatten().map(|&(_, due)| due).min());
            }
        }
    }
}
