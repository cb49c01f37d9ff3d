//! Tests of the grammar of rules.

use super::*;

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

/// Checks that each rule is rejected with an error that contains the text beside it.
fn check_rejected(rules: &[(&str, &str)]) {
    for (text, expected) in rules {
        let error = Rule::parse(text).expect_err(text);
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}

#[test]
fn invalid_word_of_a_rule_is_rejected_with_the_expected_form() {
    check_rejected(&[
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
        ("allow send user:100% /topic/a", "invalid name \"100%\": expected two hexadecimal digits"),
        ("allow send role:%ff /topic/a", "invalid name \"%ff\": expected two hexadecimal digits"),
        (
            "deny send role:service /topic/a",
            "invalid subject \"role:service\" after deny: expected another role. No rule can deny \
             requests of the role service",
        ),
    ]);
    assert_eq!(Preset::parse("closed"), Err("invalid value \"closed\": expected safe or open".to_owned()));
}

#[test]
fn invalid_pattern_of_a_rule_is_rejected_with_the_expected_form() {
    let long = format!("allow send anyone /topic/{}", vec!["a"; 67].join("."));
    check_rejected(&[
        ("allow send anyone topic/a", "begins with /topic/, /queue/, /user/, /presence/, /app/, or ** alone"),
        ("allow send anyone /topic", "begins with /topic/"),
        ("allow send anyone /exchange/a", "begins with /topic/"),
        ("allow send anyone /**", "begins with /topic/"),
        ("allow send anyone *", "or ** alone"),
        ("allow send anyone #", "or ** alone"),
        (
            "allow send anyone /users/queue/x",
            "needs no rule, because the broker checks /user/NAME/… for each user in the header `to`. Write a rule",
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
        (
            "allow send anyone /user/~s1/queue/a",
            "invalid user \"~s1\": expected the name of a user. For a name that begins with ~, write %7E",
        ),
        ("allow send anyone /user/100%/queue/a", "invalid name \"100%\": expected two hexadecimal digits"),
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
    ]);
}
