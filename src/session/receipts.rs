//! A queue of RECEIPTs that keeps them in the order of their frames.
//!
//! A receipt is pending until the action of its frame is complete. The encoded RECEIPT then waits in the queue until
//! all earlier receipts are complete. If the outcome of a frame stays unknown for long, the RECEIPTs of many later frames
//! wait, so their number is limited, and their memory is charged.

use super::action::Receipt;
use crate::work;
use bytes::Bytes;
use std::collections::VecDeque;
use stompbox_frames::stomp::{Command, Frame};

/// Number of waiting receipts from which on the session should handle no further frame.
const WAITING_MAX: usize = 1024;

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

    /// Returns whether so many receipts wait that the session should handle no further frame.
    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= WAITING_MAX
    }

    /// Returns the memory in bytes of the receipts that wait.
    pub(super) fn bytes(&self) -> usize {
        work::add_visits(self.queue.len());
        let frame_bytes = |slot: &ReceiptSlot| match slot {
            ReceiptSlot::Pending(receipt) => receipt.id.len(),
            ReceiptSlot::Complete(frame) => frame.len(),
        };
        self.queue.iter().map(|slot| size_of::<ReceiptSlot>() + frame_bytes(slot)).sum()
    }

    /// Adds a receipt as pending. [`Receipts::complete`] completes it.
    pub(super) fn push_pending(&mut self, receipt: Receipt) {
        self.queue.push_back(ReceiptSlot::Pending(receipt));
    }

    /// Adds the encoded RECEIPT of a complete frame.
    pub(super) fn push_complete(&mut self, frame: Bytes) {
        self.queue.push_back(ReceiptSlot::Complete(frame));
    }

    /// Completes a pending receipt. `frame` is the encoded RECEIPT.
    pub(super) fn complete(&mut self, receipt: &Receipt, frame: Bytes) {
        if let Some(at) = self.position(receipt) {
            self.queue[at] = ReceiptSlot::Complete(frame);
        }
    }

    /// Removes a pending receipt, because its action failed. No RECEIPT is sent.
    pub(super) fn cancel(&mut self, receipt: &Receipt) {
        if let Some(at) = self.position(receipt) {
            self.queue.remove(at);
        }
    }

    fn position(&self, receipt: &Receipt) -> Option<usize> {
        let is_same =
            |slot: &ReceiptSlot| matches!(slot, ReceiptSlot::Pending(pending) if pending.is_same(receipt));
        self.queue.iter().position(is_same)
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
