//! Changes what clients may do while the broker runs.

use crate::config::Config;
use crate::connection::ConnectionContext;
use std::sync::Weak;

/// A handle that changes what clients may do, returned by [`Server::rules`](super::Server::rules).
#[derive(Clone, Debug)]
pub struct Rules {
    pub(super) context: Weak<ConnectionContext>,
}

impl Rules {
    /// Replaces the permissions by those of `config`: its rules and its default permissions. Its other options have no
    /// effect. The permissions apply at once: existing subscriptions are checked again.
    pub fn set_permissions(&self, config: &Config) {
        if let Some(context) = self.context.upgrade() {
            context.set_permissions(config.permissions());
        }
    }

    /// Reads the users file now instead of within a second after its change.
    pub async fn reload_users(&self) {
        if let Some(context) = self.context.upgrade() {
            context.reload_users().await;
        }
    }
}
