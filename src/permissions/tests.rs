//! The grammar of rules and their evaluation.

use super::*;
use crate::destination::{Address, AddressOwner};
use proptest::prelude::*;
use std::collections::BTreeMap;

const BYTES_MAX: usize = 1024;
/// The session in these tests.
const SESSION: &str = "s1";

fn rule(text: &str) -> Rule {
    Rule::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Creates permissions with only these rules; everything else is refused.
fn only(rules: &[&str]) -> Permissions {
    let mut rules: Vec<Rule> = rules.iter().map(|text| rule(text)).collect();
    rules.push(rule("deny all anyone **"));
    Permissions::new(Preset::Open, rules, Vec::new())
}

fn preset(preset: Preset) -> Permissions {
    Permissions::new(preset, Vec::new(), Vec::new())
}

fn alice() -> Principal {
    Principal::named("alice", "test")
}

fn with_claims(name: &str, claims: &[(&str, &str)]) -> Principal {
    let claims: BTreeMap<Box<str>, Box<str>> =
        claims.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Principal { claims: claims.into(), ..Principal::named(name, "test") }
}

fn with_roles(roles: &[&str]) -> Principal {
    Principal { roles: roles.iter().map(|role| (*role).into()).collect(), ..alice() }
}

fn owner(principal: &Principal) -> Owner {
    principal.name.as_deref().map_or_else(|| Owner::session(SESSION), Owner::user)
}

/// Parses a destination as a session does; `None` if it is invalid.
fn selector(principal: &Principal, verb: Verb, text: &str) -> Option<Selector> {
    let address = match verb {
        Verb::Send => Address::parse_send(text, BYTES_MAX),
        Verb::Subscribe => Address::parse_subscribe(text, BYTES_MAX),
    };
    match address.ok()? {
        Address::Plain(selector) => Some(selector),
        Address::User(whose, path) => {
            let owner = match whose {
                AddressOwner::Own => owner(principal),
                AddressOwner::Named(name) => Owner::user(&name),
                AddressOwner::Session(id) => Owner::session(&id),
            };
            path.selector(&owner).ok()
        }
        Address::Users(_) | Address::Refresh => None,
    }
}

fn check(permissions: &Permissions, principal: &Principal, verb: Verb, text: &str) -> Result<(), String> {
    let to = selector(principal, verb, text).unwrap_or_else(|| panic!("{text:?} is not a destination"));
    permissions.check(principal, &owner(principal), verb, &to).map_err(|denied| denied.rule.to_string())
}

fn may_send(permissions: &Permissions, principal: &Principal, text: &str) -> bool {
    check(permissions, principal, Verb::Send, text).is_ok()
}

fn may_subscribe(permissions: &Permissions, principal: &Principal, text: &str) -> bool {
    check(permissions, principal, Verb::Subscribe, text).is_ok()
}

// ---- grammar ----

#[test]
fn rule_is_displayed_as_it_was_written() {
    for text in [
        "allow send anyone /topic/news.**",
        "deny subscribe users /queue/orders.*",
        "allow all anonymous **",
        "allow all user:Jo%20Doe /user/*/queue/**",
        "deny all role:guest /user/queue/**",
        "allow send anyone /app/#",
        "allow send anyone /app/a.>",
        "allow subscribe anyone /presence/users",
        "allow subscribe anyone /presence/topic/a.*",
        "allow subscribe anyone /presence/**",
        "allow subscribe anyone /topic/{user}.{claim.https://example.com/tenant.id}/x",
        "allow all anyone /user/{user}/topic/x",
        "allow all anyone /user/a%2Fb%2A/queue/x",
        "allow all anyone /user/bob/**",
        "allow all anyone /user/**",
        "allow all anyone /user/**/queue/**",
        "allow all role:service /topic/**",
    ] {
        assert_eq!(rule(text).to_string(), text);
    }
    assert_eq!(rule("  allow\tsend   anyone /topic/a\n").to_string(), "allow send anyone /topic/a");
}

#[test]
fn invalid_rule_is_rejected_with_the_expected_form() {
    let long = format!("allow send anyone /topic/{}", vec!["a"; 67].join("."));
    for (text, expected) in [
        (
            "",
            "invalid rule \"\" with 0 words: expected four words: allow|deny, send|subscribe|all, anyone|users",
        ),
        ("allow send anyone", "with 3 words: expected four words"),
        ("allow send anyone /topic/a b", "with 5 words: expected four words"),
        ("permit send anyone /topic/a", "invalid effect \"permit\": expected four words: allow|deny"),
        ("Allow send anyone /topic/a", "invalid effect \"Allow\": expected four words: allow|deny"),
        (
            "allow read anyone /topic/a",
            "invalid action \"read\": expected four words: allow|deny, send|subscribe|all",
        ),
        ("allow send everyone /topic/a", "invalid subject \"everyone\": expected"),
        ("allow send alice /topic/a", "invalid subject \"alice\": expected"),
        ("allow send group:a /topic/a", "invalid subject \"group:a\": expected"),
        ("allow send user: /topic/a", "invalid subject \"user:\": expected one name after the colon"),
        ("deny send user:* /topic/a", "invalid subject \"user:*\": expected one name"),
        ("deny send user:{user} /topic/a", "invalid subject \"user:{user}\": expected one name"),
        ("allow send user:100% /topic/a", "expected two hexadecimal digits"),
        ("allow send role:%ff /topic/a", "expected two hexadecimal digits"),
        (
            "deny send role:service /topic/a",
            "invalid subject \"role:service\" after deny: the role service may do everything; \
             expected another role",
        ),
        ("allow send anyone topic/a", "begins with /topic/, /queue/, /user/, /presence/, /app/, or ** alone"),
        ("allow send anyone /topic", "begins with /topic/"),
        ("allow send anyone /exchange/a", "begins with /topic/"),
        ("allow send anyone /**", "begins with /topic/"),
        ("allow send anyone *", "or ** alone"),
        ("allow send anyone #", "or ** alone"),
        (
            "allow send anyone /users/queue/x",
            "needs no rule, because the broker checks /user/NAME/… for each user in the header to",
        ),
        ("deny all anyone /temp-queue/**", "needs no rule, because a session may always use its own"),
        ("deny send anyone /auth/refresh", "needs no rule, because a client may always renew its token"),
        ("allow send anyone /topic/", "empty segment: expected text before and after"),
        ("allow send anyone /topic/a..b", "empty segment: expected text before and after"),
        ("allow send anyone /topic/a.", "empty segment: expected text before and after"),
        ("allow send anyone /user//queue/x", "empty segment: expected text before and after"),
        ("allow send anyone /topic/a*", "invalid segment \"a*\": expected * and ** as whole segments"),
        ("allow send anyone /topic/***", "invalid segment \"***\": expected * and ** as whole segments"),
        (
            "allow send anyone /user/team-*/queue/x",
            "invalid segment \"team-*\": expected * and ** as whole segments",
        ),
        (
            "allow send anyone /user/queue.**",
            "invalid segment \"queue.**\": expected * and ** as whole segments",
        ),
        ("allow send anyone /topic/{name}", "invalid variable \"{name}\": expected {user} or {claim.NAME}"),
        ("allow send anyone /topic/{claim.}", "invalid variable \"{claim.}\""),
        ("allow send anyone /topic/{claim}", "invalid variable \"{claim}\""),
        ("allow send anyone /topic/a{user}", "invalid variable \"a{user}\""),
        ("allow send anyone /topic/{user}{user}", "invalid variable "),
        ("allow send anyone /topic/{user", "invalid variable \"{user\""),
        ("allow send anyone /topic/user}.a", "invalid variable \"user}\""),
        ("allow send anyone /topic/{claim.a{b}}", "invalid variable "),
        ("allow send anyone /user/x-{user}/queue/a", "invalid variable \"x-{user}\""),
        ("allow send anyone /user/~s1/queue/a", "invalid user \"~s1\": it is the address of a session"),
        ("allow send anyone /user/100%/queue/a", "expected two hexadecimal digits"),
        ("allow send anyone /user/bob", "it matches no possible destination; expected /user/queue/x"),
        ("allow send anyone /user/queue", "it matches no possible destination"),
        ("allow send anyone /user/*/queue", "it matches no possible destination"),
        ("allow send anyone /user/*/*", "it matches no possible destination"),
        ("allow send anyone /user/bob/inbox/x", "it matches no possible destination"),
        ("deny send anyone /user/**/bob/queue/x", "expected queue, topic or nothing after /user/**"),
        ("deny send anyone /user/**/{user}/queue/x", "expected queue, topic or nothing after /user/**"),
        ("allow subscribe anyone /presence/topic", "it matches no possible destination; expected /presence"),
        ("allow subscribe anyone /presence/queue/x", "it matches no possible destination"),
        ("allow subscribe anyone /presence/users/x", "it matches no possible destination"),
        (&*long, "with 67 segments: expected at most 66"),
    ] {
        let error = Rule::parse(text).expect_err(text);
        assert!(error.contains(expected), "{text:?}: {error}");
    }
    assert_eq!(Preset::parse("closed"), Err("invalid value \"closed\": expected safe or open".to_owned()));
}

// ---- one destination ----

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

// ---- variables ----

/// Names and claims with special characters, and their form in `/user/…`.
const ODD: [(&str, &str); 14] = [
    ("a.b", "a.b"),
    ("a/b", "a%2Fb"),
    (".", "."),
    ("/", "%2F"),
    ("*", "%2A"),
    ("**", "%2A*"),
    ("#", "%23"),
    (">", "%3E"),
    ("%", "%25"),
    ("%2A", "%252A"),
    ("~s2", "%7Es2"),
    ("queue", "%71ueue"),
    ("{user}", "{user}"),
    ("小 明", "小 明"),
];

#[test]
fn variable_is_one_literal_segment_for_every_value() {
    let permissions = only(&[
        "allow all anyone /topic/{claim.tenant}.x",
        "allow all anyone /topic/of.{user}",
        "allow all anyone /queue/{claim.tenant}/**",
    ]);
    for (value, _) in ODD {
        let principal = with_claims(value, &[("tenant", value)]);
        let is_segment = !value.contains(['.', '/', '%', '*']) && !matches!(value, "#" | ">");
        for text in [format!("/topic/{value}.x"), format!("/topic/of.{value}"), format!("/queue/{value}.a")] {
            if let Some(to) = selector(&principal, Verb::Send, &text) {
                assert_eq!(
                    permissions.check(&principal, &owner(&principal), Verb::Send, &to).is_ok(),
                    is_segment,
                    "{text}"
                );
            }
            if let Some(to) = selector(&principal, Verb::Subscribe, &text) {
                let may = permissions.check(&principal, &owner(&principal), Verb::Subscribe, &to).is_ok();
                assert_eq!(may, is_segment, "{text}");
            }
        }
        for text in [
            "/topic/a.x",
            "/topic/a.b.x",
            "/topic/a/b/x",
            "/topic/x",
            "/topic/of.a",
            "/topic/of",
            "/queue/a.b",
        ] {
            assert!(!may_send(&permissions, &principal, text), "{value} {text}");
        }
        for text in ["/topic/**", "/topic/*.x", "/topic/**.x", "/topic/#", "/topic/of.*", "/topic/>.x"] {
            assert!(!may_subscribe(&permissions, &principal, text), "{value} {text}");
        }
    }
}

#[test]
fn variable_that_is_not_an_owner_is_percent_encoded() {
    let permissions = only(&[
        "allow all anyone /queue/{user}.**",
        "allow all anyone /topic/team.{claim.team}",
        "deny all anyone **",
    ]);
    for (value, encoded) in [
        ("john", "john"),
        ("john.doe", "john%2Edoe"),
        ("alice@example.org", "alice@example%2Eorg"),
        ("a/b", "a%2Fb"),
        ("100%", "100%25"),
        ("john%2Edoe", "john%252Edoe"),
    ] {
        let principal = with_claims(value, &[("team", value)]);
        for text in [format!("/queue/{encoded}.jobs"), format!("/topic/team.{encoded}")] {
            assert!(
                may_send(&permissions, &principal, &text) && may_subscribe(&permissions, &principal, &text),
                "{text}"
            );
        }
        for other in ["john", "john%2Edoe", "john%252Edoe", "alice@example%2Eorg", "a%2Fb", "100%25"] {
            assert_eq!(
                may_send(&permissions, &principal, &format!("/queue/{other}.x")),
                other == encoded,
                "{value} {other}"
            );
        }
        assert!(!may_send(&permissions, &with_claims("x", &[]), &format!("/queue/{encoded}.jobs")));
    }
}

#[test]
fn variable_after_the_user_prefix_is_a_user_name() {
    let rules = ["/user/{claim.friend}/queue/**", "/user/{user}/topic/**"];
    let permissions =
        only(&rules.map(|pattern| format!("allow send anyone {pattern}")).each_ref().map(|r| &**r));
    for (value, encoded) in ODD {
        let principal = with_claims(value, &[("friend", value)]);
        for path in ["queue/a.b", "topic/a"] {
            assert!(may_send(&permissions, &principal, &format!("/user/{encoded}/{path}")), "{value} {path}");
            for (_, other) in ODD.iter().filter(|(other, _)| *other != value) {
                assert!(
                    !may_send(&permissions, &principal, &format!("/user/{other}/{path}")),
                    "{value} {other} {path}"
                );
            }
            assert!(!may_send(&permissions, &principal, &format!("/user/a/{path}")), "{value} {path}");
        }
        assert!(may_send(&permissions, &principal, "/user/queue/a"), "{value} is a friend of its own");
    }
    let bob = with_claims("bob", &[("friend", "~s2")]);
    assert!(!may_subscribe(
        &only(&["allow all anyone /user/{claim.friend}/queue/**"]),
        &bob,
        "/user/~s2/queue/a"
    ));
}

#[test]
fn missing_variable_allows_nothing_and_denies_every_possible_value() {
    let allow = only(&["allow all anyone /topic/{claim.tenant}.x", "allow all anyone /user/{user}/queue/**"]);
    let rules =
        ["deny all anyone /topic/{claim.tenant}.x", "deny all anyone /user/{user}/queue/**"].map(rule);
    let deny = Permissions::new(Preset::Open, rules.into(), vec![]);
    let anonymous = Principal::anonymous();
    for principal in
        [alice(), with_claims("alice", &[("tenant", "")]), with_claims("alice", &[("Tenant", "t")])]
    {
        for text in ["/topic/t.x", "/topic/.x", "/topic/tenant.x", "/topic/t.y", "/topic/x"] {
            let Some(to) = selector(&principal, Verb::Send, text) else { continue };
            assert!(allow.check(&principal, &owner(&principal), Verb::Send, &to).is_err(), "{text}");
        }
        assert!(!may_send(&deny, &principal, "/topic/t.x") && !may_send(&deny, &principal, "/topic/u.x"));
        assert!(
            !may_subscribe(&deny, &principal, "/topic/*.x") && !may_subscribe(&deny, &principal, "/topic/**")
        );
        assert!(may_send(&deny, &principal, "/topic/t.y") && may_send(&deny, &principal, "/topic/t.t.x"));
        assert!(may_subscribe(&deny, &principal, "/topic/*.y"));
    }
    let tenant = with_claims("alice", &[("tenant", "t")]);
    assert!(may_send(&allow, &tenant, "/topic/t.x") && !may_send(&allow, &tenant, "/topic/u.x"));
    assert!(!may_send(&deny, &tenant, "/topic/t.x") && may_send(&deny, &tenant, "/topic/u.x"));
    assert!(!may_subscribe(&allow, &anonymous, "/user/queue/a"), "an anonymous client has no name");
    assert!(
        !may_send(&deny, &anonymous, "/user/bob/queue/a") && may_send(&deny, &anonymous, "/user/bob/topic/a")
    );
}

// ---- wildcard subscriptions ----

#[test]
fn intersecting_deny_refuses_and_containing_allow_grants() {
    for (rules, text, says) in [
        (&["allow subscribe anyone /topic/**"][..], "/topic/**", None),
        (&["allow subscribe anyone /topic/*.**"], "/topic/**.*", None),
        (&["allow subscribe anyone /topic/**.*"], "/topic/**", None),
        (&["allow subscribe anyone /topic/*.**.b"], "/topic/**.b.b", None),
        (&["allow subscribe anyone **"], "/topic/**", None),
        (&["allow subscribe anyone **"], "/user/queue/**", None),
        (&["allow send anyone /topic/**"], "/topic/**", Some("deny all anyone **")),
        (&["allow subscribe anyone /app/**"], "/topic/**", Some("deny all anyone **")),
        // An `allow` that contains only a part is skipped, even if several of them contain the whole together.
        (&["allow subscribe anyone /topic/a.**"], "/topic/**", Some("deny all anyone **")),
        (&["allow subscribe anyone /topic/a.*"], "/topic/a.**", Some("deny all anyone **")),
        (&["allow all anyone /topic/a", "allow all anyone /topic/*.**"], "/topic/**", None),
        (
            &["allow all anyone /topic/*", "allow all anyone /topic/*.*.**"],
            "/topic/**",
            Some("deny all anyone **"),
        ),
        // The order of rules matters.
        (
            &["deny all anyone /topic/a.secret", "allow all anyone /topic/**"],
            "/topic/a.*",
            Some("deny all anyone /topic/a.secret"),
        ),
        (&["deny all anyone /topic/a.secret", "allow all anyone /topic/**"], "/topic/b.*", None),
        (&["allow all anyone /topic/a.*", "deny all anyone /topic/a.secret"], "/topic/a.*", None),
        (
            &["allow all anyone /topic/a.b", "deny all anyone /topic/a.secret"],
            "/topic/a.*",
            Some("deny all anyone /topic/a.secret"),
        ),
        (
            &["deny all anyone /topic/**.secret.**", "allow all anyone **"],
            "/topic/a.*.b",
            Some("deny all anyone /topic/**.secret.**"),
        ),
        (&["deny all anyone /topic/**.secret", "allow all anyone **"], "/topic/**.public", None),
        (&["deny send anyone /topic/**", "allow all anyone **"], "/topic/**", None),
        (&["deny all users /topic/**", "allow all anyone **"], "/topic/**", Some("deny all users /topic/**")),
        (&["deny all anonymous /topic/**", "allow all anyone **"], "/topic/**", None),
        (&["deny all anyone **", "allow all anyone **"], "/app/**", Some("deny all anyone **")),
        // The destination of a user consists of an owner, queue or topic, and a name.
        (&["deny all anyone /user/*/topic/**", "allow all anyone **"], "/user/queue/**", None),
        (&["allow all anyone /user/queue/*.**"], "/user/queue/**", None),
        (&["allow all anyone /user/{user}/queue/**"], "/user/queue/*.a", None),
        (&["allow all anyone /user/bob/queue/**"], "/user/queue/**", Some("deny all anyone **")),
        (&["deny all anyone /user/bob/queue/**", "allow all anyone **"], "/user/queue/**", None),
        (
            &["deny all anyone /user/alice/queue/a.b", "allow all anyone **"],
            "/user/queue/#.b",
            Some("deny all anyone /user/alice/queue/a.b"),
        ),
        (&["allow all anyone /topic/{claim.tenant}.**"], "/topic/t.**", None),
        (&["allow all anyone /topic/{claim.tenant}.**"], "/topic/*.**", Some("deny all anyone **")),
        (
            &["deny all anyone /topic/{claim.tenant}.a", "allow all anyone **"],
            "/topic/*.*",
            Some("deny all anyone /topic/{claim.tenant}.a"),
        ),
        (&["deny all anyone /topic/{claim.tenant}.a", "allow all anyone **"], "/topic/u.*", None),
    ] {
        let principal = with_claims("alice", &[("tenant", "t")]);
        let result = check(&only(rules), &principal, Verb::Subscribe, text);
        assert_eq!(result.err().as_deref(), says, "{rules:?} {text}");
    }
}

// ---- presence ----

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

// ---- presets ----

#[test]
fn presets_grant_the_documented_destinations() {
    use Verb::{Send, Subscribe};
    let (anonymous, end) = (Principal::anonymous(), Err("no rule grants it (preset safe)".to_owned()));
    for (verb, text, users, anonymous_clients) in [
        (Subscribe, "/topic/a", true, true),
        (Subscribe, "/topic/**", true, true),
        (Send, "/topic/a", false, false),
        (Subscribe, "/presence/topic/a", true, true),
        (Subscribe, "/presence/users", false, false),
        (Subscribe, "/queue/a", false, false),
        (Send, "/queue/a", false, false),
        (Send, "/app/a", true, true),
        (Subscribe, "/app/a", false, false),
        (Subscribe, "/app/**", false, false),
        (Subscribe, "/user/queue/a", true, true),
        (Subscribe, "/user/queue/**", true, true),
        (Subscribe, "/user/topic/*.a", true, true),
        (Send, "/user/topic/a", true, true),
        (Send, "/user/bob/queue/a", true, false),
        (Send, "/user/bob/topic/a", false, false),
        (Subscribe, "/user/bob/queue/a", false, false),
        (Subscribe, "/user/bob/topic/a", false, false),
        (Subscribe, "/user/~s2/queue/a", false, false),
        (Send, "/user/~s2/queue/a", true, true),
        (Send, "/temp-queue/a", true, true),
    ] {
        for (principal, granted) in [(alice(), users), (anonymous.clone(), anonymous_clients)] {
            let expected = if granted { Ok(()) } else { end.clone() };
            assert_eq!(
                check(&preset(Preset::Safe), &principal, verb, text),
                expected,
                "{verb:?} {text} {principal:?}"
            );
            assert_eq!(
                check(&Permissions::default(), &principal, verb, text),
                Ok(()),
                "{verb:?} {text} {principal:?}"
            );
        }
    }
}

#[test]
fn rules_are_listed_in_order_with_their_origin() {
    let rules = vec![rule("deny all role:guest /topic/a"), rule("allow send users /topic/**")];
    let demo = vec![("demo", rule("allow send anyone /topic/chat.**"))];
    let permissions = Permissions::new(Preset::Safe, rules, demo);
    let lines = permissions.describe_rules();
    assert_eq!(lines.len(), 3 + Preset::Safe.rules().len());
    assert_eq!(
        lines[..4],
        [
            "deny all role:guest /topic/a (permission)",
            "allow send users /topic/** (permission)",
            "allow send anyone /topic/chat.** (demo)",
            "allow subscribe anyone /topic/** (preset safe)",
        ]
    );
    assert!(may_send(&permissions, &Principal::anonymous(), "/topic/chat.room"));
    assert!(!may_send(&permissions, &Principal::anonymous(), "/topic/chats"));
    assert_eq!(Permissions::default().describe_rules(), ["allow all anyone ** (preset open)"]);
    assert_eq!(Permissions::default(), preset(Preset::Open));
    assert_eq!(permissions.preset(), Preset::Safe);
    for preset in [Preset::Safe, Preset::Open] {
        assert_eq!(Preset::parse(&preset.to_string()), Ok(preset));
    }
}

/// Generates destinations that could give access to the messages of another user.
fn any_text() -> impl Strategy<Value = String> {
    let pieces = vec![
        "user", "users", "queue", "topic", "presence", "app", "bob", "alice", "b%6Fb", "bob%2F", "%71ueue",
        "%2A", "*", "**", "#", ">", "~s1", "~s2", "%7Es1", "..", "a", "{user}", "",
    ];
    let separator = prop::sample::select(vec!["/", "/", "/", ".", "%2F", "%2f", "//"]);
    prop::collection::vec((separator, prop::sample::select(pieces)), 1..6).prop_map(|pieces| {
        let user = if pieces.len() % 2 == 0 { "/user" } else { "" };
        pieces.iter().fold(user.to_owned(), |text, (separator, piece)| text + separator + piece)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn preset_safe_allows_no_subscription_to_messages_of_other_users(text in any_text()) {
        for principal in [
            alice(),
            Principal::anonymous(),
            Principal::named("queue", "test"),
            Principal::named("*", "test"),
        ] {
            let Some(to) = selector(&principal, Verb::Subscribe, &text) else { continue };
            let own = owner(&principal);
            if preset(Preset::Safe).check(&principal, &own, Verb::Subscribe, &to).is_ok() {
                prop_assert!(matches!(to.kind(), DestinationKind::Topic | DestinationKind::User | DestinationKind::Presence | DestinationKind::TempQueue));
                let is_own = to.segments().first() == Some(&Segment::Literal(own.as_str().into()));
                prop_assert!(to.kind() != DestinationKind::User || is_own, "{} got {}", own.as_str(), to.as_str());
            }
        }
    }
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
    assert!(!may("alice", "/queue/dead.alice.in"), "no rule grants it");
    assert!(!may("dead", "/queue/dead.alice.in"), "also for a user named dead");
    assert!(!may("dead", "/queue/dead.dead.in"), "dead letters of the queues of a user named dead");
    let rules = ["allow subscribe users /queue/dead.**", "allow all users /queue/{user}.**"];
    let rules = rules.map(|rule| Rule::parse(rule).expect("a rule")).to_vec();
    let permissions = Permissions::new(Preset::Safe, rules, Vec::new());
    let to = Selector::parse("/queue/dead.alice.in", 1024).expect("a queue");
    let alice = Principal::named("alice", "test");
    assert!(permissions.check(&alice, &Owner::user("alice"), Verb::Subscribe, &to).is_ok());
}
