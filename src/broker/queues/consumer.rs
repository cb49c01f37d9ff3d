//! The consumers of one queue: their credit and their round robin.
//!
//! A message is *outstanding* from its delivery until it is settled. A consumer is *willing* while it has credit, in
//! messages and in bytes, and its outbound queue has space. The credit in bytes is spent when the outstanding bytes
//! reach it. The last message may exceed the credit, so that the size of a message never excludes a consumer. A
//! consumer without outstanding messages can get a message of any size.
//!
//! ```text
//!   willing ── outstanding reaches prefetch ──> spent ── settled ──> willing
//!   willing ── outbound queue has no space ──> paused ── resume ──> willing
//! ```
//!
//! Willing consumers get messages in round robin: each has a rank, and the lowest rank is next. A binary message is a
//! message whose body is not UTF-8. Text-only consumers cannot get such a message. They are in a separate list. The
//! search for the next consumer of a binary message therefore need not skip them.

use super::consumer_id::ConsumerId;
use super::item::Item;
use crate::broker::subscriber::Subscriber;
use crate::budget::btree_allocation;
use crate::command::ConsumerOptions;
use crate::outbound_queue::{Delivery, SessionId, Tag};
use crate::work;
use std::collections::BTreeMap;

/// All consumers of one queue.
#[derive(Debug, Default)]
pub(crate) struct Consumers {
    by_id: BTreeMap<ConsumerId, Consumer>,
    /// The willing consumers that can get every message, by rank in the round robin.
    round_robin: BTreeMap<u64, ConsumerId>,
    /// The willing consumers that are text only, by rank in the round robin. No rank is in both maps.
    text_round_robin: BTreeMap<u64, ConsumerId>,
    /// Number of consumers that are text only.
    text_only: usize,
    last_id: u64,
    last_rank: u64,
}

#[derive(Debug)]
struct Consumer {
    subscriber: Subscriber,
    options: ConsumerOptions,
    outstanding: BTreeMap<Tag, Item>,
    outstanding_bytes: usize,
    paused: bool,
    /// The rank in the round robin. `None` while the consumer is not willing.
    rank: Option<u64>,
}

impl Consumer {
    fn is_willing(&self) -> bool {
        let spent = self.outstanding.len() >= self.options.prefetch.max(1) as usize
            || self.outstanding_bytes >= self.options.prefetch_bytes;
        !self.paused && (self.outstanding.is_empty() || !spent)
    }

    /// Marks these messages as not sent.
    fn mark_unwritten<'a>(&mut self, tags: impl IntoIterator<Item = &'a Tag>) {
        for tag in tags {
            if let Some(item) = self.outstanding.get_mut(tag) {
                item.sent -= 1;
            }
        }
    }
}

impl Consumers {
    /// Adds a consumer at the end of the round robin.
    pub(crate) fn add(&mut self, subscriber: Subscriber, options: ConsumerOptions) -> ConsumerId {
        self.last_id += 1;
        let id = ConsumerId(self.last_id);
        self.text_only += usize::from(options.text_only);
        let outstanding = BTreeMap::new();
        let consumer =
            Consumer { subscriber, options, outstanding, outstanding_bytes: 0, paused: false, rank: None };
        self.by_id.insert(id, consumer);
        self.update_round_robin(id);
        id
    }

    /// Removes a consumer, and withdraws the deliveries that still wait in its outbound queue. Returns its outstanding
    /// messages, in order.
    pub(crate) fn remove(&mut self, id: ConsumerId) -> Vec<Item> {
        let Some(mut consumer) = self.by_id.remove(&id) else { return Vec::new() };
        self.text_only -= usize::from(consumer.options.text_only);
        if let Some(rank) = consumer.rank {
            self.round_robin_for(consumer.options).remove(&rank);
        }
        work::add(consumer.outstanding.len() * work::QUEUE_MESSAGE);
        let unwritten = consumer.subscriber.outbound_queue.withdraw(consumer.subscriber.key);
        consumer.mark_unwritten(&unwritten);
        consumer.outstanding.into_values().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Returns the bytes that `count` consumers of one queue take, without their messages.
    pub(crate) const fn bytes(count: usize) -> usize {
        btree_allocation(count, size_of::<(ConsumerId, Consumer)>())
            + btree_allocation(count, size_of::<(u64, ConsumerId)>())
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Returns whether there are consumers and all of them are text only.
    pub(crate) fn are_all_text_only(&self) -> bool {
        self.text_only > 0 && self.text_only == self.by_id.len()
    }

    /// Returns the two willing consumers that are next in the round robin.
    pub(crate) fn next_two(&self) -> (Option<ConsumerId>, Option<ConsumerId>) {
        if self.text_round_robin.is_empty() {
            return self.next_two_for_binary();
        }
        let (mut all, mut text) =
            (self.round_robin.iter().peekable(), self.text_round_robin.iter().peekable());
        let mut next = || {
            let text_is_next = match (all.peek(), text.peek()) {
                (Some((rank, _)), Some((text_rank, _))) => text_rank < rank,
                (all, _) => all.is_none(),
            };
            let next = if text_is_next { text.next() } else { all.next() };
            next.map(|(_, &id)| id)
        };
        (next(), next())
    }

    /// Returns the two willing consumers that are next in the round robin and can get every message.
    pub(crate) fn next_two_for_binary(&self) -> (Option<ConsumerId>, Option<ConsumerId>) {
        let mut consumers = self.round_robin.values().copied();
        (consumers.next(), consumers.next())
    }

    /// Pushes a message to a consumer. Returns `None`, and marks the consumer as paused, if its outbound queue has no
    /// space. Otherwise returns the session of the consumer, and the caller passes the message to
    /// [`mark_outstanding`](Consumers::mark_outstanding).
    pub(crate) fn offer(&mut self, id: ConsumerId, item: &Item) -> Option<SessionId> {
        let consumer = self.by_id.get_mut(&id)?;
        let delivery = Delivery {
            message: item.message.clone(),
            key: consumer.subscriber.key,
            count: item.sent.saturating_add(1),
            tag: item.position,
        };
        let outbound_queue = &consumer.subscriber.outbound_queue;
        if outbound_queue.try_push(delivery) {
            return Some(outbound_queue.session_id());
        }
        self.pause(id);
        None
    }

    /// Stores a message as outstanding at the consumer, and moves the consumer to the end of the round robin.
    pub(crate) fn mark_outstanding(&mut self, id: ConsumerId, mut item: Item) {
        let Some(consumer) = self.by_id.get_mut(&id) else { return };
        item.sent = item.sent.saturating_add(1);
        consumer.outstanding_bytes += item.message.size();
        consumer.outstanding.insert(item.position, item);
        let options = consumer.options;
        if let Some(rank) = consumer.rank.take() {
            self.round_robin_for(options).remove(&rank);
        }
        self.update_round_robin(id);
    }

    /// Removes and returns a message that is outstanding at the consumer.
    pub(crate) fn settle(&mut self, id: ConsumerId, tag: Tag) -> Option<Item> {
        let consumer = self.by_id.get_mut(&id)?;
        let item = consumer.outstanding.remove(&tag)?;
        consumer.outstanding_bytes -= item.message.size();
        self.update_round_robin(id);
        Some(item)
    }

    /// Marks messages as not sent to the consumer, which is about to leave. Pauses the consumer. The messages stay
    /// outstanding until the consumer is removed.
    pub(crate) fn mark_unwritten(&mut self, id: ConsumerId, tags: &[Tag]) {
        self.pause(id);
        let Some(consumer) = self.by_id.get_mut(&id) else { return };
        work::add(tags.len() * work::QUEUE_MESSAGE);
        consumer.mark_unwritten(tags);
    }

    /// Returns whether the message is outstanding at the consumer.
    pub(crate) fn is_outstanding(&self, id: ConsumerId, tag: Tag) -> bool {
        self.by_id.get(&id).is_some_and(|consumer| consumer.outstanding.contains_key(&tag))
    }

    /// Marks the consumer as paused: it gets nothing more until [`resume`](Consumers::resume) is called.
    pub(crate) fn pause(&mut self, id: ConsumerId) {
        if let Some(consumer) = self.by_id.get_mut(&id) {
            consumer.paused = true;
            self.update_round_robin(id);
        }
    }

    /// Marks a paused consumer as able to receive again, because its outbound queue has space.
    pub(crate) fn resume(&mut self, id: ConsumerId) {
        if let Some(consumer) = self.by_id.get_mut(&id) {
            consumer.paused = false;
            self.update_round_robin(id);
        }
    }

    /// Adds a consumer that has become willing to the round robin. Removes a consumer that is no longer willing.
    fn update_round_robin(&mut self, id: ConsumerId) {
        let Some(consumer) = self.by_id.get_mut(&id) else { return };
        let options = consumer.options;
        match (consumer.is_willing(), consumer.rank) {
            (true, None) => {
                self.last_rank += 1;
                let rank = self.last_rank;
                consumer.rank = Some(rank);
                self.round_robin_for(options).insert(rank, id);
            }
            (false, Some(rank)) => {
                consumer.rank = None;
                self.round_robin_for(options).remove(&rank);
            }
            _ => {}
        }
    }

    fn round_robin_for(&mut self, options: ConsumerOptions) -> &mut BTreeMap<u64, ConsumerId> {
        if options.text_only { &mut self.text_round_robin } else { &mut self.round_robin }
    }
}
