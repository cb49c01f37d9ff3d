//! Permissions: the presets, the operator's rules, and the actions that need no rule.

use crate::support::sign_in::{as_service, by_passcode, by_token, token, with_tokens, with_users};
use crate::support::{Broker, Client, Event, Wire, on_each_wire};
use rustix::process::Signal;
use serde_json::json;
use std::path::PathBuf;
use std::process::Command;

/// Signs in a client that requests `soft-errors`, so that a rejection does not end its connection.
#[track_caller]
fn connect_soft(broker: &Broker, wire: Wire, headers: &str) -> Client {
    let (mut client, _) = broker.sign_in(wire, &format!("{headers}soft-errors:true\n"));
    client.subscribe("errors", "/user/queue/errors", "");
    client
}

/// Returns whether the action is allowed. Asserts that a rejection has the message `access denied`, and the destination
/// in the header `refused`.
#[track_caller]
fn is_permitted(client: &mut Client, verb: &str, destination: &str) -> bool {
    let head = match verb {
        "send" => format!("SEND\ndestination:{destination}"),
        _ => format!("SUBSCRIBE\nid:{destination}\ndestination:{destination}"),
    };
    let Some(rejected) = client.rejection(&head) else { return true };
    assert_eq!(rejected.expect_header("message"), "access denied", "{rejected:?}");
    assert_eq!(rejected.expect_header("refused"), destination, "{rejected:?}");
    false
}

#[track_caller]
fn assert_rules(client: &mut Client, name: &str, rules: &[(&str, &str, bool)]) {
    for (verb, destination, is_allowed) in rules {
        assert_eq!(is_permitted(client, verb, destination), *is_allowed, "{name}: {verb} {destination}");
    }
}

/// Returns the output of `stompbox check-config`.
fn check_config(flags: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stompbox"));
    let output = command.arg("check-config").args(flags).output().expect("the command runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A configuration file that is removed when the test ends.
struct Rules(PathBuf);

impl Rules {
    fn new(name: &str) -> Rules {
        let name = format!("{name}-{}.toml", std::process::id());
        Rules(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).expect("a file");
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Body of the presence snapshot of a topic without members.
const EMPTY_SNAPSHOT: &str = "{\"event\":\"snapshot\",\"of\":\"/topic/board.b\",\"version\":1,\"page\":1,\"pages\":1,\
                          \"members\":0,\"sessions\":0,\"anonymous\":0,\"users\":[]}";

on_each_wire! {
    fn preset_safe_grants_each_kind_of_user_its_destinations(wire: Wire) {
        let broker = with_users(&["alice", "bob"], &["--default-permissions=safe", "--allow-anonymous"]);
        let mut alice = connect_soft(&broker, wire, &by_passcode("alice"));
        let of_all = [
            ("subscribe", "/topic/a", true),
            ("subscribe", "/topic/a.*.b", true),
            ("subscribe", "/topic/**", true),
            ("subscribe", "/topic/#", true),
            ("send", "/topic/a", false),
            ("send", "/topic/chat", true),
            ("send", "/topic/chat.a", true),
            ("send", "/topic/chat/a/b", true),
            ("send", "/topic/chatter.a", false),
            ("send", "/queue/a", false),
            ("subscribe", "/queue/a", false),
            ("subscribe", "/queue/dead.a", false),
            ("send", "/app/a", true),
            ("subscribe", "/app/a", false),
            ("subscribe", "/app/**", false),
            ("subscribe", "/presence/topic/a", true),
            ("subscribe", "/presence/users", false),
            ("send", "/user/queue/a", true),
            ("send", "/user/topic/a", true),
            ("subscribe", "/user/queue/a", true),
            ("subscribe", "/user/queue/**", true),
            ("subscribe", "/user/topic/*", true),
            ("subscribe", "/user/bob/queue/a", false),
            ("subscribe", "/temp-queue/a", true),
        ];
        assert_rules(&mut alice, "alice", &of_all);
        let of_users = [
            ("send", "/user/bob/queue/a", true),
            ("send", "/user/bob/queue/a/b", true),
            ("send", "/user/bob/topic/a", false),
            ("send", "/user/alice/topic/a", true),
        ];
        assert_rules(&mut alice, "alice", &of_users);
        let mut anonymous = connect_soft(&broker, wire, "");
        assert_rules(&mut anonymous, "anonymous", &of_all);
        let of_anonymous = [
            ("send", "/user/bob/queue/a", false),
            ("send", "/user/bob/topic/a", false),
            ("subscribe", "/user/alice/queue/a", false),
        ];
        assert_rules(&mut anonymous, "anonymous", &of_anonymous);
    }

    fn preset_open_grants_everything_but_other_users_queues(wire: Wire) {
        let broker = with_users(&["alice", "bob"], &["--allow-anonymous"]);
        for (name, headers) in [("alice", by_passcode("alice")), ("anonymous", String::new())] {
            let mut client = connect_soft(&broker, wire, &headers);
            let rules = [
                ("send", "/topic/a", true),
                ("subscribe", "/topic/a", true),
                ("send", "/queue/a", true),
                ("subscribe", "/queue/a", true),
                ("subscribe", "/queue/dead.a", true),
                ("subscribe", "/app/a", true),
                ("subscribe", "/app/**", true),
                ("send", "/app/b", true),
                ("send", "/user/bob/queue/a", true),
                ("send", "/user/bob/topic/a", true),
                ("subscribe", "/user/bob/queue/a", false),
                ("subscribe", "/user/bob/topic/a", false),
                ("subscribe", "/presence/users", true),
                ("subscribe", "/presence/topic/a", true),
            ];
            assert_rules(&mut client, name, &rules);
        }
    }

    fn a_rejection_names_the_destination_and_the_log_names_the_rule(wire: Wire) {
        let broker = with_tokens(&["--permission", "deny subscribe users /topic/secret.**"]);
        let (mut alice, id) = broker.sign_in(wire, &by_token("alice"));
        alice.send("SUBSCRIBE\nid:1\ndestination:/topic/secret.plans\nreceipt:r\n\n\0");
        let denied = [("message", "access denied"), ("destination", "/topic/secret.plans"), ("receipt-id", "r")];
        let error = alice.expect_error(&denied);
        assert!(!error.text().contains("deny"), "clients must not see the operator's rules: {error:?}");
        let line = broker.log_line(|line| line.contains("access denied"));
        for part in [
            "verb=\"subscribe\"",
            "destination=\"/topic/secret.plans\"",
            "deny subscribe users /topic/secret.**",
            "user=\"alice\"",
            &id,
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
        let (mut alice, _) = broker.sign_in(wire, &by_token("alice"));
        alice.send("SEND\ndestination:/queue/a\nreceipt:r\n\n\0");
        alice.expect_error(&[("message", "access denied"), ("destination", "/queue/a"), ("receipt-id", "r")]);
        broker.log_line(|line| line.contains("access denied") && line.contains("no rule allows it (preset safe)"));
        broker.wait_for_metric("access_denied_total", 2);
        assert_eq!(broker.metric("queues"), 0, "the rejected SEND must not create the queue");
    }

    fn the_first_rule_that_matches_decides(wire: Wire) {
        let flags = [
            "--permission=deny all user:mallory **",
            "--permission=allow send user:alice /topic/news.today",
            "--permission=deny send anyone /topic/news.**",
            "--permission=allow send role:editor /topic/news.**",
            "--permission=allow send users /topic/**",
            "--permission=allow all users /queue/{user}.*",
        ];
        let broker = with_tokens(&flags);
        let by = |name: &str, claims| format!("passcode:{}\n", token(name, claims));
        let mut alice = connect_soft(&broker, wire, &by("alice", json!({ "roles": ["editor"] })));
        let rules = [
            ("send", "/topic/news.today", true),
            ("send", "/topic/news.tomorrow", false),
            ("send", "/topic/news/today", true),
            ("send", "/topic/weather", true),
            ("send", "/queue/alice.1", true),
            ("send", "/queue/alice.1.2", false),
            ("send", "/queue/bob.1", false),
        ];
        assert_rules(&mut alice, "alice", &rules);
        // No user name makes a rule match the queues of other users.
        for name in ["*", "**", "#", "alice.1", "alice/1"] {
            let mut eve = connect_soft(&broker, wire, &by_token(name));
            assert_rules(&mut eve, name, &[("send", "/queue/alice.1", false), ("send", "/queue/alice", false)]);
        }
        let (mut mallory, _) = broker.sign_in(wire, &by("mallory", json!({ "roles": "editor" })));
        mallory.send("SUBSCRIBE\nid:1\ndestination:/user/queue/a\n\n\0");
        mallory.expect_error(&[("message", "access denied")]);
        let mut service = connect_soft(&broker, wire, &as_service("mallory"));
        let rules = [
            ("subscribe", "/topic/**", true),
            ("subscribe", "/queue/dead.a", true),
            ("subscribe", "/app/**", true),
            ("subscribe", "/presence/users", true),
            ("send", "/topic/news.tomorrow", true),
            ("send", "/user/bob/topic/a", true),
            ("subscribe", "/user/bob/queue/a", false),
        ];
        assert_rules(&mut service, "service", &rules);
    }

    fn a_claim_in_a_rule_matches_exactly_one_segment(wire: Wire) {
        let flags = [
            "--permission=allow subscribe users /topic/teams/{claim.team}/**",
            "--permission=deny subscribe users /topic/teams/**",
            "--permission=deny subscribe users /topic/levels/{claim.level}",
        ];
        let broker = with_tokens(&flags);
        let by = |name: &str, claims| format!("passcode:{}\n", token(name, claims));
        let mut alice = connect_soft(&broker, wire, &by("alice", json!({ "team": "a/b" })));
        let rules = [
            ("subscribe", "/topic/teams/b/1", false),
            ("subscribe", "/topic/teams/a/b/1", false),
            ("subscribe", "/topic/teams/*/1", false),
            // alice has no claim `level`, so the rule denies every value of the segment.
            ("subscribe", "/topic/levels/1", false),
            ("subscribe", "/topic/levels/1/2", true),
            ("subscribe", "/topic/levels/*", false),
            ("subscribe", "/topic/**", false),
        ];
        assert_rules(&mut alice, "alice", &rules);
        let mut bob = connect_soft(&broker, wire, &by("bob", json!({ "team": "red", "level": "7" })));
        let rules = [
            ("subscribe", "/topic/teams/red/1", true),
            ("subscribe", "/topic/teams/red/**", true),
            ("subscribe", "/topic/teams/*/1", false),
            ("subscribe", "/topic/levels/7", false),
            ("subscribe", "/topic/levels/8", true),
            ("subscribe", "/topic/other/**", true),
        ];
        assert_rules(&mut bob, "bob", &rules);
        // A wildcard in a claim does not widen the rule.
        for team in ["*", "**", "#", ">", "{user}", "red/**", "", "blue.x"] {
            let mut eve = connect_soft(&broker, wire, &by("eve", json!({ "team": team, "level": "**" })));
            let rules = [
                ("subscribe", "/topic/teams/red/1", false),
                ("subscribe", "/topic/teams/blue/x/1", false),
                ("subscribe", "/topic/teams/*/1", false),
                ("subscribe", "/topic/teams/**", false),
            ];
            assert_rules(&mut eve, team, &rules);
        }
    }

    fn changed_rules_apply_to_existing_subscriptions(wire: Wire) {
        let rules = Rules::new(&format!("rules-{}", wire.label()));
        rules.write("permission = [\"allow send users /topic/**\"]\n");
        let broker = with_tokens(&["--config", rules.path()]);
        let (mut alice, _) = broker.sign_in(wire, &by_token("alice"));
        alice.subscribe("1", "/topic/board.a", "");
        let mut bob = connect_soft(&broker, wire, &by_token("bob"));
        bob.subscribe("1", "/topic/board.a", "");
        bob.subscribe("2", "/topic/**", "");
        bob.subscribe("3", "/topic/other", "");
        bob.subscribe("4", "/presence/topic/board.b", "");
        bob.expect("MESSAGE", &[("subscription", "4"), ("event", "snapshot")], EMPTY_SNAPSHOT);
        let (mut carol, _) = broker.sign_in(wire, &by_token("carol"));
        carol.send("BEGIN\ntransaction:t\n\n\0");
        carol.send_with_receipt("/topic/other", "transaction:t\n", "parked");
        carol.send_with_receipt("/topic/other", "", "now");
        bob.frame("MESSAGE");
        bob.frame("MESSAGE");
        // An invalid configuration changes nothing.
        rules.write("permission = [\"allow everything\"]\n");
        broker.signal(Signal::HUP);
        broker.log_line(|line| line.contains("reload failed. The previous configuration stays in effect"));
        carol.send_with_receipt("/topic/other", "", "still");
        bob.frame("MESSAGE");
        bob.frame("MESSAGE");
        rules.write("permission = [\"deny all users /topic/board.**\", \"deny send user:carol /topic/other\"]\n");
        broker.signal(Signal::HUP);
        broker.log_line(|line| line.contains("permission rules reloaded"));
        alice.expect_error(&[("message", "access denied"), ("destination", "/topic/board.a")]);
        let mut ended: Vec<String> = (0..3)
            .map(|_| {
                let report = bob.frame("MESSAGE");
                assert_eq!(report.expect_header("message"), "access denied");
                report.expect_header("refused").to_string()
            })
            .collect();
        ended.sort();
        assert_eq!(ended, ["/presence/topic/board.b", "/topic/**", "/topic/board.a"]);
        // A session caches the decision about its last destination. The new rules invalidate it, too.
        carol.send("SEND\ndestination:/topic/other\n\nno\0");
        carol.expect_error(&[("message", "access denied"), ("destination", "/topic/other")]);
        let mut service = broker.sign_in(wire, &as_service("s")).0;
        service.send_with_receipt("/topic/other", "", "last");
        bob.expect("MESSAGE", &[("subscription", "3")], "last");
        bob.expect_quiet_as_user();
    }

    fn a_new_token_with_fewer_grants_ends_subscriptions_it_denies(wire: Wire) {
        let flags = ["--permission=allow subscribe role:staff /topic/staff", "--permission=deny all users /topic/staff"];
        let broker = with_tokens(&flags);
        let staff = token("alice", json!({ "roles": ["staff"] }));
        let mut alice = connect_soft(&broker, wire, &format!("passcode:{staff}\n"));
        alice.subscribe("1", "/topic/staff", "");
        alice.subscribe("2", "/topic/other", "");
        alice.send_with_receipt("/auth/refresh", "", &staff);
        alice.send(&format!("SEND\ndestination:/auth/refresh\nreceipt:r\n\n{}\0", token("alice", json!({}))));
        let mut seen = Vec::new();
        for _ in 0..2 {
            let Event::Frame(frame) = alice.event() else { panic!("expected two frames") };
            seen.push((frame.command.clone(), frame.header("refused").map(str::to_string)));
        }
        seen.sort();
        assert_eq!(seen, [("MESSAGE".to_string(), Some("/topic/staff".to_string())), ("RECEIPT".to_string(), None)]);
        let mut service = broker.sign_in(wire, &as_service("s")).0;
        service.send_with_receipt("/topic/staff", "", "secret");
        service.send_with_receipt("/topic/other", "", "hi");
        alice.expect("MESSAGE", &[("subscription", "2")], "hi");
        alice.expect_quiet_as_user();
        broker.wait_for_metric("subscriptions", 2);
    }

    fn own_temporary_queue_own_session_and_auth_refresh_need_no_rule(wire: Wire) {
        let broker = with_tokens(&["--permission", "deny all anyone **"]);
        let (mut alice, id) = broker.sign_in(wire, &by_token("alice"));
        alice.subscribe("t", "/temp-queue/t", "");
        alice.send_with_receipt("/temp-queue/t", "", "mine");
        alice.expect("MESSAGE", &[("subscription", "t")], "mine");
        alice.send_with_receipt(&format!("/user/~{id}/queue/x"), "", "an answer");
        let fresh = token("alice", json!({ "roles": [] }));
        alice.send_with_receipt("/auth/refresh", "", &fresh);
        for destination in ["/user/queue/x", "/topic/a"] {
            let (mut alice, _) = broker.sign_in(wire, &by_token("alice"));
            alice.send(&format!("SEND\ndestination:{destination}\n\n\0"));
            alice.expect_error(&[("message", "access denied"), ("destination", destination)]);
        }
    }

    fn each_recipient_is_checked_and_all_or_none_receive_the_message(wire: Wire) {
        let broker = with_tokens(&["--permission", "deny send users /user/boss/**"]);
        let (mut alice, _) = broker.sign_in(wire, &by_token("alice"));
        alice.subscribe("x", "/user/queue/x", "");
        let (mut bob, _) = broker.sign_in(wire, &by_token("bob"));
        assert_eq!(bob.send_and_count("/users/queue/x", "to:alice,carol\n", "hi"), 1);
        alice.expect_message("/user/queue/x", "hi");
        for to in ["alice,boss", "boss", "alice,%62oss"] {
            let (mut bob, _) = broker.sign_in(wire, &by_token("bob"));
            bob.send(&format!("SEND\ndestination:/users/queue/x\nto:{to}\n\nno\0"));
            bob.expect_error(&[("message", "access denied")]);
        }
        bob.send("SEND\ndestination:/users/topic/x\nto:alice\n\nno\0");
        bob.expect_error(&[("message", "access denied")]);
        alice.expect_quiet_as_user();
    }
}

#[test]
fn the_startup_log_and_check_config_show_the_effective_rules() {
    let rules_line = |broker: &Broker| {
        broker.log_line(|line| {
            line.contains("default permissions. Run stompbox check-config to see every rule")
        })
    };
    let broker = with_users(&["alice"], &[]);
    let line = rules_line(&broker);
    assert!(
        line.contains("permissions=\"open\"") && line.contains("only this machine can connect"),
        "{line}"
    );
    assert!(!broker.log().contains("/topic/chat"), "{}", broker.log());
    let broker = with_tokens(&[]);
    let line = rules_line(&broker);
    assert!(line.contains("permissions=\"safe\"") && line.contains("tokens are configured"), "{line}");
    broker.log_line(|line| line.contains("allow send anyone /topic/chat.** (demo)"));
    let broker = with_tokens(&["--demo=false"]);
    rules_line(&broker);
    assert!(!broker.log().contains("/topic/chat"), "{}", broker.log());

    let safe = [
        "--default-permissions=safe",
        "--permission=allow send users /topic/a",
        "--permission",
        "deny all users **",
    ];
    let text = check_config(&safe);
    let rules: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# ")).skip(1).collect();
    let expected = [
        "Preset safe, because default-permissions is set.",
        "allow send users /topic/a (permission)",
        "deny all users ** (permission)",
        "allow send anyone /topic/chat.** (demo)",
        "allow subscribe anyone /topic/** (preset safe)",
        "allow subscribe anyone /presence/topic/** (preset safe)",
        "allow all anyone /user/queue/** (preset safe)",
        "allow all anyone /user/topic/** (preset safe)",
        "allow send anyone /app/** (preset safe)",
        "allow send users /user/*/queue/** (preset safe)",
    ];
    assert_eq!(rules, expected, "{text}");
    assert!(!check_config(&["--default-permissions=safe", "--demo=false"]).contains("/topic/chat"));
    assert!(check_config(&[]).contains("# allow all anyone ** (preset open)"));
}
