//! Destinations of users.

use super::fixture::*;
use crate::broker::{Published, Stats, TransactionStep};
use crate::command::{Audience, Publish};
use crate::destination::{Address, Owner, UserPath};
use crate::outbound_queue::Label;
use crate::rejection::{Limit, Rejection};
use std::sync::Arc;
use std::time::Instant;

const DESTINATION_HEADER: &str = "/user/queue/x";

fn path(text: &str) -> UserPath {
    match Address::parse_send(text, usize::MAX).expect(text) {
        Address::User(_, path) | Address::Users(path) => path,
        address => panic!("{address:?}"),
    }
}

/// Publishes a message to `text`. If `to_session` is given, only this session gets it.
fn send(fixture: &Fixture, text: &str, to_session: Option<&str>) -> Published {
    let destination = to(text);
    let publish = publish_command(&destination, text);
    let audience = match to_session {
        Some(session) => Audience::Session(destination, session.into()),
        None => Audience::One(destination),
    };
    let publish = Publish { audience, destination_header: DESTINATION_HEADER.into(), ..publish };
    fixture.broker.publish(&publish, fixture.now()).expect("accepted")
}

fn send_to_all(fixture: &Fixture, names: &[&str], body: &str) -> Published {
    let owners: Vec<Owner> = names.iter().map(|name| Owner::user(name)).collect();
    publish_to_all(fixture, &owners, body, fixture.now()).expect("accepted")
}

fn publish_to_all(
    fixture: &Fixture,
    owners: &[Owner],
    body: &str,
    now: Instant,
) -> Result<Published, Rejection> {
    fixture.broker.publish(&to_all(owners, body), now)
}

fn to_all(owners: &[Owner], body: &str) -> Publish {
    Publish {
        audience: Audience::Users(owners.to_vec(), path("/users/queue/x")),
        destination_header: DESTINATION_HEADER.into(),
        ..publish_command(&to("/user/any/queue/x"), body)
    }
}

/// Returns the ids of the sessions that got a message.
fn sessions_reached<'a>(sessions: &'a [(&'a str, Session)]) -> Vec<&'a str> {
    sessions.iter().filter(|(_, session)| !session.bodies().is_empty()).map(|(id, _)| *id).collect()
}

#[test]
fn message_reaches_exactly_the_addressed_sessions() {
    let fixture = Fixture::new();
    let sessions: Vec<_> =
        [("a1", Some("alice")), ("a2", Some("alice")), ("b1", Some("bob")), ("s1", None), ("s2", None)]
            .map(|(id, user)| (id, fixture.session(id, user)))
            .into();
    let _all: Vec<_> =
        sessions.iter().map(|(_, session)| fixture.join("/user/queue/x", session, 1)).collect();
    for (text, to_session, reached) in [
        ("/user/alice/queue/x", None, &["a1", "a2"][..]),
        ("/user/bob/queue/x", None, &["b1"]),
        ("/user/alice/queue/y", None, &[]),
        ("/user/alice/topic/x", None, &[]),
        ("/user/carol/queue/x", None, &[]),
        ("/user/alice/queue/x", Some("a2"), &["a2"]),
        ("/user/alice/queue/x", Some("b1"), &[]),
        ("/user/alice/queue/x", Some("s1"), &[]),
        ("/user/alice/queue/x", Some("none"), &[]),
        ("/user/~s1/queue/x", None, &["s1"]),
        ("/user/~a2/queue/x", None, &["a2"]),
        ("/user/~b1/queue/x", None, &["b1"]),
        ("/user/~a2/queue/y", None, &[]),
        ("/user/~none/queue/x", None, &[]),
        ("/user/~a2/queue/x", Some("a2"), &["a2"]),
        ("/user/~a2/queue/x", Some("a1"), &[]),
        ("/user/%7Es1/queue/x", None, &[]),
        ("/user/a1/queue/x", None, &[]),
    ] {
        let published = send(&fixture, text, to_session);
        assert_eq!(
            (published.reached, published.sessions, published.services),
            (reached.len(), Some(reached.len()), None),
            "{text} {to_session:?}"
        );
        assert_eq!(sessions_reached(&sessions), reached, "{text} {to_session:?}");
    }
}

#[test]
fn percent_encoded_names_reach_the_same_user() {
    for (name, encoded_name) in [
        ("john.doe", "john.doe"),
        ("a/b", "a%2Fb"),
        ("a/b", "%61%2fb"),
        ("100%", "100%25"),
        ("%2F", "%252F"),
        ("~s1", "%7Es1"),
        ("Jo Doe", "Jo Doe"),
        ("小明", "小明"),
        ("小明", "%E5%B0%8F%E6%98%8E"),
        ("queue", "%71ueue"),
        ("*", "%2A"),
        ("**", "%2A%2A"),
    ] {
        let fixture = Fixture::new();
        let session = fixture.session("s1", Some(name));
        let others: Vec<_> = ["john", "doe", "a", "b", "s1", "alice"]
            .map(|other| (other, fixture.session(&format!("of-{other}"), Some(other))))
            .into();
        let _own = fixture.join("/user/queue/x", &session, 1);
        let _others: Vec<_> = others
            .iter()
            .flat_map(|(_, other)| ["/user/queue/x", "/user/queue/**"].map(|text| (text, other)))
            .map(|(text, other)| fixture.join(text, other, 1))
            .collect();
        assert_eq!(
            send(&fixture, &format!("/user/{encoded_name}/queue/x"), None).sessions,
            Some(1),
            "{name}"
        );
        assert_eq!(session.bodies().len(), 1, "{name}");
        assert!(sessions_reached(&others).is_empty(), "{name}");
    }
}

#[test]
fn wildcard_subscriptions_do_not_match_destinations_of_other_users() {
    let fixture = Fixture::new();
    let (alice, eve) = (fixture.session("a", Some("alice")), fixture.session("e", Some("eve")));
    let _wild: Vec<_> = (1..)
        .zip(["/topic/**", "/topic/*.*", "/app/**", "/user/queue/**", "/user/queue/*", "/user/topic/**"])
        .map(|(key, text)| fixture.join(text, &eve, key))
        .collect();
    let _own = fixture.join("/user/queue/x.y", &alice, 1);
    for text in ["/user/alice/queue/x.y", "/user/alice/queue/x", "/user/alice/topic/x", "/user/~a/queue/x.y"]
    {
        let published = send(&fixture, text, None);
        assert_eq!(published.sessions, Some(usize::from(text.ends_with("x.y"))));
    }
    assert!(eve.bodies().is_empty());
    assert_eq!(alice.bodies().len(), 2);
}

#[test]
fn wildcard_subscriptions_match_the_own_user_destinations() {
    let fixture = Fixture::new();
    let alice = fixture.session("a", Some("al.ice"));
    let anonymous = fixture.session("s", None);
    let _wild = [fixture.join("/user/queue/**", &alice, 1), fixture.join("/user/queue/*", &anonymous, 1)];
    for (text, sessions) in [
        ("/user/al.ice/queue/x", 1),
        ("/user/al.ice/queue/x.y", 1),
        ("/user/al.ice/topic/x", 0),
        ("/user/~a/queue/x.y", 1),
        ("/user/~s/queue/x", 1),
        ("/user/~s/queue/x.y", 0),
        ("/user/al/queue/x", 0),
        ("/user/ice/queue/x", 0),
    ] {
        assert_eq!(send(&fixture, text, None).sessions, Some(sessions), "{text}");
    }
    assert_eq!((alice.bodies().len(), anonymous.bodies().len()), (3, 1));
}

#[test]
fn each_subscription_gets_a_delivery_and_its_session_counts_once() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.session("1", Some("alice")), fixture.session("2", Some("alice")));
    let _all = [
        fixture.join("/user/queue/x", &one, 1),
        fixture.join("/user/queue/x", &one, 2),
        fixture.join("/user/queue/*", &one, 3),
        fixture.join("/user/queue/x", &two, 1),
    ];
    let published = send(&fixture, "/user/alice/queue/x", None);
    assert_eq!((published.reached, published.sessions), (4, Some(2)));
    let deliveries = drain(&one.outbound_queue);
    assert_eq!(deliveries.iter().map(|delivery| delivery.key).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(
        deliveries
            .iter()
            .all(|delivery| delivery.message.destination() == DESTINATION_HEADER && delivery.tag == 0)
    );
    let published = send(&fixture, "/user/~2/queue/x", None);
    assert_eq!((published.reached, published.sessions), (1, Some(1)));
}

#[test]
fn message_to_many_users_is_encoded_once() {
    let fixture = Fixture::new();
    let sessions: Vec<_> = [
        ("a1", Some("alice")),
        ("a2", Some("alice")),
        ("b1", Some("b,ob")),
        ("c", Some("carol")),
        ("s", None),
    ]
    .map(|(id, user)| (id, fixture.session(id, user)))
    .into();
    let _all: Vec<_> =
        sessions.iter().map(|(_, session)| fixture.join("/user/queue/*", session, 1)).collect();
    let published = send_to_all(&fixture, &["alice", "b,ob", "unknown", "alice", "s", "b,ob"], "m");
    assert_eq!((published.reached, published.sessions), (3, Some(3)));
    let deliveries: Vec<_> =
        sessions.iter().flat_map(|(_, session)| drain(&session.outbound_queue)).collect();
    assert_eq!(deliveries.len(), 3);
    assert!(deliveries.iter().all(|delivery| delivery.message.ptr_eq(&deliveries[0].message)));
    assert_eq!(deliveries[0].message.id(), "000000000000-1");
    let published = send_to_all(&fixture, &["unknown"], "m");
    assert_eq!((published.reached, published.sessions), (0, Some(0)));
    assert_eq!(fixture.metrics.messages_published.get(), 2);
}

#[test]
fn congested_receiver_is_listed_once_and_the_memory_limit_rejects() {
    let fixture = Fixture::new();
    let outbound_queue = fixture.outbound_queue_of(1_000);
    outbound_queue.set_label(Arc::new(Label { session: "s".into(), user: Some("alice".into()) }));
    let receiver = Receiver { outbound_queue, key: 1 };
    let _all = [
        fixture.subscribe("/user/alice/queue/x", &receiver, ALL),
        fixture.subscribe("/user/alice/queue/x", &receiver, ALL),
    ];
    let published = send_to_all(&fixture, &["alice", "bob"], &"m".repeat(400));
    assert_eq!((published.reached, published.sessions), (2, Some(1)));
    assert_eq!(published.congested.len(), 1);
    assert!(published.congested[0].is_widespread, "there is no other receiver");

    let full = Fixture::with(Default::default(), 1);
    let _more = full.budget.charge(2);
    let rejection = publish_to_all(&full, &[], "m", full.now()).expect_err("full");
    assert_eq!(rejection.limit, Some(Limit::MemoryBytes));
}

#[test]
fn transaction_reports_reached_users_services_and_unserved_steps() {
    let fixture = Fixture::new();
    let (alice, service) = (fixture.session("a", Some("alice")), fixture.session("s", Some("service")));
    let _all = [fixture.join("/user/queue/x", &alice, 1), fixture.join("/app/there", &service, 1)];
    let names = ["/user/alice/queue/x", "/app/there", "/app/gone", "/topic/t", "/user/bob/queue/x"].map(to);
    let mut steps: Vec<TransactionStep> = names.iter().map(|name| publish_step(name, "m")).collect();
    steps.push(TransactionStep::Publish(Box::new(to_all(&[Owner::user("alice")], "m"))));
    let published = commit(&fixture.broker, &steps, fixture.now()).expect("accepted");
    assert_eq!((published.reached, published.sessions, published.services), (3, Some(2), Some(1)));
    assert_eq!(published.without_service, [2]);
    assert_eq!((alice.bodies().len(), service.bodies().len()), (2, 1));
    assert_eq!(fixture.metrics.messages_published.get(), 6);
    let plain = commit(&fixture.broker, &[publish_step(&names[3], "m")], fixture.now());
    let plain = plain.expect("accepted");
    assert_eq!((plain.sessions, plain.services), (None, None));
}

#[test]
fn broker_is_empty_after_all_sessions_have_left() {
    let fixture = Fixture::new();
    let sessions = [fixture.session("1", Some("alice")), fixture.session("2", None)];
    let all: Vec<_> = sessions
        .iter()
        .flat_map(|session| {
            ["/user/queue/x", "/user/queue/*", "/app/x", "/app/**"].map(|text| (session, text))
        })
        .map(|(session, text)| fixture.join(text, session, 1))
        .collect();
    let expected = Stats { user_destinations: 4, services: 2, sessions: 2, ..Stats::default() };
    assert_eq!(fixture.broker.stats(), expected);
    let gauges = || {
        let metrics = &fixture.metrics;
        [&metrics.topics, &metrics.user_destinations, &metrics.services, &metrics.sessions]
            .map(|gauge| gauge.get())
    };
    assert_eq!(gauges(), [0, 2, 1, 2]);
    drop(all);
    assert_eq!(fixture.broker.stats(), Stats { sessions: 2, ..Stats::default() });
    drop(sessions);
    assert!(fixture.broker.is_empty());
    assert_eq!(gauges(), [0; 4]);
    assert_eq!(fixture.budget.used(), 0);
}

#[test]
fn session_that_has_left_is_not_reached() {
    let fixture = Fixture::new();
    let alice = fixture.session("a", Some("alice"));
    let outbound_queue = alice.outbound_queue.clone();
    let own = fixture.join("/user/queue/x", &alice, 1);
    assert_eq!(send(&fixture, "/user/~a/queue/x", None).sessions, Some(1));
    drop(alice);
    assert_eq!(send(&fixture, "/user/~a/queue/x", None).sessions, Some(0));
    drop(own);
    assert_eq!(drain(&outbound_queue).len(), 1);
}

#[test]
fn all_sessions_of_a_user_see_the_same_order() {
    const ROUNDS: usize = 300;
    let fixture = Fixture::new();
    let (one, two) = (fixture.session("1", Some("alice")), fixture.session("2", Some("alice")));
    let _both = [fixture.join("/user/queue/x", &one, 1), fixture.join("/user/queue/**", &two, 1)];
    std::thread::scope(|scope| {
        let fixture = &fixture;
        scope.spawn(move || {
            for n in 0..ROUNDS {
                assert!(fixture.send("/user/alice/queue/x", &format!("one {n}")) >= 2);
            }
        });
        scope.spawn(move || {
            for n in 0..ROUNDS {
                let published = send_to_all(fixture, &["bob", "alice", "carol"], &format!("many {n}"));
                assert!(published.sessions >= Some(2));
            }
        });
        scope.spawn(move || {
            for n in 0..ROUNDS {
                let temporary = fixture.session(&format!("p{n}"), Some("alice"));
                let joined = fixture.join("/user/queue/x", &temporary, 1);
                drop(joined);
                let bodies = temporary.bodies();
                assert!(
                    bodies.len() <= 2 * ROUNDS && temporary.outbound_queue.bytes() == 0,
                    "no delivery is left after drop"
                );
            }
        });
    });
    let (one, two) = (one.bodies(), two.bodies());
    assert_eq!(one.len(), 2 * ROUNDS);
    assert_eq!(one, two);
}
