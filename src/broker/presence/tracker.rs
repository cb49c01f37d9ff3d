//! Where the members of one topic are watched.

use super::PAGE;
use super::member_counts::{Change, MemberCounts, ReportedTotals};
use super::report::{self, ReportHeader};
use crate::broker::Subscriber;
use crate::broker::context::BrokerContext;
use crate::broker::fan_out::{FanOutResult, fan_out};
use crate::broker::publication::Content;
use crate::broker::subscriber_list::{SubscriberList, SubscriberSlot};
use crate::budget::{Charge, shared_allocation};
use crate::destination::{Destination, Kind};
use crate::outbound_queue::{Message, OutboundQueue};
use crate::work;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use stompbox_frames::stomp::Headers;

/// The room of a topic that is watched. Who holds its two locks together takes the watchers' first; whoever comes from
/// the topic takes the counts' alone, and so never waits for a fan-out.
#[derive(Debug)]
pub(in crate::broker) struct PresenceTracker {
    /// What is subscribed to by those who watch.
    shown: Destination,
    context: Arc<BrokerContext>,
    me: Weak<PresenceTracker>,
    watchers: Mutex<Watchers>,
    count_state: Mutex<CountState>,
}

/// Those who watch, and what they are told.
#[derive(Debug)]
struct Watchers {
    /// Told names as long as they are few.
    plain: SubscriberList,
    /// Always told names.
    named: SubscriberList,
    /// Counts flushes.
    version: u64,
    /// Too many names for those who did not ask for them.
    counted: bool,
    /// Of this version, made when first needed.
    snapshot: Option<Vec<Message>>,
    numbers: Option<Message>,
}

/// What is counted, and when to look at it again.
#[derive(Debug)]
struct CountState {
    counts: MemberCounts,
    /// Watchers, those about to be included.
    holders: usize,
    /// Nothing is told before.
    not_before: Instant,
    /// The timers that are set, each earlier than those before it.
    timers: BTreeSet<Instant>,
    /// The counts' own memory.
    memory: Charge,
}

/// A watcher's place.
#[derive(Clone, Copy, Debug)]
pub(in crate::broker) struct WatcherSlot {
    names: bool,
    slot: SubscriberSlot,
}

/// The header of all snapshots and changes: they are JSON.
const JSON: (&str, &str) = ("content-type", "application/json");

/// Work of counting or naming one member, see [`crate::work`].
const MEMBER: usize = 3;
/// Work of sending a snapshot to a watcher, in addition to [`MEMBER`] for each member.
const SNAPSHOT: usize = 30;
/// Keeps every sum of a time and an option a time.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl PresenceTracker {
    /// With those who are there already.
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
        context.metrics.presence_rooms.inc();
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

    /// What is subscribed to.
    pub(in crate::broker) fn shown(&self) -> &Destination {
        &self.shown
    }

    /// Somebody is about to watch.
    pub(in crate::broker) fn hold(&self) {
        self.count_state.lock().holders += 1;
    }

    /// Somebody does not watch any more; whether nobody does.
    pub(in crate::broker) fn release(&self) -> bool {
        let mut count_state = self.count_state.lock();
        count_state.holders -= 1;
        count_state.holders == 0
    }

    /// A subscription to the topic, since when.
    pub(in crate::broker) fn join(&self, outbound_queue: &Arc<OutboundQueue>, since: u64) {
        let mut count_state = self.count_state.lock();
        count_state.counts.join(outbound_queue, since);
        self.arrange(&mut count_state);
    }

    /// A subscription less.
    pub(in crate::broker) fn part(&self, outbound_queue: &Arc<OutboundQueue>) {
        let mut count_state = self.count_state.lock();
        count_state.counts.part(outbound_queue);
        self.arrange(&mut count_state);
    }

    /// Takes a watcher in and tells it who is there. The room is held for it.
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

    /// Lets a watcher go; from the return on nothing is pushed to it.
    pub(in crate::broker) fn unwatch(&self, stand: WatcherSlot) {
        let mut watchers = self.watchers.lock();
        let subscribers = if stand.names { &mut watchers.named } else { &mut watchers.plain };
        let gone = subscribers.remove(stand.slot);
        drop(watchers);
        drop(gone);
    }

    /// An timer has rung that was set for `at`: tells what is to be told.
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
        // A page an interval: who asks for many names gets them no faster for many changes.
        let interval = self.context.options.presence_interval.min(LONGEST);
        count_state.not_before = now + interval.saturating_mul(pages.max(1)).min(LONGEST);
        let bytes = PresenceTracker::bytes(&self.shown) + count_state.counts.bytes();
        count_state.memory.resize(bytes);
        self.arrange(&mut count_state);
    }

    /// Tells all watchers what has changed, and how many pages of names that took.
    fn tell(&self, watchers: &mut Watchers, changes: &[Change], totals: ReportedTotals, now: Instant) -> u32 {
        watchers.version += 1;
        watchers.snapshot = None;
        watchers.numbers = None;
        let names_max = self.context.options.presence_names_max;
        let was_counted = watchers.counted;
        // Names do not come and go with each single user about the limit.
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

    /// Who is there as of the last flush; for a watcher that did not ask for names only how many, if they are many.
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
            // Copied, so that those who come and go wait for no text to be written.
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
        let prefix = Kind::Presence.prefix();
        // "/presence/users" is of "users", and "/presence/topic/x" of "/topic/x".
        let of = if self.shown.watched().is_some() { &shown[prefix.len() - 1..] } else { self.shown.name() };
        ReportHeader { of, version, totals }
    }

    fn message(&self, event: &str, text: &str) -> Message {
        self.context.metrics.presence_messages.inc();
        let (headers, extra) = (Headers::default(), [JSON, ("event", event)]);
        self.context.message(self.content(&headers, &extra, text))
    }

    /// A snapshot, kept for watchers to come.
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

    /// Sets an timer for what is to be looked at next, unless one is set that rings before.
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
        self.context.metrics.presence_rooms.dec();
    }
}

/// To every watcher, in order.
fn push(watchers: &SubscriberList, messages: &[Message], now: Instant) {
    for message in messages {
        fan_out(watchers.members(), message, now, &mut FanOutResult::default());
    }
}
