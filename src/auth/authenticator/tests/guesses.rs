//! Tests of guessed passcodes: delays, slots and delayed answers.

use super::*;

/// Starts `clients` clients at `addresses` addresses, which guess passcodes without a pause. They guess those of
/// `alice`, or of a different name each time.
fn guess_forever(
    authenticator: &Authenticator,
    clients: u32,
    addresses: u32,
    targets_alice: bool,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let authenticator = authenticator.clone();
        let address = IpAddr::from((0x0a00_0000 + client % addresses).to_be_bytes()).to_string();
        tasks.spawn(async move {
            for number in 0.. {
                let guess = format!("{client}-{number}");
                let name = if targets_alice { "alice" } else { &guess };
                let _ = authenticator.authenticate(from(&address, credentials(name, &guess))).await;
            }
        });
    }
    tasks
}

#[tokio::test(start_paused = true)]
async fn guessing_client_is_delayed_and_other_users_are_not() {
    let gate = Gate::new(1000);
    let authenticator = Authenticator::with_sources(options(10), vec![gate.clone()]);
    let took = |address, credentials| took(&authenticator, from(address, credentials));
    let (here, there) = ("192.0.2.1", "192.0.2.2");
    let mut waits = Vec::new();
    for number in 0..13 {
        let (wait, is_ok) = took(here, credentials("alice", &format!("guess-{number}"))).await;
        assert!(!is_ok);
        waits.push(wait);
    }
    assert_eq!(waits, [0, 0, 0, 0, 0, 250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
    assert_eq!(took(here, credentials("bob", "sesame")).await, (0, true), "another user at the address");
    assert_eq!(
        took(there, credentials("alice", "sesame")).await,
        (0, true),
        "the same user at another address"
    );
    assert_eq!(took(here, Credentials::default()).await.0, 0, "a client without credentials does not guess");
    assert_eq!(took(here, credentials("alice", "sesame")).await, (0, true), "the correct passcode");
    for _ in 0..9 {
        assert_eq!(
            took(here, credentials("bob", "down")).await,
            (0, false),
            "an unavailable source is not a failure of the client"
        );
    }
    for (number, wait) in [0, 0, 0, 0, 0, 250].into_iter().enumerate() {
        let guess = credentials("nobody", &format!("{number}"));
        assert_eq!(took(here, guess).await, (wait, false), "an unknown name is delayed, too");
    }
}

#[tokio::test(start_paused = true)]
async fn login_of_an_attacked_name_fails_unless_it_was_correct_before() {
    let authenticator = Authenticator::with_sources(options(5000), vec![Gate::new(10_000)]);
    assert!(took(&authenticator, from("192.0.2.1", credentials("alice", "sesame"))).await.1);
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..500 {
        let guess = credentials("alice", &format!("{number}"));
        let guess = from(&format!("198.51.{}.{}", number / 250, number % 250), guess);
        let authenticator = authenticator.clone();
        tasks.spawn(
            async move { authenticator.authenticate(guess).await.expect_err("the passcode is wrong") },
        );
    }
    let failed = tasks.join_all().await;
    let busy: Vec<_> = failed.iter().filter(|failed| failed.cause == Cause::Busy).collect();
    assert!(busy.len() > 380, "{}", busy.len());
    // Logins that get no slot fail after 15 s. A login may take the last slot up to 100 ms after it opens. The answer
    // to this login is not delayed.
    assert!((15_000..15_200).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    let failed = busy[0];
    let expected = ("login not checked", "Too many logins failed. Try again later.", Cause::Busy);
    assert_eq!((failed.rejection.summary, &*failed.rejection.detail, failed.cause), expected);
    assert_eq!(failed.reason, "too many wrong passcodes for this name from all addresses");
    for address in ["192.0.2.1", "203.0.113.2"] {
        let right = took(&authenticator, from(address, credentials("alice", "sesame"))).await;
        assert_eq!(right, (0, true), "{address}");
    }
}

/// A correct and a wrong guess, each after five wrong ones.
#[tokio::test(start_paused = true)]
async fn delayed_login_is_answered_when_its_client_leaves_and_still_counts() {
    for (passcode, result, checks, later) in
        [("wrong", (250, false), 6, (500, false)), ("sesame", (0, true), 7, (0, false))]
    {
        let gate = Gate::new(1000);
        let authenticator = Authenticator::with_sources(options(10), vec![gate.clone()]);
        for number in 0..5 {
            took(&authenticator, credentials("alice", &format!("{number}"))).await;
        }
        let start = Instant::now();
        let login = credentials("alice", passcode);
        let failed =
            authenticator.authenticate_until(async {}, login).await.expect_err("the answer is delayed");
        assert_eq!(
            (failed.rejection.summary, failed.cause),
            ("login not checked", Cause::Busy),
            "{passcode}"
        );
        assert_eq!(start.elapsed(), Duration::ZERO, "{passcode}");
        // The second login waits for the answer that is still delayed, or succeeds at once.
        assert_eq!(took(&authenticator, credentials("alice", passcode)).await, result, "{passcode}");
        assert_eq!(gate.checks(), checks, "{passcode}");
        assert_eq!(took(&authenticator, credentials("alice", "last")).await, later, "after {passcode}");
    }
}

/// Alice retries at most once for each guess of the other clients. To fail, she would have to lose a thousand draws
/// against twenty clients. The probability is less than 10^-20.
#[tokio::test(start_paused = true)]
async fn correct_login_succeeds_while_its_address_guesses_without_a_pause() {
    for (targets_alice, before) in [(false, 105), (true, 12)] {
        let gate = Gate::new(1_000_000);
        let authenticator = Authenticator::with_sources(options(100), vec![gate.clone()]);
        let guesses = guess_forever(&authenticator, 20, 1, targets_alice);
        // After so many checks the intervals have reached their maximum.
        gate.until(before).await;
        while !took(&authenticator, from("10.0.0.0", credentials("alice", "sesame"))).await.1 {
            let checks = gate.checks();
            assert!(checks < before + 2000, "targets alice: {targets_alice}");
            gate.until(checks + 1).await;
        }
        drop(guesses);
    }
}

/// The limits are close to those in `throttle/tests.rs`, because the random delays are short.
#[tokio::test(start_paused = true)]
async fn guesses_that_are_checked_in_the_first_hour_are_bounded() {
    for (clients, addresses, targets_alice, checks_max) in
        [(20, 1, true, 250), (5, 1, false, 3715), (30, 30, true, 1004)]
    {
        let gate = Gate::new(1_000_000);
        let authenticator = Authenticator::with_sources(options(100), vec![gate.clone()]);
        let start = Instant::now();
        let guesses = guess_forever(&authenticator, clients, addresses, targets_alice);
        gate.until(checks_max + 1).await;
        let minutes = start.elapsed().as_secs() / 60;
        assert!(
            (60..66).contains(&minutes),
            "{minutes} from {addresses} addresses, targets alice: {targets_alice}"
        );
        drop(guesses);
    }
}

#[tokio::test(start_paused = true)]
async fn own_token_does_not_reset_the_failures_of_another_user() {
    let authenticator = Authenticator::with_sources(options(10), vec![Gate::new(1000)]);
    for number in 0..6 {
        let guess = credentials("alice", &format!("{number}"));
        authenticator.authenticate(guess).await.expect_err("the passcode is wrong");
    }
    let own = Credentials { login: Some("alice".to_owned()), ..bearer("good") };
    let known = authenticator.authenticate(own).await.expect("an own token");
    assert_eq!(known.name.as_deref(), Some("mallory"));
    // The token was checked in the slot of a guess. The next guess waits 500 ms for its slot, and its answer is delayed
    // by another 500 ms.
    assert_eq!(took(&authenticator, credentials("alice", "6")).await, (1000, false));
    authenticator.authenticate(credentials("alice", "sesame")).await.expect("alice");
    assert_eq!(took(&authenticator, credentials("alice", "7")).await, (0, false));
}

/// Returns a generator of logins of `alice` with a passcode that was wrong before, each with a different token.
fn repeated_logins(
    authenticator: &Authenticator,
) -> impl FnMut() -> Pin<Box<dyn Future<Output = LoginResult>>> {
    let (authenticator, mut number) = (authenticator.clone(), 0);
    move || {
        number += 1;
        let login = Credentials { authorization: bearer(&format!("{number}")).authorization, ..wrong() };
        let authenticator = authenticator.clone();
        Box::pin(async move { authenticator.authenticate(login).await })
    }
}

fn wrong() -> Credentials {
    from("192.0.2.1", credentials("alice", "wrong"))
}

#[tokio::test(start_paused = true)]
async fn delayed_answers_hold_no_permit() {
    let gate = Gate::new(10_000);
    let options = Options { auth_failures_free: 0, ..options(1) };
    let authenticator = Authenticator::with_sources(options, vec![gate.clone()]);
    authenticator.authenticate(wrong()).await.expect_err("the passcode is wrong");
    let mut login = repeated_logins(&authenticator);
    let mut delayed: Vec<_> = (0..1000).map(|_| login()).collect();
    for login in &mut delayed {
        assert!(futures_util::poll!(login).is_pending());
    }
    settle().await;
    assert_eq!((gate.checks(), authenticator.shared.permits.available_permits()), (1001, 1));
    let right = took(&authenticator, from("192.0.2.2", credentials("bob", "sesame"))).await;
    assert_eq!(right, (0, true));
    for login in delayed {
        let failed = login.await.expect_err("the passcode is wrong");
        assert_eq!((failed.rejection.summary, failed.rejection.limit), ("login failed", None));
    }
}

#[tokio::test(start_paused = true)]
async fn delayed_answers_without_clients_are_limited_by_auth_waiting_max() {
    let options = Options { auth_failures_free: 0, ..options(5) };
    let authenticator = Authenticator::with_sources(options, vec![Gate::new(10_000)]);
    authenticator.authenticate(wrong()).await.expect_err("the passcode is wrong");
    let mut login = repeated_logins(&authenticator);
    for _ in 0..2 {
        let mut delayed: Vec<_> = (0..100).map(|_| login()).collect();
        for login in &mut delayed {
            assert!(futures_util::poll!(login).is_pending());
        }
        settle().await;
        assert!(authenticator.shared.in_progress.lock().len() >= 100);
        drop(delayed);
        settle().await;
        assert_eq!(authenticator.shared.in_progress.lock().len(), 5);
    }
    tokio::time::advance(Duration::from_secs(15)).await;
    settle().await;
    assert!(authenticator.shared.in_progress.lock().is_empty());
}
