//! The settings that determine which tokens are accepted.

use crate::auth::http_client::HttpUrl;
use crate::auth::secret::Secret;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Location of a key set (JWKS).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jwks {
    /// A file. The broker reads it again when it changes.
    File(PathBuf),
    /// A URL. The broker fetches it again when its keys are old or a key is missing.
    Url(HttpUrl),
}

impl FromStr for Jwks {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Jwks, &'static str> {
        let is_url = text.contains("://");
        if is_url { text.parse().map(Jwks::Url) } else { Ok(Jwks::File(text.into())) }
    }
}

/// The settings that determine which tokens are accepted. `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Shared secrets of at least 32 bytes, for HS256, HS384 and HS512 (`jwt-secret`). During a key rotation, the list
    /// has several secrets.
    pub secrets: Vec<Secret>,
    /// Files with public keys in PEM (`jwt-key-file`). RSA keys are for RS256 to RS512 and PS256 to PS512. P-256 keys
    /// are for ES256, P-384 keys for ES384, and Ed25519 keys for EdDSA.
    pub key_files: Vec<PathBuf>,
    /// Locations of key sets (`jwt-jwks`).
    pub jwks: Vec<Jwks>,
    /// Age after which keys from a URL are fetched again (`jwt-jwks-refresh`, 10 min).
    pub jwks_refresh: Duration,
    /// Accepted issuers of tokens (`jwt-issuer`). If empty, every issuer is accepted.
    pub issuers: Vec<String>,
    /// Accepted audiences of tokens (`jwt-audience`). If empty, every token is accepted, with or without an audience.
    pub audiences: Vec<String>,
    /// Tolerance for clock differences in the checks of `exp` and `nbf` (`jwt-leeway`, 0 s).
    pub leeway: Duration,
    /// Path of the claim with the user name (`jwt-name-claim`, `sub`). Dots separate the names of nested objects.
    pub name_claim: String,
    /// Path of the claim with the user's roles (`jwt-roles-claim`, `roles`). The claim is a list of strings, or a
    /// string with spaces or commas between the roles.
    pub roles_claim: String,
    /// Whether a token must have an expiry time (`jwt-require-exp`, true).
    pub require_exp: bool,
    /// Time limit for fetching keys (`jwt-timeout`, 5 s).
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            secrets: Vec::new(),
            key_files: Vec::new(),
            jwks: Vec::new(),
            jwks_refresh: Duration::from_secs(600),
            issuers: Vec::new(),
            audiences: Vec::new(),
            leeway: Duration::ZERO,
            name_claim: "sub".to_owned(),
            roles_claim: "roles".to_owned(),
            require_exp: true,
            timeout: Duration::from_secs(5),
        }
    }
}

impl Options {
    /// Returns whether no key is configured.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty() && self.key_files.is_empty() && self.jwks.is_empty()
    }
}
