//! Authentication with users from a file. `stompbox passwd` creates and changes the file.

mod contents;
pub(crate) mod edit;
pub(crate) mod record;

use crate::auth::credentials::Credentials;
use crate::auth::name::Names;
use crate::auth::password::passcode::Passcode;
use crate::auth::password::verifier::Verifier;
use crate::auth::principal::Principal;
use crate::auth::source::{AccountState, Decision, DecisionFuture, Source};
use crate::auth::throttle::network;
use contents::{FileFingerprint, Users};
use parking_lot::{Mutex, RwLock};
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{info, warn};

/// Minimum interval between two checks of whether the file has changed.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum number of checks of one login. The source checks a login again if its user has changed during the check.
const ATTEMPTS_MAX: usize = 3;

/// A users file. The source reads it at start and again when it has changed. If the new content is invalid, the
/// previous users stay in effect.
///
/// ```text
///  check ──► 1 s since the last check? ──► other fingerprint? ──► other text? ──► parse ──► new users, generation + 1
///    │                                                                             └─► invalid: one warning, old users
///    └─► hash of the user, or `dummy_hash` ──► Verifier ──► is it still the user's hash? ──► Decision
/// ```
#[derive(Debug)]
pub(crate) struct UsersFile {
    shared: Arc<Shared>,
    verifier: Verifier,
}

struct Shared {
    path: PathBuf,
    names: Names,
    /// The users in effect. An error if the file has never been valid.
    users: RwLock<Result<Arc<Users>, String>>,
    generation: AtomicU64,
    reading: Mutex<Reading>,
    last_check: Mutex<Instant>,
    hasher: RandomState,
}

/// The state after the last read of the file.
struct Reading {
    fingerprint: Option<FileFingerprint>,
    /// Hash of the text, or of the error if the file could not be read.
    content: Option<u64>,
    /// An error if the content is invalid.
    result: Result<(), String>,
}

/// Checks that the users file exists and is valid, and returns the number of its users.
///
/// # Errors
/// The text says what is wrong, with the name of the file and the line.
pub fn check_users_file(path: &Path, names: Names) -> Result<usize, String> {
    let users = contents::read(path).and_then(|(text, _)| Users::parse(&text, names));
    users.map(|users| users.len()).map_err(|error| format!("{}:{error}", path.display()))
}

impl UsersFile {
    /// Reads the file. If it is invalid, no user can log in until it is corrected.
    pub(crate) fn new(path: &Path, names: Names, verifier: Verifier) -> UsersFile {
        let shared = Shared {
            path: path.to_owned(),
            names,
            users: RwLock::new(Err("the file has not been read yet".to_owned())),
            generation: AtomicU64::new(0),
            reading: Mutex::new(Reading { fingerprint: None, content: None, result: Ok(()) }),
            last_check: Mutex::new(Instant::now()),
            hasher: RandomState::new(),
        };
        // Ignore an error: `read` has logged it.
        let _ = shared.read();
        UsersFile { shared: Arc::new(shared), verifier }
    }

    /// Reads the file again if the next check is due and the file has changed.
    async fn read_if_due(&self) {
        if self.shared.is_due() {
            let shared = self.shared.clone();
            // Ignore an error: `read` has logged it, and the previous users stay in effect.
            let _ = tokio::task::spawn_blocking(move || shared.read()).await;
        }
    }

    async fn decide(&self, credentials: &Credentials) -> Decision {
        let Some((login, passcode)) = credentials.login() else { return Decision::Unknown };
        if login.len() > record::NAME_BYTES_MAX || passcode.len() > Passcode::BYTES_MAX {
            // No user can have such a name or passcode, so this answer reveals nothing. The early answer keeps long
            // texts out of the hashing queue.
            return Decision::Rejected("the name or the passcode is too long".to_owned());
        }
        let client = credentials.handshake.address.map(network);
        self.read_if_due().await;
        for _ in 0..ATTEMPTS_MAX {
            let users = match &*self.shared.users.read() {
                Ok(users) => users.clone(),
                Err(error) => return Decision::Unavailable(error.clone()),
            };
            let user = users.get(login);
            let hash = user.map_or(&users.dummy_hash, |user| &user.hash);
            let matches = match self.verifier.verify(client, login, passcode, hash).await {
                Ok(matches) => matches,
                Err(reason) => return Decision::Unavailable(reason.to_owned()),
            };
            match (user, matches) {
                (None, _) => return Decision::Unknown,
                (Some(_), false) => return Decision::Rejected("wrong passcode".to_owned()),
                (Some(user), true) => {
                    // The user may have changed while the login waited. Check that it still has this hash.
                    let known = self.shared.principal(login);
                    if let Some(principal) = known.filter(|known| known.version == self.shared.version(user))
                    {
                        return Decision::Known(principal);
                    }
                }
            }
        }
        Decision::Unavailable("the user changed repeatedly during the check".to_owned())
    }
}

impl Source for UsersFile {
    fn name(&self) -> &'static str {
        "users-file"
    }

    fn reads_tokens(&self) -> bool {
        false
    }

    fn check<'a>(&'a self, credentials: &'a Credentials) -> DecisionFuture<'a> {
        Box::pin(self.decide(credentials))
    }

    fn is_timed(&self) -> bool {
        false
    }

    fn reload(&self) -> Result<(), String> {
        self.shared.read()
    }

    fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    fn account_state(&self, principal: &Principal) -> AccountState {
        let now = principal.name.as_deref().and_then(|name| self.shared.principal(name));
        match now {
            Some(now) if now.version != principal.version => AccountState::Gone,
            Some(now) if now.roles != principal.roles => AccountState::Roles(now.roles),
            Some(_) => AccountState::Same,
            None => AccountState::Gone,
        }
    }
}

impl Shared {
    /// Returns whether a check of the file is due. If it is due, starts the next interval.
    fn is_due(&self) -> bool {
        let mut last_check = self.last_check.lock();
        let is_due = last_check.elapsed() >= CHECK_INTERVAL;
        if is_due {
            *last_check = Instant::now();
        }
        is_due
    }

    /// Reads the file if it has changed. Logs an error. Blocks.
    fn read(&self) -> Result<(), String> {
        let mut reading = self.reading.lock();
        if reading.fingerprint.is_some_and(|fingerprint| fingerprint.matches(&self.path)) {
            return reading.result.clone();
        }
        let read = contents::read(&self.path);
        reading.fingerprint = read.as_ref().ok().map(|(_, fingerprint)| *fingerprint);
        let content = Some(self.hasher.hash_one(read.as_ref().map(|(text, _)| text)));
        if reading.content != content {
            reading.content = content;
            reading.result = read
                .and_then(|(text, _)| Users::parse(&text, self.names))
                .map(|users| self.replace_users(users))
                .map_err(|error| self.report_error(&error));
        }
        reading.result.clone()
    }

    fn replace_users(&self, users: Users) {
        info!(path = %self.path.display(), users = users.len(), "users file read");
        *self.users.write() = Ok(Arc::new(users));
        self.generation.fetch_add(1, Ordering::Release);
    }

    fn report_error(&self, error: &str) -> String {
        let error = format!("{}:{error}", self.path.display());
        let mut users = self.users.write();
        match &mut *users {
            Ok(_) => warn!("invalid users file: {error}. The previous users stay in effect."),
            Err(previous) => {
                warn!("invalid users file: {error}. No user in it can log in. Correct the file.");
                previous.clone_from(&error);
            }
        }
        error
    }

    /// Returns the principal of the user in the current file.
    fn principal(&self, name: &str) -> Option<Principal> {
        let users = self.users.read();
        let user = users.as_ref().ok()?.get(name)?;
        Some(Principal {
            name: Some(user.name.clone()),
            roles: user.roles.clone(),
            source: "users-file",
            version: self.version(user),
            ..Principal::default()
        })
    }

    /// Returns the version of the user. It changes with the hash of the user.
    fn version(&self, user: &record::Record) -> u64 {
        self.hasher.hash_one(user.hash.as_str())
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
