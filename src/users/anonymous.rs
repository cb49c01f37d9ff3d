//! Clients without a name.

use super::source::{Check, Decision, Source};
use super::{Credentials, Principal};

/// Lets those in that show nothing; where there is no other source, everybody: what a login says proves nothing then,
/// so it names nobody.
#[derive(Debug)]
pub(super) struct Anonymous {
    /// Whether there is no other source.
    pub(super) is_alone: bool,
}

impl Source for Anonymous {
    fn name(&self) -> &'static str {
        "anonymous"
    }

    fn reads_tokens(&self) -> bool {
        false
    }

    fn check<'a>(&'a self, credentials: &'a Credentials) -> Check<'a> {
        let is_let_in = self.is_alone || credentials.is_empty();
        let verdict = if is_let_in { Decision::Known(Principal::anonymous()) } else { Decision::NotMine };
        Box::pin(std::future::ready(verdict))
    }
}
