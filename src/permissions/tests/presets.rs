//! Tests of presets, and of the order of rules.

use super::*;

#[test]
fn presets_grant_the_documented_destinations() {
    use Verb::{Send, Subscribe};
    let (anonymous, end) = (Principal::anonymous(), Err("no rule allows it (preset safe)".to_owned()));
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
