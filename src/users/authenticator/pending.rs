//! Logins in progress.

use super::{Answer, Shared};
use crate::users::keyed_digest::Digest;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Receives the progress of a login, for one of the clients that wait for it.
pub(super) type Answers = watch::Receiver<Progress>;

/// The progress of a login.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// Whether the throttle delays the check or a refusal. This is decided before the check.
    pub(super) is_held_back: bool,
    pub(super) answer: Option<Answer>,
}

/// A login in progress, which equal logins join. Dropping it removes it from the map of logins in progress.
pub(super) struct Pending {
    shared: Arc<Shared>,
    digest: Digest,
    progress: watch::Sender<Progress>,
    /// Whether this login has left the map, so that the next equal login starts a new check.
    is_withdrawn: bool,
}

impl Pending {
    pub(super) fn new(shared: Arc<Shared>, digest: Digest, progress: watch::Sender<Progress>) -> Pending {
        Pending { shared, digest, progress, is_withdrawn: false }
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Notifies the waiting clients whether the throttle delays the check or a refusal.
    pub(super) fn set_held_back(&self, is_held_back: bool) {
        self.progress.send_if_modified(|progress| {
            let is_modified = progress.is_held_back != is_held_back;
            progress.is_held_back = is_held_back;
            is_modified
        });
    }

    /// Completes when all clients have left. The login is then withdrawn and must not be checked.
    pub(super) async fn abandoned(&mut self) {
        loop {
            self.progress.closed().await;
            if self.withdraw(0) {
                return;
            }
        }
    }

    /// Delays a refusal until `answer_at`. The login stays in progress even if its clients have disconnected, so that a
    /// client that repeats the login does not cause another check before that time. At most `auth-waiting-max` logins
    /// without clients are kept.
    pub(super) async fn hold_back(&mut self, answer_at: Instant) {
        tokio::select! {
            () = sleep_until(answer_at) => return,
            () = self.progress.closed() => {}
        }
        if !self.withdraw(self.shared.options.auth_waiting_max) {
            sleep_until(answer_at).await;
        }
    }

    /// Sends the answer to all waiting clients. A later equal login starts a new check.
    pub(super) fn answer(self, answer: Answer) {
        let progress = self.progress.clone();
        drop(self);
        progress.send_modify(|progress| progress.answer = Some(answer));
    }

    /// Withdraws a login without clients if more than `stay_max` logins are in progress, and returns whether it did.
    fn withdraw(&mut self, stay_max: usize) -> bool {
        let mut under_way = self.shared.under_way.lock();
        // Clients join under the same lock.
        if self.progress.receiver_count() == 0 && under_way.len() > stay_max {
            under_way.remove(&self.digest);
            self.is_withdrawn = true;
        }
        self.is_withdrawn
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.is_withdrawn {
            self.shared.under_way.lock().remove(&self.digest);
        }
    }
}
