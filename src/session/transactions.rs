//! Open transactions, and the frames that are parked in them until COMMIT.

use super::options::Options;
use super::subscriptions::SessionSubscription;
use super::unsettled::TransactionSerial;
use crate::budget::allocation;
use crate::command::{Publish, Step};
use crate::operations::{
    TransactionName, TransactionState, Uncommittable, publish_texts_bytes, settle_texts_bytes,
};
use crate::outbound_queue::Key;
use crate::rejection::Rejection;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use stompbox_frames::stomp::Command;

/// An open transaction, with its parked frames.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) serial: TransactionSerial,
    /// The step of each frame. An acknowledgement of topic messages, which the broker does not track, has no tags. It is
    /// needed only for the key of the subscription whose deliveries are reserved.
    pub(super) parked: Vec<Step>,
    pub(super) state: TransactionState,
}

/// The parked frames of a transaction that will not be committed. The session frees them later, in portions.
#[derive(Debug)]
pub(super) struct Discarded {
    pub(super) parked: Vec<Step>,
    /// Memory of the frames in bytes.
    pub(super) bytes: usize,
}

impl From<Transaction> for Discarded {
    fn from(transaction: Transaction) -> Discarded {
        Discarded { bytes: transaction.state.held_bytes(), parked: transaction.parked }
    }
}

/// The open transactions of a session, by the names that the client chooses.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    open: BTreeMap<Box<str>, Transaction>,
    begun: u64,
    /// Bytes of the parked frames, for `transaction-bytes-max`.
    bytes: usize,
    /// Memory of the parked frames in bytes, including their overhead and the data that the session adds.
    held_bytes: usize,
    /// Bytes of the open transactions and their names, without the parked frames.
    open_bytes: usize,
    /// The next parked frame to check against new rules. It is boxed, because few sessions have it.
    next_unchecked: Option<Box<ParkedPosition>>,
}

/// The position of a parked frame: the name of its transaction, and its index there.
#[derive(Debug)]
struct ParkedPosition {
    transaction: Box<str>,
    index: usize,
}

impl Transaction {
    /// Returns the keys of the subscriptions of which the transaction has reserved deliveries.
    pub(super) fn keys(&self) -> BTreeSet<Key> {
        let key = |step: &Step| match step {
            Step::Settle(settle) => Some(settle.key),
            Step::Publish(_) => None,
        };
        self.parked.iter().filter_map(key).collect()
    }
}

impl ParkedPosition {
    fn first_of(transaction: &str) -> Box<ParkedPosition> {
        Box::new(ParkedPosition { transaction: transaction.into(), index: 0 })
    }
}

impl Transactions {
    /// Bytes of an open transaction, without its name.
    const OPEN_BYTES: usize = size_of::<(Box<str>, Transaction)>() * 3 / 2;

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Returns the memory of all parked frames in bytes. It includes overhead, unlike `transaction-bytes-max`, which
    /// counts only the bytes that clients send.
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
        let transaction = Transaction { serial, parked: Vec::new(), state: TransactionState::default() };
        self.open.insert(id.into(), transaction);
        Ok(())
    }

    /// Checks that a frame of `bytes` bytes may be parked in the transaction. Returns the transaction's serial number.
    pub(super) fn check_capacity(
        &self,
        command: Command,
        id: &str,
        bytes: usize,
        options: &Options,
    ) -> Result<TransactionSerial, Rejection> {
        let transaction = self.open.get(id).ok_or_else(|| Rejection::no_transaction(command, id))?;
        let limits = options.transaction_limits();
        transaction.state.check_capacity(TransactionName(Some(id)), limits, self.bytes, bytes)?;
        Ok(transaction.serial)
    }

    /// Parks a frame after [`Transactions::check_capacity`] has accepted it.
    pub(super) fn park(&mut self, id: &str, parked: Step, bytes: usize) {
        let texts_bytes = match &parked {
            Step::Publish(publish) => publish_texts_bytes(publish),
            Step::Settle(settle) => settle_texts_bytes(settle.tags.len()),
        };
        if let Some(transaction) = self.open.get_mut(id) {
            self.held_bytes += transaction.state.add(bytes, texts_bytes);
            self.bytes += bytes;
            transaction.parked.push(parked);
        }
    }

    /// Marks the transactions that have reserved deliveries of this subscription. They cannot be committed, because the
    /// broker requeues the deliveries.
    pub(super) fn mark_subscription_ended(&mut self, subscription: &SessionSubscription) {
        let serials: BTreeSet<TransactionSerial> = subscription.unsettled.reserved_by().collect();
        for serial in serials {
            if let Some(affected) = self.open.values_mut().find(|one| one.serial == serial) {
                let name = subscription.name().text().into();
                affected.state.mark_uncommittable(Uncommittable::SubscriptionEnded(name));
            }
        }
    }

    /// Starts to check all parked frames again. The new rules may deny a SEND that the previous rules allowed.
    pub(super) fn start_recheck(&mut self) {
        self.next_unchecked = self.open.keys().next().map(|id| ParkedPosition::first_of(id));
    }

    /// Returns whether parked frames wait to be checked.
    pub(super) fn has_unchecked(&self) -> bool {
        self.next_unchecked.is_some()
    }

    /// Returns the SEND to check next. Returns `None` if the next frame is not a SEND, or if the transaction has no
    /// further frame.
    pub(super) fn next_unchecked(&self) -> Option<&Publish> {
        let ParkedPosition { transaction, index } = &**self.next_unchecked.as_ref()?;
        match self.open.get(transaction)?.parked.get(*index)? {
            Step::Publish(publish) => Some(publish),
            Step::Settle(_) => None,
        }
    }

    /// Records the result of a check, and moves on to the next frame. If the frame is denied, its transaction cannot be
    /// committed.
    pub(super) fn record_check(&mut self, is_denied: bool) {
        let Some(mut position) = self.next_unchecked.take() else { return };
        if is_denied {
            self.mark_frame_rejected(&position.transaction);
        }
        position.index += 1;
        let has_more = |one: &Transaction| one.state.is_committable() && position.index < one.parked.len();
        if self.open.get(&position.transaction).is_some_and(has_more) {
            self.next_unchecked = Some(position);
            return;
        }
        let later = (Bound::Excluded(&*position.transaction), Bound::Unbounded);
        self.next_unchecked =
            self.open.range::<str, _>(later).next().map(|(id, _)| ParkedPosition::first_of(id));
    }

    /// Records that a frame of the transaction was rejected. The transaction then cannot be committed.
    pub(super) fn mark_frame_rejected(&mut self, id: &str) {
        if let Some(transaction) = self.open.get_mut(id) {
            transaction.state.mark_uncommittable(Uncommittable::FrameRejected);
        }
    }

    /// Ends all transactions and returns their parked frames.
    pub(super) fn into_discarded(self) -> impl Iterator<Item = Discarded> {
        self.open.into_values().map(Discarded::from)
    }

    pub(super) fn end(&mut self, command: Command, id: &str) -> Result<Transaction, Rejection> {
        let transaction = self.open.remove(id).ok_or_else(|| Rejection::no_transaction(command, id))?;
        self.bytes -= transaction.state.bytes();
        self.held_bytes -= transaction.state.held_bytes();
        self.open_bytes -= Self::bytes_of(id);
        Ok(transaction)
    }
}
