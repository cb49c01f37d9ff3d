//! The shapes of load, one measurement each.

pub(super) mod flow;
pub(super) mod idle;
pub(super) mod ping_pong;
