//! The requests that a client makes of the broker: one type for each kind of request.
//!
//! A command is complete and permitted. Its source, such as a STOMP session, has resolved the destinations, has checked
//! the permissions, and has added the headers that only the broker may set. The broker executes the command, and does
//! not know its source.

mod publish;
mod settle;
mod step;
mod subscribe;

pub use self::publish::{Audience, Publish};
pub use self::settle::{Settle, Settlement};
pub use self::step::Step;
pub use self::subscribe::{ConsumerOptions, Subscribe};
