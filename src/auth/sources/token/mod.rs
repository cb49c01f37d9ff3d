//! Authentication by signed tokens (JWT).
//!
//! ```text
//!  token ─► signed (parts, header) ─► keys: fixed, key_file, key_url ─► rules (time, issuer, audience) ─► Principal
//! ```

mod key_file;
mod key_url;
mod keys;
pub(crate) mod options;
mod reason;
mod rules;
mod signed;
#[cfg(test)]
mod tests;

use super::kind::SourceKind;
use crate::auth::credentials::Credentials;
use crate::auth::http_client::{HttpClient, HttpUrl};
use crate::auth::now::Now;
use crate::auth::password::hash_pool::cores;
use crate::auth::principal::Principal;
use crate::auth::source::{Decision, DecisionFuture, Source};
use key_file::KeyFile;
use key_url::{FetchReason, KeyUrl};
use keys::{Fit, VerificationKey};
use options::{Jwks, Options};
use reason::RejectReason;
use signed::Signed;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// A source that accepts signed tokens.
#[derive(Debug)]
pub struct Tokens {
    options: Options,
    fixed: Vec<VerificationKey>,
    key_sets: Vec<KeySet>,
    /// Permits for verifying a signature, one for each core. Verifying runs on the threads that run connections. It can
    /// take several hundred microseconds.
    permits: Semaphore,
}

/// A set of keys that can change.
#[derive(Debug)]
enum KeySet {
    File(KeyFile),
    Url(KeyUrl),
}

/// The reason why a token is not accepted.
#[derive(Debug)]
enum TokenError {
    Invalid(RejectReason),
    KeysUnavailable(String),
}

impl From<RejectReason> for TokenError {
    fn from(reason: RejectReason) -> TokenError {
        TokenError::Invalid(reason)
    }
}

impl Tokens {
    /// Creates the source. Reads the secrets and files at once. The first login that needs keys at a URL fetches them.
    ///
    /// # Errors
    /// A secret is too short or is a key in PEM. Or a file cannot be read or contains no usable key. The text names the
    /// option.
    pub fn new(options: Options, client: HttpClient) -> Result<Tokens, String> {
        install_provider();
        let mut fixed = options
            .secrets
            .iter()
            .map(VerificationKey::from_secret)
            .collect::<Result<Vec<VerificationKey>, _>>()?;
        for path in &options.key_files {
            let text = key_file::read(path).and_then(|bytes| {
                String::from_utf8(bytes)
                    .map_err(|_| "the file is not UTF-8: expected a key in PEM".to_owned())
            });
            let keys = text.and_then(|text| VerificationKey::from_pem(&text));
            fixed.extend(keys.map_err(|error| format!("jwt-key-file: {}: {error}", path.display()))?);
        }
        let key_sets = options
            .jwks
            .iter()
            .map(|jwks| KeySet::open(jwks, &options, &client))
            .collect::<Result<_, _>>()?;
        let permits = Semaphore::new(cores());
        Ok(Tokens { options, fixed, key_sets, permits })
    }

    async fn decide(&self, token: &str) -> Decision {
        match self.authenticate(token).await {
            Ok(principal) => Decision::Known(principal),
            Err(TokenError::Invalid(reason)) => Decision::Rejected(reason.to_owned()),
            Err(TokenError::KeysUnavailable(reason)) => Decision::Unavailable(reason),
        }
    }

    async fn authenticate(&self, token: &str) -> Result<Principal, TokenError> {
        let signed = Signed::parse(token)?;
        match self.verify(&signed).await? {
            Fit::Match => Ok(rules::check(&self.options, &signed.claims()?, Now::read())?),
            Fit::NoMatch => Err(TokenError::Invalid("bad signature")),
            Fit::NoAlgorithm => Err(TokenError::Invalid("algorithm not allowed: no key supports it")),
            Fit::NoKey => Err(TokenError::Invalid("unknown key")),
        }
    }

    /// Waits for a permit, yields, and runs `verify`. The yield lets the runtime run other tasks, so that many tokens
    /// do not delay connections.
    async fn with_permit<T>(&self, verify: impl FnOnce() -> T) -> T {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        tokio::task::yield_now().await;
        verify()
    }

    /// Tries the fixed keys first, because they need no fetch. Then tries the key sets.
    async fn verify(&self, signed: &Signed<'_>) -> Result<Fit, TokenError> {
        let fixed = match self.fixed.is_empty() {
            true => Fit::NoKey,
            false => self.with_permit(|| Fit::of(self.fixed.iter(), signed)).await,
        };
        if fixed == Fit::Match {
            return Ok(fixed);
        }
        let (found, missing) = self.check_key_sets(signed, FetchReason::Lookup).await;
        // If no key has the key ID of the token, fetch the sets again, because the key may be new.
        let is_new = signed.kid.is_some() && found == Fit::NoKey;
        let (found, missing) = if is_new {
            self.check_key_sets(signed, FetchReason::UnknownKey).await
        } else {
            (found, missing)
        };
        match (found, missing) {
            (Fit::Match, _) => Ok(found),
            (_, Some(url)) => {
                Err(TokenError::KeysUnavailable(format!("the keys at {url} cannot be fetched")))
            }
            // The token is probably meant for a key set. Report the unknown key, not the algorithms of the fixed keys.
            (Fit::NoKey, None) if fixed == Fit::NoAlgorithm && !self.key_sets.is_empty() => Ok(found),
            (found, None) => Ok(found.max(fixed)),
        }
    }

    /// Returns the best result of the key sets. If no fetch of one of them has succeeded, also returns its URL.
    async fn check_key_sets(&self, signed: &Signed<'_>, reason: FetchReason) -> (Fit, Option<&HttpUrl>) {
        let (mut fit, mut missing) = (Fit::NoKey, None);
        for key_set in &self.key_sets {
            match key_set.keys(reason).await {
                Ok(keys) => fit = fit.max(self.with_permit(|| Fit::of_set(&keys, signed)).await),
                Err(url) => missing = Some(url),
            }
            if fit == Fit::Match {
                break;
            }
        }
        (fit, missing)
    }
}

impl KeySet {
    fn open(jwks: &Jwks, options: &Options, client: &HttpClient) -> Result<KeySet, String> {
        match jwks {
            Jwks::File(path) => KeyFile::open(path)
                .map(KeySet::File)
                .map_err(|error| format!("jwt-jwks: {}: {error}", path.display())),
            Jwks::Url(url) => Ok(KeySet::Url(KeyUrl::new(
                url.clone(),
                client.clone(),
                options.timeout,
                options.jwks_refresh,
            ))),
        }
    }

    async fn keys(&self, reason: FetchReason) -> Result<Arc<[VerificationKey]>, &HttpUrl> {
        match self {
            KeySet::File(file) => Ok(file.keys()),
            KeySet::Url(url) => url.keys(reason).await.ok_or_else(|| url.url()),
        }
    }
}

impl Source for Tokens {
    fn name(&self) -> &'static str {
        SourceKind::Token.as_str()
    }

    fn check<'a>(&'a self, credentials: &'a Credentials) -> DecisionFuture<'a> {
        match credentials.token() {
            Some(token) => Box::pin(self.decide(token)),
            None => Box::pin(std::future::ready(Decision::Unknown)),
        }
    }
}

/// Installs the crypto provider. Without it, jsonwebtoken panics at first use if another crate enables a second
/// provider.
fn install_provider() {
    // Ignore the error of a provider that is already installed.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}
