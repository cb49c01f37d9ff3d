//! What every destination stands on.

use super::alarms::Alarms;
use super::ids::Ids;
use super::{Options, Publication, Refusal};
use crate::budget::Budget;
use crate::metrics::Metrics;
use crate::outbox::Message;
use std::sync::Arc;
use stompbox_frames::message::Parts;

/// Shared by all topics and queues of one broker.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) options: Options,
    pub(super) ids: Ids,
    pub(super) budget: Arc<Budget>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) alarms: Alarms,
}

impl Ground {
    /// Whether new messages may come in at all.
    pub(super) fn check_budget(&self) -> Result<(), Refusal> {
        if !self.budget.is_exhausted() {
            return Ok(());
        }
        let what = format!("the broker holds {} octets for all its clients", self.budget.used());
        Err(Refusal::full("memory-bytes-max", self.budget.bytes_max(), &what))
    }

    /// The publication with an id of its own, encoded once, its memory charged to the budget.
    pub(super) fn message(&self, publication: &Publication<'_>) -> Message {
        let parts = Parts {
            id: &self.ids.next(),
            destination: publication.shown,
            headers: publication.headers,
            extra: publication.extra,
            body: publication.body,
        };
        Message::new(parts, |bytes| self.budget.charge(bytes))
    }
}
