//! Limits the number of connections, in total and per address.

use crate::rejection::Limit;
use dashmap::DashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel};

/// A limiter of connections (or SockJS sessions), shared by all listeners.
#[derive(Debug)]
pub struct ConnectionLimiter {
    in_use: AtomicUsize,
    by_address: DashMap<IpAddr, usize>,
    connections_max: usize,
    per_address_max: usize,
    /// The two limits: in total, and per address.
    limits: [Limit; 2],
}

/// A permit for one connection. Dropping its last clone releases it.
#[derive(Clone, Debug)]
pub struct ConnectionPermit {
    slot: Arc<Slot>,
}

#[derive(Debug)]
struct Slot {
    connection_limiter: Arc<ConnectionLimiter>,
    address: IpAddr,
}

impl ConnectionLimiter {
    /// Creates a limiter for `connections_max` connections in total and `per_address_max` connections from one address
    /// (0: no limit per address).
    pub fn new(connections_max: usize, per_address_max: usize) -> Arc<ConnectionLimiter> {
        let limits = [Limit::Connections, Limit::ConnectionsPerAddress];
        ConnectionLimiter::with_limits(connections_max, per_address_max, limits)
    }

    /// Creates a limiter like [`ConnectionLimiter::new`] whose errors are `limits`.
    pub fn with_limits(
        connections_max: usize,
        per_address_max: usize,
        limits: [Limit; 2],
    ) -> Arc<ConnectionLimiter> {
        Arc::new(ConnectionLimiter {
            in_use: AtomicUsize::new(0),
            by_address: DashMap::new(),
            connections_max,
            per_address_max,
            limits,
        })
    }

    /// Acquires a permit for a client at `address`.
    ///
    /// # Errors
    /// Returns the limit that is reached.
    pub fn acquire(self: &Arc<ConnectionLimiter>, address: IpAddr) -> Result<ConnectionPermit, Limit> {
        self.acquire_total()?;
        self.assign(address, self.per_address_max)
    }

    fn acquire_total(&self) -> Result<(), Limit> {
        if self.in_use.fetch_add(1, AcqRel) >= self.connections_max {
            self.in_use.fetch_sub(1, AcqRel);
            return Err(self.limits[0]);
        }
        Ok(())
    }

    /// Acquires a permit for a connection of a proxy. The limit per address does not apply to proxies. It applies to
    /// the client behind the proxy once its address is known, see [`ConnectionPermit::for_address`].
    ///
    /// # Errors
    /// Returns the limit that is reached.
    pub fn acquire_for_proxy(
        self: &Arc<ConnectionLimiter>,
        address: IpAddr,
    ) -> Result<ConnectionPermit, Limit> {
        self.acquire_total()?;
        self.assign(address, 0)
    }

    /// Assigns a connection that is already counted in `in_use` to `address`.
    ///
    /// # Errors
    /// Returns the limit if the address has too many connections. In this case the connection is
    /// no longer counted in `in_use`.
    fn assign(
        self: &Arc<ConnectionLimiter>,
        address: IpAddr,
        per_address_max: usize,
    ) -> Result<ConnectionPermit, Limit> {
        let mut count = self.by_address.entry(address).or_insert(0);
        *count += 1;
        let is_over = per_address_max > 0 && *count > per_address_max;
        drop(count);
        let permit = ConnectionPermit { slot: Arc::new(Slot { connection_limiter: self.clone(), address }) };
        if is_over { Err(self.limits[1]) } else { Ok(permit) }
    }

    /// Returns the number of permits in use.
    #[cfg(any(test, feature = "internals"))]
    pub fn in_use(&self) -> usize {
        self.in_use.load(std::sync::atomic::Ordering::Acquire)
    }
}

impl ConnectionPermit {
    /// Returns the address that the permit counts for.
    pub fn address(&self) -> IpAddr {
        self.slot.address
    }

    /// Returns a permit for `address`, which is the client's address behind a proxy. The caller uses it in place of
    /// this permit.
    ///
    /// # Errors
    /// Returns the limit if `address` has too many connections.
    pub fn for_address(&self, address: IpAddr) -> Result<ConnectionPermit, Limit> {
        if address == self.address() {
            return Ok(self.clone());
        }
        // Until the caller drops this permit, the connection counts twice. The total is therefore not checked again.
        let connection_limiter = &self.slot.connection_limiter;
        connection_limiter.in_use.fetch_add(1, AcqRel);
        connection_limiter.assign(address, connection_limiter.per_address_max)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connection_limiter.in_use.fetch_sub(1, AcqRel);
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
    fn permits_are_limited_in_total_and_per_address_and_are_returned() {
        let connection_limiter = ConnectionLimiter::new(3, 2);
        let first = connection_limiter.acquire(address(1)).expect("a permit is available");
        let second = connection_limiter.acquire(address(1)).expect("a permit is available");
        assert_eq!(
            connection_limiter.acquire(address(1)).expect_err("two permits per address"),
            Limit::ConnectionsPerAddress
        );
        let third = connection_limiter.acquire(address(2)).expect("a permit is available");
        assert_eq!(
            connection_limiter.acquire(address(3)).expect_err("three permits in total"),
            Limit::Connections
        );
        drop(first);
        let again = connection_limiter.acquire(address(1)).expect("a permit was returned");
        drop((second, third, again));
        assert_eq!((connection_limiter.in_use(), connection_limiter.by_address.len()), (0, 0));
    }
}
