//! How many connections there may be, in all and per address.

use dashmap::DashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Acquire},
};

/// Counts connections (or sessions); shared by all listeners.
#[derive(Debug)]
pub struct Seats {
    taken: AtomicUsize,
    by_address: DashMap<IpAddr, usize>,
    connections_max: usize,
    per_address_max: usize,
    /// The options of the two limits.
    names: [&'static str; 2],
}

/// The right to be connected, given back when the last of its clones is dropped.
#[derive(Clone, Debug)]
pub struct Seat {
    taken: Arc<Taken>,
}

#[derive(Debug)]
struct Taken {
    seats: Arc<Seats>,
    address: IpAddr,
}

impl Seats {
    /// Room for `connections_max` connections, `per_address_max` of them from one address (0: as many as
    /// there is room).
    pub fn new(connections_max: usize, per_address_max: usize) -> Arc<Seats> {
        Seats::named(connections_max, per_address_max, ["connections-max", "connections-per-address-max"])
    }

    /// The same, with limits of other options.
    pub fn named(connections_max: usize, per_address_max: usize, names: [&'static str; 2]) -> Arc<Seats> {
        Arc::new(Seats {
            taken: AtomicUsize::new(0),
            by_address: DashMap::new(),
            connections_max,
            per_address_max,
            names,
        })
    }

    /// A seat for a client at `address`, or the option whose limit is met.
    pub fn take(self: &Arc<Seats>, address: IpAddr) -> Result<Seat, &'static str> {
        self.take_one()?;
        self.enter(address, self.per_address_max)
    }

    fn take_one(&self) -> Result<(), &'static str> {
        if self.taken.fetch_add(1, AcqRel) >= self.connections_max {
            self.taken.fetch_sub(1, AcqRel);
            return Err(self.names[0]);
        }
        Ok(())
    }

    /// A seat for a proxy's connection: the clients behind it count when they are known, see [`Seat::moved`].
    pub fn take_for_proxy(self: &Arc<Seats>, address: IpAddr) -> Result<Seat, &'static str> {
        self.take_one()?;
        self.enter(address, 0)
    }

    /// A place that is taken already is this address's, if it may have one more.
    fn enter(self: &Arc<Seats>, address: IpAddr, per_address_max: usize) -> Result<Seat, &'static str> {
        let mut count = self.by_address.entry(address).or_insert(0);
        *count += 1;
        let over = per_address_max > 0 && *count > per_address_max;
        drop(count);
        let seat = Seat { taken: Arc::new(Taken { seats: self.clone(), address }) };
        if over { Err(self.names[1]) } else { Ok(seat) }
    }

    /// Seats taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Acquire)
    }
}

impl Seat {
    /// Whose it is.
    pub fn address(&self) -> IpAddr {
        self.taken.address
    }

    /// A seat in place of this one for another address, that of the client behind a proxy; the limit's option if
    /// that has too many.
    pub fn moved(&self, address: IpAddr) -> Result<Seat, &'static str> {
        if address == self.address() {
            return Ok(self.clone());
        }
        // One more for a moment: this seat is given back only when the other one is taken.
        let seats = &self.taken.seats;
        seats.taken.fetch_add(1, AcqRel);
        seats.enter(address, seats.per_address_max)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.seats.taken.fetch_sub(1, AcqRel);
        if let Some(mut count) = self.seats.by_address.get_mut(&self.address) {
            *count -= 1;
        }
        self.seats.by_address.remove_if(&self.address, |_, count| *count == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const fn address(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
    }

    #[test]
    fn seats_are_limited_in_all_and_per_address_and_come_back() {
        let seats = Seats::new(3, 2);
        let first = seats.take(address(1)).expect("room");
        let second = seats.take(address(1)).expect("room");
        assert_eq!(seats.take(address(1)).expect_err("two per address"), "connections-per-address-max");
        let third = seats.take(address(2)).expect("room");
        assert_eq!(seats.take(address(3)).expect_err("three in all"), "connections-max");
        drop(first);
        let again = seats.take(address(1)).expect("room again");
        drop((second, third, again));
        assert_eq!((seats.taken(), seats.by_address.len()), (0, 0));
    }
}
