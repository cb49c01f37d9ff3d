//! All topics by name; and so of each other family whose messages are not kept.
//!
//! The map's guards are never held while a topic is locked or the map is asked again.

use super::context::BrokerContext;
use super::fan_out::FanOutResult;
use super::patterns::{Matched, Membership, Patterns};
use super::presence::{PresenceTracker, WatcherSlot};
use super::subscriber_list::SubscriberSlot;
use super::topic::Topic;
use super::{Publication, Subscriber};
use crate::budget::Budget;
use crate::destination::{Destination, Pattern};
use crate::metrics::Gauge;
use crate::outbound_queue::Message;
use dashmap::DashMap;
use std::sync::Arc;
use std::time::Instant;

/// The topics of one family that somebody subscribes to by name or watches, and all pattern subscriptions. Families
/// have nothing in common: no pattern of one ever matches a name of another.
#[derive(Debug)]
pub(super) struct Topics {
    context: Arc<BrokerContext>,
    map: DashMap<Arc<str>, Arc<Topic>>,
    patterns: Patterns,
    /// Counts those with a subscriber by name.
    gauge: Gauge,
    /// The budget that pays for topics; `None` where each connection is a subscriber and accounts for it.
    share: Option<Arc<Budget>>,
}

/// Somebody who watches the members of a topic.
#[derive(Debug)]
pub(super) struct Watch {
    topic: Arc<Topic>,
    tracker: Arc<PresenceTracker>,
    slot: WatcherSlot,
}

impl Topics {
    pub(super) fn new(context: Arc<BrokerContext>, gauge: Gauge) -> Topics {
        let share = context.share.clone();
        let patterns = Patterns::charged_to(&share);
        Topics { context, map: DashMap::new(), patterns, gauge, share: Some(share) }
    }

    /// Creates topics whose subscribers are connections, which other limits bound.
    pub(super) fn of_connections(context: Arc<BrokerContext>) -> Topics {
        let (map, patterns) = (DashMap::new(), Patterns::new());
        Topics { context, map, patterns, gauge: Gauge::default(), share: None }
    }

    /// Returns the number of subscribers that a message to this destination would be pushed to.
    pub(super) fn receivers(&self, destination: &Destination) -> usize {
        if let Some(topic) = self.find(destination) {
            return topic.receivers(&self.patterns);
        }
        let mut matched = Matched::default();
        self.patterns.update(&mut matched, destination);
        matched.groups.iter().map(|group| group.subscribers.read().members().len()).sum()
    }

    /// Pushes to everybody who subscribes; nothing is even encoded when nobody does.
    pub(super) fn publish(&self, publication: &Publication<'_>, now: Instant) -> FanOutResult {
        let mut message: Option<Message> = None;
        let reach = self.at(publication.destination, |topic, patterns| {
            let message = message.get_or_insert_with(|| self.context.message(publication.content()));
            topic.publish(message, patterns, now)
        });
        reach.unwrap_or_default()
    }

    /// Acts on the topic of that name if there are subscribers; what `act` says. It is called again if it finds the
    /// topic dead (`None`), and tells with its second value whether the topic died.
    pub(super) fn at<T>(
        &self,
        destination: &Destination,
        mut act: impl FnMut(&Topic, &Patterns) -> Option<(T, bool)>,
    ) -> Option<T> {
        loop {
            let topic = self.find(destination).or_else(|| self.for_patterns(destination))?;
            match act(&topic, &self.patterns) {
                Some((done, died)) => {
                    if died {
                        self.forget(&topic);
                    }
                    return Some(done);
                }
                None => self.forget(&topic),
            }
        }
    }

    /// Subscribes by name.
    pub(super) fn subscribe(
        &self,
        destination: &Destination,
        subscriber: &Subscriber,
        now: Instant,
    ) -> (Arc<Topic>, SubscriberSlot) {
        let since = self.context.clock.millis(now);
        self.with_live_topic(destination, |topic| {
            topic.add(subscriber.clone(), since, &self.gauge, self.share.as_ref())
        })
    }

    /// Ends a subscription by name.
    pub(super) fn leave(&self, topic: &Arc<Topic>, slot: SubscriberSlot) {
        if topic.remove(slot, &self.gauge) {
            self.forget(topic);
        }
    }

    /// Tells the watcher who is subscribed to `destination` by name, and from then on who comes and goes. `shown` is
    /// what it subscribed to.
    pub(super) fn watch(
        &self,
        destination: &Destination,
        shown: &Destination,
        watcher: Subscriber,
        names: bool,
        now: Instant,
    ) -> Watch {
        let share = self.share.as_ref();
        let hold = |topic: &Topic| topic.hold_tracker(shown, &self.context, share, now);
        let (topic, tracker) = self.with_live_topic(destination, hold);
        let slot = tracker.watch(watcher, names, now);
        Watch { topic, tracker, slot }
    }

    /// Ends a watch.
    pub(super) fn unwatch(&self, watch: &Watch) {
        watch.tracker.unwatch(watch.slot);
        if watch.topic.release_tracker(&watch.tracker) {
            self.forget(&watch.topic);
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

    /// Topics that are subscribed to by name or watched, and patterns that are subscribed to.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.map.len(), self.patterns.len())
    }

    /// Does `act` with the topic of that name, which is made if need be, until it finds one that is alive.
    fn with_live_topic<T>(
        &self,
        destination: &Destination,
        act: impl Fn(&Topic) -> Option<T>,
    ) -> (Arc<Topic>, T) {
        loop {
            let create = || Arc::new(Topic::new(destination.clone(), Default::default()));
            let topic = self.map.entry(destination.text().clone()).or_insert_with(create).clone();
            match act(&topic) {
                Some(done) => return (topic, done),
                None => self.forget(&topic),
            }
        }
    }

    fn find(&self, destination: &Destination) -> Option<Arc<Topic>> {
        self.map.get(destination.as_str()).map(|topic| topic.clone())
    }

    /// Nobody subscribes by name: an entry for the sake of the order, if anybody does by pattern.
    fn for_patterns(&self, destination: &Destination) -> Option<Arc<Topic>> {
        let mut matched = Matched::default();
        self.patterns.update(&mut matched, destination);
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

impl Watch {
    /// What is watched.
    pub(super) fn destination(&self) -> &Destination {
        self.topic.destination()
    }

    /// Returns the destination or pattern of the subscription.
    pub(super) fn shown(&self) -> &Destination {
        self.tracker.shown()
    }
}
