//! Limits that all connections share: their number, and the memory for input that is not complete.

pub(crate) mod connection_limiter;
pub(crate) mod head_memory;
pub(crate) mod input;
pub(crate) mod limit_warnings;
pub(crate) mod log_limit;

pub use connection_limiter::{ConnectionLimiter, ConnectionPermit};
pub use head_memory::HeadMemory;
pub use input::InputShare;
