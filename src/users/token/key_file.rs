//! A key set in a file, which is read again when it has changed.

use super::keys::{Key, parse_set};
use crate::users::fetch::ANSWER_BYTES_MAX;
use parking_lot::Mutex;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Minimum interval between two checks of whether the file has changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct KeyFile {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    keys: Arc<[Key]>,
    stamp: Option<FileFingerprint>,
    looked_at: Instant,
    is_odd: bool,
}

/// File attributes that reveal a change of a file without reading it.
type FileFingerprint = (SystemTime, u64);

impl KeyFile {
    /// Reads the file.
    pub(super) fn open(path: &Path) -> Result<KeyFile, String> {
        let stamp = stamp(path);
        let keys = read(path).and_then(|json| parse_set(&json))?;
        let state = Mutex::new(State { keys, stamp, looked_at: Instant::now(), is_odd: false });
        Ok(KeyFile { path: path.to_owned(), state })
    }

    /// Returns the keys in the file, or the last ones that could be read.
    pub(super) fn keys(&self) -> Arc<[Key]> {
        let mut state = self.state.lock();
        if state.looked_at.elapsed() >= LOOK_INTERVAL {
            state.looked_at = Instant::now();
            state.look(&self.path);
        }
        state.keys.clone()
    }
}

impl State {
    fn look(&mut self, path: &Path) {
        let stamp = stamp(path);
        if stamp == self.stamp {
            return;
        }
        match read(path).and_then(|json| parse_set(&json)) {
            Ok(keys) => {
                (self.keys, self.is_odd) = (keys, false);
                tracing::info!(path = %path.display(), keys = self.keys.len(), "keys of tokens were read again");
            }
            // The file may be written partially. It has another fingerprint when it is complete.
            Err(error) => {
                if !self.is_odd {
                    tracing::warn!(path = %path.display(), error, "cannot read keys of tokens, keeping the last ones");
                }
                self.is_odd = true;
            }
        }
        self.stamp = stamp;
    }
}

fn stamp(path: &Path) -> Option<FileFingerprint> {
    let metadata = path.metadata().ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Reads a whole file of limited size.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut octets = Vec::new();
    file.take(ANSWER_BYTES_MAX as u64 + 1).read_to_end(&mut octets).map_err(|error| error.to_string())?;
    if octets.len() > ANSWER_BYTES_MAX { Err("the file is too large".to_owned()) } else { Ok(octets) }
}
