//! A queue of RECEIPTs that keeps them in the order of their frames.
//!
//! A receipt is pending until the action of its frame is complete. The encoded RECEIPT then waits in the queue until
//! all earlier receipts are complete.

use super::action::Receipt;
use bytes::Bytes;
use std::collections::VecDeque;
use stompbox_frames::stomp::{Command, Frame};

/// The receipts from the oldest pending receipt to the newest receipt.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    queue: VecDeque<ReceiptSlot>,
}

#[derive(Debug)]
enum ReceiptSlot {
    /// The action of the frame is not complete.
    Pending(Receipt),
    /// The action is complete, and the encoded RECEIPT waits for earlier receipts.
    Complete(Bytes),
}

impl Receipts {
    /// Returns whether no receipt is pending or waiting.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Adds a pending receipt. [`Receipts::complete`] completes it.
    pub(super) fn push_pending(&mut self, receipt: Receipt) {
        self.queue.push_back(ReceiptSlot::Pending(receipt));
    }

    /// Adds the encoded RECEIPT of a complete frame.
    pub(super) fn push_complete(&mut self, frame: Bytes) {
        self.queue.push_back(ReceiptSlot::Complete(frame));
    }

    /// Completes the oldest pending receipt with this value.
    pub(super) fn complete(&mut self, receipt: &str, frame: Bytes) {
        let is_pending =
            |slot: &&mut ReceiptSlot| matches!(slot, ReceiptSlot::Pending(id) if **id == *receipt);
        if let Some(slot) = self.queue.iter_mut().find(is_pending) {
            *slot = ReceiptSlot::Complete(frame);
        }
    }

    /// Removes the oldest pending receipt with this value, because its action failed. No RECEIPT is sent.
    pub(super) fn cancel(&mut self, receipt: &str) {
        let is_pending = |slot: &ReceiptSlot| matches!(slot, ReceiptSlot::Pending(id) if **id == *receipt);
        if let Some(at) = self.queue.iter().position(is_pending) {
            self.queue.remove(at);
        }
    }

    /// Removes and returns the next RECEIPT that may be sent.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        match self.queue.pop_front()? {
            ReceiptSlot::Complete(frame) => Some(frame),
            pending => {
                self.queue.push_front(pending);
                None
            }
        }
    }

    /// Removes all receipts and frees the memory.
    pub(super) fn clear(&mut self) {
        self.queue = VecDeque::new();
    }
}

/// Returns the value of the `receipt` header. Ignores the header on CONNECT and STOMP, which must not have it.
pub(super) fn requested(frame: &Frame) -> Option<Receipt> {
    match frame.command {
        Command::Connect | Command::Stomp => None,
        _ => frame.header("receipt").map(Receipt::from),
    }
}
