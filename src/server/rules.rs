//! Changes what clients may do while the broker runs.

use crate::connection::ConnectionContext;
use crate::permissions::Permissions;
use std::sync::Weak;

/// A handle that changes what clients may do, returned by [`Server::rules`](super::Server::rules).
#[derive(Clone, Debug)]
pub struct Rules {
    pub(super) context: Weak<ConnectionContext>,
}

impl Rules {
    /// Replaces the permissions. They apply at once: existing subscriptions are checked again.
    pub fn permit(&self, permissions: Permissions) {
        if let Some(context) = self.context.upgrade() {
            context.set_permissions(permissions);
        }
    }

    /// Reads the users file now instead of within a second after its change.
    pub async fn reload_users(&self) {
        if let Some(context) = self.context.upgrade() {
            context.reload_users().await;
        }
    }
}
