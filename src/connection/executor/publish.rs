//! Publishes the messages of a session: routes them, records receivers to wait for, and counts receivers for the
//! RECEIPT.

use super::ActionError;
use crate::broker::{BrokerError, Multicast, Publication, Published, Settlement};
use crate::connection::task::Connection;
use crate::destination::{Destination, Owner, UserPath};
use crate::session::{Disposition, Publish, RejectedAction, SendTarget, Settle};
use crate::wire::Wire;
use std::time::Instant;
use stompbox_frames::stomp::Headers;

/// The numbers of receivers of a message, or of all messages of a transaction, for the RECEIPT.
#[derive(Debug, Default)]
pub(crate) struct ReceiverCounts {
    sessions: Option<usize>,
    services: Option<usize>,
}

impl ReceiverCounts {
    /// Adds the receivers of one message.
    pub(crate) fn add(&mut self, published: &Published) {
        self.sessions = add_counts(self.sessions, published.sessions);
        self.services = add_counts(self.services, published.services);
    }

    pub(crate) fn headers(&self) -> Vec<(&'static str, String)> {
        let sessions = self.sessions.map(|count| ("delivered-sessions", count.to_string()));
        let services = self.services.map(|count| ("delivered-services", count.to_string()));
        sessions.into_iter().chain(services).collect()
    }
}

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

    /// Routes a message from the broker to this session, such as an error report. Failure to deliver it is only logged.
    pub(crate) fn report_error(&self, publish: &Publish, now: Instant) {
        if let Err(broker_error) = self.route(publish, now) {
            tracing::debug!(detail = broker_error.detail, "an error report could not be delivered");
        }
    }

    /// Sends a notice to the `reply-to` of a message if no service is subscribed to its destination, so that the client
    /// does not wait for a reply. Does nothing without `reply-to`.
    fn report_no_service(&self, publish: &Publish, now: Instant) {
        if publish.frame.header("reply-to").is_none() {
            return;
        }
        let reply_to = publish.extra.iter().find(|(name, _)| *name == "reply-to");
        let Some(destination) = reply_to.and_then(|(_, text)| Destination::parse(text, usize::MAX).ok())
        else {
            return;
        };
        let requested = publish.frame.header("reply-to").unwrap_or_default();
        let detail = "No service is subscribed to this destination. Send again later.";
        let mut extra = vec![
            ("message", "no service"),
            ("content-type", "text/plain"),
            ("refused", &*publish.display_destination),
        ];
        let correlation = publish.frame.header("correlation-id");
        extra.extend(correlation.as_deref().map(|id| ("correlation-id", id)));
        extra.extend(publish.receipt.as_deref().map(|receipt| ("receipt-id", receipt)));
        let notice = Publication {
            destination: &destination,
            destination_header: &requested,
            headers: &Headers::default(),
            extra: &extra,
            body: detail.as_bytes(),
            to_session: None,
        };
        if let Err(broker_error) = self.context.broker.publish(notice, now) {
            tracing::debug!(
                detail = broker_error.detail,
                "the notice that no service is subscribed could not be delivered"
            );
        }
    }

    /// Records a routed message. The connection waits for receivers that are behind before it routes the next one.
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

fn add_counts(left: Option<usize>, right: Option<usize>) -> Option<usize> {
    if left.is_none() { right } else { left.map(|left| left + right.unwrap_or(0)) }
}

pub(crate) fn settlement(settle: &Settle) -> Settlement {
    match settle.disposition {
        Disposition::Accepted => Settlement::Accepted,
        Disposition::Returned => Settlement::Returned,
        Disposition::Rejected => Settlement::Rejected,
    }
}

/// Returns the headers that the broker sets on a message.
pub(crate) fn extra(publish: &Publish) -> Vec<(&str, &str)> {
    publish.extra.iter().map(|(name, value)| (*name, &**value)).collect()
}

pub(crate) fn multicast<'a>(
    publish: &'a Publish,
    owners: &'a [Owner],
    path: &'a UserPath,
    extra: &'a [(&'a str, &'a str)],
) -> Multicast<'a> {
    let Publish { display_destination: shown, frame, .. } = publish;
    Multicast { owners, path, destination_header: shown, headers: &frame.headers, extra, body: &frame.body }
}

pub(crate) fn publication<'a>(
    publish: &'a Publish,
    destination: &'a Destination,
    extra: &'a [(&'a str, &'a str)],
) -> Publication<'a> {
    Publication {
        destination,
        destination_header: &publish.display_destination,
        headers: &publish.frame.headers,
        extra,
        body: &publish.frame.body,
        to_session: publish.session.as_deref(),
    }
}
