//! The handlers of BEGIN, COMMIT and ABORT.

use crate::command::{Settle, Step};
use crate::operations::TransactionName;
use crate::outbound_queue::Key;
use crate::rejection::Rejection;
use crate::session::action::{Action, Receipt};
use crate::session::errors::required;
use crate::session::machine::Session;
use crate::session::transactions::TransactionFrame;
use crate::work;
use std::collections::BTreeSet;
use stompbox_frames::stomp::{Command, Frame};

impl Session {
    pub(super) fn begin(
        &mut self,
        frame: &Frame,
        receipt: &mut Option<Receipt>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        let id = required(frame, "transaction")?;
        self.check_id("transaction", &id)?;
        self.transactions.begin(&id, &self.options)?;
        self.receipt(receipt.take(), actions);
        Ok(())
    }

    pub(super) fn commit(
        &mut self,
        frame: &Frame,
        receipt: &mut Option<Receipt>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        let id = required(frame, "transaction")?;
        let transaction = self.transactions.end(Command::Commit, &id)?;
        if let Err(rejection) = transaction.state.check_committable(TransactionName(Some(&id))) {
            self.discard(transaction.into());
            return Err(rejection);
        }
        work::add_visits(transaction.parked.len());
        let mut keys = BTreeSet::new();
        let steps =
            transaction.parked.into_iter().filter_map(|parked| self.step(parked, &mut keys)).collect();
        for key in keys {
            self.subscriptions
                .change(key, |subscription| subscription.unsettled.settle_reserved(transaction.serial));
        }
        actions.push(Action::Commit { steps, receipt: self.register_receipt(receipt) });
        Ok(())
    }

    /// Returns the step that COMMIT applies in the broker for a parked frame. Returns `None` for an acknowledgement of
    /// topic messages, which the broker does not track. If the frame settles deliveries, adds the key of their
    /// subscription to `keys`.
    fn step(&self, parked: TransactionFrame, keys: &mut BTreeSet<Key>) -> Option<Step> {
        match parked {
            TransactionFrame::Publish(publish) => Some(Step::Publish(publish)),
            TransactionFrame::Settle { key, numbers, settlement } => {
                keys.insert(key);
                let tags = self.subscriptions.get(key)?.unsettled.tags(&numbers);
                (!tags.is_empty()).then_some(Step::Settle(Settle { key, tags, settlement }))
            }
        }
    }

    pub(super) fn abort(
        &mut self,
        frame: &Frame,
        receipt: &mut Option<Receipt>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        let transaction = self.transactions.end(Command::Abort, &required(frame, "transaction")?)?;
        work::add_visits(transaction.parked.len());
        let key = |parked: &TransactionFrame| match parked {
            TransactionFrame::Settle { key, .. } => Some(*key),
            TransactionFrame::Publish(_) => None,
        };
        for key in transaction.parked.iter().filter_map(key).collect::<BTreeSet<Key>>() {
            self.subscriptions
                .change(key, |subscription| subscription.unsettled.release_reserved(transaction.serial));
        }
        self.discard(transaction.into());
        self.receipt(receipt.take(), actions);
        Ok(())
    }
}
