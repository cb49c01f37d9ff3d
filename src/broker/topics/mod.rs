//! Topics: each message goes to all subscribers, to the sessions of a user, or to one service. None is stored.

pub(crate) mod fan_out;
pub(crate) mod pattern_versions;
pub(crate) mod patterns;
pub(crate) mod services;
pub(crate) mod subscriber_list;
pub(crate) mod topic;
pub(crate) mod topic_map;
pub(crate) mod users;
