//! Publishes the messages of a [`Client`].

use super::client::Client;
use super::client_error::ClientError;
use crate::broker::{self, Congested, Ticket};
use crate::command::Publish;
use crate::operations::ReplyTo;
use crate::rejection::{Code, Rejection};
use bytes::Bytes;
use std::future::poll_fn;
use std::time::{Duration, Instant};

/// The receivers of a published message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Number of subscriptions that get the message. For a queue: 1 if the queue accepted the message.
    pub subscriptions: usize,
    /// For user destinations: number of sessions that get the message.
    pub sessions: Option<usize>,
    /// For `/app`: number of application services that get the message, 0 or 1.
    pub services: Option<usize>,
}

impl Client {
    /// Publishes a message like a SEND frame, and waits for receivers whose outbound queues are more than half full, for
    /// at most `slow-consumer-grace`. Leaves out headers that only the broker may set.
    ///
    /// # Errors
    /// The destination is invalid, a permission rule denies the request, a limit is reached, or a store does not confirm
    /// the message.
    pub async fn publish(
        &mut self,
        destination: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Published, ClientError> {
        let published = self
            .publish_command(destination, headers, body.into())
            .and_then(|publish| self.context.broker.publish(&publish, Instant::now()))
            .map_err(|error| self.failed(error))?;
        let broker::Published { reached, sessions, services, congested, ticket } = published;
        for receiver in &congested {
            wait_for(receiver).await;
        }
        outcome(ticket, self.context.broker.ticket_timeout()).await.map_err(|error| self.failed(error))?;
        Ok(Published { subscriptions: reached, sessions, services })
    }

    /// Returns the command to publish a message, after checking the permission.
    pub(super) fn publish_command(
        &mut self,
        destination: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Publish, Rejection> {
        self.refresh_permissions();
        let headers = headers.iter().copied().collect();
        let Some(route) = self.client.route(destination, &headers)? else {
            let detail = "A client in the broker's process has no token to renew.";
            return Err(Rejection::new(Code::Invalid, "token cannot be renewed here", detail));
        };
        let reply_to = match self.client.reply_to(&route, &headers)? {
            ReplyTo::Unchanged => None,
            ReplyTo::Address(address) => Some(address),
            ReplyTo::TempQueue(name) => match self.client.temp_queue_address(&name) {
                Some(address) => Some(address.as_str().into()),
                None => return Err(Rejection::unknown_temp_queue(&format!("/temp-queue/{name}"))),
            },
        };
        Ok(self.client.publish(route, reply_to, headers, body))
    }
}

/// Waits until the store has reported the outcome, for at most `timeout`.
pub(super) async fn outcome(ticket: Option<Ticket>, timeout: Duration) -> Result<(), Rejection> {
    match ticket {
        Some(ticket) => ticket.outcome_within(timeout).await,
        None => Ok(()),
    }
}

/// Waits until the receiver has taken messages, has gone, or its grace period is over.
pub(super) async fn wait_for(receiver: &Congested) {
    let Congested { outbound_queue, is_widespread } = receiver;
    let drained = poll_fn(|cx| outbound_queue.poll_drained(cx, *is_widespread, Instant::now()));
    let _ = tokio::time::timeout_at(outbound_queue.grace_ends(*is_widespread).into(), drained).await;
}
