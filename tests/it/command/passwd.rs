//! The users file: the command that creates it, and the broker that reads it.

use crate::support::users_directory::UsersDirectory;
use crate::support::{Broker, Event, HANG_TIMEOUT, Wire, on_each_wire};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Returns whether the broker accepts the login. The client leaves without DISCONNECT, because it may read ERROR
/// instead of a RECEIPT if its user is deleted meanwhile.
fn accepts(broker: &Broker, wire: Wire, login: &str, passcode: &str) -> bool {
    let mut client = broker.open(wire);
    client.send(&format!("CONNECT\naccept-version:1.2\nhost:a\nlogin:{login}\npasscode:{passcode}\n\n\0"));
    match client.event() {
        Event::Frame(frame) if frame.command == "CONNECTED" => true,
        Event::Frame(frame) => {
            assert_eq!((frame.command.as_str(), frame.expect_header("message")), ("ERROR", "login failed"));
            false
        }
        other => panic!("{other:?}"),
    }
}

on_each_wire! {
    fn users_file_changes_apply_while_the_broker_runs(wire: Wire) {
        let users_directory = UsersDirectory::new(&format!("passwd-life-{}", wire.label()));
        users_directory.passwd_ok(&["alice"], "open sesame\n");
        users_directory.passwd_ok(&["b:%/张", "--role", "service"], "b");
        let broker = Broker::start(&["--users-file", &users_directory.users(), "--auth-failures-free=1000"]);
        let is_accepted = |login, passcode| accepts(&broker, wire, login, passcode);
        assert!(is_accepted("alice", "open sesame") && is_accepted("alice", "open sesame"));
        assert!(is_accepted("b:%/张", "b"));
        assert!(!is_accepted("alice", "sesame") && !is_accepted("alice", ""));
        assert!(!is_accepted("bob", "open sesame"));
        let until = |holds: &dyn Fn() -> bool| {
            let start = Instant::now();
            while !holds() {
                assert!(start.elapsed() < HANG_TIMEOUT, "the broker did not apply the change");
                broker.request_health_for(Duration::from_millis(50));
            }
        };
        users_directory.passwd_ok(&["alice"], "tulip\n");
        until(&|| is_accepted("alice", "tulip"));
        assert!(!is_accepted("alice", "open sesame"), "the cached login of a removed user is rejected");
        users_directory.passwd_ok(&["alice", "--delete"], "");
        until(&|| !is_accepted("alice", "tulip"));
        fs::write(users_directory.users(), "# an invalid line\nalice:tulip\n").expect("a file");
        let is_reported = |log: &str| {
            let mut lines = log.lines().filter(|line| line.contains("The previous users stay"));
            lines.next().is_some_and(|line| line.contains("users:2: invalid hash: expected an argon2id hash"))
                && lines.next().is_none()
        };
        until(&|| is_accepted("b:%/张", "b") && is_reported(&broker.log()));
        assert!(is_accepted("b:%/张", "b"));
        let log = broker.log();
        for secret in ["sesame", "tulip", "m=19456"] {
            assert!(!log.contains(secret), "{secret} is logged: {log}");
        }
    }

    fn failed_logins_are_delayed_for_a_client_that_guesses(wire: Wire) {
        let users_directory = UsersDirectory::new(&format!("passwd-guess-{}", wire.label()));
        users_directory.passwd_ok(&["alice"], "sesame");
        let broker = Broker::start(&["--users-file", &users_directory.users(), "--auth-failures-free=2"]);
        for guess in ["a", "b"] {
            assert!(!accepts(&broker, wire, "alice", guess));
        }
        let start = Instant::now();
        assert!(!accepts(&broker, wire, "alice", "c"));
        assert!(start.elapsed() >= Duration::from_millis(250));
        assert!(accepts(&broker, wire, "alice", "sesame"), "the right passcode is accepted after the delay");
    }
}

#[test]
fn the_file_is_private_to_its_owner_and_other_lines_are_kept() {
    let users_directory = UsersDirectory::new("passwd-file");
    users_directory.passwd_ok(&["alice"], "open sesame\n");
    assert_eq!(fs::metadata(users_directory.users()).expect("a file").permissions().mode() & 0o7777, 0o600);
    let text = format!("# ours\n\n{}# end", fs::read_to_string(users_directory.users()).expect("a file"));
    fs::write(users_directory.users(), &text).expect("a file");
    users_directory.passwd_ok(&["bob", "--role=a", "--role=b"], "b");
    let now = fs::read_to_string(users_directory.users()).expect("a file");
    assert!(now.starts_with(&format!("{text}\nbob:$argon2id$")) && now.ends_with(":a,b\n"), "{now}");
    assert_eq!(
        users_directory.passwd(&["--list"], ""),
        (Some(0), "alice\nbob: a, b\n".to_owned(), String::new())
    );
    let (code, out, errors) = users_directory.passwd(&["carol", "--delete"], "");
    assert_eq!((code, &*out, &*errors), (Some(1), "", "error: users: there is no user \"carol\"\n"));
    let (code, _, errors) = users_directory.passwd(&["carol"], "\n");
    assert_eq!((code, &*errors), (Some(2), "error: the passcode is empty; expected one line of text\n"));
    let names: Vec<_> = fs::read_dir(&users_directory.0).expect("a directory").collect();
    assert_eq!(names.len(), 1, "the command leaves no temporary file");
}

#[test]
fn concurrent_changes_lose_no_user() {
    let users_directory = UsersDirectory::new("passwd-many");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let users_directory = &users_directory;
            scope.spawn(move || users_directory.passwd_ok(&[&format!("user-{number}")], "x"));
        }
    });
    let (_, out, _) = users_directory.passwd(&["--list"], "");
    assert_eq!(out.lines().count(), 8, "{out}");
}

#[test]
fn a_broker_does_not_start_with_an_invalid_users_file() {
    let users_directory = UsersDirectory::new("passwd-start");
    let check = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stompbox"));
        command
            .args(["check-config", "--users-file", "users", "--tcp=0.0.0.0:1"])
            .current_dir(&users_directory.0);
        let output = command.output().expect("the command runs");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    let error =
        "error: --users-file: users: the file does not exist. Create it with stompbox passwd FILE NAME\n";
    assert_eq!(check(), (Some(2), error.to_owned()));
    fs::write(users_directory.users(), "alice:{SHA}sesame\n").expect("a file");
    let (code, errors) = check();
    assert_eq!(code, Some(2));
    assert!(
        errors.starts_with("error: --users-file: users:1: invalid hash: expected an argon2id hash"),
        "{errors}"
    );
    assert!(!errors.contains("sesame"), "{errors}");
    users_directory.passwd(&["alice"], "x");
    fs::remove_file(users_directory.users()).expect("the file exists");
    users_directory.passwd_ok(&["alice"], "x");
    assert_eq!(check(), (Some(0), String::new()), "a users file permits all addresses");
}

/// The terminal of the command, and its output.
struct Terminal {
    master: File,
    seen: String,
}

impl Terminal {
    fn until(&mut self, text: &str) {
        let mut bytes = [0; 256];
        while !self.seen.contains(text) {
            let read = self.master.read(&mut bytes).expect("the command still runs");
            self.seen.push_str(std::str::from_utf8(&bytes[..read]).expect("UTF-8"));
        }
    }
}

#[test]
fn a_terminal_asks_for_the_passcode_twice_and_does_not_echo_it() {
    for (second, code) in [("open sesame\n", 0), ("open sesam\n", 2)] {
        let users_directory = UsersDirectory::new(&format!("passwd-terminal-{code}"));
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("a terminal");
        let name = ptsname(&master, Vec::new()).expect("the name of the terminal");
        let name = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes())).to_owned();
        let slave =
            OpenOptions::new().read(true).write(true).open(name).expect("the other end of the terminal");
        let clone = || Stdio::from(slave.try_clone().expect("a handle"));
        let mut child = users_directory
            .command(&["alice"])
            .stdin(clone())
            .stdout(clone())
            .stderr(clone())
            .spawn()
            .expect("the command runs");
        let mut terminal = Terminal { master: File::from(master), seen: String::new() };
        terminal.until("Passcode of \"alice\": ");
        terminal.master.write_all(b"open sesame\n").expect("the terminal accepts input");
        terminal.until("Repeat the passcode: ");
        terminal.master.write_all(second.as_bytes()).expect("the terminal accepts input");
        let end = if code == 0 {
            "users: \"alice\" is added"
        } else {
            "error: the two passcodes differ. The users file is unchanged"
        };
        terminal.until(end);
        assert_eq!(child.wait().expect("the command ends").code(), Some(code));
        assert!(!terminal.seen.contains("sesam"), "{}", terminal.seen);
        assert_eq!(Path::new(&users_directory.users()).exists(), code == 0);
    }
}
