//! Limits the number of logins of one address that are checked at the same time.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One gate (semaphore) for each address from which logins are being checked. Waiting logins are admitted in FIFO
/// order.
#[derive(Debug)]
pub(super) struct Gates {
    width: usize,
    gates: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

/// The permit of a login that has passed the gate. Dropping it admits the next login.
pub(super) struct GatePermit<'a> {
    gates: &'a Gates,
    address: IpAddr,
    permit: Option<OwnedSemaphorePermit>,
}

impl Gates {
    /// Creates gates that admit `width` logins of each address at the same time.
    pub(super) fn new(width: usize) -> Gates {
        Gates { width, gates: Mutex::default() }
    }

    /// Waits until the gate of the address admits the login.
    pub(super) async fn enter(&self, address: IpAddr) -> GatePermit<'_> {
        let gate = {
            let mut gates = self.gates.lock();
            gates.entry(address).or_insert_with(|| Arc::new(Semaphore::new(self.width))).clone()
        };
        // Create the permit before the wait, so that a login that is abandoned during the wait removes its gate.
        let mut gate_permit = GatePermit { gates: self, address, permit: None };
        gate_permit.permit = gate.acquire_owned().await.ok();
        gate_permit
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.gates.lock().len()
    }
}

impl Drop for GatePermit<'_> {
    fn drop(&mut self) {
        let mut gates = self.gates.gates.lock();
        drop(self.permit.take());
        // Every login that waits at the gate or has passed it holds a clone. If the map holds the only one, no login
        // needs the gate.
        if gates.get(&self.address).is_some_and(|gate| Arc::strong_count(gate) == 1) {
            gates.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn logins_of_one_address_pass_in_order_and_others_do_not_wait() {
        let gates = Gates::new(2);
        let (here, there) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let (first, second) = (gates.enter(here).await, gates.enter(here).await);
        let (mut third, mut fourth) = (Box::pin(gates.enter(here)), Box::pin(gates.enter(here)));
        assert!(
            futures_util::poll!(&mut third).is_pending() && futures_util::poll!(&mut fourth).is_pending()
        );
        drop(gates.enter(there).await);
        drop(first);
        assert!(futures_util::poll!(&mut fourth).is_pending(), "the third login passes first");
        let third = third.await;
        drop(fourth);
        assert_eq!(gates.len(), 1);
        drop((second, third));
        assert_eq!(gates.len(), 0, "an address without logins has no state");
    }
}
