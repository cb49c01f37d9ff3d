//! The presence tracker of one topic.

use super::member_counts::{MemberChange, MemberCounts, ReportedTotals};
use super::page::PAGE;
use super::report::{self, ReportHeader};
use crate::broker::context::BrokerContext;
use crate::broker::subscriber::Subscriber;
use crate::broker::timer_queue::TimerOwner;
use crate::broker::topics::fan_out::{FanOutResult, fan_out};
use crate::broker::topics::subscriber_list::{SubscriberList, SubscriberSlot};
use crate::budget::{Budget, Charge, shared_allocation};
use crate::destination::{Destination, DestinationKind};
use crate::outbound_queue::{Message, OutboundQueue};
use crate::work;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// The presence tracker of a topic that is watched. Code that needs both locks takes `watchers` before `count_state`.
/// Methods that the topic calls take only `count_state`. They therefore never wait for pushes to watchers.
#[derive(Debug)]
pub(in crate::broker) struct PresenceTracker {
    /// The destination that the watchers subscribe to.
    presence_destination: Destination,
    context: Arc<BrokerContext>,
    weak_self: Weak<PresenceTracker>,
    watchers: Mutex<Watchers>,
    count_state: Mutex<CountState>,
}

/// The watchers, and the messages that they get.
#[derive(Debug)]
struct Watchers {
    /// Watchers that get names only while `counts_only` is not set.
    with_limited_names: SubscriberList,
    /// Watchers that always get names.
    with_all_names: SubscriberList,
    /// The version number of the last flush.
    version: u64,
    /// Whether there are too many names for watchers that did not ask for names.
    counts_only: bool,
    /// The snapshot of the current version, created when first needed.
    snapshot: Option<Vec<Message>>,
    numbers: Option<Message>,
}

/// The counts, and the times at which to flush them.
#[derive(Debug)]
struct CountState {
    counts: MemberCounts,
    /// Number of watchers, including those that are being added.
    watcher_count: usize,
    /// Time before which nothing is reported.
    not_before: Instant,
    /// Times of the running timers. A new timer is started only if it is due before all of them.
    timers: BTreeSet<Instant>,
    /// The charge for the memory of the counts.
    memory: Charge,
}

/// The slot of a watcher.
#[derive(Clone, Copy, Debug)]
pub(in crate::broker) struct WatcherSlot {
    names: bool,
    slot: SubscriberSlot,
}

/// The header of all snapshots and changes.
const JSON: (&str, &str) = ("content-type", "application/json");

/// Work of counting or naming one member, see [`crate::work`].
const MEMBER_WORK: usize = 3;
/// Work of sending a snapshot to a watcher, in addition to [`MEMBER_WORK`] for each member.
const SNAPSHOT_WORK: usize = 30;
/// Upper bound of the grace period and of the interval, so that adding them to an `Instant` cannot overflow.
const DURATION_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl PresenceTracker {
    /// Creates a tracker whose counts include `members`.
    pub(in crate::broker) fn new<'a>(
        presence_destination: &Destination,
        members: impl Iterator<Item = (&'a Subscriber, u64)>,
        context: &Arc<BrokerContext>,
        now: Instant,
    ) -> Arc<PresenceTracker> {
        let mut counts = MemberCounts::default();
        members.for_each(|(member, since)| {
            work::add(MEMBER_WORK);
            counts.join(&member.outbound_queue, since);
        });
        counts.mark_reported();
        let counts_only = counts.totals().members > context.options.presence_names_max;
        let watchers = Watchers {
            with_limited_names: SubscriberList::default(),
            with_all_names: SubscriberList::default(),
            version: 1,
            counts_only,
            snapshot: None,
            numbers: None,
        };
        let memory = context.share.charge(PresenceTracker::bytes(presence_destination) + counts.bytes());
        let count_state =
            CountState { counts, watcher_count: 0, not_before: now, timers: BTreeSet::new(), memory };
        context.metrics.presence_topics.inc();
        Arc::new_cyclic(|weak_self| PresenceTracker {
            presence_destination: presence_destination.clone(),
            context: context.clone(),
            weak_self: weak_self.clone(),
            watchers: Mutex::new(watchers),
            count_state: Mutex::new(count_state),
        })
    }

    /// Returns the bytes of a presence tracker without members.
    pub(in crate::broker) fn bytes(presence_destination: &Destination) -> usize {
        shared_allocation(size_of::<PresenceTracker>())
            + shared_allocation(presence_destination.as_str().len())
    }

    /// Returns the destination that the watchers subscribe to.
    pub(in crate::broker) fn presence_destination(&self) -> &Destination {
        &self.presence_destination
    }

    /// Counts one more watcher, which is about to be added.
    pub(in crate::broker) fn acquire(&self) {
        self.count_state.lock().watcher_count += 1;
    }

    /// Counts one watcher less. Returns whether no watcher is left.
    pub(in crate::broker) fn release(&self) -> bool {
        let mut count_state = self.count_state.lock();
        count_state.watcher_count -= 1;
        count_state.watcher_count == 0
    }

    /// Counts one more subscription to the topic, which began at `since`, in milliseconds of Unix time.
    pub(in crate::broker) fn join(&self, outbound_queue: &Arc<OutboundQueue>, since: u64) {
        let mut count_state = self.count_state.lock();
        count_state.counts.join(outbound_queue, since);
        self.set_timer(&mut count_state);
    }

    /// Counts one subscription less.
    pub(in crate::broker) fn leave(&self, outbound_queue: &Arc<OutboundQueue>) {
        let mut count_state = self.count_state.lock();
        count_state.counts.leave(outbound_queue);
        self.set_timer(&mut count_state);
    }

    /// Adds a watcher and sends it a snapshot. The caller has counted the watcher with
    /// [`acquire`](PresenceTracker::acquire).
    pub(in crate::broker) fn watch(&self, watcher: Subscriber, names: bool, now: Instant) -> WatcherSlot {
        work::add(SNAPSHOT_WORK);
        let mut watchers = self.watchers.lock();
        for message in self.snapshot(&mut watchers, names) {
            fan_out(std::slice::from_ref(&watcher), message, now, &mut FanOutResult::default());
        }
        let subscribers = if names { &mut watchers.with_all_names } else { &mut watchers.with_limited_names };
        let slot = subscribers.add(watcher, 0);
        subscribers.charge_to(&self.context.share);
        WatcherSlot { names, slot }
    }

    /// Removes a watcher. Nothing is pushed to it after this function returns.
    pub(in crate::broker) fn unwatch(&self, watcher: WatcherSlot) {
        let mut watchers = self.watchers.lock();
        let subscribers =
            if watcher.names { &mut watchers.with_all_names } else { &mut watchers.with_limited_names };
        let removed = subscribers.remove(watcher.slot);
        drop(watchers);
        drop(removed);
    }

    /// Sends the changes to all watchers. Returns the number of pages with names that were sent to one watcher.
    fn report_changes(
        &self,
        watchers: &mut Watchers,
        changes: &[MemberChange],
        totals: ReportedTotals,
        now: Instant,
    ) -> u32 {
        watchers.version += 1;
        watchers.snapshot = None;
        watchers.numbers = None;
        let names_max = self.context.options.presence_names_max;
        let was_counts_only = watchers.counts_only;
        // Names are switched on again only below a lower limit. Otherwise single users would switch them on and off.
        let counts_only_above = if was_counts_only { names_max - names_max / 10 } else { names_max };
        watchers.counts_only = totals.members > counts_only_above;
        let counts_only = watchers.counts_only;
        let header = self.header(watchers.version, totals);
        let reports_limited_names = !watchers.with_limited_names.is_empty() && !counts_only;

        let mut pages = 0;
        if !watchers.with_all_names.is_empty() || reports_limited_names {
            let is_shorter = changes.len() > PAGE && changes.len() > totals.members;
            let messages = if is_shorter {
                self.snapshot(watchers, true).to_vec()
            } else {
                report::changes(header, changes).into_iter().map(|text| self.changes_message(&text)).collect()
            };
            pages = messages.len();
            push(&watchers.with_all_names, &messages, now);
            if reports_limited_names && was_counts_only {
                let snapshot = self.snapshot(watchers, true).to_vec();
                pages = pages.max(snapshot.len());
                push(&watchers.with_limited_names, &snapshot, now);
            } else if reports_limited_names {
                push(&watchers.with_limited_names, &messages, now);
            }
        }
        if counts_only && !watchers.with_limited_names.is_empty() {
            push(
                &watchers.with_limited_names,
                &[self.changes_message(&report::changed_numbers(header))],
                now,
            );
        }
        u32::try_from(pages).unwrap_or(u32::MAX)
    }

    /// Returns a snapshot of the state at the last flush. If `names` is `false` and there are too many names, the
    /// snapshot contains only numbers.
    fn snapshot<'a>(&self, watchers: &'a mut Watchers, names: bool) -> &'a [Message] {
        let version = watchers.version;
        if watchers.counts_only && !names {
            let numbers = watchers.numbers.get_or_insert_with(|| {
                let totals = self.count_state.lock().counts.totals();
                self.snapshot_message(&report::numbers(self.header(version, totals)))
            });
            return std::slice::from_ref(numbers);
        }
        watchers.snapshot.get_or_insert_with(|| {
            // The users are copied, so that no subscriber waits for the lock of the counts while the text is written.
            let (totals, users): (ReportedTotals, Vec<_>) = {
                let count_state = self.count_state.lock();
                let users = count_state
                    .counts
                    .reported_users()
                    .map(|(name, since, sessions)| (name.clone(), since, sessions));
                (count_state.counts.totals(), users.collect())
            };
            work::add(users.len() * MEMBER_WORK);
            let texts = report::snapshot(self.header(version, totals), &users);
            texts.into_iter().map(|text| self.snapshot_message(&text)).collect()
        })
    }

    fn header(&self, version: u64, totals: ReportedTotals) -> ReportHeader<'_> {
        let destination = self.presence_destination.as_str();
        let prefix = DestinationKind::Presence.prefix();
        // For "/presence/users" this is "users", and for "/presence/topic/x" it is "/topic/x".
        let of = if self.presence_destination.watched_topic().is_some() {
            &destination[prefix.len() - 1..]
        } else {
            self.presence_destination.name()
        };
        ReportHeader { of, version, totals }
    }

    fn changes_message(&self, text: &str) -> Message {
        self.report(&self.context.budget, "changes", text)
    }

    /// Creates a snapshot message. It is retained for later watchers, so it is charged to the share of subscriptions.
    fn snapshot_message(&self, text: &str) -> Message {
        self.report(&self.context.share, "snapshot", text)
    }

    fn report(&self, budget: &Arc<Budget>, event: &str, text: &str) -> Message {
        self.context.metrics.presence_messages.inc();
        self.context.report(budget, self.presence_destination.as_str(), &[JSON, ("event", event)], text)
    }

    /// Sets a timer for the next flush. Does nothing if an earlier timer is set.
    fn set_timer(&self, count_state: &mut CountState) {
        let due = match count_state.counts.next_due() {
            _ if count_state.counts.is_dirty() => count_state.not_before,
            Some(due) => due.max(count_state.not_before),
            None => return,
        };
        if count_state.timers.first().is_none_or(|&timer| due < timer) {
            count_state.timers.insert(due);
            self.context.presence_timers.set(due, self.weak_self.clone());
        }
    }
}

impl TimerOwner for PresenceTracker {
    /// Sends the report that is due.
    fn expire(&self, at: Instant, now: Instant) {
        let mut watchers = self.watchers.lock();
        let (changes, totals) = {
            let mut count_state = self.count_state.lock();
            count_state.timers.remove(&at);
            let grace = self.context.options.presence_grace.min(DURATION_MAX);
            let changes =
                if now >= count_state.not_before { count_state.counts.flush(now, grace) } else { None };
            if changes.is_none() {
                return self.set_timer(&mut count_state);
            }
            (changes.unwrap_or_default(), count_state.counts.totals())
        };
        let pages = self.report_changes(&mut watchers, &changes, totals, now);
        let mut count_state = self.count_state.lock();
        // Waits for one interval per page, so that watchers get at most one page per interval on average.
        let interval = self.context.options.presence_interval.min(DURATION_MAX);
        count_state.not_before = now + interval.saturating_mul(pages.max(1)).min(DURATION_MAX);
        let bytes = PresenceTracker::bytes(&self.presence_destination) + count_state.counts.bytes();
        count_state.memory.resize(bytes);
        self.set_timer(&mut count_state);
    }
}

impl Drop for PresenceTracker {
    fn drop(&mut self) {
        self.context.metrics.presence_topics.dec();
    }
}

/// Pushes messages to all watchers, in order.
fn push(watchers: &SubscriberList, messages: &[Message], now: Instant) {
    for message in messages {
        fan_out(watchers.members(), message, now, &mut FanOutResult::default());
    }
}
