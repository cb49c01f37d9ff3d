//! The hot loop of a queue: delivers messages to willing consumers.
//!
//! ```text
//!   common ── its lowest position ── next two of all consumers ─────────────────────┐
//!                                                                                   ├─ the lower position ──> offer
//!   binary ── its lowest position ── next two consumers that take every message ────┘
//! ```
//!
//! Only consumers that can take a message are considered for it. Text-only consumers cannot take a binary message.
//!
//! - If several of these consumers are willing, the next one in the round robin gets the message. If this consumer
//!   returned the message last, the one after it gets the message. The consumer keeps its place in the round robin.
//! - If only one of them is willing, the loop skips messages that this consumer must wait for.
//!
//! Each iteration delivers a message or marks a consumer as paused, so the loop ends.

use super::consumer::Consumers;
use super::consumer_id::ConsumerId;
use super::item::Item;
use super::partitioned_backlog::{EntryRef, Partition, PartitionedBacklog};
use crate::metrics::Metrics;
use crate::outbound_queue::{SessionId, Tag};
use crate::work;

/// Delivers all messages that can be delivered. Calls `on_delivery` for each of them, with the session of its consumer.
pub(crate) fn dispatch(
    partitions: &mut PartitionedBacklog,
    consumers: &mut Consumers,
    metrics: &Metrics,
    on_delivery: impl Fn(&Item, SessionId),
) {
    while let Some(Match { entry, consumer, .. }) = next(partitions, consumers) {
        work::add(work::QUEUE_MESSAGE);
        if let Some(session) = consumers.offer(consumer, partitions.get(entry)) {
            let item = partitions.take(entry);
            on_delivery(&item, session);
            if item.sent > 0 {
                metrics.redeliveries.inc();
            }
            consumers.mark_outstanding(consumer, item);
        }
    }
}

/// A message that can be delivered, and its consumer.
struct Match {
    position: Tag,
    entry: EntryRef,
    consumer: ConsumerId,
}

/// Returns the message with the lowest position that a willing consumer can take.
fn next(partitions: &PartitionedBacklog, consumers: &Consumers) -> Option<Match> {
    let common = next_of(partitions, Partition::Common, consumers.next_two());
    if !partitions.has_binary() {
        return common;
    }
    let binary = next_of(partitions, Partition::Binary, consumers.next_two_for_binary());
    [common, binary].into_iter().flatten().min_by_key(|found| found.position)
}

/// Returns the message with the lowest position in one partition that `first` or `second` can get. These are the next
/// two consumers that can take messages of this partition.
fn next_of(
    partitions: &PartitionedBacklog,
    partition: Partition,
    (first, second): (Option<ConsumerId>, Option<ConsumerId>),
) -> Option<Match> {
    let first = first?;
    let sole_consumer = if second.is_none() { Some(first) } else { None };
    let backlog = partitions.backlog(partition);
    let location = backlog.first(sole_consumer)?;
    let item = backlog.get(location);
    let consumer = match second {
        Some(second) if item.returned_by == Some(first) => second,
        _ => first,
    };
    Some(Match { position: item.position, entry: EntryRef::new(partition, location), consumer })
}
