//! The sessions that are online.

use super::BrokerState;
use super::topics::subscriber_list::SubscriberSlot;
use super::topics::topic::Topic;
use crate::outbound_queue::Label;
use dashmap::DashMap;
use std::fmt;
use std::sync::Arc;

/// The online sessions by id.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    map: DashMap<Arc<str>, Arc<Label>>,
}

/// The registration of an online session. Dropping it ends the registration.
pub struct SessionRegistration {
    shared: Arc<BrokerState>,
    label: Option<Arc<Label>>,
    topic: Arc<Topic>,
    slot: SubscriberSlot,
}

impl Sessions {
    pub(super) fn insert(&self, label: &Arc<Label>) {
        self.map.insert(label.session.clone(), label.clone());
    }

    /// Returns the label of the session with this id.
    pub(super) fn get(&self, id: &str) -> Option<Arc<Label>> {
        self.map.get(id).map(|label| label.clone())
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    fn remove(&self, label: &Arc<Label>) {
        self.map.remove_if(&label.session, |_, registered| Arc::ptr_eq(registered, label));
    }
}

impl SessionRegistration {
    pub(super) fn new(
        shared: Arc<BrokerState>,
        label: Option<Arc<Label>>,
        topic: Arc<Topic>,
        slot: SubscriberSlot,
    ) -> SessionRegistration {
        shared.context.metrics.sessions.inc();
        SessionRegistration { shared, label, topic, slot }
    }
}

impl Drop for SessionRegistration {
    fn drop(&mut self) {
        if let Some(label) = &self.label {
            self.shared.sessions.remove(label);
        }
        self.shared.online.leave(&self.topic, self.slot);
        self.shared.context.metrics.sessions.dec();
    }
}

impl fmt::Debug for SessionRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionRegistration").field(&self.label).finish()
    }
}
