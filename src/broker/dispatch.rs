//! The queue's hot loop: what may go to whoever is willing.
//!
//! ```text
//!   common ── its lowest that may go ── next in turn of all ────────────────────┐
//!                                                                               ├─ the lower position ──> offer
//!   binary ── its lowest that may go ── next in turn of those for everything ───┘
//! ```
//!
//! If two are willing, then whoever gave a message back last steps aside for the other; if only one is, what waits
//! for its own back-off is passed over. Willing are here those who may have the message at all: beside a text-only
//! consumer a binary message has still but one taker. Who gets nothing keeps its turn. Each round gives a message
//! away or makes a consumer starve, so there is an end.

use super::consumer::{ConsumerId, Consumers};
use super::partitioned_backlog::{EntryRef, Partition, PartitionedBacklog};
use crate::metrics::Metrics;
use crate::outbound_queue::Tag;
use crate::work;

/// Gives away all that may go.
pub(super) fn dispatch(partitions: &mut PartitionedBacklog, consumers: &mut Consumers, metrics: &Metrics) {
    while let Some(Match { spot, to, .. }) = next(partitions, consumers) {
        work::add(work::QUEUE_MESSAGE);
        if consumers.offer(to, partitions.get(spot)) {
            let item = partitions.take(spot);
            if item.sent > 0 {
                metrics.redeliveries.inc();
            }
            consumers.keep(to, item);
        }
    }
}

/// A message that may go, and to whom.
struct Match {
    position: Tag,
    spot: EntryRef,
    to: ConsumerId,
}

/// The lowest position that may go to somebody willing.
fn next(partitions: &PartitionedBacklog, consumers: &Consumers) -> Option<Match> {
    let common = next_of(partitions, Partition::Common, consumers.next_two());
    if !partitions.has_binary() {
        return common;
    }
    let binary = next_of(partitions, Partition::Binary, consumers.next_two_for_everything());
    [common, binary].into_iter().flatten().min_by_key(|found| found.position)
}

/// The lowest position on one partition, for the next two in turn there.
fn next_of(
    partitions: &PartitionedBacklog,
    partition: Partition,
    (first, second): (Option<ConsumerId>, Option<ConsumerId>),
) -> Option<Match> {
    let first = first?;
    let alone = if second.is_none() { Some(first) } else { None };
    let backlog = partitions.backlog(partition);
    let place = backlog.first(alone)?;
    let item = backlog.get(place);
    let to = match second {
        Some(second) if item.last == Some(first) => second,
        _ => first,
    };
    Some(Match { position: item.position, spot: EntryRef::new(partition, place), to })
}
