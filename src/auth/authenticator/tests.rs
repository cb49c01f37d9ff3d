//! Tests of complete logins, with sources that wait for the test before they answer.

mod guesses;

use super::*;
use crate::auth::credentials::{Certificate, ProxyUser};
use crate::auth::name::Names;
use crate::auth::password::passcode::Passcode;
use crate::auth::principal::Principal;
use crate::auth::secret::Secret;
use crate::auth::source::DecisionFuture;
use crate::rejection::Limit;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A source that accepts the passcode `sesame` once the test opens its gate. It rejects tokens, and does not know the
/// user `nobody`.
#[derive(Debug)]
struct Gate {
    open: Semaphore,
    checks: AtomicUsize,
    checked: Notify,
    is_timed: bool,
    reads_tokens: bool,
}

impl Gate {
    fn new(open: usize) -> Arc<Gate> {
        Arc::new(Gate::of(open))
    }

    fn of(open: usize) -> Gate {
        let open = Semaphore::new(open);
        Gate { open, checks: AtomicUsize::new(0), checked: Notify::new(), is_timed: true, reads_tokens: true }
    }

    fn checks(&self) -> usize {
        self.checks.load(Ordering::SeqCst)
    }

    /// Waits until `checks` checks have begun.
    async fn until(&self, checks: usize) {
        while self.checks() < checks {
            self.checked.notified().await;
        }
    }
}

impl Source for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn check<'a>(&'a self, credentials: &'a Credentials) -> DecisionFuture<'a> {
        Box::pin(async move {
            self.checks.fetch_add(1, Ordering::SeqCst);
            self.checked.notify_one();
            self.open.acquire().await.expect("the semaphore is not closed").forget();
            if credentials.token() == Some("good") {
                return Decision::Known(Principal::named("mallory", "gate"));
            }
            match credentials.login() {
                Some((name, "sesame")) => Decision::Known(Principal::named(name, "gate")),
                Some((_, "down")) => Decision::Unavailable("it is down".to_owned()),
                Some(("nobody", _)) | None => Decision::Unknown,
                Some(_) => Decision::Rejected("wrong passcode".to_owned()),
            }
        })
    }

    fn is_timed(&self) -> bool {
        self.is_timed
    }

    fn reads_tokens(&self) -> bool {
        self.reads_tokens
    }
}

fn options(waiting: usize) -> Options {
    Options { auth_waiting_max: waiting, ..Options::default() }
}

fn credentials(login: &str, passcode: &str) -> Credentials {
    Credentials {
        login: Some(login.to_owned()),
        passcode: Some(Secret::new(passcode)),
        ..Credentials::default()
    }
}

fn from(address: &str, credentials: Credentials) -> Credentials {
    let address: IpAddr = address.parse().expect("an address");
    let handshake = ClientHandshake { address: Some(address), ..(*credentials.handshake).clone() };
    Credentials { handshake: Arc::new(handshake), ..credentials }
}

fn bearer(token: &str) -> Credentials {
    Credentials { authorization: Some(Secret::new(&format!("Bearer {token}"))), ..Credentials::default() }
}

/// Returns the milliseconds until the answer, and whether the login was accepted. The time is rounded down to a
/// multiple of 250 ms. The random delay for a slot is shorter than that.
async fn took(authenticator: &Authenticator, credentials: Credentials) -> (u128, bool) {
    let start = Instant::now();
    let result = authenticator.authenticate(credentials).await;
    (start.elapsed().as_millis() / 250 * 250, result.is_ok())
}

/// Lets the tasks that check logins run until they wait.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn logins_over_auth_waiting_max_fail() {
    let gate = Gate::new(0);
    let authenticator = Authenticator::with_sources(options(5), vec![gate.clone()]);
    let mut tasks = JoinSet::new();
    for number in 0..10 {
        let authenticator = authenticator.clone();
        tasks.spawn(
            async move { authenticator.authenticate(credentials(&format!("{number}"), "sesame")).await },
        );
    }
    let start = Instant::now();
    for _ in 0..5 {
        let result = tasks.join_next().await.expect("a task").expect("no panic");
        let failed = result.expect_err("5 logins are in flight");
        assert_eq!(
            (failed.rejection.summary, failed.rejection.limit),
            ("login not checked", Some(Limit::AuthWaiting))
        );
        assert!(failed.rejection.detail.ends_with("Try again later."), "{}", failed.rejection.detail);
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "they fail at once");
    gate.open.add_permits(6);
    assert!(tasks.join_all().await.iter().all(Result::is_ok), "the waiting logins are checked");
    assert!(
        authenticator.authenticate(credentials("late", "sesame")).await.is_ok(),
        "permits are free again"
    );
}

#[tokio::test(start_paused = true)]
async fn auth_timeout_applies_unless_the_source_has_its_own_queue() {
    let start = Instant::now();
    let authenticator = Authenticator::with_sources(options(10), vec![Gate::new(0)]);
    let failed =
        authenticator.authenticate(credentials("a", "sesame")).await.expect_err("the gate is closed");
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    assert_eq!(
        (failed.rejection.summary, &*failed.reason),
        ("login not checked", "gate: timed out (auth-timeout)")
    );
    assert!(failed.rejection.detail.ends_with("Try again later."));
    assert_eq!(authenticator.shared.permits.available_permits(), 10);
    let gate = Arc::new(Gate { is_timed: false, ..Gate::of(0) });
    let authenticator = Authenticator::with_sources(options(10), vec![gate.clone()]);
    let open = async {
        tokio::time::advance(Duration::from_secs(3600)).await;
        gate.open.add_permits(1);
    };
    let (result, ()) = tokio::join!(authenticator.authenticate(credentials("a", "sesame")), open);
    assert!(result.is_ok());
}

#[tokio::test(start_paused = true)]
async fn equal_logins_share_one_check_that_completes_after_clients_leave() {
    let gate = Gate::new(0);
    let authenticator = Authenticator::with_sources(options(10), vec![gate.clone()]);
    let mut tries: Vec<_> =
        (0..3).map(|_| Box::pin(authenticator.authenticate(credentials("a", "wrong")))).collect();
    let mut other = Box::pin(authenticator.authenticate(from("192.0.2.1", credentials("a", "wrong"))));
    for login in tries.iter_mut().chain([&mut other]) {
        assert!(futures_util::poll!(login).is_pending());
    }
    tokio::task::yield_now().await;
    assert_eq!(gate.checks(), 2, "a login from another address is checked separately");
    drop(tries);
    gate.open.add_permits(2);
    assert!(other.await.is_err());
    assert!(authenticator.shared.in_progress.lock().is_empty());
    gate.open.add_permits(10);
    let mut waits = Vec::new();
    for number in 0..5 {
        waits.push(took(&authenticator, credentials("a", &format!("{number}"))).await);
    }
    let failed = |wait| (wait, false);
    assert_eq!(waits, [0, 0, 0, 0, 250].map(failed), "the failure without waiting clients counts once");
    assert_eq!(authenticator.shared.permits.available_permits(), 10);
}

#[tokio::test(start_paused = true)]
async fn login_waiting_for_its_slot_is_not_checked_after_its_last_client_has_left() {
    let (gate, budget) = (Gate::new(1000), Budget::new(1_000_000));
    let authenticator =
        Authenticator::with_sources(options(10), vec![gate.clone()]).with_budget(budget.clone());
    for number in 0..6 {
        took(&authenticator, credentials("alice", &format!("{number}"))).await;
    }
    let start = Instant::now();
    let login = || credentials("alice", "sesame");
    let mut clients = [(); 2].map(|()| Box::pin(authenticator.authenticate(login())));
    for client in &mut clients {
        assert!(futures_util::poll!(client).is_pending());
    }
    let left = authenticator.authenticate_until(async {}, login()).await.expect_err("it waits");
    assert_eq!((left.rejection.summary, left.cause), ("login not checked", Cause::Busy));
    assert_eq!((start.elapsed(), budget.used()), (Duration::ZERO, login().bytes()));
    let [first, second] = clients;
    drop(first);
    settle().await;
    assert_eq!(authenticator.shared.in_progress.lock().len(), 1, "one client waits");
    drop(second);
    settle().await;
    assert_eq!((authenticator.shared.in_progress.lock().len(), budget.used()), (0, 0));
    tokio::time::advance(Duration::from_secs(60)).await;
    settle().await;
    assert_eq!(gate.checks(), 6);
    assert_eq!(took(&authenticator, login()).await, (0, true), "a new login starts again");
}

#[tokio::test(start_paused = true)]
async fn login_queued_at_its_address_is_not_checked_after_its_client_has_left() {
    let gate = Gate::new(0);
    let authenticator = Authenticator::with_sources(options(5000), vec![gate.clone()]);
    let mut clients: Vec<_> = (0..CHECKS_PER_ADDRESS + 10)
        .map(|number| {
            let login = from("192.0.2.1", credentials(&format!("user-{number}"), "sesame"));
            Box::pin(authenticator.authenticate(login))
        })
        .collect();
    for client in &mut clients {
        assert!(futures_util::poll!(client).is_pending());
    }
    settle().await;
    assert_eq!(authenticator.shared.permits.available_permits(), 5000 - CHECKS_PER_ADDRESS);
    drop(clients);
    settle().await;
    assert_eq!(authenticator.shared.in_progress.lock().len(), CHECKS_PER_ADDRESS, "these are completed");
    gate.open.add_permits(5000);
    settle().await;
    assert!(authenticator.shared.in_progress.lock().is_empty());
    assert_eq!((gate.checks(), authenticator.shared.address_limiter.len()), (CHECKS_PER_ADDRESS, 0));
}

#[tokio::test(start_paused = true)]
async fn login_being_checked_is_answered_after_its_client_stopped_sending() {
    let gate = Gate::new(0);
    let authenticator = Authenticator::with_sources(options(10), vec![gate.clone()]);
    let mut login = Box::pin(authenticator.authenticate_until(async {}, credentials("alice", "sesame")));
    assert!(futures_util::poll!(&mut login).is_pending());
    tokio::task::yield_now().await;
    assert!(futures_util::poll!(&mut login).is_pending());
    gate.open.add_permits(1);
    assert!(login.await.is_ok());
}

/// Many correct logins from one address wait only for the source.
#[tokio::test(start_paused = true)]
async fn correct_logins_in_a_storm_from_one_address_are_not_delayed() {
    let gate = Gate::new(0);
    let authenticator = Authenticator::with_sources(options(5000), vec![gate.clone()]);
    let mut tasks = JoinSet::new();
    for number in 0..2000 {
        let authenticator = authenticator.clone();
        let login = from("192.0.2.1", credentials(&format!("user-{number}"), "sesame"));
        tasks.spawn(async move { took(&authenticator, login).await });
    }
    while gate.checks() < CHECKS_PER_ADDRESS {
        tokio::task::yield_now().await;
    }
    assert_eq!(gate.checks(), CHECKS_PER_ADDRESS, "as many as one address may have at a time");
    gate.open.add_permits(2000);
    assert!(tasks.join_all().await.iter().all(|answer| *answer == (0, true)));
    assert_eq!(authenticator.shared.address_limiter.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn user_names_from_a_source_must_be_valid() {
    let bad = "gate: the user name \"bob \" has the character U+0020; expected a name that the PRECIS \
               profile UsernameCasePreserved allows: no spaces, no invisible characters. To accept every name, set \
               user-names = any";
    let authenticator = Authenticator::with_sources(options(10), vec![Gate::new(1000)]);
    let failed =
        authenticator.authenticate(credentials("bob ", "sesame")).await.expect_err("the name is invalid");
    assert_eq!(
        (failed.rejection.summary, &*failed.reason, failed.cause),
        ("login failed", bad, Cause::Credentials)
    );
    assert!(failed.rejection.detail.contains("user-names"), "{}", failed.rejection.detail);
    // A login in another form of the same name is converted to that name.
    let typed = credentials("\u{ff42}ob", "sesame");
    let known = authenticator.authenticate(typed).await.expect("bob");
    assert_eq!(known.name.as_deref(), Some("bob"));
    let basic = Some(("Jose\u{301}".to_owned(), Secret::new("sesame")));
    let handshake = Arc::new(ClientHandshake { basic, ..ClientHandshake::default() });
    let known = authenticator.authenticate(Credentials { handshake, ..Credentials::default() }).await;
    assert_eq!(known.expect("by Basic").name.as_deref(), Some("Jos\u{e9}"));
    for number in 0..10 {
        let guess = credentials("bob", &format!("{number}"));
        authenticator.authenticate(guess).await.expect_err("the passcode is wrong");
    }
    let variant = took(&authenticator, credentials("\u{ff42}ob", "10")).await;
    assert_eq!(variant, (8000, false), "the variants of a name share their failures");
    let any = Options { names: Names::Any, ..options(10) };
    let authenticator = Authenticator::with_sources(any, vec![Gate::new(1000)]);
    let known = authenticator.authenticate(credentials("bob ", "sesame")).await.expect("any name is allowed");
    assert_eq!(known.name.as_deref(), Some("bob "));
}

#[tokio::test(start_paused = true)]
async fn client_gets_a_general_reason_and_the_log_gets_the_exact_one() {
    let authenticator = Authenticator::with_sources(options(10), vec![Gate::new(1000)]);
    let login = "The login or the passcode is wrong.";
    let token = "The token is not accepted. Get a new one.";
    let both = Credentials { login: Some("a".to_owned()), ..bearer("bad") };
    for (credentials, summary, detail, reason) in [
        (credentials("a", "x"), "login failed", login, "gate: wrong passcode"),
        (credentials("nobody", "x"), "login failed", login, "unknown to all sources of users"),
        (bearer("bad"), "login failed", token, "unknown to all sources of users"),
        (both, "login failed", token, "gate: wrong passcode"),
        (
            Credentials::default(),
            "login failed",
            "Send CONNECT with the headers login and passcode",
            "no credentials",
        ),
        (credentials("a", "down"), "login not checked", "Try again later.", "gate: it is down"),
    ] {
        let failed = authenticator.authenticate(credentials).await.expect_err(reason);
        assert_eq!(
            (failed.rejection.summary, &*failed.reason, failed.rejection.limit),
            (summary, reason, None)
        );
        assert!(failed.rejection.detail.contains(detail), "{}", failed.rejection.detail);
    }
}

#[tokio::test(start_paused = true)]
async fn renewal_requires_a_token() {
    let anonymous = Arc::new(crate::auth::sources::anonymous::Anonymous { is_alone: true });
    let authenticator = Authenticator::with_sources(options(10), vec![Gate::new(1000), anonymous]);
    let bare = |text: &str| Some(Secret::new(text));
    let handshake = ClientHandshake { bearer: bare("good"), ..ClientHandshake::default() };
    let from_handshake = Credentials { handshake: Arc::new(handshake), ..Credentials::default() };
    for (credentials, expected) in [
        (bearer("good"), Ok("mallory")),
        (Credentials { authorization: bare(" good\n"), ..Credentials::default() }, Ok("mallory")),
        (Credentials { passcode: bare("good"), ..Credentials::default() }, Ok("mallory")),
        (Credentials { passcode: bare("bad"), ..bearer("good") }, Ok("mallory")),
        (bearer("bad"), Err("unknown to all sources of users")),
        (from_handshake, Err("no token")),
        (Credentials { login: Some("a".to_owned()), ..Credentials::default() }, Err("no token")),
        (credentials("a", "sesame"), Err("unknown to all sources of users")),
        (Credentials::default(), Err("no token")),
    ] {
        let shown = format!("{credentials:?}");
        let result = authenticator.renew(credentials).await;
        let result = result.map_err(|failed| failed.reason);
        let name = result.as_ref().map(|principal| principal.name.as_deref().unwrap_or("anonymous"));
        assert_eq!(name.map_err(String::as_str), expected, "{shown}");
    }
}

#[tokio::test]
async fn user_names_from_certificates_and_proxies_must_be_valid() {
    let certificate = Some(crate::auth::sources::certificate::Options::default());
    let options = Options { certificate, proxy: true, ..Options::default() };
    let authenticator = Authenticator::new(options).expect("sources");
    let name = "bob\u{200b}";
    let certificate = Certificate { common_name: Some(name.to_owned()), alternative_names: Vec::new() };
    let proxy = ProxyUser { name: name.to_owned(), roles: Vec::new() };
    for (source, handshake) in [
        ("certificate", ClientHandshake { certificate: Some(certificate), ..ClientHandshake::default() }),
        ("proxy", ClientHandshake { proxy: Some(proxy), ..ClientHandshake::default() }),
    ] {
        let credentials = Credentials { handshake: Arc::new(handshake), ..Credentials::default() };
        let failed = authenticator.authenticate(credentials).await.expect_err(source);
        let reason = format!("{source}: the user name \"bob\\u{{200b}}\" has the character U+200B");
        assert!(failed.reason.starts_with(&reason), "{}", failed.reason);
    }
}

#[tokio::test]
async fn client_cannot_tell_a_wrong_passcode_from_an_unknown_name() {
    let passcode = Passcode::new("sesame").expect("short");
    let options = Options { static_users: vec![("alice".to_owned(), passcode)], ..Options::default() };
    let authenticator = Authenticator::new(options).expect("sources");
    let wrong =
        authenticator.authenticate(credentials("alice", "wrong")).await.expect_err("the passcode is wrong");
    let unknown = authenticator.authenticate(credentials("mallory", "sesame")).await.expect_err("unknown");
    assert_eq!(
        (wrong.rejection.summary, &wrong.rejection.detail, wrong.rejection.limit),
        (unknown.rejection.summary, &unknown.rejection.detail, unknown.rejection.limit)
    );
    assert_ne!(wrong.reason, unknown.reason, "the logged reasons differ");
    let shown = format!("{wrong:?} {unknown:?} {authenticator:?}");
    assert!(!shown.contains("sesame"), "{shown}");
    let principal = authenticator.authenticate(credentials("alice", "sesame")).await.expect("alice");
    assert_eq!(principal.name.as_deref(), Some("alice"));
    let nameless = authenticator.authenticate(Credentials::default()).await.expect_err("no credentials");
    assert!(nameless.rejection.detail.contains("Send CONNECT with the headers login and passcode"));
    assert_eq!(
        (authenticator.generation(), authenticator.account_state(&principal)),
        (0, AccountState::Same)
    );
    assert_eq!(authenticator.reload().await, Ok(()));
}

/// Approximate length of the largest login that fits into a CONNECT frame, in bytes.
const LONG_BYTES: usize = 27_000;

/// Returns a login of `bytes` bytes with a wrong passcode.
fn long_login(number: usize, bytes: usize) -> Credentials {
    let name = format!("user-{number:04}");
    credentials(&name, &"x".repeat(bytes - name.len()))
}

#[tokio::test(start_paused = true)]
async fn logins_are_charged_until_they_are_checked_and_not_during_the_delay() {
    let (gate, budget) = (Gate::new(1000), Budget::new(1000 * LONG_BYTES));
    let options = Options { auth_failures_free: 0, ..options(5000) };
    let authenticator = Authenticator::with_sources(options, vec![gate.clone()]).with_budget(budget.clone());
    for number in 0..1000 {
        authenticator.authenticate(long_login(number, 20)).await.expect_err("the passcode is wrong");
    }
    assert_eq!(budget.used(), 0);
    let mut tasks = JoinSet::new();
    for number in 0..1000 {
        let authenticator = authenticator.clone();
        tasks.spawn(async move { authenticator.authenticate(long_login(number, LONG_BYTES)).await });
    }
    while gate.checks() < 2000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(budget.used(), 1000 * LONG_BYTES);
    let start = Instant::now();
    gate.open.add_permits(1000);
    while budget.used() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(authenticator.shared.permits.available_permits(), 5000, "the answers are delayed");
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(
        tasks
            .join_all()
            .await
            .iter()
            .all(|answer| matches!(answer, Err(failed) if failed.rejection.limit.is_none()))
    );
    assert!(start.elapsed() > Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn long_logins_over_the_memory_limit_fail_and_short_ones_do_not() {
    let (gate, budget) = (Gate::new(0), Budget::new(10 * LONG_BYTES));
    let authenticator =
        Authenticator::with_sources(options(5000), vec![gate.clone()]).with_budget(budget.clone());
    let mut tasks = JoinSet::new();
    for number in 0..30 {
        let authenticator = authenticator.clone();
        tasks.spawn(async move { authenticator.authenticate(long_login(number, LONG_BYTES)).await });
    }
    for _ in 0..20 {
        let answer = tasks.join_next().await.expect("a task").expect("no panic");
        let failed = answer.expect_err("ten logins are in flight");
        assert_eq!(
            (failed.rejection.summary, failed.rejection.limit),
            ("login not checked", Some(Limit::MemoryBytes))
        );
        assert!(failed.rejection.detail.contains("memory-bytes-max"), "{}", failed.rejection.detail);
    }
    let mut short = Box::pin(authenticator.authenticate(credentials("alice", "sesame")));
    assert!(futures_util::poll!(&mut short).is_pending());
    let mut renewal = Box::pin(authenticator.renew(bearer(&"x".repeat(LONG_BYTES))));
    assert!(
        futures_util::poll!(&mut renewal).is_pending(),
        "a renewal of an authenticated client is admitted"
    );
    gate.open.add_permits(12);
    assert!(short.await.is_ok());
    assert_eq!(renewal.await.expect_err("no such token").rejection.limit, None);
    tasks.join_all().await;
    assert_eq!(budget.used(), 0);
    gate.open.add_permits(1);
    let alone = long_login(0, 11 * LONG_BYTES);
    assert_eq!(
        authenticator.authenticate(alone).await.expect_err("the passcode is wrong").rejection.limit,
        None,
        "a login without others is checked"
    );
}

#[tokio::test(start_paused = true)]
async fn unread_authorization_does_not_make_equal_logins_differ() {
    for (scheme, reads_tokens) in [("Junk", true), ("Bearer", false)] {
        let gate = Arc::new(Gate { reads_tokens, ..Gate::of(0) });
        let authenticator = Authenticator::with_sources(options(10), vec![gate.clone()]);
        let mut tries: Vec<_> = (0..3)
            .map(|number| {
                let authorization = Some(Secret::new(&format!("{scheme} {number}")));
                let login = Credentials { authorization, ..credentials("alice", "sesame") };
                Box::pin(authenticator.authenticate(login))
            })
            .collect();
        for login in &mut tries {
            assert!(futures_util::poll!(login).is_pending());
        }
        tokio::task::yield_now().await;
        assert_eq!(gate.checks(), 1, "{scheme}");
        gate.open.add_permits(1);
        for login in tries {
            assert!(login.await.is_ok());
        }
    }
}
