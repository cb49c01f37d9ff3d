//! The routing of messages to destinations that do not store messages.

use super::publication::{Multicast, Publication, Published};
use super::state::BrokerState;
use super::topics::fan_out::FanOutResult;
use super::topics::{services, users};
use crate::destination::DestinationKind;
use std::time::Instant;

/// The result of routing a message to a destination that does not store messages.
#[derive(Default)]
pub(crate) struct Routed {
    pub(super) fan_out: FanOutResult,
    pub(super) sessions: Option<usize>,
    pub(super) services: Option<usize>,
}

impl BrokerState {
    /// Routes a message to a destination that does not store messages.
    pub(super) fn route(&self, publication: &Publication<'_>, now: Instant) -> Routed {
        match publication.destination.kind() {
            DestinationKind::User => {
                let (fan_out, sessions) = users::publish(self, publication, now);
                Routed { fan_out, sessions: Some(sessions), services: None }
            }
            DestinationKind::App => {
                let fan_out = services::publish(self, publication, now);
                Routed { services: Some(fan_out.reached), fan_out, sessions: None }
            }
            // Only the broker itself publishes presence reports.
            DestinationKind::Presence => Routed::default(),
            DestinationKind::Topic | DestinationKind::Queue | DestinationKind::TempQueue => {
                Routed { fan_out: self.topics.publish(publication, now), ..Routed::default() }
            }
        }
    }

    /// Routes a message to many users.
    pub(super) fn route_to_users(&self, multicast: &Multicast<'_>, now: Instant) -> Routed {
        let (fan_out, sessions) = users::publish_to_all(self, multicast, now);
        Routed { fan_out, sessions: Some(sessions), services: None }
    }
}

impl Routed {
    pub(super) fn into_published(self, now: Instant) -> Published {
        let Routed { fan_out, sessions, services } = self;
        let reached = fan_out.reached;
        Published { reached, sessions, services, congested: fan_out.into_congested(now) }
    }
}
