//! Sources of users: the interface of all authentication methods.

use super::credentials::Credentials;
use super::principal::Principal;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// The future of a [`Source`]'s decision.
pub type Check<'a> = Pin<Box<dyn Future<Output = Decision> + Send + 'a>>;

/// The decision of a source on credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The credentials identify this principal.
    Known(Principal),
    /// The source does not check credentials of this kind, or does not know the name in them. The next source is tried.
    Unknown,
    /// The credentials are of this source's kind and are wrong. No other source is tried. The reason is for the log
    /// only and contains no secret.
    Rejected(String),
    /// The source cannot check the credentials now. The login is not accepted.
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
    /// Returns the name of the source, for the configured order of sources and for the log.
    fn name(&self) -> &'static str;

    /// Checks credentials. The source must take the same time and the same steps whether or not the user name exists;
    /// the authenticator ensures that the texts for the client are the same. If [`Source::is_timed`] returns true, the
    /// future is dropped after `auth-timeout`.
    fn check<'a>(&'a self, credentials: &'a Credentials) -> Check<'a>;

    /// Returns whether a check reads tokens. If no source does, logins that differ only in a token are equal.
    fn reads_tokens(&self) -> bool {
        true
    }

    /// Returns whether `auth-timeout` limits a check. Returns false for a source with a queue of its own: the length of
    /// the queue limits the wait, and a timeout would reject the logins that have waited longest.
    fn is_timed(&self) -> bool {
        true
    }

    /// Checks at once whether the source's data has changed. May block, so do not call it on threads that run
    /// connections.
    ///
    /// # Errors
    /// The new data is invalid; the previous data stays in force. The text is for the operator.
    fn reload(&self) -> Result<(), String> {
        Ok(())
    }

    /// Returns a number that changes whenever [`Source::account_state`] may return another result.
    fn generation(&self) -> u64 {
        0
    }

    /// Returns the current state of a principal that this source has authenticated.
    fn account_state(&self, _: &Principal) -> AccountState {
        AccountState::Same
    }
}
