//! The hot loop of a queue: delivers messages to willing consumers.
//!
//! ```text
//!   common ── its lowest position ── next two of all consumers ─────────────────────┐
//!                                                                                   ├─ the lower position ──> offer
//!   binary ── its lowest position ── next two consumers that take every message ────┘
//! ```
//!
//! If two consumers are willing, the one that returned a message last is skipped for it, and the other gets it. If only
//! one is willing, messages that wait for its own backoff are skipped. Only consumers that can take the message count:
//! beside a text-only consumer, a binary message may have just one candidate. A consumer that is skipped keeps its
//! turn. Each round delivers a message or marks a consumer as paused, so the loop ends.

use super::consumer::Consumers;
use super::consumer_id::ConsumerId;
use super::partitioned_backlog::{EntryRef, Partition, PartitionedBacklog};
use crate::metrics::Metrics;
use crate::outbound_queue::Tag;
use crate::work;

/// Delivers all messages that can be delivered.
pub(crate) fn dispatch(partitions: &mut PartitionedBacklog, consumers: &mut Consumers, metrics: &Metrics) {
    while let Some(Match { entry, consumer, .. }) = next(partitions, consumers) {
        work::add(work::QUEUE_MESSAGE);
        if consumers.offer(consumer, partitions.get(entry)) {
            let item = partitions.take(entry);
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

/// Returns the message with the lowest position in one partition, for the next two consumers there.
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
