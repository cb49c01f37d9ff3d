//! Executes the actions that the session requests.

pub(crate) mod action_error;
pub(crate) mod actions;
pub(crate) mod broker_request;
pub(crate) mod commit;
mod no_service;
pub(crate) mod pending_commit;
pub(crate) mod publish;
pub(crate) mod receiver_counts;
