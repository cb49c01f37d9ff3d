//! Logins in progress, which equal logins join.

use super::login_result::LoginResult;
use crate::auth::keyed_digest::Digest;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The logins in progress, by the digests of their credentials.
pub(super) type LoginsInProgress = Mutex<HashMap<Digest, watch::Sender<LoginProgress>>>;

/// Receives the progress of a login, for one of the clients that wait for it.
pub(super) type ProgressReceiver = watch::Receiver<LoginProgress>;

/// The progress of a login.
#[derive(Clone, Debug, Default)]
pub(super) struct LoginProgress {
    /// Whether the throttle delays the check, or would delay the answer to a wrong passcode. The value is known before
    /// the check begins.
    pub(super) is_delayed: bool,
    pub(super) result: Option<LoginResult>,
}

/// A login in progress. Dropping it removes it from the map of logins in progress.
pub(super) struct Pending {
    in_progress: Arc<LoginsInProgress>,
    digest: Digest,
    progress: watch::Sender<LoginProgress>,
    /// Whether this login was removed from the map. The next equal login then starts a new check.
    is_withdrawn: bool,
}

impl Pending {
    pub(super) fn new(
        in_progress: Arc<LoginsInProgress>,
        digest: Digest,
        progress: watch::Sender<LoginProgress>,
    ) -> Pending {
        Pending { in_progress, digest, progress, is_withdrawn: false }
    }

    /// Notifies the waiting clients whether the throttle delays the check, or would delay the answer to a wrong
    /// passcode.
    pub(super) fn set_delayed(&self, is_delayed: bool) {
        self.progress.send_if_modified(|progress| {
            let is_modified = progress.is_delayed != is_delayed;
            progress.is_delayed = is_delayed;
            is_modified
        });
    }

    /// Completes when all clients have disconnected. The login is then withdrawn and must not be checked.
    pub(super) async fn abandoned(&mut self) {
        loop {
            self.progress.closed().await;
            if self.withdraw(0) {
                return;
            }
        }
    }

    /// Waits until `answer_at` with the answer to a wrong passcode. The login stays in progress even if its clients
    /// disconnect. A client that repeats the login then does not cause another check before that time. If more than
    /// `kept_max` logins are in progress, a login without clients is removed instead.
    pub(super) async fn delay_until(&mut self, answer_at: Instant, kept_max: usize) {
        tokio::select! {
            () = sleep_until(answer_at) => return,
            () = self.progress.closed() => {}
        }
        if !self.withdraw(kept_max) {
            sleep_until(answer_at).await;
        }
    }

    /// Sends the result to all waiting clients. A later equal login starts a new check.
    pub(super) fn publish(self, result: LoginResult) {
        let progress = self.progress.clone();
        drop(self);
        progress.send_modify(|progress| progress.result = Some(result));
    }

    /// Removes the login from the map if it has no clients and more than `kept_max` logins are in progress. Returns
    /// whether the login was removed.
    fn withdraw(&mut self, kept_max: usize) -> bool {
        let mut in_progress = self.in_progress.lock();
        // Clients join under the same lock. No client can therefore join between this check and the removal.
        if self.progress.receiver_count() == 0 && in_progress.len() > kept_max {
            in_progress.remove(&self.digest);
            self.is_withdrawn = true;
        }
        self.is_withdrawn
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.is_withdrawn {
            self.in_progress.lock().remove(&self.digest);
        }
    }
}
