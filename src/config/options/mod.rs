//! The options in groups, one file for each group.

pub(crate) mod access;
pub(crate) mod connections;
pub(crate) mod frames;
pub(crate) mod listening;
pub(crate) mod login;
pub(crate) mod memory;
pub(crate) mod presence;
pub(crate) mod queues;
pub(crate) mod running;
pub(crate) mod sessions;
pub(crate) mod sockjs;
pub(crate) mod token;
pub(crate) mod users;
pub(crate) mod web;
