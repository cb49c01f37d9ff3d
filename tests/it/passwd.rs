//! The users file: the command that creates it, and the broker that reads it.

use crate::support::home::Home;
use crate::support::{Broker, Event, PATIENCE, Wire, on_each_wire};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Returns whether the broker accepts the login. The client leaves without DISCONNECT: if its user is deleted while it
/// is connected, it may read ERROR instead of a RECEIPT.
fn accepts(broker: &Broker, wire: Wire, login: &str, passcode: &str) -> bool {
    let mut client = broker.open(wire);
    client.send(&format!("CONNECT\naccept-version:1.2\nhost:a\nlogin:{login}\npasscode:{passcode}\n\n\0"));
    match client.event() {
        Event::Frame(frame) if frame.command == "CONNECTED" => true,
        Event::Frame(frame) => {
            assert_eq!((frame.command.as_str(), frame.must("message")), ("ERROR", "login failed"));
            false
        }
        other => panic!("{other:?}"),
    }
}

on_each_wire! {
    fn users_file_changes_apply_while_the_broker_runs(wire: Wire) {
        let home = Home::new(&format!("passwd-life-{}", wire.label()));
        home.done(&["alice"], "open sesame\n");
        home.done(&["b:%/张", "--role", "service"], "b");
        let broker = Broker::start(&["--users-file", &home.users(), "--auth-failures-free=1000"]);
        let is_in = |login, passcode| accepts(&broker, wire, login, passcode);
        assert!(is_in("alice", "open sesame") && is_in("alice", "open sesame") && is_in("b:%/张", "b"));
        assert!(!is_in("alice", "sesame") && !is_in("bob", "open sesame") && !is_in("alice", ""));
        let until = |holds: &dyn Fn() -> bool| {
            let start = Instant::now();
            while !holds() {
                assert!(start.elapsed() < PATIENCE, "the broker did not apply the change");
                broker.pass(Duration::from_millis(50));
            }
        };
        home.done(&["alice"], "tulip\n");
        until(&|| is_in("alice", "tulip"));
        assert!(!is_in("alice", "open sesame"), "the cached login of a removed user is rejected");
        home.done(&["alice", "--delete"], "");
        until(&|| !is_in("alice", "tulip"));
        fs::write(home.users(), "# a mistake\nalice:tulip\n").expect("a file");
        let complains = |log: &str| {
            let mut lines = log.lines().filter(|line| line.contains("the users read before stay"));
            lines.next().is_some_and(|line| line.contains("users:2: invalid hash: expected an argon2id hash"))
                && lines.next().is_none()
        };
        until(&|| is_in("b:%/张", "b") && complains(&broker.log()));
        assert!(is_in("b:%/张", "b"));
        let log = broker.log();
        for secret in ["sesame", "tulip", "m=19456"] {
            assert!(!log.contains(secret), "{secret} is logged: {log}");
        }
    }

    fn refusals_are_delayed_for_a_client_that_guesses(wire: Wire) {
        let home = Home::new(&format!("passwd-guess-{}", wire.label()));
        home.done(&["alice"], "sesame");
        let broker = Broker::start(&["--users-file", &home.users(), "--auth-failures-free=2"]);
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
    let home = Home::new("passwd-file");
    home.done(&["alice"], "open sesame\n");
    assert_eq!(fs::metadata(home.users()).expect("a file").permissions().mode() & 0o7777, 0o600);
    let text = format!("# ours\n\n{}# end", fs::read_to_string(home.users()).expect("a file"));
    fs::write(home.users(), &text).expect("a file");
    home.done(&["bob", "--role=a", "--role=b"], "b");
    let now = fs::read_to_string(home.users()).expect("a file");
    assert!(now.starts_with(&format!("{text}\nbob:$argon2id$")) && now.ends_with(":a,b\n"), "{now}");
    assert_eq!(home.passwd(&["--list"], ""), (Some(0), "alice\nbob: a, b\n".to_owned(), String::new()));
    let (code, out, errors) = home.passwd(&["carol", "--delete"], "");
    assert_eq!((code, &*out, &*errors), (Some(1), "", "error: users: there is no user \"carol\"\n"));
    let (code, _, errors) = home.passwd(&["carol"], "\n");
    assert_eq!((code, &*errors), (Some(2), "error: the passcode is empty\n"));
    let names: Vec<_> = fs::read_dir(&home.0).expect("a directory").collect();
    assert_eq!(names.len(), 1, "the command leaves no temporary file");
}

#[test]
fn concurrent_changes_lose_no_user() {
    let home = Home::new("passwd-many");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let home = &home;
            scope.spawn(move || home.done(&[&format!("user-{number}")], "x"));
        }
    });
    let (_, out, _) = home.passwd(&["--list"], "");
    assert_eq!(out.lines().count(), 8, "{out}");
}

#[test]
fn a_broker_does_not_start_with_an_invalid_users_file() {
    let home = Home::new("passwd-start");
    let check = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stompbox"));
        command.args(["check-config", "--users-file", "users", "--tcp=0.0.0.0:1"]).current_dir(&home.0);
        let output = command.output().expect("the command runs");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    let error =
        "error: --users-file: users: the file does not exist; create it with stompbox passwd FILE NAME\n";
    assert_eq!(check(), (Some(2), error.to_owned()));
    fs::write(home.users(), "alice:{SHA}sesame\n").expect("a file");
    let (code, errors) = check();
    assert_eq!(code, Some(2));
    assert!(
        errors.starts_with("error: --users-file: users:1: invalid hash: expected an argon2id hash"),
        "{errors}"
    );
    assert!(!errors.contains("sesame"), "{errors}");
    home.passwd(&["alice"], "x");
    fs::remove_file(home.users()).expect("it is there");
    home.done(&["alice"], "x");
    assert_eq!(check(), (Some(0), String::new()), "a users file permits all addresses");
}

/// The terminal of the command, and the text it has shown.
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
        let home = Home::new(&format!("passwd-terminal-{code}"));
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("a terminal");
        let name = ptsname(&master, Vec::new()).expect("its name");
        let name = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes())).to_owned();
        let slave = OpenOptions::new().read(true).write(true).open(name).expect("its other end");
        let clone = || Stdio::from(slave.try_clone().expect("a handle"));
        let mut child = home
            .command(&["alice"])
            .stdin(clone())
            .stdout(clone())
            .stderr(clone())
            .spawn()
            .expect("the command runs");
        let mut terminal = Terminal { master: File::from(master), seen: String::new() };
        terminal.until("Passcode of \"alice\": ");
        terminal.master.write_all(b"open sesame\n").expect("typed");
        terminal.until("Repeat the passcode: ");
        terminal.master.write_all(second.as_bytes()).expect("typed");
        let end = if code == 0 {
            "users: \"alice\" is added"
        } else {
            "error: the two passcodes differ; nothing is changed"
        };
        terminal.until(end);
        assert_eq!(child.wait().expect("it ends").code(), Some(code));
        assert!(!terminal.seen.contains("sesam"), "{}", terminal.seen);
        assert_eq!(Path::new(&home.users()).exists(), code == 0);
    }
}
