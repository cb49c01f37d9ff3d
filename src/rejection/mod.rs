//! The reasons for which the broker rejects a request: one type for all requests and all sources of requests.
//!
//! A STOMP session turns a rejection into an ERROR frame and a close code. An HTTP request gets a status. All of them
//! and the metrics are derived from [`Rejection::code`] and [`Rejection::limit`], not from texts.

pub(crate) mod code;
pub(crate) mod limit;
mod quoted;
#[expect(clippy::module_inception, reason = "the file holds the type after which the module is named")]
pub(crate) mod rejection;
mod table;

pub use self::code::{Actor, Code};
pub use self::limit::Limit;
pub(crate) use self::quoted::Quoted;
pub use self::rejection::{Denial, Rejection};
pub(crate) use self::table::{limits, rejections};
