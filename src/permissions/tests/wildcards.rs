//! Tests of rules for subscriptions with wildcards.

use super::*;

#[test]
fn intersecting_deny_rule_denies_and_containing_allow_rule_allows() {
    for (rules, text, says) in [
        (&["allow subscribe anyone /topic/**"][..], "/topic/**", None),
        (&["allow subscribe anyone /topic/*.**"], "/topic/**.*", None),
        (&["allow subscribe anyone /topic/**.*"], "/topic/**", None),
        (&["allow subscribe anyone /topic/*.**.b"], "/topic/**.b.b", None),
        (&["allow subscribe anyone **"], "/topic/**", None),
        (&["allow subscribe anyone **"], "/user/queue/**", None),
        (&["allow send anyone /topic/**"], "/topic/**", Some("deny all anyone **")),
        (&["allow subscribe anyone /app/**"], "/topic/**", Some("deny all anyone **")),
        // An `allow` rule for a part of the pattern does not decide. This holds even if several such rules together
        // contain the whole pattern.
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
        // A user destination consists of an owner, `queue` or `topic`, and a name.
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
