//! Who is there: the members of a topic, told to those who watch it.
//!
//! ```text
//!   Topic ─ join, part ─> MemberCounts ─ flush ─> changes ─┐
//!   (its lock, then the counts')                     ├─ report ─> Message ─ fan_out ─> outbound queues of watchers
//!   SUBSCRIBE /presence/… ─ snapshot of the counts ──┘                 (the watchers' lock, then the counts')
//! ```
//!
//! A topic has a [`PresenceTracker`] while it is watched. It is made from the topic's subscribers under the topic's lock, and from then
//! on the topic tells it who comes and goes. Changes are gathered in the counts; the ticker flushes them, at once after
//! a quiet time and else one page an interval: each flush is a version. Everything that watchers get is pushed under
//! the watchers' lock: a snapshot is that of the last flush, and what comes behind it are the changes since. Publishers
//! never wait for watchers.
//!
//! Members are users, however many sessions each has. A user's sessions are counted each once, however many
//! subscriptions it has. Anonymous sessions are only counted. Who leaves, or has a session less, is told after the
//! grace, if it is still so: its time begins with the flush that first sees it.
//!
//! What watchers get, as JSON of `content-type:application/json` with a header `event`:
//!
//! ```text
//! {"event":"snapshot","of":"/topic/room","version":7,"page":1,"pages":1,"members":2,"sessions":3,"anonymous":1,
//!  "users":[{"user":"alice","since":1790000000123,"sessions":2},…]}
//! {"event":"changes","of":"/topic/room","version":8,"page":1,"pages":1,"members":2,"sessions":3,"anonymous":1,
//!  "changes":[{"event":"join","user":"bob","since":1790000000456,"sessions":1},
//!             {"event":"update","user":"alice","since":1790000000123,"sessions":1},
//!             {"event":"leave","user":"carol"}]}
//! ```
//!
//! `of` is the topic, or `users` for who is online. `members` are users, `sessions` are theirs, `anonymous` are sessions
//! of nobody. `since` is in milliseconds of Unix time: when the first of the user's sessions came. Names come in pages
//! of a thousand: a page of changes is applied as it comes; pages of a snapshot are one snapshot, and a snapshot at any
//! time replaces all that was told before. Where there are too many names, watchers that did not ask for names get the
//! same without `users` and `changes`; when there are few again (a tenth below the limit) they get a new snapshot.

mod member_counts;
mod report;
mod tracker;

pub(super) use tracker::{PresenceTracker, WatcherSlot};

/// Names in one message.
pub(super) const PAGE: usize = 1_000;
