//! What a principal may do. Pure: no clock, no lock, no log.

use super::Principal;
use crate::destination::{Owner, Selector};
use std::sync::Arc;

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// SEND.
    Send,
    /// SUBSCRIBE.
    Subscribe,
}

/// All rules, in order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Permissions {}

/// Why something may not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The rule that says so, as the operator wrote it, for the log.
    pub rule: Arc<str>,
}

impl Permissions {
    /// Whether `who`, whose own user destinations are those of `owner`, may do that.
    pub fn judge(&self, _who: &Principal, _owner: &Owner, _verb: Verb, _to: &Selector) -> Result<(), Denied> {
        Ok(())
    }
}
