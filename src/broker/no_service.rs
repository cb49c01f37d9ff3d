//! The notice "no service": the reply to a message below `/app` if no application service is subscribed to the
//! destination.

use super::state::BrokerState;
use crate::command::{Audience, Publish};
use crate::destination::Destination;
use bytes::Bytes;
use std::time::Instant;
use stompbox_frames::stomp::Headers;

const DETAIL: &str = "No service is subscribed to this destination. Send again later.";

impl BrokerState {
    /// Sends the notice to the `reply-to` address of a message that reached no service, so that the client does not
    /// wait for a reply. Does nothing if the publisher has not requested a reply.
    pub(super) fn send_no_service_notice(&self, publish: &Publish, now: Instant) {
        let Some(notice) = notice(publish) else { return };
        if let Err(rejection) = self.publish(&notice, now) {
            tracing::debug!(
                detail = rejection.detail,
                "the notice that no service is subscribed could not be delivered"
            );
        }
    }
}

/// Returns the notice. The address of the reply is the `reply-to` that the broker has set. The header `destination` of
/// the notice is the `reply-to` of the publisher.
fn notice(publish: &Publish) -> Option<Publish> {
    let requested = publish.header("reply-to")?;
    let (_, reply_to) = publish.extra.iter().find(|(name, _)| *name == "reply-to")?;
    let destination = Destination::parse(reply_to, usize::MAX).ok()?;
    let mut extra: Vec<(&'static str, Box<str>)> = vec![
        ("message", "no service".into()),
        ("content-type", "text/plain".into()),
        ("refused", (*publish.destination_header).into()),
    ];
    extra.extend(publish.header("correlation-id").map(|id| ("correlation-id", id.into())));
    extra.extend(publish.header("receipt").map(|receipt| ("receipt-id", receipt.into())));
    Some(Publish {
        audience: Audience::One(destination),
        destination_header: requested.into(),
        headers: Headers::default(),
        extra,
        body: Bytes::from_static(DETAIL.as_bytes()),
    })
}
