//! A key set at a URL. The first login that needs it fetches it. Later logins fetch it again when it is old or lacks a
//! key.

use super::keys::{VerificationKey, parse_set};
use crate::auth::http_client::{HttpClient, HttpUrl};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Minimum interval between two fetches because of unknown keys, and before the next fetch after a failure.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);
/// Minimum interval between fetches before the first success. Until then, no token can be verified.
const INITIAL_RETRY_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(super) struct KeyUrl {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    url: HttpUrl,
    client: HttpClient,
    timeout: Duration,
    refresh: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    keys: Option<(Arc<[VerificationKey]>, Instant)>,
    /// Time at which the last fetch began or failed.
    tried_at: Option<Instant>,
    /// Time at which the last fetch because of an unknown key began.
    unknown_key_fetch_at: Option<Instant>,
    /// A channel that closes when the fetch in progress ends.
    running: Option<watch::Receiver<()>>,
    /// Whether the last fetch failed.
    is_failing: bool,
}

/// The reason for requesting the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FetchReason {
    /// A login looks up a key.
    Lookup,
    /// The current set lacks the key of a token.
    UnknownKey,
}

/// What [`KeyUrl::keys`] does before it returns the keys.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    /// Whether a fetch is started.
    starts: bool,
    /// Whether the caller waits for the fetch that is started or in progress.
    waits: bool,
}

impl KeyUrl {
    pub(super) fn new(url: HttpUrl, client: HttpClient, timeout: Duration, refresh: Duration) -> KeyUrl {
        let state = Mutex::new(State::default());
        KeyUrl { shared: Arc::new(Shared { url, client, timeout, refresh, state }) }
    }

    pub(super) fn url(&self) -> &HttpUrl {
        &self.shared.url
    }

    /// Returns the keys. Returns `None` if no fetch has succeeded. All callers wait for the same fetch. The fetch
    /// continues even if their futures are dropped.
    pub(super) async fn keys(&self, reason: FetchReason) -> Option<Arc<[VerificationKey]>> {
        let running = {
            let mut state = self.shared.state.lock();
            let plan = state.plan(reason, self.shared.refresh, Instant::now());
            if plan.starts {
                self.start(&mut state, reason);
            }
            if plan.waits { state.running.clone() } else { None }
        };
        if let Some(mut running) = running {
            // No value is sent on the channel. The wait ends when the sender is dropped.
            let _ = running.changed().await;
        }
        self.shared.state.lock().keys.as_ref().map(|(keys, _)| keys.clone())
    }

    fn start(&self, state: &mut State, reason: FetchReason) {
        let now = Instant::now();
        let (done, running) = watch::channel(());
        (state.tried_at, state.running) = (Some(now), Some(running));
        if reason == FetchReason::UnknownKey {
            state.unknown_key_fetch_at = Some(now);
        }
        let shared = self.shared.clone();
        tokio::spawn(async move {
            let fetched = shared.fetch().await;
            shared.settle(fetched);
            drop(done);
        });
    }
}

impl State {
    fn plan(&self, reason: FetchReason, refresh: Duration, now: Instant) -> Plan {
        let is_past =
            |at: Option<Instant>, pause| at.is_none_or(|at| now.saturating_duration_since(at) >= pause);
        let age = self.keys.as_ref().map(|(_, at)| now.saturating_duration_since(*at));
        let (is_due, waits) = match (age, reason) {
            (None, _) => (is_past(self.tried_at, INITIAL_RETRY_INTERVAL), true),
            (_, FetchReason::UnknownKey) => (is_past(self.unknown_key_fetch_at, RETRY_INTERVAL), true),
            // No login has refreshed the keys for a long time. A key may have been withdrawn since then. Use the old
            // keys only if the fetch fails.
            (Some(age), _) if age >= refresh * 2 => (is_past(self.tried_at, RETRY_INTERVAL), true),
            (Some(age), _) if age >= refresh => (is_past(self.tried_at, RETRY_INTERVAL), false),
            _ => (false, false),
        };
        let is_running = self.running.as_ref().is_some_and(|running| running.has_changed().is_ok());
        Plan { starts: is_due && !is_running, waits: waits && (is_due || is_running) }
    }
}

impl Shared {
    async fn fetch(&self) -> Result<Arc<[VerificationKey]>, String> {
        let response = self.client.get(&self.url, self.timeout).await?;
        if response.status != 200 {
            return Err(format!("the response has status {}", response.status));
        }
        parse_set(&response.body)
    }

    fn settle(&self, fetched: Result<Arc<[VerificationKey]>, String>) {
        let mut state = self.state.lock();
        match fetched {
            Ok(keys) => {
                tracing::debug!(url = %self.url, keys = keys.len(), "token keys fetched");
                if state.is_failing {
                    tracing::info!(url = %self.url, "token keys can be fetched again");
                }
                state.keys = Some((keys, Instant::now()));
                state.is_failing = false;
            }
            Err(error) => {
                if !state.is_failing {
                    let kept = state.keys.as_ref().map_or(0, |(keys, _)| keys.len());
                    tracing::warn!(url = %self.url, error, kept, "cannot fetch token keys");
                }
                (state.tried_at, state.is_failing) = (Some(Instant::now()), true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds since an event.
    type Ago = Option<u64>;
    /// Age of the keys, last fetch, last fetch because of an unknown key, whether a fetch is in progress, reason. Then
    /// the expected plan: starts, waits.
    type Case = (Ago, Ago, Ago, bool, FetchReason, (bool, bool));

    #[test]
    fn fetch_plan_decides_when_keys_are_fetched_and_logins_wait() {
        const NOTHING: (bool, bool) = (false, false);
        const BACKGROUND: (bool, bool) = (true, false);
        const BOTH: (bool, bool) = (true, true);
        const WAIT: (bool, bool) = (false, true);
        let now = Instant::now() + Duration::from_secs(100_000);
        let table: &[Case] = &[
            (None, None, None, false, FetchReason::Lookup, BOTH),
            (None, None, None, false, FetchReason::UnknownKey, BOTH),
            (None, Some(0), None, true, FetchReason::Lookup, WAIT),
            (None, Some(0), None, false, FetchReason::Lookup, NOTHING),
            (None, Some(1), None, false, FetchReason::Lookup, BOTH),
            (None, Some(2), None, true, FetchReason::Lookup, WAIT),
            (Some(0), Some(0), None, false, FetchReason::Lookup, NOTHING),
            (Some(599), Some(599), None, false, FetchReason::Lookup, NOTHING),
            (Some(600), Some(600), None, false, FetchReason::Lookup, BACKGROUND),
            (Some(600), Some(0), None, true, FetchReason::Lookup, NOTHING),
            (Some(700), Some(29), None, false, FetchReason::Lookup, NOTHING),
            (Some(700), Some(30), None, false, FetchReason::Lookup, BACKGROUND),
            (Some(700), Some(30), None, true, FetchReason::Lookup, NOTHING),
            (Some(1200), Some(1200), None, false, FetchReason::Lookup, BOTH),
            (Some(1200), Some(0), None, true, FetchReason::Lookup, WAIT),
            (Some(1200), Some(29), None, false, FetchReason::Lookup, NOTHING),
            (Some(0), Some(0), None, false, FetchReason::UnknownKey, BOTH),
            (Some(0), Some(0), Some(29), false, FetchReason::UnknownKey, NOTHING),
            (Some(0), Some(0), Some(29), true, FetchReason::UnknownKey, WAIT),
            (Some(0), Some(0), Some(30), false, FetchReason::UnknownKey, BOTH),
            (Some(0), Some(30), Some(30), true, FetchReason::UnknownKey, WAIT),
        ];
        for (keys, tried, again, is_running, reason, expected) in table {
            let ago = |ago: &Ago| ago.map(|seconds| now - Duration::from_secs(seconds));
            let (done, running) = watch::channel(());
            let done = is_running.then_some(done);
            let state = State {
                keys: ago(keys).map(|at| (Arc::from(Vec::new()), at)),
                tried_at: ago(tried),
                unknown_key_fetch_at: ago(again),
                running: Some(running),
                is_failing: false,
            };
            let plan = state.plan(*reason, Duration::from_secs(600), now);
            let case = (keys, tried, again, is_running, reason);
            assert_eq!((plan.starts, plan.waits), *expected, "{case:?}");
            drop(done);
        }
    }
}
