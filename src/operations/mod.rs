//! What a client may do, and what the broker adds to its requests. Pure: no clock, no socket, no lock, no log.
//!
//! A [`Client`] turns a request into a [command](crate::command), or rejects it. It resolves the destination, checks
//! the permissions in effect, and adds the headers that only the broker may set. Every source of requests uses it, so
//! that the rules exist once: STOMP sessions, and programs that embed the broker.
//!
//! ```text
//!   request ──> Client: resolve, check permissions, add headers ──> command ──> Broker
//!                          └─ rejected: Rejection
//! ```

mod access_cache;
mod client;
mod errors;
mod options;
mod publish;
mod settle;
mod subscribe;
pub(crate) mod temp_queues;
mod transaction;

pub use self::client::{Addresses, Client};
pub use self::options::Options;
pub use self::publish::{ERRORS, ReplyTo};
pub use self::subscribe::Subscribable;
pub use self::transaction::{
    TransactionLimits, TransactionName, TransactionState, Uncommittable, publish_texts_bytes, request_bytes,
    settle_texts_bytes,
};
