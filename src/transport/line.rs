//! One HTTP connection, as its requests share it: its seat, and a way to cut it.

use super::seats::Seat;
use parking_lot::Mutex;
use std::net::IpAddr;
use tokio::sync::{Notify, OwnedSemaphorePermit};

/// What an HTTP connection sits on.
#[derive(Debug)]
pub enum Place {
    /// A seat like every client's; an upgrade takes it along.
    Seat(Seat),
    /// A spare socket: there was no seat, because of this limit.
    Spare(&'static str, OwnedSemaphorePermit),
}

/// An HTTP connection.
#[derive(Debug)]
pub struct Line {
    place: Mutex<Option<Place>>,
    cut: Notify,
}

/// Why a request cannot become a connection of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSeat {
    /// The limit of this option is met.
    Full(&'static str),
    /// This connection was upgraded already.
    Taken,
}

impl Line {
    /// A connection at `place`.
    pub fn new(place: Place) -> Line {
        Line { place: Mutex::new(Some(place)), cut: Notify::new() }
    }

    /// The seat, for an upgrade by the client at `address`: it is the connection's no more, unless that client has
    /// too many.
    pub fn take_seat(&self, address: IpAddr) -> Result<Seat, NoSeat> {
        let mut place = self.place.lock();
        let seat = match &*place {
            Some(Place::Seat(seat)) => seat.moved(address).map_err(NoSeat::Full)?,
            Some(Place::Spare(limit, _)) => return Err(NoSeat::Full(limit)),
            None => return Err(NoSeat::Taken),
        };
        *place = None;
        Ok(seat)
    }

    /// The limit that left this connection without a seat, if it has none.
    pub fn limit(&self) -> Option<&'static str> {
        match &*self.place.lock() {
            Some(Place::Spare(limit, _)) => Some(limit),
            _ => None,
        }
    }

    /// Ends the connection, whatever it is writing.
    pub fn cut(&self) {
        self.cut.notify_one();
    }

    /// Ready when the connection is to be ended at once.
    pub async fn is_cut(&self) {
        self.cut.notified().await;
    }
}
