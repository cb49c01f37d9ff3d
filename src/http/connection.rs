//! State that the requests on one HTTP connection share. It has the connection permit, the number of attached
//! receivers, and a way to end the connection.

use crate::limits::connection_limiter::ConnectionPermit;
use crate::rejection::Limit;
use parking_lot::Mutex;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::{Notify, OwnedSemaphorePermit};

/// The way in which an HTTP connection was admitted.
#[derive(Debug)]
pub enum Admission {
    /// The connection has a connection permit. An upgrade takes the permit over.
    ConnectionPermit(ConnectionPermit),
    /// The connection has one of the few spare sockets and no connection permit. This limit is reached.
    Spare(Limit, #[allow(dead_code, reason = "held until the connection ends")] OwnedSemaphorePermit),
}

/// The shared state of one HTTP connection.
#[derive(Debug)]
pub struct HttpConnection {
    admission: Mutex<Option<Admission>>,
    aborted: Notify,
    receivers: AtomicUsize,
    /// Whether a request is being answered. Input that arrives in this time may be the body of the request.
    is_answering: AtomicBool,
    /// Whether answering a request has begun or ended since the last call of [`HttpConnection::answering_changed`].
    answering_changed: AtomicBool,
}

/// Marks the connection as having a receiver of a SockJS session attached, until this value is dropped.
#[derive(Debug)]
pub struct AttachedReceiver(Arc<HttpConnection>);

/// The reason why a request cannot be upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeError {
    /// This limit is reached.
    LimitReached(Limit),
    /// The connection has already been upgraded.
    AlreadyUpgraded,
}

impl HttpConnection {
    /// Creates the state of a connection with this `admission`.
    pub fn new(admission: Admission) -> HttpConnection {
        HttpConnection {
            admission: Mutex::new(Some(admission)),
            aborted: Notify::new(),
            receivers: AtomicUsize::new(0),
            is_answering: AtomicBool::new(false),
            answering_changed: AtomicBool::new(false),
        }
    }

    /// Runs `answer`, which answers a request. The head of the request must be complete.
    pub async fn answer<T>(&self, answer: impl Future<Output = T>) -> T {
        self.set_answering(true);
        let answer = answer.await;
        self.set_answering(false);
        answer
    }

    fn set_answering(&self, is_answering: bool) {
        self.is_answering.store(is_answering, Ordering::Relaxed);
        self.answering_changed.store(true, Ordering::Relaxed);
    }

    /// Returns whether [`HttpConnection::answer`] is running.
    pub(crate) fn is_answering(&self) -> bool {
        self.is_answering.load(Ordering::Relaxed)
    }

    /// Returns whether [`HttpConnection::answer`] has begun or ended since the last call of this function.
    pub(crate) fn answering_changed(&self) -> bool {
        self.answering_changed.swap(false, Ordering::Relaxed)
    }

    /// Takes the permit, because the connection is upgraded by the client at `address`. The client may be behind a
    /// proxy.
    ///
    /// # Errors
    /// Returns an error if there is no permit, or if `address` has too many connections. If `address` has too many, the
    /// HTTP connection keeps its permit.
    pub fn take_permit(&self, address: IpAddr) -> Result<ConnectionPermit, UpgradeError> {
        let mut admission = self.admission.lock();
        let permit = match &*admission {
            Some(Admission::ConnectionPermit(permit)) => {
                permit.for_address(address).map_err(UpgradeError::LimitReached)?
            }
            Some(Admission::Spare(limit, _)) => return Err(UpgradeError::LimitReached(*limit)),
            None => return Err(UpgradeError::AlreadyUpgraded),
        };
        *admission = None;
        Ok(permit)
    }

    /// Returns the limit that left this connection without a permit. Returns `None` if the connection has a
    /// permit.
    pub fn limit(&self) -> Option<Limit> {
        match &*self.admission.lock() {
            Some(Admission::Spare(limit, _)) => Some(*limit),
            _ => None,
        }
    }

    /// Marks the connection as having a receiver attached, until the returned value is dropped. Such a connection ends
    /// when its client closes it, even if input is unread.
    pub fn attach(self: &Arc<HttpConnection>) -> AttachedReceiver {
        self.receivers.fetch_add(1, Ordering::Relaxed);
        AttachedReceiver(self.clone())
    }

    /// Returns whether a receiver is attached.
    pub fn has_receiver(&self) -> bool {
        self.receivers.load(Ordering::Relaxed) > 0
    }

    /// Ends the connection at once, even if it has output to write.
    pub fn abort(&self) {
        self.aborted.notify_one();
    }

    /// Waits until [`HttpConnection::abort`] is called.
    pub async fn aborted(&self) {
        self.aborted.notified().await;
    }
}

impl Drop for AttachedReceiver {
    fn drop(&mut self) {
        self.0.receivers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::connection_limiter::ConnectionLimiter;

    #[test]
    fn rejected_upgrade_keeps_the_permit_of_the_http_connection() {
        let [proxy, full, other] = [1, 2, 3].map(|last| IpAddr::from([127, 0, 0, last]));
        let connection_limiter = ConnectionLimiter::new(10, 1);
        let _taken = connection_limiter.acquire(full).expect("the first permit of this address");
        let connection = HttpConnection::new(Admission::ConnectionPermit(
            connection_limiter.acquire_for_proxy(proxy).expect("a permit is available"),
        ));
        let limit = UpgradeError::LimitReached(Limit::ConnectionsPerAddress);
        assert_eq!(connection.take_permit(full).expect_err("the second permit of this address"), limit);
        assert_eq!(connection.take_permit(full).expect_err("the second attempt"), limit);
        let permit = connection.take_permit(other).expect("the connection is still usable");
        assert_eq!((permit.address(), connection_limiter.in_use()), (other, 2));
        assert_eq!(
            connection.take_permit(other).expect_err("the permit is already taken"),
            UpgradeError::AlreadyUpgraded
        );
    }
}
