//! The sessions that are online.

use crate::outbound_queue::Label;
use dashmap::DashMap;
use std::sync::Arc;

/// The online sessions by id.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    map: DashMap<Arc<str>, Arc<Label>>,
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

    pub(super) fn remove(&self, label: &Arc<Label>) {
        self.map.remove_if(&label.session, |_, registered| Arc::ptr_eq(registered, label));
    }
}
