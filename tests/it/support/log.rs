//! What the broker writes to stderr.

use super::PATIENCE;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// A log that is being read.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Shared>);

#[derive(Default)]
struct Shared {
    written: Mutex<Written>,
    grown: Condvar,
}

#[derive(Default)]
struct Written {
    text: String,
    ended: bool,
}

impl Log {
    /// Reads `stderr` on a thread of its own.
    pub(super) fn follow(stderr: impl Read + Send + 'static) -> Log {
        let log = Log::default();
        let kept = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                kept.grow(|written| written.text.extend([line.as_str(), "\n"]));
            }
            kept.grow(|written| written.ended = true);
        });
        log
    }

    fn grow(&self, by: impl FnOnce(&mut Written)) {
        by(&mut self.written());
        self.0.grown.notify_all();
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.0.written.lock().expect("no reader panics")
    }

    /// As far as it has come.
    pub(super) fn so_far(&self) -> String {
        self.written().text.clone()
    }

    /// The first line that `is_meant` is true of; waits for it.
    #[track_caller]
    pub(super) fn line(&self, is_meant: impl Fn(&str) -> bool) -> String {
        let find = |written: &Written| written.text.lines().find(|line| is_meant(line)).map(str::to_string);
        let written = self.until(|written| find(written).is_some());
        let found = find(&written);
        // Whoever panics with the lock held would have the log lost.
        drop(written);
        found.unwrap_or_else(|| panic!("no such line in the log:\n{}", self.so_far()))
    }

    /// All of it, once its writer has gone.
    #[track_caller]
    pub(super) fn whole(&self) -> String {
        let written = self.until(|written| written.ended);
        assert!(written.ended, "somebody still writes");
        written.text.clone()
    }

    fn until(&self, holds: impl Fn(&Written) -> bool) -> MutexGuard<'_, Written> {
        let waited = self.0.grown.wait_timeout_while(self.written(), PATIENCE, |written| !holds(written));
        waited.expect("no reader panics").0
    }
}
