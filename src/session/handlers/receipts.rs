//! Sends RECEIPT frames in the order of the frames that request them.

use crate::session::action::{Action, Receipt};
use crate::session::machine::Session;
use bytes::Bytes;
use stompbox_frames::stomp::{Command, encode};

impl Session {
    /// Sends the RECEIPT of a complete frame. If earlier receipts are still pending, queues the RECEIPT.
    pub(super) fn receipt(&mut self, receipt: Option<Receipt>, actions: &mut Vec<Action>) {
        let Some(receipt) = receipt else { return };
        let frame = self.encode_receipt(&receipt.id, &[]);
        if self.receipts.is_empty() {
            actions.push(Action::Write(frame));
        } else {
            self.receipts.push_complete(frame);
        }
    }

    /// Registers a receipt as pending. Returns it for the action that completes it.
    pub(super) fn register_receipt(&mut self, receipt: &mut Option<Receipt>) -> Option<Receipt> {
        let receipt = receipt.take()?;
        self.receipts.push_pending(receipt.clone());
        Some(receipt)
    }

    pub(super) fn encode_receipt(&self, receipt: &str, extra: &[(&str, &str)]) -> Bytes {
        let headers: Vec<_> = [("receipt-id", receipt)].into_iter().chain(extra.iter().copied()).collect();
        encode::frame(Command::Receipt, self.version, &headers, b"")
    }
}
