//! Topics: each message goes to all subscribers, to the sessions of a user, or to one service. Messages are not stored.

pub(super) mod fan_out;
mod pattern_versions;
pub(super) mod patterns;
pub(super) mod services;
pub(super) mod subscriber_list;
pub(super) mod topic;
pub(super) mod topic_map;
pub(super) mod users;
