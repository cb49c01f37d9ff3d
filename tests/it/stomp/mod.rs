//! STOMP itself: commands, versions, receipts, errors and the ends of connections.

mod bad_input;
mod connect;
mod dialects;
mod endings;
mod errors;
mod heartbeats;
mod receipts;
mod reconnect;
mod soft_errors;
mod topics;
mod transactions;
mod versions;
