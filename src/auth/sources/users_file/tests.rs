//! Tests with a users file on disk, and with hashes that are cheap or wait for the test.

use super::*;
use crate::auth::authenticator::Authenticator;
use crate::auth::options::Options;
use crate::auth::password::hash::tests::cheap;
use crate::auth::password::verifier::tests::Slow;
use crate::auth::secret::Secret;
use std::fs;
use tokio::task::JoinSet;

/// A directory with a users file. It is removed when this value is dropped.
struct UsersDirectory(PathBuf);

impl UsersDirectory {
    fn new(name: &str) -> UsersDirectory {
        let path = std::env::temp_dir().join(format!("stompbox-users-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        UsersDirectory(path)
    }

    fn path(&self) -> PathBuf {
        self.0.join("users")
    }

    fn write(&self, text: &str) {
        fs::write(self.path(), text).expect("a file");
    }
}

impl Drop for UsersDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn credentials(login: &str, passcode: &str) -> Credentials {
    Credentials {
        login: Some(login.to_owned()),
        passcode: Some(Secret::new(passcode)),
        ..Credentials::default()
    }
}

fn line(name: &str, passcode: &str, roles: &str) -> String {
    format!("{name}:{}:{roles}\n", cheap(passcode).as_str())
}

fn open(directory: &UsersDirectory) -> UsersFile {
    UsersFile::new(&directory.path(), Names::Precis, Verifier::new(1, 100, 100))
}

fn name_and_roles(decision: Decision) -> Result<(String, String), Decision> {
    match decision {
        Decision::Known(principal) => {
            Ok((principal.name.as_deref().unwrap_or_default().to_owned(), principal.roles.join(" ")))
        }
        other => Err(other),
    }
}

#[tokio::test]
async fn logins_are_checked_against_the_users_file() {
    let directory = UsersDirectory::new("who");
    directory.write(&[line("alice", "sesame", "service,admin"), line("b%3A%25/张", "", "")].concat());
    let file = open(&directory);
    let wrong = || Err(Decision::Rejected("wrong passcode".to_owned()));
    let known = |name: &str, roles: &str| Ok((name.to_owned(), roles.to_owned()));
    for (login, passcode, expected) in [
        ("alice", "sesame", known("alice", "service admin")),
        ("alice", "sesame", known("alice", "service admin")),
        ("alice", "Sesame", wrong()),
        ("alice", "", wrong()),
        ("b:%/张", "", known("b:%/张", "")),
        ("b:%/张", "x", wrong()),
        ("b%3A%25/张", "", Err(Decision::Unknown)),
        ("Alice", "sesame", Err(Decision::Unknown)),
        ("nobody", "nobody", Err(Decision::Unknown)),
        ("", "", Err(Decision::Unknown)),
        ("alice", "a.b.c", wrong()),
        ("alice", "eyJhbGciOiJIUzI1NiJ9.e30.c2ln", Err(Decision::Unknown)),
    ] {
        let decision = file.check(&credentials(login, passcode)).await;
        assert_eq!(name_and_roles(decision), expected, "{login} {passcode}");
    }
    assert_eq!(file.check(&Credentials::default()).await, Decision::Unknown);
    let long = Decision::Rejected("the name or the passcode is too long".to_owned());
    for (name, passcode) in [("alice", "x".repeat(257)), ("nobody", "x".repeat(257))] {
        assert_eq!(file.check(&credentials(name, &passcode)).await, long);
    }
    assert_eq!(file.check(&credentials(&"x".repeat(1025), "x")).await, long);
    let shown = format!("{file:?}");
    assert!(!shown.contains("argon2"), "{shown}");
}

#[tokio::test]
async fn unknown_name_is_hashed_too() {
    let directory = UsersDirectory::new("unknown");
    directory.write(&line("alice", "sesame", ""));
    let (verifier, slow) = Slow::verifier(1, 10);
    let file = UsersFile::new(&directory.path(), Names::Precis, verifier);
    slow.release(10);
    assert_eq!(
        file.check(&credentials("mallory", "sesame")).await,
        Decision::Unknown,
        "a match for an unknown name is ignored"
    );
    assert_eq!(slow.begun(), 1);
}

#[tokio::test(start_paused = true)]
async fn file_change_is_detected_by_a_login_once_a_second() {
    let directory = UsersDirectory::new("change");
    directory.write(&line("alice", "old", "a"));
    let file = open(&directory);
    let Decision::Known(alice) = file.check(&credentials("alice", "old")).await else { panic!("alice") };
    assert_eq!((file.generation(), file.account_state(&alice)), (1, AccountState::Same));
    directory.write(&[line("alice", "new", "b"), line("bob", "b", "")].concat());
    assert_eq!(
        file.check(&credentials("bob", "b")).await,
        Decision::Unknown,
        "the file was not read again yet"
    );
    tokio::time::advance(CHECK_INTERVAL).await;
    let bob = file.check(&credentials("bob", "b")).await;
    assert_eq!(name_and_roles(bob), Ok(("bob".to_owned(), String::new())));
    assert_eq!(
        (file.generation(), file.account_state(&alice)),
        (2, AccountState::Gone),
        "alice has another passcode"
    );
    let old = file.check(&credentials("alice", "old")).await;
    assert_eq!(
        old,
        Decision::Rejected("wrong passcode".to_owned()),
        "the cached success belongs to the old hash"
    );
    let Decision::Known(alice) = file.check(&credentials("alice", "new")).await else { panic!("alice") };

    // Change the roles, but not the hash.
    let text = fs::read_to_string(directory.path()).expect("a file");
    directory.write(&text.replace(":b\n", ":c,d\n"));
    assert_eq!(file.reload(), Ok(()));
    assert_eq!(file.account_state(&alice), AccountState::Roles(["c".into(), "d".into()].into()));
    // Replace the file with the same content, twice.
    for _ in 0..2 {
        let generation = file.generation();
        let text = fs::read_to_string(directory.path()).expect("a file");
        fs::remove_file(directory.path()).expect("it is there");
        directory.write(&text);
        assert_eq!((file.reload(), file.generation()), (Ok(()), generation));
    }
    directory.write(&line("bob", "b", ""));
    assert_eq!(file.reload(), Ok(()));
    assert_eq!(file.account_state(&alice), AccountState::Gone, "no such user");
}

#[tokio::test]
async fn invalid_new_file_keeps_the_old_users() {
    let directory = UsersDirectory::new("broken");
    directory.write(&line("alice", "sesame", ""));
    let file = open(&directory);
    let path = directory.path().display().to_string();
    for (text, expected) in [
        (Some("# new\nalice:sesame\n"), format!("{path}:2: invalid hash: expected an argon2id hash")),
        (Some("alice"), format!("{path}:1: invalid line: expected NAME:HASH or NAME:HASH:ROLES")),
        (None, format!("{path}: the file does not exist. Create it with stompbox passwd FILE NAME")),
    ] {
        match text {
            Some(text) => directory.write(text),
            None => fs::remove_file(directory.path()).expect("it is there"),
        }
        for _ in 0..2 {
            let error = file.reload().expect_err("the file is invalid");
            assert!(error.starts_with(&expected), "{error}");
        }
        let alice = file.check(&credentials("alice", "sesame")).await;
        assert!(matches!(alice, Decision::Known(_)), "{alice:?}");
        assert_eq!(file.generation(), 1);
    }
    directory.write(&line("bob", "b", ""));
    assert_eq!((file.reload(), file.generation()), (Ok(()), 2));
}

#[tokio::test]
async fn logins_are_unavailable_until_the_users_file_exists() {
    let directory = UsersDirectory::new("none");
    let file = open(&directory);
    let decision = file.check(&credentials("alice", "sesame")).await;
    assert!(
        matches!(&decision, Decision::Unavailable(reason) if reason.contains("the file does not exist")),
        "{decision:?}"
    );
    assert_eq!(
        check_users_file(&directory.path(), Names::Precis).expect_err("none"),
        file.reload().expect_err("none")
    );
    directory.write(&line("alice", "sesame", ""));
    assert_eq!((file.reload(), check_users_file(&directory.path(), Names::Precis)), (Ok(()), Ok(1)));
    assert!(matches!(file.check(&credentials("alice", "sesame")).await, Decision::Known(_)));
    directory.write("alice:\u{fffd}:");
    fs::write(directory.path(), b"# ok\n\xff\n").expect("a file");
    assert!(
        check_users_file(&directory.path(), Names::Precis)
            .expect_err("no text")
            .ends_with(":2: invalid UTF-8")
    );
    assert!(
        check_users_file(&directory.0, Names::Precis)
            .expect_err("a directory")
            .ends_with(": the path is not a regular file")
    );
}

#[tokio::test]
async fn login_is_checked_again_when_the_file_changes_meanwhile() {
    let directory = UsersDirectory::new("meanwhile");
    directory.write(&line("alice", "x", ""));
    let (verifier, slow) = Slow::verifier(1, 0);
    let file = UsersFile::new(&directory.path(), Names::Precis, verifier);
    let alice = credentials("alice", "sesame");
    for (begun, text, expected) in [
        (2, line("alice", "other", "r"), Ok(("alice".to_owned(), "r".to_owned()))),
        (4, line("bob", "x", ""), Err(Decision::Unknown)),
    ] {
        let mut check = file.check(&alice);
        assert!(futures_util::poll!(&mut check).is_pending());
        directory.write(&text);
        assert_eq!(file.reload(), Ok(()));
        slow.release(2);
        assert_eq!(name_and_roles(check.await), expected);
        assert_eq!(slow.begun(), begun, "checked again with the current users");
    }
}

/// A thousand clients log in at once, with one hashing thread. Each of them gives up and tries again many times before
/// its login is checked.
#[tokio::test(start_paused = true)]
async fn storm_of_retrying_clients_converges() {
    const CLIENTS: usize = 1000;
    let directory = UsersDirectory::new("storm");
    let text: String = (0..CLIENTS).map(|number| line(&format!("user-{number}"), "x", "")).collect();
    directory.write(&text);
    let (verifier, slow) = Slow::verifier(1, CLIENTS);
    let file = UsersFile::new(&directory.path(), Names::Precis, verifier);
    let options = Options { auth_waiting_max: 2 * CLIENTS, ..Options::default() };
    let authenticator = Authenticator::with_sources(options, vec![Arc::new(file)]);
    let log_in = async |authenticator: Authenticator, number: usize| {
        authenticator.authenticate(credentials(&format!("user-{number}"), "sesame")).await
    };
    for _ in 0..5 {
        let mut logins: Vec<_> =
            (0..CLIENTS).map(|number| Box::pin(log_in(authenticator.clone(), number))).collect();
        for login in &mut logins {
            assert!(futures_util::poll!(login).is_pending());
        }
        // Let the tasks that check the logins run before the clients give up.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(log_in(authenticator.clone(), number));
    }
    slow.release(CLIENTS);
    let results = clients.join_all().await;
    let failed: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(slow.begun(), CLIENTS, "one hash for each client");
    assert!(log_in(authenticator, 7).await.is_ok(), "a cached login needs no hash");
    assert_eq!(slow.begun(), CLIENTS);
}
