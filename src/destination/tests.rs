//! Tests of names, wildcards and invalid destinations.

use super::family::FAMILIES;
use super::matcher::tests::matches;
use super::name::SEGMENTS_MAX;
use super::pattern::MULTI_SEGMENT_MAX;
use super::*;
use crate::rejection::Limit;
use proptest::prelude::*;

const BYTES_MAX: usize = 1024;

fn topic(name: &str) -> Destination {
    Destination::parse(&format!("/topic/{name}"), BYTES_MAX).unwrap()
}

fn pattern(name: &str) -> Pattern {
    match Selector::parse(&format!("/topic/{name}"), BYTES_MAX).unwrap() {
        Selector::Pattern(pattern) => pattern,
        Selector::Exact(destination) => panic!("{destination:?} is not a pattern"),
    }
}

#[test]
fn destination_is_parsed_into_kind_and_name() {
    for (text, kind, name, segments) in [
        ("/topic/a", DestinationKind::Topic, "a", vec!["a"]),
        ("/topic/a.b/c", DestinationKind::Topic, "a.b/c", vec!["a", "b", "c"]),
        ("/topic/topic/a", DestinationKind::Topic, "topic/a", vec!["topic", "a"]),
        ("/queue/orders", DestinationKind::Queue, "orders", vec!["orders"]),
        ("/queue/dead.orders", DestinationKind::Queue, "dead.orders", vec!["dead", "orders"]),
        ("/temp-queue/~x", DestinationKind::TempQueue, "~x", vec!["~x"]),
        ("/topic/ \t\n\0\u{7f}", DestinationKind::Topic, " \t\n\0\u{7f}", vec![" \t\n\0\u{7f}"]),
        ("/topic/größe.名", DestinationKind::Topic, "größe.名", vec!["größe", "名"]),
        ("/topic/c#", DestinationKind::Topic, "c#", vec!["c#"]),
        ("/topic/a>b.>c", DestinationKind::Topic, "a>b.>c", vec!["a>b", ">c"]),
    ] {
        let destination = Destination::parse(text, BYTES_MAX).unwrap();
        assert_eq!(destination.kind(), kind, "{text:?}");
        assert_eq!(destination.name(), name, "{text:?}");
        assert_eq!(destination.as_str(), text);
        assert_eq!(destination.segments().collect::<Vec<_>>(), segments, "{text:?}");
        assert_eq!(Selector::parse(text, BYTES_MAX), Ok(Selector::Exact(destination)), "{text:?}");
    }
}

#[test]
fn names_are_compared_byte_by_byte() {
    assert_ne!(topic("a.b"), topic("a/b"));
    assert_ne!(topic("a"), topic("A"));
}

#[test]
fn invalid_destinations_are_rejected_with_a_reason() {
    for (text, expected) in [
        ("", "/topic/, /queue/, /temp-queue/, /user/, /presence/, /app/, /users/"),
        ("topic/a", "/topic/, /queue/, /temp-queue/, /user/, /presence/, /app/, /users/"),
        ("/topic", "/topic/, /queue/, /temp-queue/, /user/, /presence/, /app/, /users/"),
        ("/Topic/a", "/topic/, /queue/, /temp-queue/, /user/, /presence/, /app/, /users/"),
        ("/exchange/a", "/topic/, /queue/, /temp-queue/, /user/, /presence/, /app/, /users/"),
        ("/exchange/amq.topic/a", "For RabbitMQ's /exchange/amq.topic/KEY use /topic/KEY."),
        ("/amq/queue/a", "For RabbitMQ's /amq/queue/NAME use /queue/NAME."),
        ("/topics/a", "/topic/, /queue/, /temp-queue/, /user/, /presence/, /app/, /users/"),
        ("/topic/", "empty segment"),
        ("/queue//a", "empty segment"),
        ("/topic/a/", "empty segment"),
        ("/topic/a.", "empty segment"),
        ("/topic/.a", "empty segment"),
        ("/topic/a..b", "empty segment"),
        ("/topic/a./b", "empty segment"),
        ("/topic/*./b", "empty segment"),
        ("/topic/a*", "inside the segment \"a*\""),
        ("/topic/*a.b", "inside the segment \"*a\""),
        ("/topic/x.***", "inside the segment \"***\""),
        ("/topic/*.a*", "inside the segment \"a*\""),
        ("/queue/a*", "inside the segment \"a*\""),
        ("/queue/*", "wildcard"),
        ("/queue/a.#", "wildcard"),
        ("/queue/>", "wildcard"),
        ("/temp-queue/**", "wildcard"),
    ] {
        for error in [Destination::parse(text, BYTES_MAX).err(), Selector::parse(text, BYTES_MAX).err()] {
            let error = error.unwrap_or_else(|| panic!("{text:?} was accepted"));
            assert!(error.to_string().contains(expected), "{text:?}: {error}");
            assert_eq!(error.limit, None);
        }
    }
}

#[test]
fn wildcards_are_accepted_only_in_subscribe() {
    for name in ["*", "**", "#", ">", "a.*", "a/#/b", "*.>"] {
        let error = Destination::parse(&format!("/topic/{name}"), BYTES_MAX).unwrap_err();
        assert!(error.detail.contains("wildcard"), "{name}: {error}");
        assert_eq!(pattern(name).as_str(), format!("/topic/{name}"));
    }
    let literal = |text: &str| Segment::Literal(text.into());
    assert_eq!(pattern("a/*.#").segments(), [literal("a"), Segment::One, Segment::Many]);
    assert_eq!(pattern("**.>.b").segments(), [Segment::Many, Segment::Many, literal("b")]);
}

#[test]
fn name_at_the_length_limit_is_accepted_and_one_byte_more_is_not() {
    assert!(Destination::parse("/topic/aé", 10).is_ok());
    for error in
        [Destination::parse("/topic/aé", 9).unwrap_err(), Selector::parse("/topic/a.*", 9).unwrap_err()]
    {
        assert_eq!(error.limit, Some(Limit::DestinationBytes));
        assert!(error.detail.contains("10 bytes"), "{error}");
    }
}

#[test]
fn wildcards_match_whole_segments() {
    for (wildcard, matching, other) in [
        ("*", &["a", "b"][..], &["a.b", "a/b"][..]),
        ("a.*", &["a.b", "a/b"], &["a", "b.a", "a.b.c", "ab"]),
        ("*.b", &["a.b", "b/b"], &["b", "a.a.b"]),
        ("**", &["a", "a.b", "a/b.c"], &[]),
        ("a.**", &["a", "a.b", "a.b.c"], &["b", "b.a", "ab"]),
        ("a.#", &["a", "a.b", "a.b.c"], &["b"]),
        ("a.>", &["a", "a.b", "a.b.c"], &["b"]),
        ("**.z", &["z", "a.z", "z.z", "a.b.z"], &["z.a", "a"]),
        ("a.**.z", &["a.z", "a.b.z", "a.a.z.z"], &["a", "z", "a.b"]),
        ("*.**", &["a", "a.b"], &[]),
        ("**.*", &["a", "a.b"], &[]),
        ("*.**.*", &["a.b", "a.b.c"], &["a"]),
        ("**.a.**.a.**", &["a.a", "b.a.b.a.b"], &["a", "b.a.b"]),
    ] {
        let wildcard = pattern(wildcard);
        for name in matching {
            assert!(wildcard.matches(&topic(name)), "{} {name}", wildcard.as_str());
        }
        for name in other {
            assert!(!wildcard.matches(&topic(name)), "{} {name}", wildcard.as_str());
        }
    }
    let queue = Destination::parse("/queue/a", BYTES_MAX).unwrap();
    assert!(!pattern("**").matches(&queue), "patterns match topics only");
}

#[test]
fn matching_many_wildcards_is_not_exponential() {
    let wildcard = pattern(&["**.a"; MULTI_SEGMENT_MAX].join("."));
    assert!(!wildcard.matches(&topic(&["a"; MULTI_SEGMENT_MAX - 1].join("."))));
    assert!(wildcard.matches(&topic(&["a"; SEGMENTS_MAX].join("."))));
    assert!(!wildcard.matches(&topic(&format!("{}.b", ["a"; SEGMENTS_MAX - 1].join(".")))));
}

#[test]
fn segments_and_multi_segment_wildcards_are_limited() {
    let long = "a.".repeat(SEGMENTS_MAX) + "a";
    for text in [format!("/topic/{long}"), format!("/queue/{long}")] {
        let error =
            Destination::parse(&text, BYTES_MAX).expect_err("65 segments exceed the limit").to_string();
        assert!(error.contains("65 segments") && error.contains("64"), "{error}");
    }
    let error = Selector::parse("/topic/**.a.#.b.>.c.**.d.**", BYTES_MAX)
        .expect_err("five wildcards exceed the limit")
        .to_string();
    assert!(error.contains("5 wildcards '**', '#' or '>'; expected at most 4"), "{error}");
    assert!(Selector::parse("/topic/**.a.#.b.>.c.**.d.*", BYTES_MAX).is_ok());
}

#[test]
fn user_destination_has_an_owner_that_can_be_replaced() {
    for (text, session, of_alice) in [
        ("/user/bob/queue/x", None, Some("/user/alice/queue/x")),
        ("/user/~s1/topic/x.y", Some("s1"), Some("/user/alice/topic/x.y")),
        ("/user/%7Es1/queue/x", None, Some("/user/alice/queue/x")),
        ("/topic/~s1/queue/x", None, None),
    ] {
        let destination = Destination::parse(text, BYTES_MAX).unwrap();
        assert_eq!(destination.session(), session, "{text}");
        let other = destination.of(&Owner::user("alice"));
        assert_eq!(other, of_alice.map(|text| Destination::parse(text, BYTES_MAX).unwrap()), "{text}");
    }
    assert_eq!(Owner::of(Some("~s1"), "s1"), Owner::user("~s1"));
    assert_eq!(Owner::of(None, "s1"), Owner::session("s1"));
}

#[test]
fn presence_destination_names_a_topic_or_all_users() {
    let exact = |text: &str| match Selector::parse(text, BYTES_MAX).unwrap() {
        Selector::Exact(destination) => destination,
        Selector::Pattern(pattern) => panic!("{pattern:?}"),
    };
    assert_eq!(exact("/presence/topic/a.b/c").watched_topic(), Some(topic("a.b/c")));
    assert_eq!(exact("/presence/topic/topic/a").watched_topic(), Some(topic("topic/a")));
    assert_eq!(exact("/presence/users"), Destination::online_users());
    for text in ["/presence/users", "/topic/a", "/queue/a"] {
        assert_eq!(exact(text).watched_topic(), None, "{text}");
    }
}

#[test]
fn only_queues_store_messages() {
    let kept: Vec<DestinationKind> =
        FAMILIES.iter().map(|family| family.kind).filter(|kind| kind.stores_messages()).collect();
    assert_eq!(kept, [DestinationKind::Queue, DestinationKind::TempQueue]);
}

proptest! {
    #[test]
    fn pattern_matches_agrees_with_the_definition(
        wildcard in prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "**", "#"]), 0..5),
        name in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..7),
    ) {
        let wildcard = pattern(&[&wildcard[..], &["*"]].concat().join("."));
        let topic = topic(&name.join("/"));
        let segments: Vec<&str> = topic.segments().collect();
        prop_assert_eq!(wildcard.matches(&topic), matches(wildcard.segments(), &segments));
    }

    #[test]
    fn parsing_never_panics(text in "(/topic/|/queue/|/temp-queue/|)[ab*#>./\u{0}é]{0,12}", bytes_max in 0usize..30) {
        let send = Destination::parse(&text, bytes_max);
        let subscribe = Selector::parse(&text, bytes_max);
        // A destination that is valid for SEND is valid for SUBSCRIBE, with the same name.
        if let Ok(destination) = send {
            prop_assert_eq!(subscribe, Ok(Selector::Exact(destination)));
        }
    }
}
