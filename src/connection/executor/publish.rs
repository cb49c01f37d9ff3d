//! Publishes the messages of a session. Routes them, records slow receivers to wait for, and counts the receivers for
//! the RECEIPT.

use super::action_error::ActionError;
use super::broker_request::{extra, multicast, publication};
use super::receiver_counts::ReceiverCounts;
use crate::broker::{BrokerError, Published};
use crate::connection::state::Connection;
use crate::session::{Publish, RejectedAction, SendTarget};
use crate::wire::Wire;
use std::time::Instant;

impl<W: Wire> Connection<W> {
    pub(crate) fn publish(&mut self, publish: &Publish, now: Instant) -> Result<ReceiverCounts, ActionError> {
        let action_error = |broker_error| ActionError {
            rejected_action: RejectedAction::Publish,
            receipt: publish.receipt.clone(),
            broker_error,
        };
        let published = self.route(publish, now).map_err(action_error)?;
        let mut receivers = ReceiverCounts::default();
        receivers.add(&published);
        self.record_published(publish, published, now);
        self.pause_near_budget(now);
        Ok(receivers)
    }

    pub(crate) fn route(&self, publish: &Publish, now: Instant) -> Result<Published, BrokerError> {
        let extra = extra(publish);
        match &publish.to {
            SendTarget::One(destination) => {
                self.context.broker.publish(publication(publish, destination, &extra), now)
            }
            SendTarget::Users(owners, path) => {
                self.context.broker.publish_to_users(multicast(publish, owners, path, &extra), now)
            }
        }
    }

    /// Routes an error report or another message of the broker to this session. If the message cannot be delivered,
    /// only logs this.
    pub(crate) fn report_error(&self, publish: &Publish, now: Instant) {
        if let Err(broker_error) = self.route(publish, now) {
            tracing::debug!(detail = broker_error.detail, "could not deliver an error report");
        }
    }

    /// Records the result of routing a message. The connection waits for slow receivers of this message before it
    /// handles the next frame.
    pub(crate) fn record_published(&mut self, publish: &Publish, published: Published, now: Instant) {
        if published.services == Some(0) {
            self.report_no_service(publish, now);
        }
        self.poll_budget.add_pushes(published.reached);
        self.pause.congested.extend(published.congested);
    }

    pub(crate) fn pause_near_budget(&mut self, now: Instant) {
        if self.context.budget.is_nearly_exhausted() && self.pause.budget_until.is_none() {
            self.pause.budget_until = Some(now + self.context.outbound_queue.slow_consumer_grace);
        }
    }
}
