//! RECEIPTs leave in the order in which their frames came.
//!
//! A receipt whose work is done elsewhere is owed until that is done. One that is ready earlier than one
//! before it waits here, already encoded.

use super::action::Receipt;
use bytes::Bytes;
use std::collections::VecDeque;

/// The receipts between the oldest that is owed and the newest.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    line: VecDeque<ReceiptSlot>,
}

#[derive(Debug)]
enum ReceiptSlot {
    /// The work is not done.
    Owed(Receipt),
    /// It is, but not what came before.
    Ready(Bytes),
}

impl Receipts {
    /// Whether nothing waits and nothing is owed.
    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// A receipt that [`Receipts::done`] will be called for.
    pub(super) fn register_receipt(&mut self, receipt: Receipt) {
        self.line.push_back(ReceiptSlot::Owed(receipt));
    }

    /// A receipt whose work was done at once.
    pub(super) fn ready(&mut self, frame: Bytes) {
        self.line.push_back(ReceiptSlot::Ready(frame));
    }

    /// The work of the oldest owed receipt of this name is done.
    pub(super) fn done(&mut self, receipt: &str, frame: Bytes) {
        let owed = |place: &&mut ReceiptSlot| matches!(place, ReceiptSlot::Owed(id) if **id == *receipt);
        if let Some(place) = self.line.iter_mut().find(owed) {
            *place = ReceiptSlot::Ready(frame);
        }
    }

    /// The work of the oldest owed receipt of this name will not be done, and it does not leave.
    pub(super) fn cancel(&mut self, receipt: &str) {
        let owed = |place: &ReceiptSlot| matches!(place, ReceiptSlot::Owed(id) if **id == *receipt);
        if let Some(at) = self.line.iter().position(owed) {
            self.line.remove(at);
        }
    }

    /// The next receipt that may leave.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        match self.line.pop_front()? {
            ReceiptSlot::Ready(frame) => Some(frame),
            owed => {
                self.line.push_front(owed);
                None
            }
        }
    }

    /// Nothing is owed any more.
    pub(super) fn clear(&mut self) {
        self.line = VecDeque::new();
    }
}
