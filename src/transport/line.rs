//! One HTTP connection, as its requests share it: its seat, whether a receiver is attached, and a way to cut it.

use super::seats::Seat;
use parking_lot::Mutex;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
    receivers: AtomicUsize,
    /// Whether a request is being answered, so that the input may be its body.
    is_answering: AtomicBool,
    /// Whether an answer has begun or ended since the last call of [`Line::has_advanced`].
    has_advanced: AtomicBool,
}

/// Marks a connection as having a receiver of a SockJS session attached, until it is dropped.
#[derive(Debug)]
pub struct Attached(Arc<Line>);

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
        Line {
            place: Mutex::new(Some(place)),
            cut: Notify::new(),
            receivers: AtomicUsize::new(0),
            is_answering: AtomicBool::new(false),
            has_advanced: AtomicBool::new(false),
        }
    }

    /// Awaits `answer`, the answer to a request whose head is complete.
    pub async fn answer<T>(&self, answer: impl Future<Output = T>) -> T {
        self.set_answering(true);
        let answer = answer.await;
        self.set_answering(false);
        answer
    }

    fn set_answering(&self, is_answering: bool) {
        self.is_answering.store(is_answering, Ordering::Relaxed);
        self.has_advanced.store(true, Ordering::Relaxed);
    }

    /// Returns whether [`Line::answer`] is under way.
    pub(super) fn is_answering(&self) -> bool {
        self.is_answering.load(Ordering::Relaxed)
    }

    /// Returns whether [`Line::answer`] has begun or ended since the last call, and resets that.
    pub(super) fn has_advanced(&self) -> bool {
        self.has_advanced.swap(false, Ordering::Relaxed)
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

    /// Marks the connection as having a receiver attached: it ends when its client closes it, even with unread input.
    pub fn attach(self: &Arc<Line>) -> Attached {
        self.receivers.fetch_add(1, Ordering::Relaxed);
        Attached(self.clone())
    }

    /// Returns whether a receiver is attached.
    pub fn has_receiver(&self) -> bool {
        self.receivers.load(Ordering::Relaxed) > 0
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

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.receivers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::seats::Seats;

    #[test]
    fn a_refused_upgrade_leaves_the_seat_to_the_connection() {
        let [proxy, full, other] = [1, 2, 3].map(|last| IpAddr::from([127, 0, 0, last]));
        let seats = Seats::new(10, 1);
        let _taken = seats.take(full).expect("the first of its address");
        let line = Line::new(Place::Seat(seats.take_for_proxy(proxy).expect("room")));
        let limit = NoSeat::Full("connections-per-address-max");
        assert_eq!(line.take_seat(full).expect_err("the second"), limit);
        assert_eq!(line.take_seat(full).expect_err("the second still"), limit);
        let seat = line.take_seat(other).expect("the connection was not spoiled");
        assert_eq!((seat.address(), seats.taken()), (other, 2));
        assert_eq!(line.take_seat(other).expect_err("once"), NoSeat::Taken);
    }
}
