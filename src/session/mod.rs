//! One STOMP session. It does no input and output itself. Its inputs are frames, the time, and results of earlier
//! actions. Its outputs are [`Action`]s.
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
//! In `Closed`, the session handles no frame and emits no action. Frames after DISCONNECT or after a rejected frame are
//! therefore never executed. The caller must execute the actions of one call before the next call. The failure of an
//! action may close the session.
//!
//! A session does not use sockets, clocks, random numbers or logs. Time is the argument `now`. A function that the
//! caller passes to [`Session::new`] returns unguessable names. The session does not use the broker either. It requests
//! operations on messages as actions. The caller reports the result with [`Session::complete`],
//! [`Session::action_rejected`] or [`Session::close_with_error`].
//!
//! The specification leaves some choices. Stompbox makes them as follows:
//!
//! - `host` may have any value or be missing.
//! - In version 1.2, the `id` of an ACK may also be a `message-id`.
//! - An ACK for a subscription in auto mode is ignored.
//! - UNSUBSCRIBE of an unknown subscription succeeds without an effect.
//! - The values of `ack` differ between sessions. A client may keep a value from its previous connection. On the next
//!   connection, this value settles nothing.
//!
//! [`extensions`] handles headers that other brokers use and that STOMP does not define.

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
mod timers;
mod transactions;
mod unsettled;

#[cfg(test)]
mod tests;

pub use action::{Action, DeliveryAction, Receipt, RejectedAction};
pub use closing::{Closing, Slowness};
pub use errors::ErrorReply;
pub use machine::Session;
pub use options::Options;
