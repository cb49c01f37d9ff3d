//! Bounds the checking of logins, so that a storm of reconnects converges.

use super::anonymous::Anonymous;
use super::listed::Listed;
use super::source::{Source, Verdict};
use super::{Credentials, Options, Principal, Refused};
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Says who somebody is; cheap to clone.
///
/// ```text
///  authenticate ──► desks (auth-parallel-max) free? ──► source.check ──► Principal, or Refused
///                     │ no                                 ▲                   ▲
///                     └─► chairs (auth-waiting-max) free? ─┘                   │
///                           │ no                    out of time (auth-timeout) ┤
///                           └──────────────────────────────────────────────────┘
/// ```
#[derive(Clone, Debug)]
pub struct Authenticator {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: Options,
    sources: Vec<Arc<dyn Source>>,
    desks: Semaphore,
    chairs: Semaphore,
}

impl Authenticator {
    /// Knows the users of `options`.
    pub fn new(options: Options) -> Authenticator {
        let mut sources: Vec<Arc<dyn Source>> = Vec::new();
        if !options.listed.is_empty() {
            sources.push(Arc::new(Listed::new(&options.listed)));
        }
        if options.allow_anonymous || sources.is_empty() {
            let is_alone = sources.is_empty();
            sources.push(Arc::new(Anonymous { is_alone }));
        }
        Authenticator::with_sources(options, sources)
    }

    /// Asks other sources; of `options` only the bounds count.
    pub fn with_sources(options: Options, sources: Vec<Arc<dyn Source>>) -> Authenticator {
        let desks = Semaphore::new(options.auth_parallel_max.clamp(1, Semaphore::MAX_PERMITS));
        let chairs = Semaphore::new(options.auth_waiting_max.min(Semaphore::MAX_PERMITS));
        Authenticator { shared: Arc::new(Shared { options, sources, desks, chairs }) }
    }

    /// Whom the credentials stand for.
    ///
    /// # Errors
    /// They stand for nobody; or too many wait to be checked (`auth-waiting-max`); or it took too long
    /// (`auth-timeout`).
    pub async fn authenticate(&self, credentials: Credentials) -> Result<Principal, Refused> {
        let shared = &*self.shared;
        let checked = async {
            let _desk = shared.desk().await?;
            shared.ask(&credentials).await
        };
        timeout(shared.options.auth_timeout, checked).await.unwrap_or_else(|_| Err(OUT_OF_TIME.refused()))
    }
}

impl Shared {
    /// One source after the other, until one knows the client or refuses it.
    async fn ask(&self, credentials: &Credentials) -> Result<Principal, Refused> {
        for source in &self.sources {
            match source.check(credentials).await {
                Verdict::Known(principal) => return Ok(principal),
                Verdict::NotMine => {}
                Verdict::Refused(reason) | Verdict::Unavailable(reason) => {
                    return Err(refused(credentials, format!("{}: {reason}", source.name())));
                }
            }
        }
        let reason = if credentials.is_empty() { "no login" } else { "nobody knows this login" };
        Err(refused(credentials, reason.to_owned()))
    }

    /// A desk, at once or after waiting in a chair.
    async fn desk(&self) -> Result<SemaphorePermit<'_>, Refused> {
        if let Ok(desk) = self.desks.try_acquire() {
            return Ok(desk);
        }
        let Ok(_chair) = self.chairs.try_acquire() else {
            return Err(CROWDED.refused());
        };
        Ok(self.desks.acquire().await.expect("nobody closes the semaphore"))
    }
}

/// The broker is too busy to say who somebody is.
struct Busy {
    detail: &'static str,
    reason: &'static str,
    limit: &'static str,
}

const CROWDED: Busy = Busy {
    detail: "Too many clients are logging in at this moment; try again later.",
    reason: "too many logins wait",
    limit: "auth-waiting-max",
};

const OUT_OF_TIME: Busy = Busy {
    detail: "Checking the login took too long; try again later.",
    reason: "out of time",
    limit: "auth-timeout",
};

impl Busy {
    fn refused(&self) -> Refused {
        let Busy { detail, reason, limit } = *self;
        Refused {
            summary: "login not checked",
            detail: detail.to_owned(),
            reason: reason.to_owned(),
            limit: Some(limit),
        }
    }
}

/// What a client reads depends on what it sent only, never on what is known here.
fn refused(credentials: &Credentials, reason: String) -> Refused {
    let detail = match credentials.login() {
        Some(_) => "This login and passcode stand for no user of this broker.",
        None => "This broker lets only its users in: send the headers login and passcode with CONNECT.",
    };
    Refused { summary: "login refused", detail: detail.to_owned(), reason, limit: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::source::Check;
    use crate::users::{Passcode, Principal, Secret};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tokio::task::JoinSet;
    use tokio::time::Instant;

    /// Lets everybody in, as soon as the test opens the gate for them.
    #[derive(Debug)]
    struct Gate {
        open: Semaphore,
        now: AtomicUsize,
        most: AtomicUsize,
    }

    impl Gate {
        fn closed() -> Arc<Gate> {
            Arc::new(Gate { open: Semaphore::new(0), now: AtomicUsize::new(0), most: AtomicUsize::new(0) })
        }
    }

    impl Source for Gate {
        fn name(&self) -> &'static str {
            "gate"
        }

        fn check<'a>(&'a self, _: &'a Credentials) -> Check<'a> {
            Box::pin(async move {
                self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                self.open.acquire().await.expect("the gate stays").forget();
                self.now.fetch_sub(1, Ordering::SeqCst);
                Verdict::Known(Principal::anonymous())
            })
        }
    }

    fn options(waiting: usize, parallel: usize) -> Options {
        Options { auth_waiting_max: waiting, auth_parallel_max: parallel, ..Options::default() }
    }

    fn credentials(login: &str, passcode: &str) -> Credentials {
        Credentials {
            login: Some(login.to_owned()),
            passcode: Some(Secret::new(passcode)),
            ..Credentials::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_checked_so_many_wait_and_the_rest_is_refused() {
        let gate = Gate::closed();
        let authenticator = Authenticator::with_sources(options(3, 2), vec![gate.clone()]);
        let mut tasks = JoinSet::new();
        for _ in 0..10 {
            let authenticator = authenticator.clone();
            tasks.spawn(async move { authenticator.authenticate(Credentials::default()).await });
        }
        let start = Instant::now();
        for _ in 0..5 {
            let result = tasks.join_next().await.expect("a task").expect("no panic");
            let refused = result.expect_err("2 are checked and 3 wait");
            assert_eq!(refused.limit, Some("auth-waiting-max"));
            assert!(refused.detail.ends_with("try again later."), "{}", refused.detail);
        }
        assert_eq!(start.elapsed(), Duration::ZERO, "they are refused at once");
        gate.open.add_permits(6);
        assert!(tasks.join_all().await.iter().all(Result::is_ok), "who waits has a turn");
        assert_eq!(gate.most.load(Ordering::SeqCst), 2, "never more than auth-parallel-max at a time");
        assert!(authenticator.authenticate(Credentials::default()).await.is_ok(), "there is room again");
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_counts_as_time_and_who_is_out_of_time_leaves() {
        let authenticator = Authenticator::with_sources(options(10, 1), vec![Gate::closed()]);
        let start = Instant::now();
        let (checked, waiting) = tokio::join!(
            authenticator.authenticate(Credentials::default()),
            authenticator.authenticate(Credentials::default())
        );
        for result in [checked, waiting] {
            assert_eq!(result.expect_err("nobody opens").limit, Some("auth-timeout"));
        }
        assert_eq!(start.elapsed(), Duration::from_secs(10));
        assert_eq!(authenticator.shared.desks.available_permits(), 1);
        assert_eq!(authenticator.shared.chairs.available_permits(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn without_chairs_nobody_waits() {
        let authenticator = Authenticator::with_sources(options(0, 1), vec![Gate::closed()]);
        let (checked, waiting) = tokio::join!(
            authenticator.authenticate(Credentials::default()),
            authenticator.authenticate(Credentials::default())
        );
        assert_eq!(checked.expect_err("nobody opens").limit, Some("auth-timeout"));
        assert_eq!(waiting.expect_err("no chair").limit, Some("auth-waiting-max"));
    }

    #[tokio::test]
    async fn a_client_cannot_tell_a_wrong_passcode_from_an_unknown_name() {
        let passcode = Passcode::new("sesame").expect("short");
        let options = Options { listed: vec![("alice".to_owned(), passcode)], ..Options::default() };
        let authenticator = Authenticator::new(options);
        let wrong = authenticator.authenticate(credentials("alice", "wrong")).await.expect_err("wrong");
        let unknown =
            authenticator.authenticate(credentials("mallory", "sesame")).await.expect_err("unknown");
        assert_eq!(
            (wrong.summary, &wrong.detail, wrong.limit),
            (unknown.summary, &unknown.detail, unknown.limit)
        );
        assert_ne!(wrong.reason, unknown.reason, "the log knows");
        let shown = format!("{wrong:?} {unknown:?} {authenticator:?}");
        assert!(!shown.contains("sesame"), "{shown}");
        let principal = authenticator.authenticate(credentials("alice", "sesame")).await.expect("alice");
        assert_eq!(principal.name.as_deref(), Some("alice"));
        let nameless = authenticator.authenticate(Credentials::default()).await.expect_err("no login");
        assert!(nameless.detail.contains("send the headers login and passcode"));
    }
}
