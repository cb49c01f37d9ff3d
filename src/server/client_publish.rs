//! Publishes the messages of a [`Client`].

use super::client::Client;
use super::client_error::ClientError;
use crate::broker::{self, Congested, Ticket};
use crate::command::Publish;
use crate::operations::{ReplyTo, request_bytes};
use crate::rejection::{Code, Limit, Quoted, Rejection};
use bytes::Bytes;
use std::future::poll_fn;
use std::time::{Duration, Instant};
use stompbox_frames::stomp::FrameLimit;

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
        self.wait_for_others(&congested).await;
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
        self.check_open()?;
        self.refresh_permissions();
        self.check_size(destination, headers, &body)?;
        let headers = headers.iter().copied().collect();
        let route = self.client.route(destination, &headers)?.ok_or_else(Rejection::renewal_in_process)?;
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

    /// Checks the limits on frames, which the decoder checks for other clients.
    fn check_size(&self, destination: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<(), Rejection> {
        let limits = &self.context.options.limits;
        let lines = || [("destination", destination)].into_iter().chain(headers.iter().copied());
        let bytes = request_bytes(lines(), body);
        if bytes > limits.frame_bytes_max {
            let detail =
                format!("The message has {bytes} bytes; expected at most {}.", limits.frame_bytes_max);
            return Err(too_large(Limit::FrameBytes, "frame too large", detail, FrameLimit::FrameBytes));
        }
        if headers.len() >= limits.header_count_max {
            let max = limits.header_count_max;
            let detail = format!("The message has {} headers; expected at most {max}.", headers.len() + 1);
            return Err(too_large(Limit::HeaderCount, "too many headers", detail, FrameLimit::HeaderCount));
        }
        for (name, value) in lines().filter(|(name, _)| *name != "to") {
            let (bytes, max) = (name.len() + ":".len() + value.len(), limits.header_bytes_max);
            if bytes > max {
                let detail =
                    format!("The header {} has {bytes} bytes; expected at most {max}.", Quoted(name));
                return Err(too_large(
                    Limit::HeaderBytes,
                    "header too long",
                    detail,
                    FrameLimit::HeaderBytes,
                ));
            }
        }
        Ok(())
    }

    /// Waits for slow receivers, except this client itself, which cannot take messages while it publishes.
    pub(super) async fn wait_for_others(&self, congested: &[Congested]) {
        for receiver in congested {
            if !self.is_own_queue(&receiver.outbound_queue) {
                wait_for(receiver).await;
            }
        }
    }
}

impl Rejection {
    pub(super) fn renewal_in_process() -> Rejection {
        let detail = "A client in the broker's process has no token to renew.";
        Rejection::new(Code::Invalid, "token cannot be renewed here", detail)
    }
}

/// Waits until the store has reported the outcome, for at most `timeout`.
pub(super) async fn outcome(ticket: Option<Ticket>, timeout: Duration) -> Result<(), Rejection> {
    match ticket {
        Some(ticket) => ticket.outcome_within(timeout).await,
        None => Ok(()),
    }
}

fn too_large(limit: Limit, summary: &'static str, detail: String, kind: FrameLimit) -> Rejection {
    Rejection::by_limit(limit, summary, format!("{detail} {}, or raise {limit}.", kind.advice()))
}

/// Waits until the receiver has taken messages, has gone, or its grace period is over.
async fn wait_for(receiver: &Congested) {
    let Congested { outbound_queue, is_widespread } = receiver;
    let drained = poll_fn(|cx| outbound_queue.poll_drained(cx, *is_widespread, Instant::now()));
    let _ = tokio::time::timeout_at(outbound_queue.grace_ends(*is_widespread).into(), drained).await;
}
