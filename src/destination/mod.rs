//! Destination names and wildcard patterns, parsed once when a frame arrives.
//!
//! ```text
//! destination = "/topic/" name | "/queue/" name | "/temp-queue/" name | "/app/" name
//!             | "/user/" path                    ; a destination of the client's own user
//!             | "/user/" owner "/" path          ; a destination of that user, or of that session
//!             | "/users/" path                   ; the destinations of the users in the header `to`
//!             | "/presence/users" | "/presence/topic/" name
//!             | "/auth/refresh"
//! path        = ( "queue" | "topic" ) "/" name
//! owner       = 1*byte, without "/"              ; percent-encoded; "~" before the ID of a session
//! name        = segment *( ( "/" | "." ) segment )
//! segment     = 1*byte, without "/" and "."      ; control characters are bytes like any other
//! wildcard    = "*"                              ; one segment
//!             | "**" | "#" | ">"                 ; zero or more segments
//! ```
//!
//! Names are compared byte by byte: `/topic/a.b` and `/topic/a/b` are two topics. For wildcards, both `/` and `.`
//! separate segments. An `owner` is always one segment. A wildcard is a whole segment. It is valid only in a SUBSCRIBE
//! to `/topic/…`, `/app/…` or the client's own `/user/…`. No other segment may contain `*`, so that no client mistakes
//! `a*` for a pattern.
//!
//! A client writes an [`Address`]. The broker resolves the owner of a user destination, and then routes by the
//! [`Destination`].

mod address;
#[expect(clippy::module_inception, reason = "the file of the type that the module is named after")]
mod destination;
mod dialect;
mod error;
mod family;
pub(crate) mod matcher;
mod name;
mod owner;
mod pattern;
mod segment;
mod selector;
#[cfg(test)]
mod tests;

pub use address::{Address, AddressOwner, UserPath, recipients};
pub use destination::Destination;
pub use dialect::reject_activemq_forms;
pub use family::{DestinationKind, Routing};
pub use owner::Owner;
pub(crate) use owner::percent_decode;
pub use pattern::Pattern;
pub use segment::Segment;
pub use selector::Selector;
