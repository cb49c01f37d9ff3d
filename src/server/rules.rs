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
    /// Replaces the permissions by those of `config`: its rules, the rule of the demo and the default permissions. The
    /// other options of `config` serve only to derive these permissions. The new permissions apply at once, also to
    /// existing subscriptions.
    pub fn set_permissions(&self, config: &Config) {
        if let Some(context) = self.context.upgrade() {
            context.set_permissions(config.permissions());
        }
    }

    /// Makes every source of users check at once whether its data has changed, such as the users file. Without this
    /// call, the sources check once a second.
    pub async fn reload_users(&self) {
        if let Some(context) = self.context.upgrade() {
            context.reload_users().await;
        }
    }
}
