//! Changes of users and permission rules while sessions are open.

use super::peer::{Answer, Credentials, Peer, Via, until};
use crate::support::Broker;
use crate::support::users_directory::UsersDirectory;
use rustix::process::Signal;
use std::fs;

const NO_THROTTLE: &str = "--auth-failures-free=1000000";

fn alice() -> Credentials {
    Credentials::login("alice", "alices-passcode")
}

fn bob() -> Credentials {
    Credentials::login("bob", "bobs-passcode")
}

#[test]
fn added_users_are_accepted_and_removed_users_are_disconnected() {
    let directory = UsersDirectory::new("auth-added-and-removed");
    directory.passwd_ok(&["alice"], "alices-passcode");
    let broker = Broker::start(&["--users-file", &directory.users(), NO_THROTTLE]);
    assert_eq!(Peer::answer(&broker, Via::Tcp, &bob()).rejection(), "login failed");
    directory.passwd_ok(&["bob"], "bobs-passcode");
    until(&broker, || Peer::answer(&broker, Via::Tcp, &bob()) == Answer::user("bob"));
    let mut sessions = Via::ALL.map(|via| {
        assert_eq!(Peer::answer(&broker, via, &bob()), Answer::user("bob"), "{via:?}");
        (Peer::signed_in(&broker, via, &alice()), Peer::signed_in(&broker, via, &bob()))
    });
    directory.passwd_ok(&["bob", "--delete"], "");
    for (_, bob) in &mut sessions {
        bob.expect_error("access revoked", 1008, "access has ended");
    }
    for (via, (alice, _)) in Via::ALL.into_iter().zip(&mut sessions) {
        alice.subscribe("/topic/a");
        assert_eq!(Peer::answer(&broker, via, &bob()).rejection(), "login failed", "{via:?}");
    }
    // A changed passcode ends the sessions that were opened with the old passcode.
    directory.passwd_ok(&["alice"], "alices-new-passcode");
    for (alice, _) in &mut sessions {
        alice.expect_error("access revoked", 1008, "access has ended");
    }
    // Closes the clients, because the broker would wait for them when it stops.
    drop(sessions);
    let log = broker.whole_log();
    let revoked = |user: &str| {
        let expected =
            format!("connection closed reason=\"expired\" error=\"access revoked\" user=\"{user}\"");
        log.lines().filter(|line| line.contains(&expected)).count()
    };
    assert_eq!((revoked("bob"), revoked("alice")), (Via::ALL.len(), Via::ALL.len()), "{log}");
}

/// Changes the roles of a user and keeps the passcode.
fn with_roles(directory: &UsersDirectory, user: &str, roles: &str) {
    let text = fs::read_to_string(directory.users()).expect("a file");
    let lines = text.lines().map(|line| match line.strip_prefix(&format!("{user}:")) {
        Some(rest) => format!("{user}:{}:{roles}\n", rest.split(':').next().expect("a hash")),
        None => format!("{line}\n"),
    });
    fs::write(directory.users(), lines.collect::<String>()).expect("a file");
}

#[test]
fn changed_roles_are_applied_to_existing_subscriptions() {
    let directory = UsersDirectory::new("auth-roles");
    directory.passwd_ok(&["alice", "--role=staff"], "alices-passcode");
    directory.passwd_ok(&["bob", "--role=staff"], "bobs-passcode");
    let broker = Broker::start(&[
        "--users-file",
        &directory.users(),
        NO_THROTTLE,
        "--permission=allow subscribe role:staff /topic/staff",
        "--permission=deny subscribe anyone /topic/staff",
    ]);
    let mut sessions = Via::ALL.map(|via| {
        let mut alice = Peer::signed_in(&broker, via, &alice());
        alice.subscribe("/topic/staff");
        let mut soft = Peer::signed_in(&broker, via, &self::alice().connect("soft-errors", "true"));
        soft.subscribe("/user/queue/errors");
        soft.subscribe("/topic/staff");
        let mut bob = Peer::signed_in(&broker, via, &bob());
        bob.subscribe("/topic/staff");
        (alice, soft, bob)
    });
    with_roles(&directory, "alice", "reader");
    for (alice, soft, _) in &mut sessions {
        let error = alice.expect_error("access denied", 1008, "access denied");
        assert_eq!(error.expect_header("destination"), "/topic/staff");
        let report = soft.expect("MESSAGE", &[("message", "access denied"), ("refused", "/topic/staff")]);
        assert_eq!(report.expect_header("destination"), "/user/queue/errors");
        // Only the subscription has ended, not the session.
        soft.subscribe("/topic/a");
    }
    let denied = broker.log_line(|line| line.contains("access denied verb=\"subscribe\""));
    assert!(denied.contains("rule=\"deny subscribe anyone /topic/staff\""), "{denied}");
    // Restores the old roles.
    with_roles(&directory, "alice", "reader,staff");
    until(&broker, || {
        let mut alice = Peer::signed_in(&broker, Via::Tcp, &alice());
        alice.send("SUBSCRIBE\nid:1\ndestination:/topic/staff\nreceipt:r\n\n\0");
        alice.frame().command == "RECEIPT"
    });
    for (_, _, bob) in &mut sessions {
        bob.subscribe("/topic/a");
    }
}

/// Writes a configuration file with the users file of the directory, these rules, and the lines `more`.
fn configure(directory: &UsersDirectory, rules: &[&str], more: &str) {
    let rules: String = rules.iter().map(|rule| format!("    {rule:?},\n")).collect();
    let users = directory.users();
    let text =
        format!("{more}\nusers-file = {users:?}\nauth-failures-free = 1000000\npermission = [\n{rules}]\n");
    fs::write(directory.0.join("stompbox.toml"), text).expect("a file");
}

#[test]
fn sighup_reloads_the_rules() {
    let directory = UsersDirectory::new("auth-rules");
    directory.passwd_ok(&["alice"], "alices-passcode");
    directory.passwd_ok(&["bob"], "bobs-passcode");
    configure(&directory, &["allow send anyone /topic/**"], "");
    let path = directory.0.join("stompbox.toml");
    let broker = Broker::start(&["--config", path.to_str().expect("UTF-8")]);
    let mut sessions = Via::ALL.map(|via| {
        let mut alice = Peer::signed_in(&broker, via, &alice());
        alice.subscribe("/topic/a");
        let mut bob = Peer::signed_in(&broker, via, &bob());
        bob.subscribe("/topic/a");
        (alice, bob)
    });
    // An invalid configuration changes nothing.
    for (text, error) in [
        ("permission = [\"allow everything\"]", "permission"),
        ("permission = [", "stompbox.toml"),
        ("no-such-option = 1", "no-such-option"),
        ("user = [\"a-secret-alone\"]", "expected NAME:PASSCODE"),
        ("jwt-secret = [\"a-secret-too-short\"]", "32 bytes"),
    ] {
        fs::write(&path, text).expect("a file");
        broker.signal(Signal::HUP);
        let reports_error = |line: &str| {
            line.contains("reload failed. The previous configuration stays in effect") && line.contains(error)
        };
        broker.log_line(reports_error);
        for (alice, bob) in &mut sessions {
            alice.publish("/topic/other", "x");
            bob.subscribe("/topic/b");
            bob.send("UNSUBSCRIBE\nid:/topic/b\n\n\0");
        }
    }
    configure(
        &directory,
        &[
            "deny subscribe user:alice /topic/a",
            "deny send anyone /topic/other",
            "allow send anyone /topic/**",
        ],
        "show-sender = true\nuser = [\"carol:a-secret-of-carol\"]",
    );
    broker.signal(Signal::HUP);
    for (alice, _) in &mut sessions {
        let error = alice.expect_error("access denied", 1008, "access denied");
        assert_eq!(error.expect_header("destination"), "/topic/a");
    }
    broker.log_line(|line| line.contains("permission rules and users file reloaded"));
    // Other sessions continue under the new rules.
    for (_, bob) in &mut sessions {
        bob.publish("/topic/b", "x");
        bob.send("SEND\ndestination:/topic/other\n\nx\0");
        let error = bob.expect_error("access denied", 1008, "access denied");
        assert_eq!(error.expect_header("destination"), "/topic/other");
    }
    let denied = broker.log_line(|line| line.contains("access denied verb=\"send\""));
    assert!(denied.contains("rule=\"deny send anyone /topic/other\""), "{denied}");
    // The broker logs the names of other changed options. It does not log their values, because some are secrets.
    for option in ["show-sender", "user"] {
        let expected =
            format!("an option has changed. Restart the broker to apply the change. option=\"{option}\"");
        broker.log_line(|line| line.contains(&expected));
    }
    let log = broker.log();
    assert!(!log.contains("a-secret"));
    assert!(!log.contains("restart option=\"users-file\""), "only the other line may name it: {log}");
}

/// The new configuration lacks `users-file`. This change needs a restart: until then `users-file` is in effect and
/// implies the preset `safe`, whose rules come after the new ones.
#[test]
fn options_that_need_a_restart_do_not_relax_the_rules() {
    let directory = UsersDirectory::new("auth-restart");
    directory.passwd_ok(&["alice"], "alices-passcode");
    configure(&directory, &[], "demo = false");
    let path = directory.0.join("stompbox.toml");
    let broker = Broker::start(&["--config", path.to_str().expect("UTF-8")]);
    fs::write(&path, "permission = [\"allow send anyone /topic/a\"]\n").expect("a file");
    broker.signal(Signal::HUP);
    broker.log_line(|line| line.contains("permission rules and users file reloaded"));
    for option in ["users-file", "demo"] {
        let expected =
            format!("an option has changed. Restart the broker to apply the change. option=\"{option}\"");
        broker.log_line(|line| line.contains(&expected));
    }
    for via in Via::ALL {
        assert_eq!(
            Peer::answer(&broker, via, &Credentials::default()).rejection(),
            "login failed",
            "{via:?}"
        );
        let mut alice = Peer::signed_in(&broker, via, &alice());
        alice.publish("/topic/a", "granted");
        alice.send("SEND\ndestination:/topic/chat.room\n\nx\0");
        let error = alice.expect_error("access denied", 1008, "access denied");
        assert_eq!(error.expect_header("destination"), "/topic/chat.room");
    }
}

#[test]
fn sighup_names_each_changed_secret_that_needs_a_restart() {
    let directory = UsersDirectory::new("auth-secrets");
    let path = directory.0.join("stompbox.toml");
    let write = |passcode: &str, key: &str, authorization: &str| {
        let text = format!(
            "user = [\"alice:{passcode}\"]\njwt-secret = [\"{key}\"]\nhook-url = \"http://127.0.0.1:1/\"\n\
             hook-authorization = \"{authorization}\"\n"
        );
        fs::write(&path, text).expect("a file");
    };
    write("old-passcode", &"old-key-".repeat(4), "Bearer old-token");
    let broker = Broker::start(&["--config", path.to_str().expect("UTF-8")]);
    broker.signal(Signal::HUP);
    broker.log_line(|line| line.contains("permission rules reloaded"));
    assert!(!broker.log().contains("applies after a restart"), "nothing has changed");
    write("new-passcode", &"new-key-".repeat(4), "Bearer new-token");
    broker.signal(Signal::HUP);
    for option in ["user", "jwt-secret", "hook-authorization"] {
        let expected =
            format!("an option has changed. Restart the broker to apply the change. option=\"{option}\"");
        broker.log_line(|line| line.contains(&expected));
    }
    let log = broker.log();
    for secret in ["-passcode", "-key-", "-token"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}
