//! Where it is known who somebody is.

use super::{Credentials, Principal};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// The answer of a [`Source`], in its own time.
pub type Check<'a> = Pin<Box<dyn Future<Output = Decision> + Send + 'a>>;

/// What a source says of credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// They stand for this principal.
    Known(Principal),
    /// They are none of this source's kind, or of a name that it does not know: another source may be asked.
    NotMine,
    /// They are of this source's kind and stand for nobody: no other source is asked. The reason is for the log only
    /// and holds no secret.
    Refused(String),
    /// It cannot be said, for now: nobody is let in.
    Unavailable(String),
}

/// What a source says later of a principal that it named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountState {
    /// As it was.
    Same,
    /// The same user, with other roles.
    Roles(Arc<[Box<str>]>),
    /// The user is not there any more, or has another passcode: whoever came in with the old one has to go.
    Gone,
}

/// A source of truth about users.
pub trait Source: fmt::Debug + Send + Sync {
    /// Its name, in the order of sources and in the log.
    fn name(&self) -> &'static str;

    /// Whom these credentials stand for. To take the same time and way whether the name exists or not is the
    /// source's duty; that the client reads the same words is the authenticator's. Dropped when out of time.
    fn check<'a>(&'a self, credentials: &'a Credentials) -> Check<'a>;

    /// Returns whether a check reads tokens. If no source does, logins that differ only in a token are equal.
    fn reads_tokens(&self) -> bool {
        true
    }

    /// Whether `auth-timeout` holds for a check. Not where checks wait for their turn here: a queue is bounded by its
    /// length, and who has waited longest would be the first to be sent away.
    fn is_timed(&self) -> bool {
        true
    }

    /// Looks at once whether what it knows has changed. May block: not to be called where connections run.
    ///
    /// # Errors
    /// The new content is invalid; what was known before still holds. The text is for the operator.
    fn reload(&self) -> Result<(), String> {
        Ok(())
    }

    /// Changes whenever [`Source::standing`] may have another answer.
    fn generation(&self) -> u64 {
        0
    }

    /// What it says now of a principal that it named.
    fn standing(&self, _: &Principal) -> AccountState {
        AccountState::Same
    }
}
