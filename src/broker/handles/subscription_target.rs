//! The destination, pattern or presence that a subscription is for.

use super::queue_consumer::Consumer;
use crate::broker::queues::consumer_id::ConsumerId;
use crate::broker::queues::queue::Queue;
use crate::broker::state::BrokerState;
use crate::broker::subscriber::Subscriber;
use crate::broker::topics::patterns::Membership;
use crate::broker::topics::subscriber_list::SubscriberSlot;
use crate::broker::topics::topic::Topic;
use crate::broker::topics::topic_map::Watch;
use crate::command::ConsumerOptions;
use crate::destination::{Destination, DestinationKind, Routing, Selector};
use crate::rejection::Rejection;
use std::sync::Arc;
use std::time::Instant;

/// The destination, pattern or presence that a subscription is for.
pub(in crate::broker) enum SubscriptionTarget {
    /// A destination that does not store messages, such as `/topic/NAME`.
    Topic(DestinationKind, Arc<Topic>, SubscriberSlot),
    Pattern(Membership),
    /// The presence of a topic, or of the online sessions.
    Watch(DestinationKind, Watch),
    Queue(Arc<Queue>, ConsumerId),
}

impl SubscriptionTarget {
    /// Subscribes. Every message that is published after this function returns reaches the subscriber.
    ///
    /// # Errors
    /// The queue cannot be created, or it is a temporary queue that is not open.
    pub(in crate::broker) fn subscribe(
        shared: &BrokerState,
        selector: &Selector,
        subscriber: Subscriber,
        options: ConsumerOptions,
        now: Instant,
    ) -> Result<SubscriptionTarget, Rejection> {
        let destination = match selector {
            Selector::Pattern(pattern) => {
                mark_text_only(pattern.kind(), &subscriber, options);
                let family = shared.family(pattern.kind());
                return Ok(SubscriptionTarget::Pattern(family.subscribe_pattern(pattern, subscriber)));
            }
            Selector::Exact(destination) => destination,
        };
        let kind = destination.kind();
        Ok(if kind.routing() == Routing::Report {
            watch(shared, destination, subscriber, options.presence_names, now)
        } else if kind.stores_messages() {
            let (queue, id) = shared.queues.subscribe(destination, &subscriber, options, now)?;
            SubscriptionTarget::Queue(queue, id)
        } else {
            mark_text_only(kind, &subscriber, options);
            let (topic, slot) = shared.family(kind).subscribe(destination, &subscriber, now);
            SubscriptionTarget::Topic(kind, topic, slot)
        })
    }

    /// Ends the subscription. Removes the topic, pattern or queue if nothing else needs it.
    pub(super) fn leave(&self, shared: &BrokerState) {
        match self {
            SubscriptionTarget::Topic(kind, topic, slot) => shared.family(*kind).leave(topic, *slot),
            SubscriptionTarget::Pattern(membership) => {
                shared.family(membership.pattern().kind()).leave_pattern(membership)
            }
            SubscriptionTarget::Watch(kind, watch) => shared.family(*kind).unwatch(watch),
            SubscriptionTarget::Queue(queue, id) => shared.queues.leave(queue, *id),
        }
    }

    /// Returns the destination or pattern. The returned value is a cheap clone: all subscribers share one copy of the
    /// text.
    pub(super) fn selector(&self) -> Selector {
        match self {
            SubscriptionTarget::Topic(_, topic, _) => Selector::Exact(topic.destination().clone()),
            SubscriptionTarget::Pattern(membership) => Selector::Pattern(membership.pattern().clone()),
            SubscriptionTarget::Watch(_, watch) => Selector::Exact(watch.presence_destination().clone()),
            SubscriptionTarget::Queue(queue, _) => Selector::Exact(queue.destination().clone()),
        }
    }

    /// Returns the text of the destination or pattern, for `Debug`. For presence, this is the watched destination.
    pub(super) fn as_str(&self) -> &str {
        match self {
            SubscriptionTarget::Topic(_, topic, _) => topic.destination().as_str(),
            SubscriptionTarget::Watch(_, watch) => watch.destination().as_str(),
            SubscriptionTarget::Pattern(membership) => membership.pattern().as_str(),
            SubscriptionTarget::Queue(queue, _) => queue.destination().as_str(),
        }
    }

    /// Returns the consumer of a queue, or `None` for other targets.
    pub(super) fn consumer(&self) -> Option<Consumer> {
        match self {
            SubscriptionTarget::Queue(queue, id) => Some(Consumer { queue: queue.clone(), id: *id }),
            SubscriptionTarget::Topic(..)
            | SubscriptionTarget::Pattern(..)
            | SubscriptionTarget::Watch(..) => None,
        }
    }
}

/// Marks the outbound queue of a text-only service. The mark applies to the whole connection, because `text_only`
/// depends only on the transport.
fn mark_text_only(kind: DestinationKind, subscriber: &Subscriber, options: ConsumerOptions) {
    if kind.routing() == Routing::Service && options.text_only {
        subscriber.outbound_queue.set_text_only();
    }
}

/// Subscribes a watcher to the presence of a topic, or of the online sessions.
fn watch(
    shared: &BrokerState,
    presence_destination: &Destination,
    watcher: Subscriber,
    names: bool,
    now: Instant,
) -> SubscriptionTarget {
    match presence_destination.watched_topic() {
        Some(topic) => SubscriptionTarget::Watch(
            topic.kind(),
            shared.family(topic.kind()).watch(&topic, presence_destination, watcher, names, now),
        ),
        None => SubscriptionTarget::Watch(
            presence_destination.kind(),
            shared.family(presence_destination.kind()).watch(
                presence_destination,
                presence_destination,
                watcher,
                names,
                now,
            ),
        ),
    }
}
