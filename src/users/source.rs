//! Where it is known who somebody is.

use super::{Credentials, Principal};
use std::fmt;
use std::pin::Pin;

/// The answer of a [`Source`], in its own time.
pub type Check<'a> = Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// What a source says of credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
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

/// A source of truth about users.
pub trait Source: fmt::Debug + Send + Sync {
    /// Its name, in the order of sources and in the log.
    fn name(&self) -> &'static str;

    /// Whom these credentials stand for. To take the same time and way whether the name exists or not is the
    /// source's duty; that the client reads the same words is the authenticator's. Dropped when out of time.
    fn check<'a>(&'a self, credentials: &'a Credentials) -> Check<'a>;
}
