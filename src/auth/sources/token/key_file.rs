//! A key set in a file. The broker reads the file again when it has changed.

use super::keys::{VerificationKey, parse_set};
use crate::auth::http_client::RESPONSE_BYTES_MAX;
use parking_lot::Mutex;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Minimum interval between two checks of whether the file has changed.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct KeyFile {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    keys: Arc<[VerificationKey]>,
    fingerprint: Option<FileFingerprint>,
    checked_at: Instant,
    is_invalid: bool,
}

/// The modification time and the size of a file. A change of them shows that the file has changed.
type FileFingerprint = (SystemTime, u64);

impl KeyFile {
    /// Reads the file. Fails if it contains no valid key set.
    pub(super) fn open(path: &Path) -> Result<KeyFile, String> {
        let fingerprint = fingerprint(path);
        let keys = read(path).and_then(|json| parse_set(&json))?;
        let state = Mutex::new(State { keys, fingerprint, checked_at: Instant::now(), is_invalid: false });
        Ok(KeyFile { path: path.to_owned(), state })
    }

    /// Returns the keys in the file. If the file is invalid now, returns its last valid keys.
    pub(super) fn keys(&self) -> Arc<[VerificationKey]> {
        let mut state = self.state.lock();
        if state.checked_at.elapsed() >= CHECK_INTERVAL {
            state.checked_at = Instant::now();
            state.reload_if_changed(&self.path);
        }
        state.keys.clone()
    }
}

impl State {
    fn reload_if_changed(&mut self, path: &Path) {
        let fingerprint = fingerprint(path);
        if fingerprint == self.fingerprint {
            return;
        }
        match read(path).and_then(|json| parse_set(&json)) {
            Ok(keys) => {
                (self.keys, self.is_invalid) = (keys, false);
                tracing::info!(path = %path.display(), keys = self.keys.len(), "token keys reloaded");
            }
            // The file may be incomplete, because another process is still writing it. Its fingerprint changes again
            // when it is complete.
            Err(error) => {
                if !self.is_invalid {
                    tracing::warn!(
                        path = %path.display(),
                        error,
                        "cannot read token keys. The previous keys stay in effect."
                    );
                }
                self.is_invalid = true;
            }
        }
        self.fingerprint = fingerprint;
    }
}

fn fingerprint(path: &Path) -> Option<FileFingerprint> {
    let metadata = path.metadata().ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Reads a file of at most 1 MiB.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(RESPONSE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > RESPONSE_BYTES_MAX {
        Err("the file is too large: expected at most 1 MiB".to_owned())
    } else {
        Ok(bytes)
    }
}
