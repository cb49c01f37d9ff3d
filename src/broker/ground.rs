//! What every destination stands on.

use super::alarms::Alarms;
use super::clock::Clock;
use super::dead_letter_log::DeadLetterLog;
use super::ids::Ids;
use super::presence::Room;
use super::publication::Content;
use super::queue::Queue;
use super::{Options, Refusal};
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
    pub(super) clock: Clock,
    pub(super) alarms: Alarms<Queue>,
    pub(super) room_alarms: Alarms<Room>,
    pub(super) dead_letter_log: DeadLetterLog,
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

    /// The content with an id of its own, encoded once, its memory charged to the budget.
    pub(super) fn message(&self, content: Content<'_>) -> Message {
        let Content { shown, headers, extra, body } = content;
        let parts = Parts { id: &self.ids.next(), destination: shown, headers, extra, body };
        Message::new(parts, |bytes| self.budget.charge(bytes))
    }
}
