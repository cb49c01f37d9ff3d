//! Presence reports.

use super::fixture::*;
use super::presence_client::Client;
use crate::broker::{Options, Stats, Subscription};
use crate::outbound_queue::OutboundQueue;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TOPIC: &str = "/topic/room";
const WATCH: &str = "/presence/topic/room";

/// A broker and the current time of the test.
struct Stage {
    fixture: Fixture,
    now: Instant,
}

struct Watcher {
    outbound_queue: Arc<OutboundQueue>,
    client: Client,
    _watch: Subscription,
}

impl Stage {
    fn new() -> Stage {
        Stage::with(Options::default())
    }

    fn with(options: Options) -> Stage {
        let fixture = Fixture::with(options, usize::MAX);
        Stage { now: fixture.now(), fixture }
    }

    fn watch(&self, text: &str, names: bool) -> Watcher {
        let outbound_queue = self.fixture.outbound_queue();
        let watch = self.fixture.watch(text, &outbound_queue, names, self.now);
        Watcher { outbound_queue, client: Client::default(), _watch: watch }
    }

    /// Subscribes a new session of `user` to the watched topic.
    fn join(&self, id: &str, user: Option<&str>) -> (Session, Subscription) {
        let session = self.fixture.session_at(id, user, self.now);
        let subscription = self.fixture.join_at(TOPIC, &session, 1, self.now);
        (session, subscription)
    }

    /// Advances the time, and calls the broker's timers every 10 ms.
    fn advance(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        while self.now < end {
            self.now += Duration::from_millis(10);
            self.fixture.broker.expire(self.now);
        }
    }
}

impl Watcher {
    fn read(&mut self) -> usize {
        self.client.read(&self.outbound_queue)
    }

    /// Reads the new reports. Returns their number, and the name and number of sessions of each user who is present
    /// afterwards.
    fn received(&mut self) -> (usize, Vec<(&str, u64)>) {
        (self.read(), self.client.names())
    }
}

fn texts(outbound_queue: &OutboundQueue) -> Vec<String> {
    let deliveries = drain(outbound_queue);
    deliveries
        .iter()
        .for_each(|delivery| assert_eq!((delivery.key, delivery.count, delivery.tag), (1, 1, 0)));
    bodies(&deliveries)
}

#[test]
fn watcher_gets_a_snapshot_and_then_changes() {
    let mut stage = Stage::new();
    let _alice = stage.join("a1", Some("alice"));
    stage.advance(1_000);
    let (_more, anonymous) = (stage.join("a2", Some("alice")), stage.join("s", None));
    let watcher = stage.watch(WATCH, false);
    let reports = texts(&watcher.outbound_queue);
    let since =
        reports[0].split_once(r#""since":"#).and_then(|(_, rest)| rest.split_once(',')).expect("since").0;
    let since_of_bob = since.parse::<u64>().expect("a number") + 1_500;
    assert_eq!(
        reports,
        [format!(
            r#"{{"event":"snapshot","of":"/topic/room","version":1,"page":1,"pages":1,"members":1,"sessions":2,"anonymous":1,"users":[{{"user":"alice","since":{since},"sessions":2}}]}}"#
        )]
    );
    stage.advance(500);
    let bob = stage.join("b", Some("bob"));
    stage.advance(10);
    assert_eq!(
        texts(&watcher.outbound_queue),
        [format!(
            r#"{{"event":"changes","of":"/topic/room","version":2,"page":1,"pages":1,"members":2,"sessions":3,"anonymous":1,"changes":[{{"event":"join","user":"bob","since":{since_of_bob},"sessions":1}}]}}"#
        )]
    );
    drop((anonymous, bob));
    stage.advance(3_200);
    assert_eq!(
        texts(&watcher.outbound_queue),
        [
            r#"{"event":"changes","of":"/topic/room","version":3,"page":1,"pages":1,"members":1,"sessions":2,"anonymous":0,"changes":[{"event":"leave","user":"bob"}]}"#
        ]
    );
}

#[test]
fn report_names_its_destination_and_is_shared_by_all_watchers() {
    let mut stage = Stage::new();
    let watchers = [stage.watch(WATCH, false), stage.watch(WATCH, true), stage.watch(WATCH, false)];
    let _alice = stage.join("a", Some("alice"));
    stage.advance(10);
    let deliveries_of_watchers = watchers.map(|watcher| drain(&watcher.outbound_queue));
    for (nth, event) in ["snapshot", "changes"].into_iter().enumerate() {
        assert!(
            deliveries_of_watchers
                .iter()
                .all(|deliveries| deliveries[nth].message.ptr_eq(&deliveries_of_watchers[0][nth].message)),
            "{event}"
        );
        let headers = headers(&deliveries_of_watchers[0][nth]);
        for line in
            [&format!("destination:{WATCH}"), "content-type:application/json", &format!("event:{event}")]
        {
            assert!(headers.iter().any(|header| header == line), "{headers:?}");
        }
    }
    assert_eq!(stage.fixture.metrics.presence_messages.get(), 2);
    assert_eq!(stage.fixture.metrics.messages_published.get(), 0);
}

#[test]
fn members_are_users_with_exact_subscriptions_counted_once() {
    let mut stage = Stage::new();
    let (twice, wild) = (stage.join("a", Some("alice")), stage.fixture.session("w", Some("wild")));
    let again = stage.fixture.join(TOPIC, &twice.0, 2);
    let _wild: Vec<_> = ["/topic/**", "/topic/*", WATCH, "/topic/room.x"]
        .map(|text| stage.fixture.join(text, &wild, 1))
        .into();
    let mut watcher = stage.watch(WATCH, false);
    assert_eq!(watcher.received(), (1, vec![("alice", 1)]));
    let third = stage.fixture.join_at(TOPIC, &twice.0, 3, stage.now);
    drop((again, third));
    stage.advance(5_000);
    assert_eq!(watcher.received(), (0, vec![("alice", 1)]));
    drop(twice);
    stage.advance(5_000);
    assert_eq!(watcher.received(), (1, vec![]));
}

#[test]
fn user_that_returns_within_the_grace_period_is_not_reported() {
    let mut stage = Stage::new();
    let mut watcher = stage.watch(WATCH, false);
    let mut alice = Some(stage.join("0", Some("alice")));
    stage.advance(1_000);
    assert_eq!(watcher.received(), (2, vec![("alice", 1)]));
    let since = watcher.client.users.clone();
    for round in 1..20 {
        drop(alice.take());
        stage.advance(2_900);
        alice = Some(stage.join(&round.to_string(), Some("alice")));
        stage.advance(200);
    }
    assert_eq!(watcher.read(), 0);
    drop(alice);
    stage.advance(2_900);
    assert_eq!(watcher.read(), 0);
    assert_eq!(stage.watch(WATCH, false).received(), (1, vec![("alice", 1)]));
    let late_watcher = stage.watch(WATCH, false);
    stage.advance(300);
    assert_eq!(watcher.received(), (1, vec![]));
    assert_ne!(watcher.client.users, since);
    assert_eq!(texts(&late_watcher.outbound_queue).len(), 2);
}

#[test]
fn grace_period_starts_again_when_the_last_session_leaves() {
    let mut stage = Stage::new();
    let mut watcher = stage.watch(WATCH, false);
    let mut sessions: Vec<_> = (0..3).map(|n| stage.join(&n.to_string(), Some("alice"))).collect();
    stage.advance(200);
    assert_eq!(watcher.received(), (2, vec![("alice", 3)]));
    sessions.pop();
    stage.advance(1_500);
    sessions.pop();
    stage.advance(1_700);
    assert_eq!(watcher.received(), (1, vec![("alice", 1)]));
    sessions.push(stage.join("3", Some("alice")));
    stage.advance(200);
    assert_eq!(watcher.received(), (1, vec![("alice", 2)]));
    sessions.pop();
    stage.advance(2_000);
    sessions.pop();
    stage.advance(2_500);
    assert_eq!(watcher.read(), 0, "the last one left a short time ago");
    stage.advance(600);
    assert_eq!(watcher.received(), (1, vec![]));
}

#[test]
fn first_change_is_reported_at_once_and_later_ones_are_batched() {
    let mut stage = Stage::new();
    let mut watcher = stage.watch(WATCH, false);
    let mut all = vec![stage.join("0", Some("0"))];
    stage.advance(10);
    assert_eq!(watcher.received(), (2, vec![("0", 1)]));
    for n in 1..10 {
        all.push(stage.join(&n.to_string(), Some(&n.to_string())));
        drop(stage.join("temporary", Some("temporary")));
        stage.advance(10);
    }
    assert_eq!(watcher.read(), 0);
    stage.advance(10);
    assert_eq!(watcher.read(), 1);
    assert_eq!(watcher.client.names().len(), 10, "users that joined and left in between are not reported");
    stage.advance(10_000);
    assert_eq!(watcher.read(), 0);
    assert_eq!(stage.fixture.broker.expire(stage.now), None, "no report is pending");
}

#[test]
fn names_are_reported_in_pages() {
    let mut stage = Stage::new();
    let early: Vec<_> = (0..2_500).map(|n| stage.join(&format!("e{n}"), Some(&format!("e{n}")))).collect();
    let (mut named, mut plain) = (stage.watch(WATCH, true), stage.watch(WATCH, false));
    assert_eq!((named.read(), plain.read()), (3, 1));
    assert_eq!((named.client.names().len(), plain.client.users.is_none()), (2_500, true));
    let late: Vec<_> = (0..1_001).map(|n| stage.join(&format!("l{n}"), Some(&format!("l{n}")))).collect();
    stage.advance(10);
    assert_eq!((named.read(), plain.read()), (2, 1), "changes have pages, too");
    assert_eq!((named.client.names().len(), plain.client.totals.0), (3_501, 3_501));
    let late_member = stage.join("more", Some("more"));
    stage.advance(190);
    assert_eq!(named.read(), 0, "one page per interval");
    stage.advance(10);
    assert_eq!(named.read(), 1);
    drop((early, late));
    stage.advance(4_000);
    assert_eq!((named.read(), plain.read()), (1, 2), "a snapshot is shorter than 3,501 removed names");
    assert_eq!((named.client.names(), plain.client.names()), (vec![("more", 1)], vec![("more", 1)]));
    drop(late_member);
}

#[test]
fn only_counts_are_reported_above_the_limit_unless_names_are_requested() {
    let options = Options { presence_names_max: 10, presence_grace: Duration::ZERO, ..Options::default() };
    let mut stage = Stage::with(options);
    let (mut named, mut plain) = (stage.watch(WATCH, true), stage.watch(WATCH, false));
    let mut all: Vec<_> = (0..10).map(|n| stage.join(&n.to_string(), Some(&n.to_string()))).collect();
    let step = |stage: &mut Stage, named: &mut Watcher, plain: &mut Watcher| {
        stage.advance(110);
        named.read();
        plain.read();
        assert_eq!(named.client.totals, plain.client.totals);
        let mut new_watcher = stage.watch(WATCH, false);
        new_watcher.read();
        assert_eq!(
            (new_watcher.client.version, &new_watcher.client.users),
            (plain.client.version, &plain.client.users)
        );
        (named.client.names().len(), plain.client.users.as_ref().map(|users| users.len()))
    };
    assert_eq!(step(&mut stage, &mut named, &mut plain), (10, Some(10)));
    all.push(stage.join("10", Some("10")));
    assert_eq!(step(&mut stage, &mut named, &mut plain), (11, None));
    all.push(stage.join("11", Some("11")));
    assert_eq!(step(&mut stage, &mut named, &mut plain), (12, None));
    all.truncate(10);
    assert_eq!(step(&mut stage, &mut named, &mut plain), (10, None), "names return only below the limit");
    all.truncate(9);
    assert_eq!(step(&mut stage, &mut named, &mut plain), (9, Some(9)));
    all.push(stage.join("12", Some("12")));
    assert_eq!(step(&mut stage, &mut named, &mut plain), (10, Some(10)));
}

#[test]
fn online_users_are_reported() {
    let mut stage = Stage::new();
    let alice = stage.fixture.session_at("a", Some("alice"), stage.now);
    let mut watcher = stage.watch("/presence/users", false);
    assert_eq!(watcher.received(), (1, vec![("alice", 1)]));
    let (bob, _anonymous) = (stage.join("b", Some("bob")), stage.fixture.session_at("s", None, stage.now));
    stage.advance(10);
    assert_eq!(watcher.received(), (1, vec![("alice", 1), ("bob", 1)]));
    assert_eq!(watcher.client.totals.2, 1);
    drop((alice, bob));
    stage.advance(3_200);
    assert_eq!(watcher.received(), (1, vec![]));
    let new_watcher = stage.watch("/presence/users", false);
    assert!(texts(&new_watcher.outbound_queue)[0].contains(r#""of":"users""#));
    drop(stage.fixture.publish("/topic/users", "m").expect("accepted"));
    assert_eq!(watcher.read(), 0);
}

#[test]
fn any_user_name_yields_valid_json() {
    let mut stage = Stage::new();
    let mut watcher = stage.watch("/presence/topic/\"\\room\n", false);
    let names = ["\"", "\\", "\n\u{0}\u{7f}", "小明", "a/b %.~", "😀\u{2028}"];
    let sessions: Vec<_> = names.map(|name| stage.fixture.session(name, Some(name))).into();
    let _in: Vec<_> = sessions.iter().map(|s| stage.fixture.join("/topic/\"\\room\n", s, 1)).collect();
    stage.advance(10);
    let mut new_watcher = stage.watch("/presence/topic/\"\\room\n", false);
    let mut expected: Vec<_> = names.map(|name| (name, 1)).into();
    expected.sort_unstable();
    assert_eq!(watcher.received(), (2, expected.clone()));
    assert_eq!(new_watcher.received(), (1, expected));
}

#[test]
fn watched_topic_is_removed_with_its_last_watcher() {
    let mut stage = Stage::new();
    let (mut one, two) = (stage.watch(WATCH, false), stage.watch(WATCH, true));
    let (broker, metrics) = (stage.fixture.broker.clone(), stage.fixture.metrics.clone());
    assert_eq!(broker.stats(), Stats { topics: 1, trackers: 1, ..Stats::default() });
    assert_eq!((metrics.topics.get(), metrics.presence_topics.get()), (0, 1));
    stage.fixture.send(TOPIC, "m");
    let alice = stage.join("a", Some("alice"));
    assert_eq!(metrics.topics.get(), 1);
    stage.advance(10);
    drop(alice);
    assert_eq!(metrics.topics.get(), 0);
    stage.advance(5_000);
    assert_eq!(one.read(), 3);
    drop(two);
    assert_eq!(broker.stats(), Stats { topics: 1, trackers: 1, ..Stats::default() });
    let outbound_queue = one.outbound_queue.clone();
    drop(one);
    assert!(broker.is_empty());
    assert_eq!((metrics.subscriptions.get(), metrics.presence_topics.get()), (0, 0));
    let _alice = stage.join("a", Some("alice"));
    stage.advance(200);
    assert!(drain(&outbound_queue).is_empty());
    drop(outbound_queue);
    assert_eq!(stage.fixture.broker.stats().trackers, 0);
}

#[test]
fn presence_memory_is_released_when_all_sessions_have_left() {
    let mut stage = Stage::new();
    let sessions: Vec<_> = (0..50).map(|n| stage.join(&n.to_string(), Some(&n.to_string()))).collect();
    let watchers = [WATCH, "/presence/users"].map(|text| stage.watch(text, false));
    assert!(stage.fixture.budget.used() > 50 * 100, "counts and reports are charged");
    stage.advance(100);
    drop((sessions, watchers));
    assert!(stage.fixture.broker.is_empty());
    assert_eq!(stage.fixture.budget.used(), 0);
    assert_eq!(stage.fixture.broker.expire(stage.now + Duration::from_secs(9)), None);
}

#[test]
fn watcher_that_does_not_read_does_not_delay_others() {
    let mut stage = Stage::new();
    let mut reading = stage.watch(WATCH, false);
    let slow = stage.fixture.outbound_queue_of(2_000);
    let _watch = stage.fixture.watch(WATCH, &slow, false, stage.now);
    let mut all = Vec::new();
    for n in 0..50 {
        all.push(stage.join(&n.to_string(), Some(&n.to_string())));
        stage.advance(110);
        assert!(reading.read() > 0);
    }
    assert_eq!(slow.bytes_above_half(), None);
    assert_eq!(reading.client.names().len(), 50);
}

/// Threads join, leave and watch while another thread calls the broker's timers. Each watcher gets a snapshot and then
/// every change, without gaps and duplicates, which the client checks.
#[test]
fn concurrent_joins_and_leaves_leave_no_gap_after_the_snapshot() {
    const ROUNDS: usize = 200;
    let options = Options {
        presence_names_max: 3,
        presence_grace: Duration::from_millis(20),
        presence_interval: Duration::from_millis(1),
        ..Options::default()
    };
    let mut stage = Stage::with(options);
    let mut staying = [stage.watch(WATCH, true), stage.watch(WATCH, false)];
    let running = std::sync::atomic::AtomicUsize::new(6);
    let ticks = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        let (stage, running, ticks) = (&stage, &running, &ticks);
        for thread in 0..4 {
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let user = ["alice", "bob", "carol", "dave", "eve"][(thread + round) % 5];
                    let session = stage.fixture.session(&format!("{thread} {round}"), Some(user));
                    let joined = stage.fixture.join(TOPIC, &session, 1);
                    stage.fixture.send(TOPIC, "m");
                    // Some members stay until they have been reported.
                    let tick = ticks.load(std::sync::atomic::Ordering::Acquire);
                    while round % 4 == 0 && ticks.load(std::sync::atomic::Ordering::Acquire) < tick + 2 {
                        std::thread::yield_now();
                    }
                    drop(joined);
                }
                running.fetch_sub(1, std::sync::atomic::Ordering::AcqRel);
            });
        }
        for names in [true, false] {
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    let mut watcher = stage.watch(WATCH, names);
                    for _ in 0..5 {
                        watcher.read();
                    }
                    assert!(watcher.client.version > 0);
                }
                running.fetch_sub(1, std::sync::atomic::Ordering::AcqRel);
            });
        }
        scope.spawn(move || {
            while running.load(std::sync::atomic::Ordering::Acquire) > 0 {
                let tick = ticks.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
                stage.fixture.broker.expire(stage.now + Duration::from_millis(tick));
            }
        });
    });
    stage.now += Duration::from_millis(ticks.into_inner());
    stage.advance(1_000);
    for watcher in &mut staying {
        watcher.read();
        assert_eq!((watcher.client.totals, watcher.client.names()), ((0, 0, 0), vec![]));
    }
    drop(staying);
    assert!(stage.fixture.broker.is_empty());
    assert_eq!(stage.fixture.budget.used(), 0);
}
