//! The notice "no service": the reply to a SEND below `/app` if no application service is subscribed to the
//! destination.

use crate::broker::Publication;
use crate::connection::state::Connection;
use crate::destination::Destination;
use crate::session::Publish;
use crate::wire::Wire;
use std::time::Instant;
use stompbox_frames::stomp::Headers;

impl<W: Wire> Connection<W> {
    /// Sends the notice to the `reply-to` address of a message that reached no service. The client then need not wait
    /// for a reply. Does nothing if the message has no `reply-to`.
    pub(super) fn report_no_service(&self, publish: &Publish, now: Instant) {
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
                "could not deliver the notice that no service is subscribed"
            );
        }
    }
}
