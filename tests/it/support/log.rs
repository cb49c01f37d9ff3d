//! The broker's output on stderr.

use super::HANG_TIMEOUT;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// A log that a thread reads while the broker runs.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Shared>);

#[derive(Default)]
struct Shared {
    written: Mutex<Written>,
    changed: Condvar,
}

#[derive(Default)]
struct Written {
    text: String,
    ended: bool,
}

impl Log {
    /// Starts a thread that reads `stderr`.
    pub(super) fn follow(stderr: impl Read + Send + 'static) -> Log {
        let log = Log::default();
        let writer = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                writer.update(|written| written.text.extend([line.as_str(), "\n"]));
            }
            writer.update(|written| written.ended = true);
        });
        log
    }

    fn update(&self, change: impl FnOnce(&mut Written)) {
        change(&mut self.written());
        self.0.changed.notify_all();
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.0.written.lock().expect("no reader panics")
    }

    /// Returns the lines that have been read so far.
    pub(super) fn so_far(&self) -> String {
        self.written().text.clone()
    }

    /// Waits for a line for which `matches` returns true, and returns the first one.
    #[track_caller]
    pub(super) fn line(&self, matches: impl Fn(&str) -> bool) -> String {
        let find = |written: &Written| written.text.lines().find(|line| matches(line)).map(str::to_string);
        let written = self.until(|written| find(written).is_some());
        let found = find(&written);
        // A panic while the lock is held would poison it, and the log could not be printed.
        drop(written);
        found.unwrap_or_else(|| panic!("no such line in the log:\n{}", self.so_far()))
    }

    /// Returns the whole log. The broker must have ended.
    #[track_caller]
    pub(super) fn whole(&self) -> String {
        let written = self.until(|written| written.ended);
        assert!(written.ended, "the broker still writes to the log");
        written.text.clone()
    }

    fn until(&self, holds: impl Fn(&Written) -> bool) -> MutexGuard<'_, Written> {
        let waited =
            self.0.changed.wait_timeout_while(self.written(), HANG_TIMEOUT, |written| !holds(written));
        waited.expect("no reader panics").0
    }
}
