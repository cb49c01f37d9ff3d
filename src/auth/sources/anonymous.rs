//! A source that accepts clients without credentials as anonymous.

use crate::auth::credentials::Credentials;
use crate::auth::principal::Principal;
use crate::auth::source::{Decision, DecisionFuture, Source};

/// Accepts clients that send no credentials. If no other source is configured, accepts every client as anonymous. It
/// then ignores logins, because no source can check them.
#[derive(Debug)]
pub(crate) struct Anonymous {
    /// Whether no other source is configured.
    pub(crate) is_alone: bool,
}

impl Source for Anonymous {
    fn name(&self) -> &'static str {
        "anonymous"
    }

    fn reads_tokens(&self) -> bool {
        false
    }

    fn check<'a>(&'a self, credentials: &'a Credentials) -> DecisionFuture<'a> {
        let is_accepted = self.is_alone || credentials.is_empty();
        let decision = if is_accepted { Decision::Known(Principal::anonymous()) } else { Decision::Unknown };
        Box::pin(std::future::ready(decision))
    }
}
