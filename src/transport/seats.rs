//! How many connections there may be, in all and per address.

use dashmap::DashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Acquire},
};

/// Counts connections; shared by all listeners.
#[derive(Debug)]
pub struct Seats {
    taken: AtomicUsize,
    by_address: DashMap<IpAddr, usize>,
    connections_max: usize,
    per_address_max: usize,
}

/// The right to be connected, given back when dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    address: IpAddr,
}

impl Seats {
    /// Room for `connections_max` connections, `per_address_max` of them from one address (0: as many as
    /// there is room).
    pub fn new(connections_max: usize, per_address_max: usize) -> Arc<Seats> {
        Arc::new(Seats {
            taken: AtomicUsize::new(0),
            by_address: DashMap::new(),
            connections_max,
            per_address_max,
        })
    }

    /// A seat for a client at `address`, or the option whose limit is met.
    pub fn take(self: &Arc<Seats>, address: IpAddr) -> Result<Seat, &'static str> {
        if self.taken.fetch_add(1, AcqRel) >= self.connections_max {
            self.taken.fetch_sub(1, AcqRel);
            return Err("connections-max");
        }
        let mut count = self.by_address.entry(address).or_insert(0);
        *count += 1;
        let over = self.per_address_max > 0 && *count > self.per_address_max;
        drop(count);
        let seat = Seat { seats: self.clone(), address };
        if over { Err("connections-per-address-max") } else { Ok(seat) }
    }

    /// Seats taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Acquire)
    }
}

impl Seat {
    /// Whose it is.
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

impl Drop for Seat {
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
