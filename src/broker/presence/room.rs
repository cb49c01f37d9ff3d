//! Where the members of one topic are watched.

use super::PAGE;
use super::census::{Census, Change, Totals};
use super::report::{self, Head};
use crate::broker::Subscriber;
use crate::broker::fan_out::{Reach, fan_out};
use crate::broker::ground::Ground;
use crate::broker::publication::Content;
use crate::broker::roster::{Roster, Seat};
use crate::budget::{Charge, shared_allocation};
use crate::destination::{Destination, Kind};
use crate::outbox::{Message, Outbox};
use crate::work;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use stompbox_frames::stomp::Headers;

/// The room of a topic that is watched. Who holds its two locks together takes the watchers' first; whoever comes from
/// the topic takes the census' alone, and so never waits for a fan-out.
#[derive(Debug)]
pub(in crate::broker) struct Room {
    /// What is subscribed to by those who watch.
    shown: Destination,
    ground: Arc<Ground>,
    me: Weak<Room>,
    watchers: Mutex<Watchers>,
    desk: Mutex<Desk>,
}

/// Those who watch, and what they are told.
#[derive(Debug)]
struct Watchers {
    /// Told names as long as they are few.
    plain: Roster,
    /// Always told names.
    named: Roster,
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
struct Desk {
    census: Census,
    /// Watchers, those about to be included.
    holders: usize,
    /// Nothing is told before.
    not_before: Instant,
    /// The alarms that are set, each earlier than those before it.
    alarms: BTreeSet<Instant>,
    /// The census' own memory.
    memory: Charge,
}

/// A watcher's place.
#[derive(Clone, Copy, Debug)]
pub(in crate::broker) struct Stand {
    names: bool,
    seat: Seat,
}

/// The header of all snapshots and changes: they are JSON.
const JSON: (&str, &str) = ("content-type", "application/json");

/// Work of counting or naming one member, see [`crate::work`].
const MEMBER: usize = 3;
/// Work of sending a snapshot to a watcher, in addition to [`MEMBER`] for each member.
const SNAPSHOT: usize = 30;
/// Keeps every sum of a time and an option a time.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Room {
    /// With those who are there already.
    pub(in crate::broker) fn new<'a>(
        shown: &Destination,
        members: impl Iterator<Item = (&'a Subscriber, u64)>,
        ground: &Arc<Ground>,
        now: Instant,
    ) -> Arc<Room> {
        let mut census = Census::default();
        members.for_each(|(member, since)| {
            work::add(MEMBER);
            census.join(&member.outbox, since);
        });
        census.settle();
        let counted = census.totals().members > ground.options.presence_names_max;
        let watchers = Watchers {
            plain: Roster::default(),
            named: Roster::default(),
            version: 1,
            counted,
            snapshot: None,
            numbers: None,
        };
        let memory = ground.share.charge(Room::bytes(shown) + census.bytes());
        let desk = Desk { census, holders: 0, not_before: now, alarms: BTreeSet::new(), memory };
        ground.metrics.presence_rooms.inc();
        Arc::new_cyclic(|me| Room {
            shown: shown.clone(),
            ground: ground.clone(),
            me: me.clone(),
            watchers: Mutex::new(watchers),
            desk: Mutex::new(desk),
        })
    }

    /// Returns the bytes of a presence tracker without members.
    pub(in crate::broker) fn bytes(shown: &Destination) -> usize {
        shared_allocation(size_of::<Room>()) + shared_allocation(shown.as_str().len())
    }

    /// What is subscribed to.
    pub(in crate::broker) fn shown(&self) -> &Destination {
        &self.shown
    }

    /// Somebody is about to watch.
    pub(in crate::broker) fn hold(&self) {
        self.desk.lock().holders += 1;
    }

    /// Somebody does not watch any more; whether nobody does.
    pub(in crate::broker) fn release(&self) -> bool {
        let mut desk = self.desk.lock();
        desk.holders -= 1;
        desk.holders == 0
    }

    /// A subscription to the topic, since when.
    pub(in crate::broker) fn join(&self, outbox: &Arc<Outbox>, since: u64) {
        let mut desk = self.desk.lock();
        desk.census.join(outbox, since);
        self.arrange(&mut desk);
    }

    /// A subscription less.
    pub(in crate::broker) fn part(&self, outbox: &Arc<Outbox>) {
        let mut desk = self.desk.lock();
        desk.census.part(outbox);
        self.arrange(&mut desk);
    }

    /// Takes a watcher in and tells it who is there. The room is held for it.
    pub(in crate::broker) fn watch(&self, watcher: Subscriber, names: bool, now: Instant) -> Stand {
        work::add(SNAPSHOT);
        let mut watchers = self.watchers.lock();
        for message in self.snapshot(&mut watchers, names) {
            fan_out(std::slice::from_ref(&watcher), message, now, &mut Reach::default());
        }
        let roster = if names { &mut watchers.named } else { &mut watchers.plain };
        let seat = roster.add(watcher, 0);
        roster.charge_to(&self.ground.share);
        Stand { names, seat }
    }

    /// Lets a watcher go; from the return on nothing is pushed to it.
    pub(in crate::broker) fn unwatch(&self, stand: Stand) {
        let mut watchers = self.watchers.lock();
        let roster = if stand.names { &mut watchers.named } else { &mut watchers.plain };
        let gone = roster.remove(stand.seat);
        drop(watchers);
        drop(gone);
    }

    /// An alarm has rung that was set for `at`: tells what is to be told.
    pub(in crate::broker) fn expire(&self, at: Instant, now: Instant) {
        let mut watchers = self.watchers.lock();
        let (changes, totals) = {
            let mut desk = self.desk.lock();
            desk.alarms.remove(&at);
            let grace = self.ground.options.presence_grace.min(LONGEST);
            let changes = if now >= desk.not_before { desk.census.flush(now, grace) } else { None };
            if changes.is_none() {
                return self.arrange(&mut desk);
            }
            (changes.unwrap_or_default(), desk.census.totals())
        };
        let pages = self.tell(&mut watchers, &changes, totals, now);
        let mut desk = self.desk.lock();
        // A page an interval: who asks for many names gets them no faster for many changes.
        let interval = self.ground.options.presence_interval.min(LONGEST);
        desk.not_before = now + interval.saturating_mul(pages.max(1)).min(LONGEST);
        let bytes = Room::bytes(&self.shown) + desk.census.bytes();
        desk.memory.resize(bytes);
        self.arrange(&mut desk);
    }

    /// Tells all watchers what has changed, and how many pages of names that took.
    fn tell(&self, watchers: &mut Watchers, changes: &[Change], totals: Totals, now: Instant) -> u32 {
        watchers.version += 1;
        watchers.snapshot = None;
        watchers.numbers = None;
        let names_max = self.ground.options.presence_names_max;
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
                let totals = self.desk.lock().census.totals();
                self.kept(&report::numbers(self.head(version, totals)))
            });
            return std::slice::from_ref(numbers);
        }
        watchers.snapshot.get_or_insert_with(|| {
            // Copied, so that those who come and go wait for no text to be written.
            let (totals, told): (Totals, Vec<_>) = {
                let desk = self.desk.lock();
                let told = desk.census.told().map(|(name, since, sessions)| (name.clone(), since, sessions));
                (desk.census.totals(), told.collect())
            };
            work::add(told.len() * MEMBER);
            let texts = report::snapshot(self.head(version, totals), &told);
            texts.into_iter().map(|text| self.kept(&text)).collect()
        })
    }

    fn head(&self, version: u64, totals: Totals) -> Head<'_> {
        let shown = self.shown.as_str();
        let prefix = Kind::Presence.prefix();
        // "/presence/users" is of "users", and "/presence/topic/x" of "/topic/x".
        let of = if self.shown.watched().is_some() { &shown[prefix.len() - 1..] } else { self.shown.name() };
        Head { of, version, totals }
    }

    fn message(&self, event: &str, text: &str) -> Message {
        self.ground.metrics.presence_messages.inc();
        let (headers, extra) = (Headers::default(), [JSON, ("event", event)]);
        self.ground.message(self.content(&headers, &extra, text))
    }

    /// A snapshot, kept for watchers to come.
    fn kept(&self, text: &str) -> Message {
        self.ground.metrics.presence_messages.inc();
        let (headers, extra) = (Headers::default(), [JSON, ("event", "snapshot")]);
        self.ground.kept_message(self.content(&headers, &extra, text))
    }

    fn content<'a>(
        &'a self,
        headers: &'a Headers,
        extra: &'a [(&'a str, &'a str)],
        text: &'a str,
    ) -> Content<'a> {
        Content { shown: self.shown.as_str(), headers, extra, body: text.as_bytes() }
    }

    /// Sets an alarm for what is to be looked at next, unless one is set that rings before.
    fn arrange(&self, desk: &mut Desk) {
        let due = match desk.census.next_due() {
            _ if desk.census.is_dirty() => desk.not_before,
            Some(due) => due.max(desk.not_before),
            None => return,
        };
        if desk.alarms.first().is_none_or(|&alarm| due < alarm) {
            desk.alarms.insert(due);
            self.ground.room_alarms.set(due, self.me.clone());
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.ground.metrics.presence_rooms.dec();
    }
}

/// To every watcher, in order.
fn push(watchers: &Roster, messages: &[Message], now: Instant) {
    for message in messages {
        fan_out(watchers.members(), message, now, &mut Reach::default());
    }
}
