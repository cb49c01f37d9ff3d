//! Presence: the members of a topic, reported to the topic's watchers.
//!
//! ```text
//!   Topic ─ join, leave ─> MemberCounts ─ flush ─> changes ─┐
//!   (its lock, then the counts')                            ├─ report ─> Message ─ fan_out ─> outbound queues
//!   SUBSCRIBE /presence/… ─ snapshot of the counts ─────────┘            (the watchers' lock, then the counts')
//! ```
//!
//! A topic has a [`PresenceTracker`](tracker::PresenceTracker) while it is watched. The tracker is created from the
//! topic's subscribers under the topic's lock. From then on, the topic tells the tracker about each subscriber that is
//! added or removed. The tracker collects the changes, and the ticker *flushes* them: it sends the collected changes to
//! the watchers. The first change after a quiet time is flushed at once. The next flush follows after one
//! `presence-interval` for each page of names that was sent. Each flush has a version number.
//!
//! Everything that watchers get is pushed under the lock of the watchers. A snapshot therefore shows the state of the
//! last flush, and the messages that follow it contain all later changes. Publishers never wait for watchers.
//!
//! The members of a topic are users. A user with several sessions is one member, and a session with several
//! subscriptions is one session. Sessions without a user (anonymous sessions) are counted, but have no entry. If a user
//! leaves or has fewer sessions, a grace period begins with the first flush that finds the change. The broker reports
//! the change at the end of this period. If the sessions have come back by then, it reports nothing.
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
//! `of` is the topic, or `users` for the online sessions. `members` is the number of users. `sessions` is the number of
//! their sessions. `anonymous` is the number of sessions without a user. `since` is the time at which the first of the
//! user's sessions subscribed, in milliseconds of Unix time.
//!
//! A message contains one page of up to a thousand names. A client applies a page of changes when the page arrives. It
//! collects all pages of a snapshot and then applies them together. A snapshot replaces everything that was reported
//! before it. If there are more than `presence-names-max` members, names are left out for watchers that did not ask for
//! them. These watchers get the same messages without `users` and `changes`. When the number of members falls to nine
//! tenths of this limit, these watchers get a new snapshot with names.

mod member_counts;
mod page;
mod report;
pub(super) mod tracker;
