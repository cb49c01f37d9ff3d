//! Numbers of destinations and sessions.

/// Numbers of destinations and sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Number of topics that have a subscriber by name or a watcher.
    pub topics: usize,
    /// Number of patterns that have a subscriber.
    pub patterns: usize,
    /// Number of queues, including temporary queues.
    pub queues: usize,
    /// Number of queues that count for [`queues_max`](crate::broker::Options::queues_max).
    pub work_queues: usize,
    /// Number of users' destinations that have a subscriber, and of patterns below `/user` that have a subscriber.
    pub user_destinations: usize,
    /// Number of names and patterns below `/app` that a service subscribes to.
    pub services: usize,
    /// Number of sessions that are online.
    pub sessions: usize,
    /// Number of topics whose presence is watched, including `/presence/users`.
    pub trackers: usize,
}
