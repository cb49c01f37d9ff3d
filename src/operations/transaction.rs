//! An open transaction: its size, its limits, and the reason for which it cannot be committed. The caller keeps the
//! requests themselves.

use crate::budget::allocation;
use crate::command::{Audience, Publish, Step};
use crate::destination::Owner;
use crate::outbound_queue::Tag;
use crate::rejection::{Quoted, Rejection};
use std::fmt;

/// Bytes for each recipient of a message to many users: the [`Owner`], and the allocation of a short name. The actual
/// length of the name does not count.
const RECIPIENT_BYTES: usize = size_of::<Owner>() + 32;

/// Limits of the open transactions of a client.
#[derive(Clone, Copy, Debug)]
pub struct TransactionLimits {
    /// Largest number of requests in one transaction (`transaction-frames-max`).
    pub frames_max: usize,
    /// Largest size in bytes of the requests in all open transactions of the client (`transaction-bytes-max`).
    pub bytes_max: usize,
}

/// The reason for which a transaction cannot be committed.
#[derive(Debug)]
pub enum Uncommittable {
    /// The transaction settles deliveries of a subscription that has ended. The value is the subscription's name.
    SubscriptionEnded(Box<str>),
    /// A request of the transaction was rejected.
    FrameRejected,
}

/// The name of a transaction in the text of a rejection: `transaction "NAME"`, or `transaction` if it has no name.
#[derive(Clone, Copy, Debug)]
pub struct TransactionName<'a>(pub Option<&'a str>);

/// The size of an open transaction, and whether it can be committed.
#[derive(Debug, Default)]
pub struct TransactionState {
    requests: usize,
    /// Bytes that the client sent, for `transaction-bytes-max`.
    bytes: usize,
    /// Bytes that the broker adds to the requests, such as resolved destinations.
    texts_bytes: usize,
    /// The reason for which the transaction cannot be committed. `None` if it can be committed.
    uncommittable: Option<Uncommittable>,
}

impl TransactionState {
    /// Bytes for each request, in addition to its size and to the data that the broker adds.
    const OVERHEAD_BYTES: usize = size_of::<Step>() + size_of::<Publish>();

    /// Checks that a request of `bytes` bytes may be added. All open transactions of the client have `all_bytes` bytes.
    ///
    /// # Errors
    /// A limit would be exceeded.
    pub fn check_capacity(
        &self,
        name: TransactionName<'_>,
        limits: TransactionLimits,
        all_bytes: usize,
        bytes: usize,
    ) -> Result<(), Rejection> {
        if self.requests >= limits.frames_max {
            return Err(Rejection::transaction_frames(name, limits.frames_max));
        }
        if all_bytes.saturating_add(bytes) > limits.bytes_max {
            return Err(Rejection::transaction_bytes(limits.bytes_max));
        }
        Ok(())
    }

    /// Counts a request of `bytes` bytes, to which the broker adds `texts_bytes` bytes ([`publish_texts_bytes`],
    /// [`settle_texts_bytes`]). Returns the memory of the request in bytes.
    pub fn add(&mut self, bytes: usize, texts_bytes: usize) -> usize {
        self.requests += 1;
        self.bytes += bytes;
        self.texts_bytes += texts_bytes;
        bytes + Self::OVERHEAD_BYTES + texts_bytes
    }

    /// Returns the bytes that the client sent.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the memory of the requests in bytes.
    pub fn held_bytes(&self) -> usize {
        self.bytes + self.requests * Self::OVERHEAD_BYTES + self.texts_bytes
    }

    /// Records that the transaction cannot be committed. The first reason counts.
    pub fn mark_uncommittable(&mut self, reason: Uncommittable) {
        self.uncommittable.get_or_insert(reason);
    }

    /// Returns whether the transaction can be committed.
    pub fn is_committable(&self) -> bool {
        self.uncommittable.is_none()
    }

    /// Checks that the transaction can be committed.
    ///
    /// # Errors
    /// A request of the transaction was rejected, or a subscription whose deliveries it settles has ended.
    pub fn check_committable(&self, name: TransactionName<'_>) -> Result<(), Rejection> {
        match &self.uncommittable {
            Some(Uncommittable::SubscriptionEnded(subscription)) => {
                Err(Rejection::subscription_ended(name, subscription))
            }
            Some(Uncommittable::FrameRejected) => Err(Rejection::frame_was_rejected(name)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for TransactionName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, "transaction {}", Quoted(name)),
            None => f.write_str("transaction"),
        }
    }
}

/// Returns the size of a request for the limits of a transaction: the bytes of its header lines and its body.
pub fn request_bytes<T: AsRef<str>>(header_lines: impl Iterator<Item = (T, T)>, body: &[u8]) -> usize {
    let line_bytes =
        |(name, value): (T, T)| name.as_ref().len() + ":".len() + value.as_ref().len() + "\n".len();
    header_lines.map(line_bytes).sum::<usize>() + body.len()
}

/// Returns the bytes that the broker adds to a message in a transaction.
pub fn publish_texts_bytes(publish: &Publish) -> usize {
    let audience = match &publish.audience {
        Audience::One(destination) => destination.as_str().len(),
        Audience::Session(destination, session) => destination.as_str().len() + session.len(),
        Audience::Users(owners, path) => owners.len() * RECIPIENT_BYTES + path.as_str().len(),
    };
    let extra = publish.extra.iter().map(|(_, value)| value.len()).sum::<usize>();
    let index = allocation(publish.headers.index_bytes());
    audience + extra + publish.destination_header.len() + index
}

/// Returns the bytes that the broker adds to the settlement of `deliveries` deliveries in a transaction.
pub fn settle_texts_bytes(deliveries: usize) -> usize {
    allocation(deliveries * size_of::<Tag>())
}
