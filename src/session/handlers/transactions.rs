//! The handlers of BEGIN, COMMIT and ABORT.

use crate::command::Step;
use crate::operations::TransactionName;
use crate::rejection::Rejection;
use crate::session::action::{Action, Receipt};
use crate::session::errors::required;
use crate::session::machine::Session;
use crate::work;
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
        for key in transaction.keys() {
            self.subscriptions
                .change(key, |subscription| subscription.unsettled.settle_reserved(transaction.serial));
        }
        let mut steps = transaction.parked;
        steps.retain(|step| !matches!(step, Step::Settle(settle) if settle.tags.is_empty()));
        actions.push(Action::Commit { steps, receipt: self.register_receipt(receipt) });
        Ok(())
    }

    pub(super) fn abort(
        &mut self,
        frame: &Frame,
        receipt: &mut Option<Receipt>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        let transaction = self.transactions.end(Command::Abort, &required(frame, "transaction")?)?;
        work::add_visits(transaction.parked.len());
        for key in transaction.keys() {
            self.subscriptions
                .change(key, |subscription| subscription.unsettled.release_reserved(transaction.serial));
        }
        self.discard(transaction.into());
        self.receipt(receipt.take(), actions);
        Ok(())
    }
}
