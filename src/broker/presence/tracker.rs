//! The presence tracker of one topic.

use super::PAGE;
use super::member_counts::{Change, MemberCounts, ReportedTotals};
use super::report::{self, ReportHeader};
use crate::broker::Subscriber;
use crate::broker::context::BrokerContext;
use crate::broker::fan_out::{FanOutResult, fan_out};
use crate::broker::publication::Content;
use crate::broker::subscriber_list::{SubscriberList, SubscriberSlot};
use crate::budget::{Charge, shared_allocation};
use crate::destination::{Destination, DestinationKind};
use crate::outbound_queue::{Message, OutboundQueue};
use crate::work;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use stompbox_frames::stomp::Headers;

/// The presence tracker of a topic that is watched. Code that holds both locks takes the watchers' lock first. Code
/// that is called by the topic takes only the counts' lock, and so never waits for a fan-out.
#[derive(Debug)]
pub(in crate::broker) struct PresenceTracker {
    /// The destination that the watchers subscribe to.
    shown: Destination,
    context: Arc<BrokerContext>,
    me: Weak<PresenceTracker>,
    watchers: Mutex<Watchers>,
    count_state: Mutex<CountState>,
}

/// The watchers, and the messages that they get.
#[derive(Debug)]
struct Watchers {
    /// Watchers that get names as long as there are few.
    plain: SubscriberList,
    /// Watchers that always get names.
    named: SubscriberList,
    /// The number of the last flush.
    version: u64,
    /// Whether there are too many names for watchers that did not ask for them.
    counted: bool,
    /// The snapshot of this version, created when first needed.
    snapshot: Option<Vec<Message>>,
    numbers: Option<Message>,
}

/// The counts, and the times at which to flush them.
#[derive(Debug)]
struct CountState {
    counts: MemberCounts,
    /// Number of watchers, those that are being added included.
    holders: usize,
    /// Time before which nothing is reported.
    not_before: Instant,
    /// The timers that are set, each earlier than those set before it.
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

/// The header of all snapshots and changes, which are JSON.
const JSON: (&str, &str) = ("content-type", "application/json");

/// Work of counting or naming one member, see [`crate::work`].
const MEMBER: usize = 3;
/// Work of sending a snapshot to a watcher, in addition to [`MEMBER`] for each member.
const SNAPSHOT: usize = 30;
/// Upper bound of the grace period and the interval: keeps the sum of a time and an option within the range of
/// `Instant`.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl PresenceTracker {
    /// Creates a tracker that already counts `members`.
    pub(in crate::broker) fn new<'a>(
        shown: &Destination,
        members: impl Iterator<Item = (&'a Subscriber, u64)>,
        context: &Arc<BrokerContext>,
        now: Instant,
    ) -> Arc<PresenceTracker> {
        let mut counts = MemberCounts::default();
        members.for_each(|(member, since)| {
            work::add(MEMBER);
            counts.join(&member.outbound_queue, since);
        });
        counts.settle();
        let counted = counts.totals().members > context.options.presence_names_max;
        let watchers = Watchers {
            plain: SubscriberList::default(),
            named: SubscriberList::default(),
            version: 1,
            counted,
            snapshot: None,
            numbers: None,
        };
        let memory = context.share.charge(PresenceTracker::bytes(shown) + counts.bytes());
        let count_state = CountState { counts, holders: 0, not_before: now, timers: BTreeSet::new(), memory };
        context.metrics.presence_topics.inc();
        Arc::new_cyclic(|me| PresenceTracker {
            shown: shown.clone(),
            context: context.clone(),
            me: me.clone(),
            watchers: Mutex::new(watchers),
            count_state: Mutex::new(count_state),
        })
    }

    /// Returns the bytes of a presence tracker without members.
    pub(in crate::broker) fn bytes(shown: &Destination) -> usize {
        shared_allocation(size_of::<PresenceTracker>()) + shared_allocation(shown.as_str().len())
    }

    /// Returns the destination that the watchers subscribe to.
    pub(in crate::broker) fn shown(&self) -> &Destination {
        &self.shown
    }

    /// Counts one more watcher, which is about to be added.
    pub(in crate::broker) fn hold(&self) {
        self.count_state.lock().holders += 1;
    }

    /// Counts one watcher less. Returns whether no watcher is left.
    pub(in crate::broker) fn release(&self) -> bool {
        let mut count_state = self.count_state.lock();
        count_state.holders -= 1;
        count_state.holders == 0
    }

    /// Counts one more subscription to the topic, which began at `since`, in milliseconds of Unix time.
    pub(in crate::broker) fn join(&self, outbound_queue: &Arc<OutboundQueue>, since: u64) {
        let mut count_state = self.count_state.lock();
        count_state.counts.join(outbound_queue, since);
        self.arrange(&mut count_state);
    }

    /// Counts one subscription less.
    pub(in crate::broker) fn part(&self, outbound_queue: &Arc<OutboundQueue>) {
        let mut count_state = self.count_state.lock();
        count_state.counts.part(outbound_queue);
        self.arrange(&mut count_state);
    }

    /// Adds a watcher and sends it a snapshot. The caller has counted the watcher with [`hold`](PresenceTracker::hold).
    pub(in crate::broker) fn watch(&self, watcher: Subscriber, names: bool, now: Instant) -> WatcherSlot {
        work::add(SNAPSHOT);
        let mut watchers = self.watchers.lock();
        for message in self.snapshot(&mut watchers, names) {
            fan_out(std::slice::from_ref(&watcher), message, now, &mut FanOutResult::default());
        }
        let subscribers = if names { &mut watchers.named } else { &mut watchers.plain };
        let slot = subscribers.add(watcher, 0);
        subscribers.charge_to(&self.context.share);
        WatcherSlot { names, slot }
    }

    /// Removes a watcher. Nothing is pushed to it after the return.
    pub(in crate::broker) fn unwatch(&self, stand: WatcherSlot) {
        let mut watchers = self.watchers.lock();
        let subscribers = if stand.names { &mut watchers.named } else { &mut watchers.plain };
        let gone = subscribers.remove(stand.slot);
        drop(watchers);
        drop(gone);
    }

    /// Handles the expiry of the timer that was set for `at`: sends the report that is due.
    pub(in crate::broker) fn expire(&self, at: Instant, now: Instant) {
        let mut watchers = self.watchers.lock();
        let (changes, totals) = {
            let mut count_state = self.count_state.lock();
            count_state.timers.remove(&at);
            let grace = self.context.options.presence_grace.min(LONGEST);
            let changes =
                if now >= count_state.not_before { count_state.counts.flush(now, grace) } else { None };
            if changes.is_none() {
                return self.arrange(&mut count_state);
            }
            (changes.unwrap_or_default(), count_state.counts.totals())
        };
        let pages = self.tell(&mut watchers, &changes, totals, now);
        let mut count_state = self.count_state.lock();
        // One page per interval: watchers that asked for many names do not get them faster because of many changes.
        let interval = self.context.options.presence_interval.min(LONGEST);
        count_state.not_before = now + interval.saturating_mul(pages.max(1)).min(LONGEST);
        let bytes = PresenceTracker::bytes(&self.shown) + count_state.counts.bytes();
        count_state.memory.resize(bytes);
        self.arrange(&mut count_state);
    }

    /// Sends all watchers what has changed. Returns the number of pages of names that this took.
    fn tell(&self, watchers: &mut Watchers, changes: &[Change], totals: ReportedTotals, now: Instant) -> u32 {
        watchers.version += 1;
        watchers.snapshot = None;
        watchers.numbers = None;
        let names_max = self.context.options.presence_names_max;
        let was_counted = watchers.counted;
        // The lower limit keeps names from being switched on and off by single users around the limit.
        let names_again = if was_counted { names_max - names_max / 10 } else { names_max };
        watchers.counted = totals.members > names_again;
        let counted = watchers.counted;
        let head = self.head(watchers.version, totals);
        let plain_names = !watchers.plain.is_empty() && !counted;

        let mut pages = 0;
        if !watchers.named.is_empty() || plain_names {
            let is_shorter = changes.len() > PAGE && changes.len() > totals.members;
            let news = if is_shorter {
                self.snapshot(watchers, true).to_vec()
            } else {
                report::changes(head, changes)
                    .into_iter()
                    .map(|text| self.message("changes", &text))
                    .collect()
            };
            pages = news.len();
            push(&watchers.named, &news, now);
            if plain_names && was_counted {
                let snapshot = self.snapshot(watchers, true).to_vec();
                pages = pages.max(snapshot.len());
                push(&watchers.plain, &snapshot, now);
            } else if plain_names {
                push(&watchers.plain, &news, now);
            }
        }
        if counted && !watchers.plain.is_empty() {
            push(&watchers.plain, &[self.message("changes", &report::changed_numbers(head))], now);
        }
        u32::try_from(pages).unwrap_or(u32::MAX)
    }

    /// Returns a snapshot of the last flush. A watcher that did not ask for names gets only numbers if there are many
    /// names.
    fn snapshot<'a>(&self, watchers: &'a mut Watchers, names: bool) -> &'a [Message] {
        let version = watchers.version;
        if watchers.counted && !names {
            let numbers = watchers.numbers.get_or_insert_with(|| {
                let totals = self.count_state.lock().counts.totals();
                self.kept(&report::numbers(self.head(version, totals)))
            });
            return std::slice::from_ref(numbers);
        }
        watchers.snapshot.get_or_insert_with(|| {
            // Copied, so that subscribers that are added or removed do not wait for the text to be written.
            let (totals, told): (ReportedTotals, Vec<_>) = {
                let count_state = self.count_state.lock();
                let told =
                    count_state.counts.told().map(|(name, since, sessions)| (name.clone(), since, sessions));
                (count_state.counts.totals(), told.collect())
            };
            work::add(told.len() * MEMBER);
            let texts = report::snapshot(self.head(version, totals), &told);
            texts.into_iter().map(|text| self.kept(&text)).collect()
        })
    }

    fn head(&self, version: u64, totals: ReportedTotals) -> ReportHeader<'_> {
        let shown = self.shown.as_str();
        let prefix = DestinationKind::Presence.prefix();
        // The presence of "/presence/users" is of "users", and that of "/presence/topic/x" is of "/topic/x".
        let of =
            if self.shown.watched_topic().is_some() { &shown[prefix.len() - 1..] } else { self.shown.name() };
        ReportHeader { of, version, totals }
    }

    fn message(&self, event: &str, text: &str) -> Message {
        self.context.metrics.presence_messages.inc();
        let (headers, extra) = (Headers::default(), [JSON, ("event", event)]);
        self.context.message(self.content(&headers, &extra, text))
    }

    /// Creates a snapshot message, which is kept for later watchers.
    fn kept(&self, text: &str) -> Message {
        self.context.metrics.presence_messages.inc();
        let (headers, extra) = (Headers::default(), [JSON, ("event", "snapshot")]);
        self.context.kept_message(self.content(&headers, &extra, text))
    }

    fn content<'a>(
        &'a self,
        headers: &'a Headers,
        extra: &'a [(&'a str, &'a str)],
        text: &'a str,
    ) -> Content<'a> {
        Content { shown: self.shown.as_str(), headers, extra, body: text.as_bytes() }
    }

    /// Sets a timer for the next flush, unless an earlier one is set.
    fn arrange(&self, count_state: &mut CountState) {
        let due = match count_state.counts.next_due() {
            _ if count_state.counts.is_dirty() => count_state.not_before,
            Some(due) => due.max(count_state.not_before),
            None => return,
        };
        if count_state.timers.first().is_none_or(|&timer| due < timer) {
            count_state.timers.insert(due);
            self.context.presence_timers.set(due, self.me.clone());
        }
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
