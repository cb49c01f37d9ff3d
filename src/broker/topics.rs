//! All topics by name.
//!
//! The map's guards are never held while a topic is locked or the map is asked again.

use super::fan_out::Reach;
use super::ground::Ground;
use super::patterns::{Membership, Patterns};
use super::roster::Seat;
use super::topic::Topic;
use super::{Publication, Subscriber};
use crate::destination::{Destination, Pattern};
use crate::outbox::Message;
use dashmap::DashMap;
use std::sync::Arc;
use std::time::Instant;

/// The topics that somebody subscribes to by name, and all pattern subscriptions.
#[derive(Debug)]
pub(super) struct Topics {
    ground: Arc<Ground>,
    map: DashMap<Arc<str>, Arc<Topic>>,
    patterns: Patterns,
}

impl Topics {
    pub(super) fn new(ground: Arc<Ground>) -> Topics {
        Topics { ground, map: DashMap::new(), patterns: Patterns::new() }
    }

    /// Pushes to everybody who subscribes; nothing is even encoded when nobody does.
    pub(super) fn publish(&self, publication: &Publication<'_>, now: Instant) -> Reach {
        let destination = publication.destination;
        let mut message: Option<Message> = None;
        loop {
            let Some(topic) = self.find(destination).or_else(|| self.for_patterns(destination)) else {
                return Reach::default();
            };
            let message = message.get_or_insert_with(|| self.ground.message(publication));
            match topic.publish(message, &self.patterns, now) {
                Some((reach, died)) => {
                    if died {
                        self.forget(&topic);
                    }
                    return reach;
                }
                None => self.forget(&topic),
            }
        }
    }

    /// Subscribes by name.
    pub(super) fn subscribe(&self, destination: &Destination, subscriber: &Subscriber) -> (Arc<Topic>, Seat) {
        loop {
            let topic = self
                .map
                .entry(destination.text().clone())
                .or_insert_with(|| Arc::new(Topic::new(destination.clone(), Default::default())))
                .clone();
            match topic.add(subscriber.clone(), &self.ground.metrics) {
                Some(seat) => return (topic, seat),
                None => self.forget(&topic),
            }
        }
    }

    /// Ends a subscription by name.
    pub(super) fn leave(&self, topic: &Arc<Topic>, seat: Seat) {
        if topic.remove(seat, &self.ground.metrics) {
            self.forget(topic);
        }
    }

    /// Subscribes by pattern.
    pub(super) fn subscribe_pattern(&self, pattern: &Pattern, subscriber: Subscriber) -> Membership {
        self.patterns.subscribe(pattern, subscriber)
    }

    /// Ends a subscription by pattern.
    pub(super) fn leave_pattern(&self, membership: &Membership) {
        self.patterns.leave(membership);
    }

    /// Topics and patterns that are subscribed to.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.map.len(), self.patterns.len())
    }

    fn find(&self, destination: &Destination) -> Option<Arc<Topic>> {
        self.map.get(destination.as_str()).map(|topic| topic.clone())
    }

    /// Nobody subscribes by name: an entry for the sake of the order, if anybody does by pattern.
    fn for_patterns(&self, destination: &Destination) -> Option<Arc<Topic>> {
        let matched = self.patterns.matching(destination);
        if matched.groups.is_empty() {
            return None;
        }
        let create = || Arc::new(Topic::new(destination.clone(), matched));
        Some(self.map.entry(destination.text().clone()).or_insert_with(create).clone())
    }

    /// Takes a dead topic out of the map, unless its successor is there already.
    fn forget(&self, dead: &Arc<Topic>) {
        self.map.remove_if(dead.destination().as_str(), |_, topic| Arc::ptr_eq(topic, dead));
    }
}
