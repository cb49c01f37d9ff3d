//! One STOMP session, sans-IO. Inputs are frames, the time, and results of earlier actions; outputs are [`Action`]s.
//!
//! ```text
//!                  CONNECT, STOMP                       authenticated(Ok)
//!  Connecting ----------------------> Authenticating ----------------------> Connected
//!      |        Authenticate               |                CONNECTED,           |   |
//!      |                                   |                Established          |   | DISCONNECT while
//!      | any other frame,                  | authenticated(Err)                  |   | receipts are pending
//!      | connect timeout                   |                        DISCONNECT,  |   v
//!      |                                   |                        a frame that | Leaving
//!      |                                   |                        breaks a rule|   | the last pending
//!      |                                   |                        or a limit,  |   | receipt is complete
//!      v                                   v                        no heartbeat v   v
//!    Closed <------------------------------+-------------------------------------+---+
//!         ERROR if a frame is rejected or the session fails, then Close.
//!         `close_with_error` leads here from every state, `malformed` from every state but Leaving.
//! ```
//!
//! In `Closed` the session handles no frame and emits no action, so frames after DISCONNECT or after a rejected frame
//! are never executed. The caller must execute the actions of one call before the next call, because the failure of an
//! action may close the session.
//!
//! A session does not use sockets, clocks, random numbers or logs. Time is the argument `now`. Unguessable names come
//! from a function that is passed to [`Session::new`]. The session does not use the broker either: it requests
//! operations on messages as actions, and the caller reports the result with [`Session::complete`] or
//! [`Session::close_with_error`].
//!
//! Where the specification leaves a choice:
//!
//! - `host` may have any value or be missing.
//! - In 1.2 the `id` of an ACK may also be a `message-id`.
//! - An ACK for a subscription in auto mode is ignored.
//! - UNSUBSCRIBE of an unknown subscription succeeds without an effect.
//! - The values of `ack` differ between sessions. A value that a client has kept from its previous connection therefore
//!   settles nothing on the next one.
//!
//! [`extensions`] handles headers of other brokers, which STOMP does not define.

mod access_cache;
mod action;
mod closing;
mod errors;
pub mod extensions;
mod handlers;
mod machine;
mod options;
mod receipts;
mod state;
mod subscriptions;
mod temp;
mod timers;
mod transactions;
mod unsettled;

#[cfg(test)]
mod tests;

pub use action::{
    Action, CommitOperation, DeliveryAction, Disposition, Publish, Receipt, RejectedAction, SendTarget,
    Settle, Subscribe,
};
pub use closing::{Closing, Slowness};
pub use errors::ErrorReply;
pub use machine::Session;
pub use options::Options;
