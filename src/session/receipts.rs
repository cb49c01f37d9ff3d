//! A queue of RECEIPTs that keeps them in the order of their frames.
//!
//! A receipt is pending until the action of its frame is complete. A receipt that is complete before an earlier one
//! waits here in encoded form.

use super::Session;
use super::action::{Action, Receipt};
use bytes::Bytes;
use std::collections::VecDeque;
use stompbox_frames::stomp::{Command, Frame, encode};

/// The receipts from the oldest pending one to the newest.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    line: VecDeque<ReceiptSlot>,
}

#[derive(Debug)]
enum ReceiptSlot {
    /// The action of the frame is not complete.
    Owed(Receipt),
    /// The action is complete, and the encoded RECEIPT waits for earlier ones.
    Ready(Bytes),
}

impl Receipts {
    /// Returns whether there is no pending or waiting receipt.
    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Adds a pending receipt. [`Receipts::done`] completes it.
    pub(super) fn register_receipt(&mut self, receipt: Receipt) {
        self.line.push_back(ReceiptSlot::Owed(receipt));
    }

    /// Adds the encoded RECEIPT of a frame that is complete already.
    pub(super) fn ready(&mut self, frame: Bytes) {
        self.line.push_back(ReceiptSlot::Ready(frame));
    }

    /// Completes the oldest pending receipt with this value.
    pub(super) fn done(&mut self, receipt: &str, frame: Bytes) {
        let owed = |place: &&mut ReceiptSlot| matches!(place, ReceiptSlot::Owed(id) if **id == *receipt);
        if let Some(place) = self.line.iter_mut().find(owed) {
            *place = ReceiptSlot::Ready(frame);
        }
    }

    /// Removes the oldest pending receipt with this value, because its action failed. No RECEIPT is sent.
    pub(super) fn cancel(&mut self, receipt: &str) {
        let owed = |place: &ReceiptSlot| matches!(place, ReceiptSlot::Owed(id) if **id == *receipt);
        if let Some(at) = self.line.iter().position(owed) {
            self.line.remove(at);
        }
    }

    /// Removes and returns the next RECEIPT that may be sent.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        match self.line.pop_front()? {
            ReceiptSlot::Ready(frame) => Some(frame),
            owed => {
                self.line.push_front(owed);
                None
            }
        }
    }

    /// Removes all receipts and frees the memory.
    pub(super) fn clear(&mut self) {
        self.line = VecDeque::new();
    }
}

impl Session {
    /// Sends the RECEIPT of a frame that is complete, or queues it after receipts that are still pending.
    pub(super) fn receipt(&mut self, receipt: Option<Receipt>, actions: &mut Vec<Action>) {
        let Some(receipt) = receipt else { return };
        let frame = self.encode_receipt(&receipt, &[]);
        if self.receipts.is_empty() {
            actions.push(Action::Write(frame));
        } else {
            self.receipts.ready(frame);
        }
    }

    /// Registers the receipt of a frame that an action completes, and returns it for that action.
    pub(super) fn register_receipt(&mut self, receipt: &mut Option<Receipt>) -> Option<Receipt> {
        let receipt = receipt.take()?;
        self.receipts.register_receipt(receipt.clone());
        Some(receipt)
    }

    pub(super) fn encode_receipt(&self, receipt: &str, extra: &[(&str, &str)]) -> Bytes {
        let headers: Vec<_> = [("receipt-id", receipt)].into_iter().chain(extra.iter().copied()).collect();
        encode::frame(Command::Receipt, self.version, &headers, b"")
    }
}

/// Returns the value of the `receipt` header. CONNECT and STOMP must not have one, so it is ignored there.
pub(super) fn asked(frame: &Frame) -> Option<Receipt> {
    match frame.command {
        Command::Connect | Command::Stomp => None,
        _ => frame.header("receipt").map(Receipt::from),
    }
}
