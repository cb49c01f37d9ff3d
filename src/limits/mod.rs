//! Limits that all connections share: the number of connections, and the memory for input that is not complete.

pub mod connection_limiter;
pub mod head_memory;
pub mod input;
pub(crate) mod limit_warnings;
pub(crate) mod log_limit;
