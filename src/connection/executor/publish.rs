//! Publishes the messages of a session. Routes them, records slow receivers to wait for, and counts the receivers for
//! the RECEIPT.

use crate::broker::{Published, ReceiverCounts, Ticket};
use crate::command::Publish;
use crate::connection::state::Connection;
use crate::rejection::Rejection;
use crate::wire::Wire;
use std::time::Instant;

impl<W: Wire> Connection<W> {
    pub(super) fn publish(
        &mut self,
        publish: &Publish,
        now: Instant,
    ) -> Result<(ReceiverCounts, Option<Ticket>), Rejection> {
        let mut published = self.context.broker.publish(publish, now)?;
        let mut receivers = ReceiverCounts::default();
        receivers.add(&published);
        let ticket = published.ticket.take();
        self.record_published(published);
        self.pause_near_budget(now);
        Ok((receivers, ticket))
    }

    /// Routes an error report or another message of the broker to this session. If the message cannot be delivered,
    /// only logs this.
    pub(super) fn report_error(&self, publish: &Publish, now: Instant) {
        if let Err(rejection) = self.context.broker.publish(publish, now) {
            tracing::debug!(detail = rejection.detail, "could not deliver an error report");
        }
    }

    /// Records the result of routing a message. The connection waits for slow receivers of this message before it
    /// handles the next frame.
    pub(super) fn record_published(&mut self, published: Published) {
        self.schedule.poll_budget.add_pushes(published.reached);
        self.executor.pause.congested.extend(published.congested);
    }

    pub(super) fn pause_near_budget(&mut self, now: Instant) {
        if self.context.budget.is_nearly_exhausted() && self.executor.pause.budget_until.is_none() {
            self.executor.pause.budget_until = Some(now + self.context.outbound_queue.slow_consumer_grace);
        }
    }
}
