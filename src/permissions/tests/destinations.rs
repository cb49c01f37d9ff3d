//! Tests of rules for single destinations.

use super::*;

#[test]
fn first_matching_rule_decides() {
    let permissions = only(&[
        "deny send users /topic/a.b",
        "allow send anyone /topic/a.**",
        "deny all anyone /topic/a.c",
        "allow subscribe user:alice /queue/orders",
        "deny all anyone /queue/**",
        "allow send anyone **",
    ]);
    let anonymous = Principal::anonymous();
    for (principal, verb, text, says) in [
        (&alice(), Verb::Send, "/topic/a.b", Some("deny send users /topic/a.b")),
        (&alice(), Verb::Send, "/topic/a/b", Some("deny send users /topic/a.b")),
        (&anonymous, Verb::Send, "/topic/a.b", None),
        (&alice(), Verb::Send, "/topic/a.c", None),
        (&alice(), Verb::Subscribe, "/topic/a.c", Some("deny all anyone /topic/a.c")),
        (&alice(), Verb::Subscribe, "/topic/a.d", Some("deny all anyone **")),
        (&alice(), Verb::Subscribe, "/queue/orders", None),
        (&alice(), Verb::Send, "/queue/orders", Some("deny all anyone /queue/**")),
        (&anonymous, Verb::Subscribe, "/queue/orders", Some("deny all anyone /queue/**")),
        (&alice(), Verb::Send, "/topic/b", None),
        (&alice(), Verb::Send, "/app/x", None),
        (&alice(), Verb::Subscribe, "/app/x", Some("deny all anyone **")),
        (&alice(), Verb::Send, "/user/bob/queue/x", None),
    ] {
        assert_eq!(check(&permissions, principal, verb, text).err().as_deref(), says, "{verb:?} {text}");
    }
}

#[test]
fn pattern_matches_only_destinations_of_its_kind() {
    for (pattern, matching, other) in [
        (
            "/topic/news.**",
            &["/topic/news", "/topic/news.a/b"][..],
            &["/topic/new", "/queue/news", "/app/news"][..],
        ),
        ("/topic/**", &["/topic/a"], &["/queue/a", "/app/a", "/user/queue/a", "/user/bob/topic/a"]),
        ("/queue/orders.*", &["/queue/orders.a"], &["/queue/orders", "/queue/orders.a.b", "/topic/orders.a"]),
        ("/app/#.x", &["/app/x", "/app/a/b.x"], &["/app/x.a"]),
        (
            "/user/*/queue/**",
            &["/user/bob/queue/a", "/user/queue/a"],
            &["/user/bob/topic/a", "/topic/bob.queue.a"],
        ),
        (
            "/user/bob/**",
            &["/user/bob/queue/a", "/user/bob/topic/a.b"],
            &["/user/queue/a", "/user/bobby/queue/a"],
        ),
        ("/user/bob/queue/a", &["/user/bob/queue/a", "/user/b%6Fb/queue/a"], &["/user/bob/queue/a.b"]),
        ("/user/b%6fb/queue/a", &["/user/bob/queue/a"], &[]),
        ("/user/%71ueue/queue/a", &["/user/%71ueue/queue/a"], &["/user/queue/queue/a", "/user/queue/a"]),
        ("/user/john.doe/queue/a", &["/user/john.doe/queue/a"], &["/user/john/queue/a"]),
        ("/user/%2A/queue/a", &["/user/%2A/queue/a"], &["/user/bob/queue/a"]),
        (
            "/user/queue/**",
            &["/user/queue/a", "/user/alice/queue/a"],
            &["/user/topic/a", "/user/bob/queue/a"],
        ),
        ("/user/topic/a", &["/user/topic/a"], &["/user/topic/b", "/user/queue/a", "/user/bob/topic/a"]),
        ("/user/**", &["/user/queue/a", "/user/bob/topic/a"], &["/topic/a"]),
        ("/user/**/queue/a", &["/user/queue/a", "/user/bob/queue/a"], &["/user/bob/topic/a"]),
        ("**", &["/topic/a", "/queue/a", "/app/a", "/user/queue/a", "/user/bob/queue/a"], &[]),
    ] {
        let permissions = only(&[&format!("allow all anyone {pattern}")]);
        for text in matching {
            assert!(may_send(&permissions, &alice(), text), "{pattern} {text}");
        }
        for text in other {
            assert!(!may_send(&permissions, &alice(), text), "{pattern} {text}");
        }
    }
}

#[test]
fn rule_applies_to_the_clients_of_its_subject() {
    let guest = with_roles(&["guest", "night shift"]);
    let bob = Principal::named("bob", "test");
    let jo = Principal::named("Jo Doe", "test");
    let anonymous = Principal::anonymous();
    for (subject, about, not_about) in [
        ("anyone", &[&guest, &bob, &jo, &anonymous][..], &[][..]),
        ("users", &[&guest, &bob, &jo], &[&anonymous]),
        ("anonymous", &[&anonymous], &[&guest, &bob, &jo]),
        ("user:bob", &[&bob], &[&guest, &jo, &anonymous]),
        ("user:Bob", &[], &[&bob]),
        ("user:Jo%20Doe", &[&jo], &[&guest, &bob, &anonymous]),
        ("role:guest", &[&guest], &[&bob, &jo, &anonymous]),
        ("role:night%20shift", &[&guest], &[&bob, &jo, &anonymous]),
        ("role:night", &[], &[&guest]),
    ] {
        let allow = only(&[&format!("allow send {subject} /topic/a")]);
        let deny =
            Permissions::new(Preset::Open, vec![rule(&format!("deny send {subject} /topic/a"))], vec![]);
        for client in about {
            assert!(
                may_send(&allow, client, "/topic/a") && !may_send(&deny, client, "/topic/a"),
                "{subject} {client:?}"
            );
        }
        for client in not_about {
            assert!(
                !may_send(&allow, client, "/topic/a") && may_send(&deny, client, "/topic/a"),
                "{subject} {client:?}"
            );
        }
    }
}

#[test]
fn services_temporary_queues_and_replies_need_no_rule() {
    let nothing = only(&[]);
    let service = with_roles(&["other", "service"]);
    for text in ["/topic/a", "/queue/a", "/user/bob/queue/a", "/app/a", "/temp-queue/a"] {
        assert!(may_send(&nothing, &service, text), "{text}");
    }
    for text in ["/topic/**", "/app/**", "/presence/users", "/presence/topic/a", "/user/queue/**"] {
        assert!(may_subscribe(&nothing, &service, text), "{text}");
        assert!(!may_subscribe(&nothing, &alice(), text), "{text}");
    }
    assert!(!may_send(&nothing, &with_roles(&["Service", "services"]), "/topic/a"));
    assert!(
        may_send(&nothing, &alice(), "/temp-queue/a") && may_subscribe(&nothing, &alice(), "/temp-queue/a")
    );
    assert!(may_send(&nothing, &alice(), "/user/~s2/queue/replies"));
    assert!(!may_send(&nothing, &alice(), "/user/%7Es2/queue/replies"), "a user with this name");
    assert!(!may_subscribe(&nothing, &alice(), "/user/~s2/queue/replies"));
    assert!(!may_send(&nothing, &alice(), "/topic/~s2"));
}

#[test]
fn presence_of_a_topic_requires_permission_to_subscribe_to_it() {
    let permissions = only(&[
        "allow subscribe anyone /presence/topic/**",
        "deny subscribe anyone /topic/a.secret",
        "allow subscribe anyone /topic/a.*",
        "allow subscribe anyone /topic/users",
    ]);
    for (text, expected) in [
        ("/presence/topic/a.b", None),
        ("/presence/topic/a/b", None),
        ("/presence/topic/a.secret", Some("deny subscribe anyone /topic/a.secret")),
        ("/presence/topic/b", Some("deny all anyone **")),
        ("/presence/topic/users", None),
        ("/presence/users", Some("deny all anyone **")),
    ] {
        assert_eq!(check(&permissions, &alice(), Verb::Subscribe, text).err().as_deref(), expected, "{text}");
    }
    let topics = only(&["allow subscribe anyone /topic/**", "allow subscribe anyone /presence/users"]);
    assert!(!may_subscribe(&topics, &alice(), "/presence/topic/a"));
    assert!(may_subscribe(&topics, &alice(), "/presence/users"));
    assert!(may_subscribe(&only(&["allow all anyone /presence/**"]), &alice(), "/presence/users"));
    let some = only(&["allow all anyone /presence/topic/a.*", "allow all anyone /topic/**"]);
    assert!(may_subscribe(&some, &alice(), "/presence/topic/a.b"));
    assert!(!may_subscribe(&some, &alice(), "/presence/topic/a.b.c"));
}

#[test]
fn dead_letters_require_a_rule_for_the_dead_letter_queue() {
    let rules = vec![Rule::parse("allow all users /queue/{user}.**").expect("a rule")];
    let permissions = Permissions::new(Preset::Safe, rules, Vec::new());
    let may = |name: &str, queue: &str| {
        let to = Selector::parse(queue, 1024).expect("a queue");
        permissions.check(&Principal::named(name, "test"), &Owner::user(name), Verb::Subscribe, &to).is_ok()
    };
    assert!(may("alice", "/queue/alice.in"));
    assert!(!may("alice", "/queue/dead.alice.in"), "no rule allows it");
    assert!(!may("dead", "/queue/dead.alice.in"), "also for a user named dead");
    assert!(!may("dead", "/queue/dead.dead.in"), "dead letters of the queues of a user named dead");
    let rules = ["allow subscribe users /queue/dead.**", "allow all users /queue/{user}.**"];
    let rules = rules.map(|rule| Rule::parse(rule).expect("a rule")).to_vec();
    let permissions = Permissions::new(Preset::Safe, rules, Vec::new());
    let to = Selector::parse("/queue/dead.alice.in", 1024).expect("a queue");
    let alice = Principal::named("alice", "test");
    assert!(permissions.check(&alice, &Owner::user("alice"), Verb::Subscribe, &to).is_ok());
}
