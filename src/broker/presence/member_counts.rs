//! The members of a topic, the state that was reported to watchers, and the changes that are not reported yet.

use super::page::PAGE;
use crate::budget::{allocation, btree_allocation, shared_allocation, table_allocation};
use crate::outbound_queue::{OutboundQueue, SessionId};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Maximum number of users in their grace period, in addition to the number of present users. If there are more, the
/// grace periods that began first end early. This bounds the memory for users that have left. The limit is high: a
/// large group of users can lose its connections and come back without a report.
const ABSENT_MAX: usize = 100_000;

/// A user, or `None` for all anonymous sessions together.
type MemberKey = Option<Arc<str>>;

/// The counts of one presence tracker.
#[derive(Debug, Default)]
pub(super) struct MemberCounts {
    sessions: HashMap<SessionId, Session>,
    /// The users that are present, that were reported as present, or that came and went since the last flush.
    users: BTreeMap<Arc<str>, Member>,
    /// Bytes of the names in `users`.
    names_bytes: usize,
    anonymous: UserSessions,
    /// Number of users with a session.
    present: usize,
    reported: ReportedTotals,
    /// Users whose counts have changed since the last flush.
    dirty: Vec<MemberKey>,
    /// Users that have fewer sessions than reported and are in their grace period, by the end of this period.
    waiting: BTreeSet<(Instant, MemberKey)>,
}

#[derive(Debug)]
struct Session {
    key: MemberKey,
    subscriptions: usize,
}

#[derive(Debug, Default)]
struct Member {
    /// Time at which the user's first session subscribed, in milliseconds of Unix time.
    since: u64,
    user_sessions: UserSessions,
}

/// The sessions of one user: the current and the reported number.
#[derive(Debug, Default)]
struct UserSessions {
    current: usize,
    reported: usize,
    dirty: bool,
    /// The end of the user's grace period, if the user is in `waiting`.
    due: Option<Instant>,
}

/// The totals that were reported to watchers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ReportedTotals {
    /// Number of users that are subscribed.
    pub(super) members: usize,
    /// Number of the users' sessions.
    pub(super) sessions: usize,
    /// Number of sessions without a user.
    pub(super) anonymous: usize,
}

/// A change of one user, to be reported to the watchers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MemberChange {
    pub(super) user: Arc<str>,
    pub(super) kind: ChangeKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangeKind {
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
        let new = || Session { key: user_key(outbound_queue), subscriptions: 0 };
        let session = self.sessions.entry(outbound_queue.session_id()).or_insert_with(new);
        session.subscriptions += 1;
        if session.subscriptions > 1 {
            return;
        }
        let key = session.key.clone();
        let user_sessions = match &key {
            Some(name) => {
                let member = member(&mut self.users, &mut self.names_bytes, name);
                let is_new = member.user_sessions.current == 0 && member.user_sessions.reported == 0;
                member.since = if is_new { since } else { member.since.min(since) };
                self.present += usize::from(member.user_sessions.current == 0);
                &mut member.user_sessions
            }
            None => &mut self.anonymous,
        };
        user_sessions.current += 1;
        let due =
            if user_sessions.current >= user_sessions.reported { user_sessions.due.take() } else { None };
        let became_dirty = !std::mem::replace(&mut user_sessions.dirty, true);
        self.record(key, due, became_dirty);
    }

    /// Counts one subscription less.
    pub(super) fn leave(&mut self, outbound_queue: &Arc<OutboundQueue>) {
        let Entry::Occupied(mut session) = self.sessions.entry(outbound_queue.session_id()) else {
            return;
        };
        session.get_mut().subscriptions -= 1;
        if session.get().subscriptions > 0 {
            return;
        }
        let Session { key, .. } = session.remove();
        let user_sessions = self.user_sessions(&key);
        user_sessions.current -= 1;
        let is_last = user_sessions.current == 0;
        // The grace period starts again when the last session ends.
        let due = if is_last { user_sessions.due.take() } else { None };
        let became_dirty = !std::mem::replace(&mut user_sessions.dirty, true);
        self.present -= usize::from(is_last && key.is_some());
        self.record(key, due, became_dirty);
    }

    /// Returns whether there are changes to flush.
    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Returns the earliest end of a grace period.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.first().map(|(due, _)| *due)
    }

    pub(super) fn totals(&self) -> ReportedTotals {
        self.reported
    }

    /// Returns the name, the value of `since` and the number of sessions of each user that was reported as present.
    pub(super) fn reported_users(&self) -> impl Iterator<Item = (&Arc<str>, u64, usize)> {
        let reported = self.users.iter().filter(|(_, member)| member.user_sessions.reported > 0);
        reported.map(|(name, member)| (name, member.since, member.user_sessions.reported))
    }

    /// Returns the changes to report now, and marks them as reported. Returns `None` if nothing has changed. The list
    /// is empty if only the number of anonymous sessions has changed.
    pub(super) fn flush(&mut self, now: Instant, grace: Duration) -> Option<Vec<MemberChange>> {
        let reported_before = self.reported;
        let mut changes = Vec::new();
        for key in std::mem::take(&mut self.dirty) {
            let user_sessions = self.user_sessions(&key);
            user_sessions.dirty = false;
            if user_sessions.current >= user_sessions.reported {
                self.report(key, &mut changes);
            } else if user_sessions.due.is_none() {
                let due = now + grace;
                user_sessions.due = Some(due);
                self.waiting.insert((due, key));
            }
        }
        let waiting_max = self.present + ABSENT_MAX;
        while let Some((due, _)) = self.waiting.first()
            && (*due <= now || self.waiting.len() > waiting_max)
            && let Some((_, key)) = self.waiting.pop_first()
        {
            self.user_sessions(&key).due = None;
            self.report(key, &mut changes);
        }
        if self.sessions.len() < self.sessions.capacity() / 8 {
            self.sessions.shrink_to(self.sessions.len() * 2);
        }
        (self.reported != reported_before || !changes.is_empty()).then_some(changes)
    }

    /// Marks all members as reported in their current state. This is for a new tracker, which has no watchers yet.
    pub(super) fn mark_reported(&mut self) {
        self.dirty = Vec::new();
        self.anonymous.mark_reported();
        for member in self.users.values_mut() {
            self.reported.sessions += member.user_sessions.mark_reported();
        }
        self.reported.members = self.users.len();
        self.reported.anonymous = self.anonymous.reported;
    }

    /// Returns the bytes of the lists and of the names. The names are included because this may be the only copy of the
    /// name of a user that has left.
    pub(super) fn bytes(&self) -> usize {
        btree_allocation(self.users.len(), size_of::<(Arc<str>, Member)>())
            + self.names_bytes
            + table_allocation(self.sessions.capacity(), size_of::<(SessionId, Session)>())
            + btree_allocation(self.waiting.len(), size_of::<(Instant, MemberKey)>())
            + allocation(self.dirty.capacity() * size_of::<MemberKey>())
    }

    fn user_sessions(&mut self, key: &MemberKey) -> &mut UserSessions {
        match key {
            Some(name) => &mut member(&mut self.users, &mut self.names_bytes, name).user_sessions,
            None => &mut self.anonymous,
        }
    }

    /// Records that a user's counts have changed. If `due` is given, cancels the grace period that would end then. If
    /// `became_dirty` is set, marks the user for the next flush.
    fn record(&mut self, key: MemberKey, due: Option<Instant>, became_dirty: bool) {
        if let Some(due) = due {
            self.waiting.remove(&(due, key.clone()));
        }
        if became_dirty {
            self.dirty.push(key);
        }
        if self.dirty.len() > 2 * (self.present + self.reported.members + PAGE) {
            self.remove_unknown_users();
        }
    }

    /// Removes the users that came and went since the last flush.
    fn remove_unknown_users(&mut self) {
        let MemberCounts { users, names_bytes, .. } = self;
        self.dirty.retain(|key| {
            let Some(name) = key else { return true };
            let is_known = users
                .get(name)
                .is_some_and(|member| member.user_sessions.current + member.user_sessions.reported > 0);
            if !is_known {
                users.remove(name);
                *names_bytes -= shared_allocation(name.len());
            }
            is_known
        });
    }

    /// Marks the current number of sessions as reported, and adds the change to `changes`.
    fn report(&mut self, key: MemberKey, changes: &mut Vec<MemberChange>) {
        let Some(user) = key else {
            self.anonymous.reported = self.anonymous.current;
            self.reported.anonymous = self.anonymous.reported;
            return;
        };
        let Some(member) = self.users.get_mut(&user) else { return };
        let Member { since, user_sessions: UserSessions { current, ref mut reported, .. } } = *member;
        let reported_before = std::mem::replace(reported, current);
        self.reported.sessions = self.reported.sessions + current - reported_before;
        let kind = match (reported_before, current) {
            (0, 0) => None,
            (0, sessions) => Some(ChangeKind::Join { since, sessions }),
            (_, 0) => Some(ChangeKind::Leave),
            (reported_before, sessions) => {
                (reported_before != sessions).then_some(ChangeKind::Update { since, sessions })
            }
        };
        match kind {
            Some(ChangeKind::Join { .. }) => self.reported.members += 1,
            Some(ChangeKind::Leave) => self.reported.members -= 1,
            _ => {}
        }
        if current == 0 && self.users.remove(&user).is_some() {
            self.names_bytes -= shared_allocation(user.len());
        }
        changes.extend(kind.map(|kind| MemberChange { user, kind }));
    }
}

impl UserSessions {
    /// Marks all sessions as reported. Returns their number.
    fn mark_reported(&mut self) -> usize {
        self.dirty = false;
        self.reported = self.current;
        self.reported
    }
}

/// Returns the member of that name. Adds it if it does not exist.
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
fn user_key(outbound_queue: &OutboundQueue) -> MemberKey {
    outbound_queue.label().and_then(|label| label.user.clone())
}
