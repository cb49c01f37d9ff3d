//! Presence: the members of a topic, reported to the topic's watchers.
//!
//! ```text
//!   Topic ─ join, leave ─> MemberCounts ─ flush ─> changes ─┐
//!   (its lock, then the counts')                            ├─ report ─> Message ─ fan_out ─> watchers' outbound queues
//!   SUBSCRIBE /presence/… ─ snapshot of the counts ─────────┘            (the watchers' lock, then the counts')
//! ```
//!
//! A topic has a [`PresenceTracker`](tracker::PresenceTracker) while it is watched. The tracker is created from the topic's subscribers under the
//! topic's lock. From then on the topic reports to it each subscriber that is added or removed. Changes are collected
//! in the counts. The ticker flushes them: at once after a quiet time, and otherwise one page per interval. Each flush
//! is a version. Everything that watchers get is pushed under the watchers' lock: a snapshot shows the state of the
//! last flush, and the messages after it contain the changes since. Publishers never wait for watchers.
//!
//! Members are users, however many sessions each of them has. Each session of a user is counted once, however many
//! subscriptions it has. Anonymous sessions are only counted. If a user leaves, or has fewer sessions than before, this
//! is reported after the grace period, unless it has changed again. The grace period begins with the first flush that
//! finds the change.
//!
//! Watchers get JSON with `content-type:application/json` and a header `event`:
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
//! `of` is the topic, or `users` for the online sessions. `members` is the number of users, `sessions` the number of
//! their sessions, and `anonymous` the number of sessions without a user. `since` is the time at which the first of the
//! user's sessions subscribed, in milliseconds of Unix time.
//!
//! Names come in pages of a thousand. A page of changes is applied when it arrives. The pages of a snapshot are one
//! snapshot, and a snapshot at any time replaces everything that was reported before. If there are too many names,
//! watchers that did not ask for names get the same messages without `users` and `changes`. When the number falls to
//! nine tenths of the limit, they get a new snapshot.

mod member_counts;
mod page;
mod report;
pub(super) mod tracker;
