//! The members of a topic, the state that was reported to watchers, and the changes that are still to be reported.

use super::PAGE;
use crate::budget::{allocation, btree_allocation, shared_allocation, table_allocation};
use crate::outbound_queue::OutboundQueue;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Maximum number of users in their grace period, in addition to as many as are present. Beyond it the grace period of
/// those who left first ends early. A large group of users that loses its connections and comes back is therefore not
/// reported, and the memory for users that have left stays bounded.
const ABSENT_MAX: usize = 100_000;

/// A user, or `None` for all anonymous sessions together.
type MemberKey = Option<Arc<str>>;

/// The counts of one presence tracker.
#[derive(Debug, Default)]
pub(super) struct MemberCounts {
    /// The sessions by the address of their outbound queue, which the topic's members keep alive.
    seen: HashMap<usize, Session>,
    /// Users that are present, that were reported as present, or that came and went since the last flush.
    users: BTreeMap<Arc<str>, Member>,
    /// Bytes of the members' names.
    names_bytes: usize,
    anonymous: UserSessions,
    /// Number of users with a session.
    present: usize,
    told: ReportedTotals,
    /// Users whose counts have changed since the last flush.
    dirty: Vec<MemberKey>,
    /// Users whose session count dropped and whose grace period has not expired, by deadline.
    waiting: BTreeSet<(Instant, MemberKey)>,
}

#[derive(Debug)]
struct Session {
    who: MemberKey,
    subscriptions: usize,
}

#[derive(Debug, Default)]
struct Member {
    /// Time at which the first session subscribed, in milliseconds of Unix time.
    since: u64,
    tally: UserSessions,
}

/// The sessions of one user: the current and the reported number.
#[derive(Debug, Default)]
struct UserSessions {
    here: usize,
    told: usize,
    dirty: bool,
    /// The user's deadline in `waiting`, if it is there.
    due: Option<Instant>,
}

/// The numbers that were reported to watchers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ReportedTotals {
    /// Number of users.
    pub(super) members: usize,
    /// Number of their sessions.
    pub(super) sessions: usize,
    /// Number of sessions without a user.
    pub(super) anonymous: usize,
}

/// A change of one user, to be reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) user: Arc<str>,
    pub(super) event: Event,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Join {
        since: u64,
        sessions: usize,
    },
    /// The number of sessions has changed.
    Update {
        since: u64,
        sessions: usize,
    },
    Leave,
}

impl MemberCounts {
    /// Counts one more subscription, which began at `since`, in milliseconds of Unix time.
    pub(super) fn join(&mut self, outbound_queue: &Arc<OutboundQueue>, since: u64) {
        let new = || Session { who: user(outbound_queue), subscriptions: 0 };
        let session = self.seen.entry(Arc::as_ptr(outbound_queue).addr()).or_insert_with(new);
        session.subscriptions += 1;
        if session.subscriptions > 1 {
            return;
        }
        let who = session.who.clone();
        let tally = match &who {
            Some(name) => {
                let member = member(&mut self.users, &mut self.names_bytes, name);
                let is_new = member.tally.here == 0 && member.tally.told == 0;
                member.since = if is_new { since } else { member.since.min(since) };
                self.present += usize::from(member.tally.here == 0);
                &mut member.tally
            }
            None => &mut self.anonymous,
        };
        tally.here += 1;
        let due = if tally.here >= tally.told { tally.due.take() } else { None };
        let is_news = !std::mem::replace(&mut tally.dirty, true);
        self.note(who, due, is_news);
    }

    /// Counts one subscription less.
    pub(super) fn part(&mut self, outbound_queue: &Arc<OutboundQueue>) {
        let Entry::Occupied(mut session) = self.seen.entry(Arc::as_ptr(outbound_queue).addr()) else {
            return;
        };
        session.get_mut().subscriptions -= 1;
        if session.get().subscriptions > 0 {
            return;
        }
        let Session { who, .. } = session.remove();
        let tally = self.tally(&who);
        tally.here -= 1;
        let is_last = tally.here == 0;
        // The last session has a grace period of its own, whatever happened before.
        let due = if is_last { tally.due.take() } else { None };
        let is_news = !std::mem::replace(&mut tally.dirty, true);
        self.present -= usize::from(is_last && who.is_some());
        self.note(who, due, is_news);
    }

    /// Returns whether there are changes to flush.
    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Returns the end of the first grace period.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.first().map(|(due, _)| *due)
    }

    pub(super) fn totals(&self) -> ReportedTotals {
        self.told
    }

    /// Returns all users that were reported as present: name, since, sessions.
    pub(super) fn told(&self) -> impl Iterator<Item = (&Arc<str>, u64, usize)> {
        let told = self.users.iter().filter(|(_, member)| member.tally.told > 0);
        told.map(|(name, member)| (name, member.since, member.tally.told))
    }

    /// Returns the changes to report now, or `None` if there are none, and marks them as reported.
    pub(super) fn flush(&mut self, now: Instant, grace: Duration) -> Option<Vec<Change>> {
        let before = self.told;
        let mut changes = Vec::new();
        for who in std::mem::take(&mut self.dirty) {
            let tally = self.tally(&who);
            tally.dirty = false;
            if tally.here >= tally.told {
                self.tell(who, &mut changes);
            } else if tally.due.is_none() {
                let due = now + grace;
                tally.due = Some(due);
                self.waiting.insert((due, who));
            }
        }
        let waiting_max = self.present + ABSENT_MAX;
        while let Some((due, _)) = self.waiting.first()
            && (*due <= now || self.waiting.len() > waiting_max)
            && let Some((_, who)) = self.waiting.pop_first()
        {
            self.tally(&who).due = None;
            self.tell(who, &mut changes);
        }
        if self.seen.len() < self.seen.capacity() / 8 {
            self.seen.shrink_to(self.seen.len() * 2);
        }
        (self.told != before || !changes.is_empty()).then_some(changes)
    }

    /// Marks all members as reported in their current state. Called for a new tracker, which has had no watchers
    /// before.
    pub(super) fn settle(&mut self) {
        self.dirty = Vec::new();
        self.anonymous.settle();
        for member in self.users.values_mut() {
            self.told.sessions += member.tally.settle();
        }
        self.told.members = self.users.len();
        self.told.anonymous = self.anonymous.told;
    }

    /// Returns the bytes of the lists, and of the names of users who may have left.
    pub(super) fn bytes(&self) -> usize {
        btree_allocation(self.users.len(), size_of::<(Arc<str>, Member)>())
            + self.names_bytes
            + table_allocation(self.seen.capacity(), size_of::<(usize, Session)>())
            + btree_allocation(self.waiting.len(), size_of::<(Instant, MemberKey)>())
            + allocation(self.dirty.capacity() * size_of::<MemberKey>())
    }

    fn tally(&mut self, who: &MemberKey) -> &mut UserSessions {
        match who {
            Some(name) => &mut member(&mut self.users, &mut self.names_bytes, name).tally,
            None => &mut self.anonymous,
        }
    }

    /// Handles a change of a user's counts: cancels the grace period that would end at `due`, and marks the user for
    /// the next flush if `is_news`.
    fn note(&mut self, who: MemberKey, due: Option<Instant>, is_news: bool) {
        if let Some(due) = due {
            self.waiting.remove(&(due, who.clone()));
        }
        if is_news {
            self.dirty.push(who);
        }
        if self.dirty.len() > 2 * (self.present + self.told.members + PAGE) {
            self.sweep();
        }
    }

    /// Removes users that came and went since the last flush.
    fn sweep(&mut self) {
        let MemberCounts { users, names_bytes, .. } = self;
        self.dirty.retain(|who| {
            let Some(name) = who else { return true };
            let is_known = users.get(name).is_some_and(|member| member.tally.here + member.tally.told > 0);
            if !is_known {
                users.remove(name);
                *names_bytes -= shared_allocation(name.len());
            }
            is_known
        });
    }

    /// Marks the current number of sessions as reported, and adds the change to `changes`.
    fn tell(&mut self, who: MemberKey, changes: &mut Vec<Change>) {
        let Some(user) = who else {
            self.anonymous.told = self.anonymous.here;
            self.told.anonymous = self.anonymous.told;
            return;
        };
        let Some(member) = self.users.get_mut(&user) else { return };
        let Member { since, tally: UserSessions { here, ref mut told, .. } } = *member;
        let before = std::mem::replace(told, here);
        self.told.sessions = self.told.sessions + here - before;
        let event = match (before, here) {
            (0, 0) => None,
            (0, sessions) => Some(Event::Join { since, sessions }),
            (_, 0) => Some(Event::Leave),
            (before, sessions) => (before != sessions).then_some(Event::Update { since, sessions }),
        };
        match event {
            Some(Event::Join { .. }) => self.told.members += 1,
            Some(Event::Leave) => self.told.members -= 1,
            _ => {}
        }
        if here == 0 && self.users.remove(&user).is_some() {
            self.names_bytes -= shared_allocation(user.len());
        }
        changes.extend(event.map(|event| Change { user, event }));
    }
}

impl UserSessions {
    /// Marks all sessions as reported. Returns their number.
    fn settle(&mut self) -> usize {
        self.dirty = false;
        self.told = self.here;
        self.told
    }
}

/// Returns the member of that name, and adds it if it is missing.
fn member<'a>(
    users: &'a mut BTreeMap<Arc<str>, Member>,
    names_bytes: &mut usize,
    name: &Arc<str>,
) -> &'a mut Member {
    users.entry(name.clone()).or_insert_with(|| {
        *names_bytes += shared_allocation(name.len());
        Member::default()
    })
}

/// Returns the user of an outbound queue, or `None` if the session is anonymous or the queue has no label.
fn user(outbound_queue: &OutboundQueue) -> MemberKey {
    outbound_queue.label().and_then(|label| label.user.clone())
}
