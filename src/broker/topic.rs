//! One topic: everything that reaches its subscribers goes through its lock, so that all see one order.

use super::Subscriber;
use super::fan_out::{Reach, fan_out};
use super::patterns::{Matched, Patterns};
use super::roster::{Roster, Seat};
use crate::destination::Destination;
use crate::metrics::Metrics;
use crate::outbox::Message;
use parking_lot::Mutex;
use std::time::Instant;

/// A topic that somebody subscribes to by name, or that is just being published to. Without a subscriber of its
/// own it dies under its lock, and whoever then finds it dead starts again from the map:
///
/// ```text
///   created ── add ──> subscribed ── last one removed ──> dead ── out of the map
///      └──────────── published to, nobody there ───────────^
/// ```
#[derive(Debug)]
pub(super) struct Topic {
    destination: Destination,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    roster: Roster,
    /// Groups of pattern subscribers, as of their generation. They hold no outbox once their members have gone.
    matched: Matched,
    dead: bool,
}

impl Topic {
    /// Not yet subscribed to, with the groups known to match.
    pub(super) fn new(destination: Destination, matched: Matched) -> Topic {
        Topic { destination, state: Mutex::new(State { roster: Roster::default(), matched, dead: false }) }
    }

    pub(super) fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Takes a subscriber in; `None` if the topic is dead.
    pub(super) fn add(&self, subscriber: Subscriber, metrics: &Metrics) -> Option<Seat> {
        let mut state = self.state.lock();
        if state.dead {
            return None;
        }
        if state.roster.is_empty() {
            metrics.topics.inc();
        }
        Some(state.roster.add(subscriber))
    }

    /// Lets a subscriber go. Whether the topic died of it.
    pub(super) fn remove(&self, seat: Seat, metrics: &Metrics) -> bool {
        let mut state = self.state.lock();
        let gone = state.roster.remove(seat);
        if state.roster.is_empty() {
            metrics.topics.dec();
            state.dead = true;
        }
        let died = state.dead;
        drop(state);
        drop(gone);
        died
    }

    /// Pushes to all subscribers, by name and by pattern; `None` if the topic is dead. Without a subscriber by
    /// name it dies afterwards; the flag tells.
    pub(super) fn publish(
        &self,
        message: &Message,
        patterns: &Patterns,
        now: Instant,
    ) -> Option<(Reach, bool)> {
        let mut state = self.state.lock();
        if state.dead {
            return None;
        }
        // Under the lock, so that a pattern subscribed to before this publish is in.
        if state.matched.generation != patterns.generation() {
            state.matched = patterns.matching(&self.destination);
        }
        let mut reach = Reach::default();
        fan_out(state.roster.members(), message, now, &mut reach);
        for group in &state.matched.groups {
            fan_out(group.roster.read().members(), message, now, &mut reach);
        }
        state.dead = state.roster.is_empty();
        Some((reach, state.dead))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture::Fixture;
    use super::*;

    fn topic() -> (Fixture, Patterns, Topic) {
        let destination = Destination::parse("/topic/t", usize::MAX).expect("a topic");
        (Fixture::new(), Patterns::new(), Topic::new(destination, Matched::default()))
    }

    #[test]
    fn published_to_without_a_subscriber_it_dies_and_takes_nothing_more() {
        let (fixture, patterns, topic) = topic();
        let (message, now) = (fixture.message("m"), fixture.now());
        assert!(matches!(topic.publish(&message, &patterns, now), Some((Reach { receivers: 0, .. }, true))));
        assert!(topic.publish(&message, &patterns, now).is_none());
        assert!(topic.add(Subscriber { outbox: fixture.outbox(), key: 1 }, &fixture.metrics).is_none());
    }

    #[test]
    fn it_dies_with_its_last_subscriber_and_takes_nothing_more() {
        let (fixture, patterns, topic) = topic();
        let (message, now, outbox) = (fixture.message("m"), fixture.now(), fixture.outbox());
        let add = |key| topic.add(Subscriber { outbox: outbox.clone(), key }, &fixture.metrics);
        let (first, second) = (add(1).expect("alive"), add(2).expect("alive"));
        assert!(matches!(topic.publish(&message, &patterns, now), Some((Reach { reached: 2, .. }, false))));
        assert!(!topic.remove(first, &fixture.metrics));
        assert!(topic.remove(second, &fixture.metrics));
        assert!(add(3).is_none());
        assert!(topic.publish(&message, &patterns, now).is_none());
        assert_eq!(fixture.metrics.topics.get(), 0);
    }
}
