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
pub struct ConnectionLimiter {
    taken: AtomicUsize,
    by_address: DashMap<IpAddr, usize>,
    connections_max: usize,
    per_address_max: usize,
    /// The options of the two limits.
    names: [&'static str; 2],
}

/// The right to be connected, given back when the last of its clones is dropped.
#[derive(Clone, Debug)]
pub struct ConnectionPermit {
    taken: Arc<Taken>,
}

#[derive(Debug)]
struct Taken {
    connection_limiter: Arc<ConnectionLimiter>,
    address: IpAddr,
}

impl ConnectionLimiter {
    /// Room for `connections_max` connections, `per_address_max` of them from one address (0: as many as
    /// there is room).
    pub fn new(connections_max: usize, per_address_max: usize) -> Arc<ConnectionLimiter> {
        ConnectionLimiter::named(
            connections_max,
            per_address_max,
            ["connections-max", "connections-per-address-max"],
        )
    }

    /// The same, with limits of other options.
    pub fn named(
        connections_max: usize,
        per_address_max: usize,
        names: [&'static str; 2],
    ) -> Arc<ConnectionLimiter> {
        Arc::new(ConnectionLimiter {
            taken: AtomicUsize::new(0),
            by_address: DashMap::new(),
            connections_max,
            per_address_max,
            names,
        })
    }

    /// A permit for a client at `address`, or the option whose limit is met.
    pub fn take(self: &Arc<ConnectionLimiter>, address: IpAddr) -> Result<ConnectionPermit, &'static str> {
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

    /// A permit for a proxy's connection: the clients behind it count when they are known, see [`ConnectionPermit::moved`].
    pub fn take_for_proxy(
        self: &Arc<ConnectionLimiter>,
        address: IpAddr,
    ) -> Result<ConnectionPermit, &'static str> {
        self.take_one()?;
        self.enter(address, 0)
    }

    /// A place that is taken already is this address's, if it may have one more.
    fn enter(
        self: &Arc<ConnectionLimiter>,
        address: IpAddr,
        per_address_max: usize,
    ) -> Result<ConnectionPermit, &'static str> {
        let mut count = self.by_address.entry(address).or_insert(0);
        *count += 1;
        let over = per_address_max > 0 && *count > per_address_max;
        drop(count);
        let permit =
            ConnectionPermit { taken: Arc::new(Taken { connection_limiter: self.clone(), address }) };
        if over { Err(self.names[1]) } else { Ok(permit) }
    }

    /// ConnectionLimiter taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Acquire)
    }
}

impl ConnectionPermit {
    /// Whose it is.
    pub fn address(&self) -> IpAddr {
        self.taken.address
    }

    /// A permit in place of this one for another address, that of the client behind a proxy; the limit's option if
    /// that has too many.
    pub fn moved(&self, address: IpAddr) -> Result<ConnectionPermit, &'static str> {
        if address == self.address() {
            return Ok(self.clone());
        }
        // One more for a moment: this permit is given back only when the other one is taken.
        let connection_limiter = &self.taken.connection_limiter;
        connection_limiter.taken.fetch_add(1, AcqRel);
        connection_limiter.enter(address, connection_limiter.per_address_max)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.connection_limiter.taken.fetch_sub(1, AcqRel);
        if let Some(mut count) = self.connection_limiter.by_address.get_mut(&self.address) {
            *count -= 1;
        }
        self.connection_limiter.by_address.remove_if(&self.address, |_, count| *count == 0);
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
        let connection_limiter = ConnectionLimiter::new(3, 2);
        let first = connection_limiter.take(address(1)).expect("room");
        let second = connection_limiter.take(address(1)).expect("room");
        assert_eq!(
            connection_limiter.take(address(1)).expect_err("two per address"),
            "connections-per-address-max"
        );
        let third = connection_limiter.take(address(2)).expect("room");
        assert_eq!(connection_limiter.take(address(3)).expect_err("three in all"), "connections-max");
        drop(first);
        let again = connection_limiter.take(address(1)).expect("room again");
        drop((second, third, again));
        assert_eq!((connection_limiter.taken(), connection_limiter.by_address.len()), (0, 0));
    }
}
