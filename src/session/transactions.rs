//! Open transactions, and the frames that are parked in them until COMMIT.

use super::action::{Disposition, Publish, SendTarget};
use super::errors::Rejection;
use super::options::Options;
use super::subscriptions::Subscription;
use super::unsettled::{Number, TransactionSerial};
use crate::budget::allocation;
use crate::destination::Owner;
use crate::outbound_queue::Key;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use stompbox_frames::stomp::Command;

/// A frame that is parked in a transaction until COMMIT.
#[derive(Debug)]
pub(super) enum TransactionFrame {
    Publish(Box<Publish>),
    Settle { key: Key, numbers: Vec<Number>, disposition: Disposition },
}

/// The reason for which a transaction cannot be committed.
#[derive(Debug)]
pub(super) enum Uncommittable {
    /// A subscription ended after the transaction had reserved deliveries of it. The value is the subscription's name.
    SubscriptionEnded(Box<str>),
    /// A frame of the transaction was rejected.
    FrameRejected,
}

/// An open transaction.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) serial: TransactionSerial,
    pub(super) parked: Vec<TransactionFrame>,
    pub(super) bytes: usize,
    /// Bytes of data that belongs to the parked frames but was not sent in them, such as resolved destinations.
    pub(super) texts_bytes: usize,
    /// The reason for which the transaction cannot be committed, if any.
    pub(super) uncommittable: Option<Uncommittable>,
}

/// The parked frames of a transaction that will not be committed. They are freed later, in portions.
#[derive(Debug)]
pub(super) struct Discarded {
    pub(super) parked: Vec<TransactionFrame>,
    /// Memory of the frames in bytes.
    pub(super) bytes: usize,
}

impl From<Transaction> for Discarded {
    fn from(transaction: Transaction) -> Discarded {
        Discarded { bytes: transaction.held_bytes(), parked: transaction.parked }
    }
}

/// The open transactions of a session, keyed by the names that the client gave them.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    open: BTreeMap<Box<str>, Transaction>,
    begun: u64,
    /// Bytes of the parked frames as `transaction-bytes-max` counts them.
    bytes: usize,
    /// Memory of the parked frames in bytes, including their overhead and data that was not sent in them.
    held_bytes: usize,
    /// Bytes of the open transactions and their names, without the parked frames.
    open_bytes: usize,
    /// The next parked frame to be checked against new rules. It is boxed because few sessions have one.
    next_unchecked: Option<Box<ParkedPosition>>,
}

/// The position of a parked frame: the name of its transaction, and its index there.
#[derive(Debug)]
struct ParkedPosition {
    transaction: Box<str>,
    index: usize,
}

impl TransactionFrame {
    /// Returns the bytes of data that belongs to the frame but was not sent in it.
    fn texts_bytes(&self) -> usize {
        match self {
            TransactionFrame::Publish(publish) => texts_bytes(publish),
            TransactionFrame::Settle { numbers, .. } => allocation(numbers.len() * size_of::<Number>()),
        }
    }

    /// Returns the number of recipients of the frame. Each is an allocation, so freeing the frame takes time for each.
    pub(super) fn recipients(&self) -> usize {
        match self {
            TransactionFrame::Publish(publish) => publish.recipients(),
            TransactionFrame::Settle { .. } => 1,
        }
    }
}

impl Transaction {
    /// Returns the memory of the parked frames in bytes.
    fn held_bytes(&self) -> usize {
        self.bytes + self.parked.len() * Transactions::OVERHEAD_BYTES + self.texts_bytes
    }
}

impl ParkedPosition {
    fn first_of(transaction: &str) -> Box<ParkedPosition> {
        Box::new(ParkedPosition { transaction: transaction.into(), index: 0 })
    }
}

/// Returns the bytes of data that belongs to a parked SEND but was not sent in its frame.
fn texts_bytes(publish: &Publish) -> usize {
    let to = match &publish.to {
        SendTarget::Users(owners, path) => owners.len() * RECIPIENT_BYTES + path.as_str().len(),
        SendTarget::One(destination) => destination.as_str().len(),
    };
    let extra = publish.extra.iter().map(|(_, value)| value.len()).sum::<usize>();
    let index = allocation(publish.frame.headers.index_bytes());
    to + extra + publish.display_destination.len() + publish.session.as_deref().map_or(0, str::len) + index
}

/// Bytes that are counted for each recipient of a SEND to many users: the [`Owner`], and the allocation of a short
/// name. The actual length of the name is not counted.
const RECIPIENT_BYTES: usize = size_of::<Owner>() + 32;

impl Transactions {
    /// Bytes that are counted for each parked frame in addition to its size and its other data.
    const OVERHEAD_BYTES: usize = size_of::<TransactionFrame>() + size_of::<Publish>();
    /// Bytes of an open transaction, without its name.
    const OPEN_BYTES: usize = size_of::<(Box<str>, Transaction)>() * 3 / 2;

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Returns the memory of all parked frames in bytes. This is more than what `transaction-bytes-max` limits, because
    /// that option counts only what clients send.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Returns the bytes of the open transactions, without their frames.
    pub(super) fn open_bytes(&self) -> usize {
        self.open_bytes
    }

    /// Returns the bytes of one open transaction, without its frames.
    pub(super) fn bytes_of(id: &str) -> usize {
        Self::OPEN_BYTES + allocation(id.len())
    }

    pub(super) fn begin(&mut self, id: &str, options: &Options) -> Result<(), Rejection> {
        if self.open.contains_key(id) {
            return Err(Rejection::begun_already(id));
        }
        if self.open.len() >= options.transactions_max {
            return Err(Rejection::transactions(options.transactions_max));
        }
        let serial = TransactionSerial::MIN.saturating_add(self.begun);
        self.begun += 1;
        self.open_bytes += Self::bytes_of(id);
        let transaction =
            Transaction { serial, parked: Vec::new(), bytes: 0, texts_bytes: 0, uncommittable: None };
        self.open.insert(id.into(), transaction);
        Ok(())
    }

    /// Checks that a frame of `bytes` bytes may be parked in the transaction, and returns the transaction's serial
    /// number.
    pub(super) fn check_capacity(
        &self,
        command: Command,
        id: &str,
        bytes: usize,
        options: &Options,
    ) -> Result<TransactionSerial, Rejection> {
        let transaction = self.open.get(id).ok_or_else(|| Rejection::no_transaction(command, id))?;
        if transaction.parked.len() >= options.transaction_frames_max {
            return Err(Rejection::transaction_frames(id, options.transaction_frames_max));
        }
        if self.bytes.saturating_add(bytes) > options.transaction_bytes_max {
            return Err(Rejection::transaction_bytes(options.transaction_bytes_max));
        }
        Ok(transaction.serial)
    }

    /// Parks a frame after [`Transactions::check_capacity`] has accepted it.
    pub(super) fn park(&mut self, id: &str, parked: TransactionFrame, bytes: usize) {
        if let Some(transaction) = self.open.get_mut(id) {
            let texts_bytes = parked.texts_bytes();
            transaction.texts_bytes += texts_bytes;
            transaction.parked.push(parked);
            transaction.bytes += bytes;
            self.bytes += bytes;
            self.held_bytes += bytes + Self::OVERHEAD_BYTES + texts_bytes;
        }
    }

    /// Marks the transactions that reserved deliveries of this subscription. They cannot be committed, because the
    /// deliveries were requeued when the subscription ended.
    pub(super) fn mark_subscription_ended(&mut self, subscription: &Subscription) {
        let serials: BTreeSet<TransactionSerial> = subscription.unsettled.reserved_by().collect();
        for serial in serials {
            let affected =
                self.open.values_mut().find(|one| one.serial == serial && one.uncommittable.is_none());
            if let Some(transaction) = affected {
                transaction.uncommittable =
                    Some(Uncommittable::SubscriptionEnded(subscription.name().text().into()));
            }
        }
    }

    /// Begins to check all parked frames again, because the new rules may deny a SEND that was allowed when it was
    /// parked.
    pub(super) fn start_recheck(&mut self) {
        self.next_unchecked = self.open.keys().next().map(|id| ParkedPosition::first_of(id));
    }

    /// Returns whether parked frames wait to be checked.
    pub(super) fn has_unchecked(&self) -> bool {
        self.next_unchecked.is_some()
    }

    /// Returns the SEND to be checked next, or `None` if the next frame is not a SEND or the transaction has no further
    /// frame.
    pub(super) fn next_unchecked(&self) -> Option<&Publish> {
        let ParkedPosition { transaction, index } = &**self.next_unchecked.as_ref()?;
        match self.open.get(transaction)?.parked.get(*index)? {
            TransactionFrame::Publish(publish) => Some(publish),
            TransactionFrame::Settle { .. } => None,
        }
    }

    /// Records the result for the frame that was checked, and moves on to the next one. If the frame is denied, its
    /// transaction cannot be committed.
    pub(super) fn record_check(&mut self, is_denied: bool) {
        let Some(mut position) = self.next_unchecked.take() else { return };
        if is_denied {
            self.mark_frame_rejected(&position.transaction);
        }
        position.index += 1;
        let has_more = |one: &Transaction| one.uncommittable.is_none() && position.index < one.parked.len();
        if self.open.get(&position.transaction).is_some_and(has_more) {
            self.next_unchecked = Some(position);
            return;
        }
        let later = (Bound::Excluded(&*position.transaction), Bound::Unbounded);
        self.next_unchecked =
            self.open.range::<str, _>(later).next().map(|(id, _)| ParkedPosition::first_of(id));
    }

    /// Records that a frame of the transaction was rejected: the transaction cannot be committed.
    pub(super) fn mark_frame_rejected(&mut self, id: &str) {
        if let Some(transaction) = self.open.get_mut(id) {
            transaction.uncommittable.get_or_insert(Uncommittable::FrameRejected);
        }
    }

    /// Ends all transactions and returns their parked frames.
    pub(super) fn into_discarded(self) -> impl Iterator<Item = Discarded> {
        self.open.into_values().map(Discarded::from)
    }

    pub(super) fn end(&mut self, command: Command, id: &str) -> Result<Transaction, Rejection> {
        let transaction = self.open.remove(id).ok_or_else(|| Rejection::no_transaction(command, id))?;
        self.bytes -= transaction.bytes;
        self.held_bytes -= transaction.held_bytes();
        self.open_bytes -= Self::bytes_of(id);
        Ok(transaction)
    }
}
