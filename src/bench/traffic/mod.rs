//! Connections that send and receive messages, and the content of messages.

pub(super) mod publisher;
pub(super) mod receiver;
pub(super) mod schedule;
pub(super) mod sequence;
pub(super) mod stamp;
pub(super) mod window;
