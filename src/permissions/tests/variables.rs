//! Tests of variables in the patterns of rules.

use super::*;

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
