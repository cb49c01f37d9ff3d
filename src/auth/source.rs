//! The interface of all authentication methods.

use super::credentials::Credentials;
use super::principal::Principal;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// The future of a [`Source`]'s decision.
pub type DecisionFuture<'a> = Pin<Box<dyn Future<Output = Decision> + Send + 'a>>;

/// The decision of a source on credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The credentials identify this principal.
    Known(Principal),
    /// The source does not check credentials of this kind, or does not know the name. The authenticator tries the next
    /// source.
    Unknown,
    /// The credentials are of this source's kind, and they are wrong. The authenticator tries no other source. The
    /// reason is for the log only and contains no secret.
    Rejected(String),
    /// The source cannot check the credentials now. The login fails. The reason is for the log.
    Unavailable(String),
}

/// The current state of a principal, from the source that authenticated it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountState {
    /// The principal is unchanged.
    Same,
    /// The user has other roles now.
    Roles(Arc<[Box<str>]>),
    /// The user was removed or has another passcode. Its sessions must be closed.
    Gone,
}

/// A source of users: one authentication method.
pub trait Source: fmt::Debug + Send + Sync {
    /// Returns the name of the source, for the log. It is the name that `auth-order` uses.
    fn name(&self) -> &'static str;

    /// Checks credentials. The time and the steps of the check must not depend on whether the user name exists. The
    /// authenticator ensures the same for the texts that the client gets. If [`Source::is_timed`] returns true, the
    /// authenticator drops the future after `auth-timeout`.
    fn check<'a>(&'a self, credentials: &'a Credentials) -> DecisionFuture<'a>;

    /// Returns whether a check reads tokens. If no source reads tokens, logins that differ only in a token share one
    /// check.
    fn reads_tokens(&self) -> bool {
        true
    }

    /// Returns whether `auth-timeout` limits a check. Returns false for a source with a queue of its own. The length of
    /// the queue limits the wait. A timeout would end the checks that have waited longest.
    fn is_timed(&self) -> bool {
        true
    }

    /// Checks at once whether the source's data has changed. May block: do not call it on a thread that runs
    /// connections.
    ///
    /// # Errors
    /// The new data is invalid. The previous data stays in effect. The text is for the operator.
    fn reload(&self) -> Result<(), String> {
        Ok(())
    }

    /// Returns a number that changes when [`Source::account_state`] may return another result.
    fn generation(&self) -> u64 {
        0
    }

    /// Returns the current state of a principal that this source has authenticated.
    fn account_state(&self, _: &Principal) -> AccountState {
        AccountState::Same
    }
}
