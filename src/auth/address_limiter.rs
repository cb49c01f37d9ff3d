//! Limits the number of concurrent checks of logins from one address.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A concurrency limiter with one semaphore for each address from which logins are being checked. The logins of an
/// address are admitted in FIFO order.
#[derive(Debug)]
pub(super) struct AddressLimiter {
    checks_max: usize,
    semaphores: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

/// The permit for the check of a login. Dropping it admits the next login of the address.
pub(super) struct AddressPermit<'a> {
    limiter: &'a AddressLimiter,
    address: IpAddr,
    permit: Option<OwnedSemaphorePermit>,
}

impl AddressLimiter {
    /// Creates a limiter that admits `checks_max` concurrent checks for each address.
    pub(super) fn new(checks_max: usize) -> AddressLimiter {
        AddressLimiter { checks_max, semaphores: Mutex::default() }
    }

    /// Waits until fewer than `checks_max` logins of the address are being checked.
    pub(super) async fn acquire(&self, address: IpAddr) -> AddressPermit<'_> {
        let semaphore = {
            let mut semaphores = self.semaphores.lock();
            semaphores.entry(address).or_insert_with(|| Arc::new(Semaphore::new(self.checks_max))).clone()
        };
        // Create the permit before the wait. If the login is abandoned meanwhile, dropping the permit removes the
        // semaphore.
        let mut address_permit = AddressPermit { limiter: self, address, permit: None };
        address_permit.permit = semaphore.acquire_owned().await.ok();
        address_permit
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.semaphores.lock().len()
    }
}

impl Drop for AddressPermit<'_> {
    fn drop(&mut self) {
        let mut semaphores = self.limiter.semaphores.lock();
        drop(self.permit.take());
        // Each login that waits or is being checked holds a clone of the semaphore. If the map holds the only one, no
        // login needs it.
        if semaphores.get(&self.address).is_some_and(|semaphore| Arc::strong_count(semaphore) == 1) {
            semaphores.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn logins_of_one_address_pass_in_order_and_others_do_not_wait() {
        let limiter = AddressLimiter::new(2);
        let (here, there) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let (first, second) = (limiter.acquire(here).await, limiter.acquire(here).await);
        let (mut third, mut fourth) = (Box::pin(limiter.acquire(here)), Box::pin(limiter.acquire(here)));
        assert!(
            futures_util::poll!(&mut third).is_pending() && futures_util::poll!(&mut fourth).is_pending()
        );
        drop(limiter.acquire(there).await);
        drop(first);
        assert!(futures_util::poll!(&mut fourth).is_pending(), "the third login passes first");
        let third = third.await;
        drop(fourth);
        assert_eq!(limiter.len(), 1);
        drop((second, third));
        assert_eq!(limiter.len(), 0, "an address without logins has no state");
    }
}
