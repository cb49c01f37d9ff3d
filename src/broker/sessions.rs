//! The sessions that are online.

use crate::outbound_queue::{Label, SessionId};
use dashmap::DashMap;
use std::sync::Arc;

/// The online sessions by the ID that CONNECTED shows.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    map: DashMap<Arc<str>, (SessionId, Arc<Label>)>,
}

impl Sessions {
    pub(super) fn insert(&self, id: SessionId, label: &Arc<Label>) {
        self.map.insert(label.session.clone(), (id, label.clone()));
    }

    /// Returns the label of the session with this ID.
    pub(super) fn get(&self, id: &str) -> Option<Arc<Label>> {
        self.map.get(id).map(|session| session.1.clone())
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    pub(super) fn remove(&self, id: SessionId, label: &Label) {
        self.map.remove_if(&label.session, |_, (registered, _)| *registered == id);
    }
}
