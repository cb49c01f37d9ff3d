//! One topic. Every message passes through its lock, so that all subscribers see the same order.

use super::fan_out::{FanOutResult, fan_out};
use super::patterns::{Matched, Patterns};
use super::subscriber_list::{SubscriberList, SubscriberSlot};
use crate::broker::context::BrokerContext;
use crate::broker::journal::Ticket;
use crate::broker::presence::tracker::PresenceTracker;
use crate::broker::subscriber::Subscriber;
use crate::budget::{Budget, Charge, shared_allocation, table_entry};
use crate::destination::Destination;
use crate::metrics::Gauge;
use crate::outbound_queue::Message;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Instant;

/// A topic, or another destination that does not store messages. It exists while it has a subscriber by name or a
/// watcher, and during the publishing of a message. When it is no longer needed, it is marked as closed under its lock.
/// Code that finds a closed topic starts again from the map:
///
/// ```text
///   created ── add, watch ──> needed ── last one removed ──> closed ── removed from the map
///      └─────────── published to, no subscriber by name ────────^
/// ```
#[derive(Debug)]
pub(crate) struct Topic {
    destination: Destination,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    subscribers: SubscriberList,
    /// The groups of pattern subscribers. Every publish updates them under this lock.
    matched: Matched,
    /// The presence tracker of the members, while they are watched.
    tracker: Option<Arc<PresenceTracker>>,
    /// The round robin position, for destinations below `/app`.
    position: u32,
    is_closed: bool,
    /// The charge for the topic and its list of groups, once the topic has a subscriber or a watcher.
    memory: Option<Charge>,
}

impl Topic {
    /// Creates a topic without subscribers, with the groups that match it.
    pub(crate) fn new(destination: Destination, matched: Matched) -> Topic {
        let subscribers = SubscriberList::default();
        let state =
            State { subscribers, matched, tracker: None, position: 0, is_closed: false, memory: None };
        Topic { destination, state: Mutex::new(state) }
    }

    pub(crate) fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Returns the bytes of a topic of this name, its entry in the map included.
    pub(crate) fn bytes(destination: &Destination) -> usize {
        shared_allocation(size_of::<Topic>())
            + shared_allocation(destination.as_str().len())
            + table_entry(size_of::<(Arc<str>, Arc<Topic>)>())
    }

    /// Adds a subscriber that subscribed at `since`, in milliseconds of Unix time. Returns `None` if the topic is
    /// closed. `gauge` counts topics with subscribers. If `share` is given, the memory is charged to it.
    pub(crate) fn add(
        &self,
        subscriber: Subscriber,
        since: u64,
        gauge: &Gauge,
        share: Option<&Arc<Budget>>,
    ) -> Option<SubscriberSlot> {
        let mut state = self.state.lock();
        if state.is_closed {
            return None;
        }
        if state.subscribers.is_empty() {
            gauge.inc();
        }
        if let Some(tracker) = &state.tracker {
            tracker.join(&subscriber.outbound_queue, since);
        }
        if let Some(share) = share {
            self.charge_to(share, &mut state);
            state.subscribers.charge_to(share);
        }
        Some(state.subscribers.add(subscriber, since))
    }

    fn charge_to(&self, share: &Arc<Budget>, state: &mut State) {
        if state.memory.is_none() {
            state.memory = Some(share.charge(Topic::bytes(&self.destination) + state.matched.bytes()));
        }
    }

    /// Updates the groups of pattern subscribers and calls `action`. If there is no memory for the list of groups, does
    /// not keep it.
    fn with_groups<T>(
        &self,
        state: &mut State,
        patterns: &Patterns,
        action: impl FnOnce(&mut State) -> T,
    ) -> T {
        let bytes_before = state.matched.bytes();
        patterns.update(&mut state.matched, &self.destination);
        let result = action(state);
        let bytes = state.matched.bytes();
        if bytes != bytes_before
            && let Some(memory) = &mut state.memory
        {
            let own_bytes = Topic::bytes(&self.destination);
            if !memory.try_resize(own_bytes + bytes) {
                // The groups are not kept, so the next message is matched again.
                state.matched = Matched::default();
                memory.resize(own_bytes);
            }
        }
        result
    }

    /// Removes a subscriber. Returns whether the topic is closed afterwards.
    pub(crate) fn remove(&self, slot: SubscriberSlot, gauge: &Gauge) -> bool {
        let mut state = self.state.lock();
        let removed = state.subscribers.remove(slot);
        if let Some(tracker) = &state.tracker {
            tracker.leave(&removed.outbound_queue);
        }
        if state.subscribers.is_empty() {
            gauge.dec();
        }
        state.is_closed = !state.is_needed();
        let is_closed = state.is_closed;
        drop(state);
        drop(removed);
        is_closed
    }

    /// Counts one more watcher, and returns the presence tracker of the members. Creates it if it does not exist.
    /// Returns `None` if the topic is closed. `presence_destination` is the destination that the watcher subscribes to.
    pub(crate) fn acquire_tracker(
        &self,
        presence_destination: &Destination,
        context: &Arc<BrokerContext>,
        share: Option<&Arc<Budget>>,
        now: Instant,
    ) -> Option<Arc<PresenceTracker>> {
        let mut state = self.state.lock();
        if state.is_closed {
            return None;
        }
        if let Some(share) = share {
            self.charge_to(share, &mut state);
        }
        // The topic's lock is held here. The tracker therefore misses no subscriber that is added or removed later.
        let State { subscribers, tracker, .. } = &mut *state;
        let tracker = tracker.get_or_insert_with(|| {
            PresenceTracker::new(presence_destination, subscribers.infos(), context, now)
        });
        tracker.acquire();
        Some(tracker.clone())
    }

    /// Counts one watcher less. Returns whether the topic is closed afterwards.
    pub(crate) fn release_tracker(&self, tracker: &Arc<PresenceTracker>) -> bool {
        let mut state = self.state.lock();
        let mut removed = None;
        if tracker.release() {
            removed = state.tracker.take();
            state.is_closed = !state.is_needed();
        }
        let is_closed = state.is_closed;
        drop(state);
        drop(removed);
        is_closed
    }

    /// Pushes a message to all subscribers, by name and by pattern. Calls `record` under the lock of the topic.
    ///
    /// Returns `None` if the topic was closed before. The returned flag tells whether the topic is closed afterwards. A
    /// topic is closed if it has neither a subscriber by name nor a watcher.
    pub(crate) fn publish(
        &self,
        message: &Message,
        patterns: &Patterns,
        record: impl FnOnce() -> Option<Ticket>,
        now: Instant,
    ) -> Option<(FanOutResult, bool)> {
        let (mut result, mut ticket) = (FanOutResult::default(), None);
        let push = |members: &[Subscriber]| fan_out(members, message, now, &mut result);
        let is_closed = self.with_subscribers(patterns, || ticket = record(), push)?;
        result.ticket = ticket;
        Some((result, is_closed))
    }

    /// Returns the number of subscribers to which a message would be pushed.
    pub(crate) fn receivers(&self, patterns: &Patterns) -> usize {
        let mut state = self.state.lock();
        if state.is_closed {
            return 0;
        }
        self.with_groups(&mut state, patterns, |state| {
            let by_pattern =
                state.matched.groups.iter().map(|group| group.subscribers.read().members().len());
            state.subscribers.members().len() + by_pattern.sum::<usize>()
        })
    }

    /// Calls `record`, and then `action` with all subscribers: first with those by name, and then with each group.
    ///
    /// Returns `None` if the topic was closed before. Otherwise returns whether it is closed afterwards.
    pub(crate) fn with_subscribers(
        &self,
        patterns: &Patterns,
        record: impl FnOnce(),
        mut action: impl FnMut(&[Subscriber]),
    ) -> Option<bool> {
        let mut state = self.state.lock();
        if state.is_closed {
            return None;
        }
        record();
        self.with_groups(&mut state, patterns, |state| {
            action(state.subscribers.members());
            for group in &state.matched.groups {
                action(group.subscribers.read().members());
            }
        });
        state.is_closed = !state.is_needed();
        Some(state.is_closed)
    }

    /// Calls `action` once with all subscribers and the round robin position. A topic without a subscriber by name
    /// exists only for a moment. It therefore uses `shared_position` instead of its own position. Returns the result of
    /// `action`, and the same flag as [`with_subscribers`](Topic::with_subscribers).
    pub(crate) fn choose<T>(
        &self,
        patterns: &Patterns,
        shared_position: &AtomicU32,
        action: impl FnOnce(&[&[Subscriber]], &mut u32) -> T,
    ) -> Option<(T, bool)> {
        let mut state = self.state.lock();
        if state.is_closed {
            return None;
        }
        let result = self.with_groups(&mut state, patterns, |state| {
            let State { subscribers, matched, position: own_position, .. } = state;
            // All groups are locked together. Every thread locks them in this order, which prevents deadlocks.
            matched.groups.sort_unstable_by_key(|group| Arc::as_ptr(group).addr());
            let groups: Vec<_> = matched.groups.iter().map(|group| group.subscribers.read()).collect();
            let members =
                std::iter::once(subscribers.members()).chain(groups.iter().map(|group| group.members()));
            let members: Vec<&[Subscriber]> = members.collect();
            if !subscribers.is_empty() {
                return action(&members, own_position);
            }
            let mut position = shared_position.load(Relaxed);
            let result = action(&members, &mut position);
            shared_position.store(position, Relaxed);
            result
        });
        state.is_closed = !state.is_needed();
        Some((result, state.is_closed))
    }
}

impl State {
    fn is_needed(&self) -> bool {
        !self.subscribers.is_empty() || self.tracker.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::tests::fixture::Fixture;

    fn topic() -> (Fixture, Patterns, Topic) {
        let destination = Destination::parse("/topic/t", usize::MAX).expect("a topic");
        (Fixture::new(), Patterns::new(), Topic::new(destination, Matched::default()))
    }

    #[test]
    fn topic_without_subscribers_is_removed_after_publish() {
        let (fixture, patterns, topic) = topic();
        let (message, now) = (fixture.message("m"), fixture.now());
        assert!(matches!(
            topic.publish(&message, &patterns, || None, now),
            Some((FanOutResult { receivers: 0, .. }, true))
        ));
        assert!(topic.publish(&message, &patterns, || None, now).is_none());
        assert!(
            topic
                .add(
                    Subscriber { outbound_queue: fixture.outbound_queue(), key: 1 },
                    0,
                    &fixture.metrics.topics,
                    None
                )
                .is_none()
        );
    }

    #[test]
    fn topic_is_removed_with_its_last_subscriber() {
        let (fixture, patterns, topic) = topic();
        let (message, now, outbound_queue) = (fixture.message("m"), fixture.now(), fixture.outbound_queue());
        let add = |key| {
            topic.add(
                Subscriber { outbound_queue: outbound_queue.clone(), key },
                0,
                &fixture.metrics.topics,
                None,
            )
        };
        let (first, second) = (add(1).expect("the topic exists"), add(2).expect("the topic exists"));
        assert!(matches!(
            topic.publish(&message, &patterns, || None, now),
            Some((FanOutResult { reached: 2, .. }, false))
        ));
        assert!(!topic.remove(first, &fixture.metrics.topics));
        assert!(topic.remove(second, &fixture.metrics.topics));
        assert!(add(3).is_none());
        assert!(topic.publish(&message, &patterns, || None, now).is_none());
        assert_eq!(fixture.metrics.topics.get(), 0);
    }
}
