//! A client of the broker: who it is, and what it may do.

use super::access_cache::AccessCache;
use super::options::Options;
use super::temp_queues::TempQueues;
use crate::auth::Principal;
use crate::command::Audience;
use crate::destination::{Destination, Owner, Selector};
use crate::permissions::{AccessDenied, Permissions, Verb};
use crate::rejection::Rejection;
use crate::work;
use std::fmt;
use std::sync::Arc;

/// A function that returns a new unguessable name for a temporary queue: the part after `/temp-queue/`, starting with
/// `~`.
pub type Addresses = Box<dyn Fn() -> String + Send + Sync>;

/// A client of the broker. Its methods turn requests into commands, or reject them.
pub struct Client {
    pub(super) options: Arc<Options>,
    pub(super) principal: Principal,
    pub(super) id: Box<str>,
    /// The permission rules; `None` before the client is authenticated.
    permissions: Option<Arc<Permissions>>,
    pub(super) access_cache: AccessCache,
    pub(super) temp_queues: TempQueues,
    pub(super) addresses: Arc<Addresses>,
}

impl Client {
    /// Creates a client that is not authenticated and therefore may do nothing.
    ///
    /// `id` is the ID of its session. A client that knows the ID can send messages to the session. `addresses` returns
    /// unguessable names for temporary queues: the part after `/temp-queue/`, starting with `~`.
    pub fn new(options: Arc<Options>, id: Box<str>, addresses: Arc<Addresses>) -> Client {
        Client {
            options,
            principal: Principal::default(),
            id,
            permissions: None,
            access_cache: AccessCache::default(),
            temp_queues: TempQueues::default(),
            addresses,
        }
    }

    /// Returns the ID of the client's session.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the principal whose permissions apply.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Returns the name of the authenticated user.
    pub fn user(&self) -> Option<&str> {
        self.principal.name.as_deref()
    }

    /// Returns the owner of the client's user destinations: the authenticated user, or the session itself if it has no
    /// user.
    pub fn owner(&self) -> Owner {
        Owner::of(self.user(), &self.id)
    }

    /// Replaces the principal, for example because its roles have changed. The caller then checks the subscriptions and
    /// the messages of open transactions again.
    pub fn set_principal(&mut self, principal: Principal) {
        self.principal = principal;
        self.access_cache.clear();
    }

    /// Replaces the permission rules. The caller then checks the subscriptions and the messages of open transactions
    /// again.
    pub fn set_permissions(&mut self, permissions: Arc<Permissions>) {
        self.permissions = Some(permissions);
        self.access_cache.clear();
    }

    /// Checks that the client may still receive from `selector`, the resolved destination of a subscription.
    ///
    /// # Errors
    /// A permission rule denies it.
    pub fn check_subscription(&self, selector: &Selector) -> Result<(), Rejection> {
        self.check_permission(Verb::Subscribe, selector.as_str(), selector)
    }

    /// Returns whether the client may still send to `audience`, which was permitted before.
    pub fn may_send(&self, audience: &Audience) -> bool {
        work::add(audience.recipients() * work::FRAME);
        let may_send = |to: &Destination| {
            self.check_access(Verb::Send, &Selector::Exact(to.clone()), &self.owner()).is_ok()
        };
        match audience {
            Audience::One(destination) | Audience::Session(destination, _) => may_send(destination),
            Audience::Users(owners, path) => {
                owners.iter().filter_map(|owner| path.of(owner)).all(|to| may_send(&to))
            }
        }
    }

    /// Checks the permission for the destination that the client wrote as `text`.
    pub(super) fn check_permission(
        &self,
        verb: Verb,
        text: &str,
        selector: &Selector,
    ) -> Result<(), Rejection> {
        self.check_access(verb, selector, &self.owner())
            .map_err(|denied| Rejection::access_denied(verb, text, &denied.rule))
    }

    fn check_access(&self, verb: Verb, selector: &Selector, owner: &Owner) -> Result<(), AccessDenied> {
        match &self.permissions {
            Some(permissions) => permissions.check(&self.principal, owner, verb, selector),
            None => Err(AccessDenied { rule: "no client has permissions before it is authenticated".into() }),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("principal", &self.principal)
            .finish_non_exhaustive()
    }
}
