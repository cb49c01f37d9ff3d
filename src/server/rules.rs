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
    /// Replaces the permissions by those of `config`: its rules, the rule of the demo and the default permissions. Its
    /// other options are used only to derive these. The new permissions apply at once, also to existing subscriptions.
    pub fn set_permissions(&self, config: &Config) {
        if let Some(context) = self.context.upgrade() {
            context.set_permissions(config.permissions());
        }
    }

    /// Makes the sources of users check now whether their data has changed, such as the users file. Otherwise the
    /// broker checks once a second.
    pub async fn reload_users(&self) {
        if let Some(context) = self.context.upgrade() {
            context.reload_users().await;
        }
    }
}
