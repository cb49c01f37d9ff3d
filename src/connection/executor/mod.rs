//! Executes the actions that the session requests.

pub(crate) mod action_error;
pub(crate) mod actions;
pub(crate) mod commit;
mod outcomes;
pub(crate) mod publish;
pub(crate) mod receiver_counts;
