//! All topics of one family by name, and its pattern subscriptions.
//!
//! Code that holds a guard of the map locks no topic and does not access the map again.

use super::fan_out::FanOutResult;
use super::patterns::{Matched, Membership, Patterns};
use super::subscriber_list::SubscriberSlot;
use super::topic::Topic;
use crate::broker::context::BrokerContext;
use crate::broker::journal::Record;
use crate::broker::presence::tracker::{PresenceTracker, WatcherSlot};
use crate::broker::subscriber::Subscriber;
use crate::budget::Budget;
use crate::command::Publish;
use crate::destination::{Destination, Pattern};
use crate::metrics::Gauge;
use crate::outbound_queue::Message;
use dashmap::DashMap;
use std::sync::Arc;
use std::time::Instant;

/// The topics and the pattern subscriptions of one family. The topics have a subscriber by name or a watcher. Families
/// are separate: a pattern of one family never matches a name of another.
#[derive(Debug)]
pub(crate) struct Topics {
    context: Arc<BrokerContext>,
    map: DashMap<Arc<str>, Arc<Topic>>,
    patterns: Patterns,
    /// The gauge of topics with a subscriber by name.
    gauge: Gauge,
    /// The budget to which topics are charged. `None` if they are not charged.
    share: Option<Arc<Budget>>,
}

/// A subscription to the presence of a topic.
#[derive(Debug)]
pub(crate) struct Watch {
    topic: Arc<Topic>,
    tracker: Arc<PresenceTracker>,
    slot: WatcherSlot,
}

impl Topics {
    pub(crate) fn new(context: Arc<BrokerContext>, gauge: Gauge) -> Topics {
        let share = context.share.clone();
        let patterns = Patterns::charged_to(&share);
        Topics { context, map: DashMap::new(), patterns, gauge, share: Some(share) }
    }

    /// Creates the family whose subscribers are the online sessions. Its memory is not charged, because the limit of
    /// connections bounds it.
    pub(crate) fn of_connections(context: Arc<BrokerContext>) -> Topics {
        let (map, patterns) = (DashMap::new(), Patterns::new());
        Topics { context, map, patterns, gauge: Gauge::default(), share: None }
    }

    /// Returns the number of subscribers to which a message to `destination` would be pushed.
    pub(crate) fn receivers(&self, destination: &Destination) -> usize {
        if let Some(topic) = self.find(destination) {
            return topic.receivers(&self.patterns);
        }
        let mut matched = Matched::default();
        self.patterns.update(&mut matched, destination);
        matched.groups.iter().map(|group| group.subscribers.read().members().len()).sum()
    }

    /// Pushes a message to all subscribers. The message is not encoded if there is no topic of that name and no pattern
    /// matches.
    pub(crate) fn publish(&self, destination: &Destination, publish: &Publish, now: Instant) -> FanOutResult {
        let mut message: Option<Message> = None;
        let result = self.with_topic(destination, |topic, patterns| {
            let message = message.get_or_insert_with(|| self.context.message(publish));
            let record = || self.context.record(|| Record::Published { destination, message });
            topic.publish(message, patterns, record, now)
        });
        result.unwrap_or_default()
    }

    /// Calls `action` with the topic of that name, and returns its result. Returns `None` if the topic has no
    /// subscribers. If `action` returns `None`, the topic was closed before, and `action` is called again with the
    /// topic that replaced it. The flag that `action` returns tells whether the topic is closed afterwards.
    pub(crate) fn with_topic<T>(
        &self,
        destination: &Destination,
        mut action: impl FnMut(&Topic, &Patterns) -> Option<(T, bool)>,
    ) -> Option<T> {
        loop {
            let topic = self.find(destination).or_else(|| self.create_for_patterns(destination))?;
            match action(&topic, &self.patterns) {
                Some((done, is_closed)) => {
                    if is_closed {
                        self.remove(&topic);
                    }
                    return Some(done);
                }
                None => self.remove(&topic),
            }
        }
    }

    /// Subscribes by name. Creates the topic if it does not exist.
    pub(crate) fn subscribe(
        &self,
        destination: &Destination,
        subscriber: &Subscriber,
        now: Instant,
    ) -> (Arc<Topic>, SubscriberSlot) {
        let since = self.context.clock.unix_millis(now);
        self.with_open_topic(destination, |topic| {
            topic.add(subscriber.clone(), since, &self.gauge, self.share.as_ref())
        })
    }

    /// Ends a subscription by name.
    pub(crate) fn leave(&self, topic: &Arc<Topic>, slot: SubscriberSlot) {
        if topic.remove(slot, &self.gauge) {
            self.remove(topic);
        }
    }

    /// Adds a watcher of the members of `destination`, which are its subscribers by name. The watcher gets all members
    /// now, and every change later. `presence_destination` is the destination that the watcher subscribes to.
    pub(crate) fn watch(
        &self,
        destination: &Destination,
        presence_destination: &Destination,
        watcher: Subscriber,
        names: bool,
        now: Instant,
    ) -> Watch {
        let share = self.share.as_ref();
        let acquire = |topic: &Topic| topic.acquire_tracker(presence_destination, &self.context, share, now);
        let (topic, tracker) = self.with_open_topic(destination, acquire);
        let slot = tracker.watch(watcher, names, now);
        Watch { topic, tracker, slot }
    }

    /// Ends a watch. Removes the topic if it is no longer needed.
    pub(crate) fn unwatch(&self, watch: &Watch) {
        watch.tracker.unwatch(watch.slot);
        if watch.topic.release_tracker(&watch.tracker) {
            self.remove(&watch.topic);
        }
    }

    pub(crate) fn subscribe_pattern(&self, pattern: &Pattern, subscriber: Subscriber) -> Membership {
        self.patterns.subscribe(pattern, subscriber)
    }

    pub(crate) fn leave_pattern(&self, membership: &Membership) {
        self.patterns.leave(membership);
    }

    /// Returns the number of topics with a subscriber by name or a watcher, and the number of patterns.
    pub(crate) fn count(&self) -> (usize, usize) {
        (self.map.len(), self.patterns.len())
    }

    /// Calls `action` with the topic of that name, which is created if it does not exist. If `action` returns `None`,
    /// the topic was closed, and `action` is called again with the topic that replaced it.
    fn with_open_topic<T>(
        &self,
        destination: &Destination,
        action: impl Fn(&Topic) -> Option<T>,
    ) -> (Arc<Topic>, T) {
        loop {
            let create = || Arc::new(Topic::new(destination.clone(), Default::default()));
            let topic = self.map.entry(destination.text().clone()).or_insert_with(create).clone();
            match action(&topic) {
                Some(done) => return (topic, done),
                None => self.remove(&topic),
            }
        }
    }

    fn find(&self, destination: &Destination) -> Option<Arc<Topic>> {
        self.map.get(destination.as_str()).map(|topic| topic.clone())
    }

    /// Creates the topic of a name that has subscribers only by pattern. The topic is needed because its lock defines
    /// the order of its messages. Returns `None` if no pattern matches.
    fn create_for_patterns(&self, destination: &Destination) -> Option<Arc<Topic>> {
        let mut matched = Matched::default();
        self.patterns.update(&mut matched, destination);
        if matched.groups.is_empty() {
            return None;
        }
        let create = || Arc::new(Topic::new(destination.clone(), matched));
        Some(self.map.entry(destination.text().clone()).or_insert_with(create).clone())
    }

    /// Removes a closed topic from the map. Keeps a new topic of that name.
    fn remove(&self, closed: &Arc<Topic>) {
        self.map.remove_if(closed.destination().as_str(), |_, topic| Arc::ptr_eq(topic, closed));
    }
}

impl Watch {
    /// Returns the destination whose members are watched.
    pub(crate) fn destination(&self) -> &Destination {
        self.topic.destination()
    }

    /// Returns the destination of the subscription.
    pub(crate) fn presence_destination(&self) -> &Destination {
        self.tracker.presence_destination()
    }
}
