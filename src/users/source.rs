//! Where it is known who somebody is.

use super::{Credentials, Principal};
use std::fmt;
use std::pin::Pin;

/// The answer of a [`Source`], in its own time.
pub type Check<'a> = Pin<Box<dyn Future<Output = Result<Principal, Unknown>> + Send + 'a>>;

/// A source of truth about users. It need not bound its own work: the [`super::Authenticator`] before it lets
/// only so many through at a time, and gives each only so long.
pub trait Source: fmt::Debug + Send + Sync {
    /// Whom these credentials stand for. To take the same time and way whether the name exists or not is the
    /// source's duty; that the client reads the same words is the authenticator's. Dropped when out of time.
    fn check<'a>(&'a self, credentials: &'a Credentials) -> Check<'a>;
}

/// The credentials stand for nobody; the reason is for the log only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown(pub &'static str);
