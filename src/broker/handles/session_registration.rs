//! The registration of an online session.

use crate::broker::state::BrokerState;
use crate::broker::subscriber::Subscriber;
use crate::broker::topics::subscriber_list::SubscriberSlot;
use crate::broker::topics::topic::Topic;
use crate::destination::DestinationKind;
use crate::outbound_queue::OutboundQueue;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// The registration of an online session. Dropping it ends the registration.
pub struct SessionRegistration {
    shared: Arc<BrokerState>,
    outbound_queue: Arc<OutboundQueue>,
    topic: Arc<Topic>,
    slot: SubscriberSlot,
}

/// The key of an online session as a member of its topic. Nothing is ever pushed with this key.
const UNUSED_KEY: u32 = 0;

impl SessionRegistration {
    /// Registers the session of `outbound_queue` as online.
    pub(in crate::broker) fn new(
        shared: Arc<BrokerState>,
        outbound_queue: &Arc<OutboundQueue>,
        now: Instant,
    ) -> SessionRegistration {
        if let Some(label) = outbound_queue.label() {
            shared.sessions.insert(outbound_queue.session_id(), label);
        }
        let outbound_queue = outbound_queue.clone();
        let member = Subscriber { outbound_queue: outbound_queue.clone(), key: UNUSED_KEY };
        let (topic, slot) =
            shared.family(DestinationKind::Presence).subscribe(&shared.online_destination, &member, now);
        shared.context.metrics.sessions.inc();
        SessionRegistration { shared, outbound_queue, topic, slot }
    }
}

impl Drop for SessionRegistration {
    fn drop(&mut self) {
        if let Some(label) = self.outbound_queue.label() {
            self.shared.sessions.remove(self.outbound_queue.session_id(), label);
        }
        self.shared.family(DestinationKind::Presence).leave(&self.topic, self.slot);
        self.shared.context.metrics.sessions.dec();
    }
}

impl fmt::Debug for SessionRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionRegistration").field(&self.outbound_queue.label()).finish()
    }
}
