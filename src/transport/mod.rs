//! Clients' sockets: the only room, besides hyper, that reads and writes them.
//!
//! One task owns a connection ([`drive`]): it reads frames and has the session judge them, does what the
//! session wishes, takes parcels out of the outbox and writes them, batch by batch. What octets mean on the
//! way is a [`wire`]: [`tcp`] and [`websocket`] now.

mod close;
pub mod coalesce;
pub mod drive;
mod hub;
mod pause;
mod perform;
mod scratch;
mod seats;
pub mod sockets;
pub mod tcp;
pub mod websocket;
pub mod wire;

pub use hub::{Hub, Options, Parts as HubParts, random_name};
pub use seats::{Seat, Seats};
