//! One HTTP connection, as its requests share it: its permit, whether a receiver is attached, and a way to cut it.

use super::connection_limiter::ConnectionPermit;
use parking_lot::Mutex;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::{Notify, OwnedSemaphorePermit};

/// What an HTTP connection sits on.
#[derive(Debug)]
pub enum Admission {
    /// A permit like every client's; an upgrade takes it along.
    ConnectionPermit(ConnectionPermit),
    /// A spare socket: there was no permit, because of this limit.
    Spare(&'static str, OwnedSemaphorePermit),
}

/// An HTTP connection.
#[derive(Debug)]
pub struct HttpConnection {
    admission: Mutex<Option<Admission>>,
    cut: Notify,
    receivers: AtomicUsize,
    /// Whether a request is being answered, so that the input may be its body.
    is_answering: AtomicBool,
    /// Whether an answer has begun or ended since the last call of [`HttpConnection::has_advanced`].
    has_advanced: AtomicBool,
}

/// Marks a connection as having a receiver of a SockJS session attached, until it is dropped.
#[derive(Debug)]
pub struct Attached(Arc<HttpConnection>);

/// Why a request cannot become a connection of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPermit {
    /// The limit of this option is met.
    Full(&'static str),
    /// This connection was upgraded already.
    Taken,
}

impl HttpConnection {
    /// A connection at `admission`.
    pub fn new(admission: Admission) -> HttpConnection {
        HttpConnection {
            admission: Mutex::new(Some(admission)),
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

    /// Returns whether [`HttpConnection::answer`] is under way.
    pub(super) fn is_answering(&self) -> bool {
        self.is_answering.load(Ordering::Relaxed)
    }

    /// Returns whether [`HttpConnection::answer`] has begun or ended since the last call, and resets that.
    pub(super) fn has_advanced(&self) -> bool {
        self.has_advanced.swap(false, Ordering::Relaxed)
    }

    /// The permit, for an upgrade by the client at `address`: it is the connection's no more, unless that client has
    /// too many.
    pub fn take_permit(&self, address: IpAddr) -> Result<ConnectionPermit, NoPermit> {
        let mut admission = self.admission.lock();
        let permit = match &*admission {
            Some(Admission::ConnectionPermit(permit)) => permit.moved(address).map_err(NoPermit::Full)?,
            Some(Admission::Spare(limit, _)) => return Err(NoPermit::Full(limit)),
            None => return Err(NoPermit::Taken),
        };
        *admission = None;
        Ok(permit)
    }

    /// The limit that left this connection without a permit, if it has none.
    pub fn limit(&self) -> Option<&'static str> {
        match &*self.admission.lock() {
            Some(Admission::Spare(limit, _)) => Some(limit),
            _ => None,
        }
    }

    /// Marks the connection as having a receiver attached: it ends when its client closes it, even with unread input.
    pub fn attach(self: &Arc<HttpConnection>) -> Attached {
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
    pub async fn cancelled(&self) {
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
    use crate::transport::connection_limiter::ConnectionLimiter;

    #[test]
    fn a_refused_upgrade_leaves_the_seat_to_the_connection() {
        let [proxy, full, other] = [1, 2, 3].map(|last| IpAddr::from([127, 0, 0, last]));
        let connection_limiter = ConnectionLimiter::new(10, 1);
        let _taken = connection_limiter.take(full).expect("the first of its address");
        let line = HttpConnection::new(Admission::ConnectionPermit(
            connection_limiter.take_for_proxy(proxy).expect("room"),
        ));
        let limit = NoPermit::Full("connections-per-address-max");
        assert_eq!(line.take_permit(full).expect_err("the second"), limit);
        assert_eq!(line.take_permit(full).expect_err("the second still"), limit);
        let permit = line.take_permit(other).expect("the connection was not spoiled");
        assert_eq!((permit.address(), connection_limiter.taken()), (other, 2));
        assert_eq!(line.take_permit(other).expect_err("once"), NoPermit::Taken);
    }
}
