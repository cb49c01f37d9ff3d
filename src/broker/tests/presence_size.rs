//! Presence with ten thousand members and watchers. The tests count messages and bytes, and measure no times.

use super::fixture::*;
use super::presence_client::Client;
use crate::broker::{Options, Subscription};
use crate::outbound_queue::OutboundQueue;
use std::sync::Arc;
use std::time::{Duration, Instant};

const MEMBERS: usize = 10_000;
const WATCH: &str = "/presence/topic/room";

struct Scene {
    fixture: Fixture,
    now: Instant,
    watchers: Vec<(Arc<OutboundQueue>, Subscription)>,
    members: Vec<(Session, Subscription)>,
}

impl Scene {
    /// Creates this many watchers of an empty topic.
    fn new(options: Options, watchers: usize, names: bool) -> Scene {
        let fixture = Fixture::with(options, usize::MAX);
        let now = fixture.now();
        let watchers = (0..watchers)
            .map(|_| {
                let outbound_queue = fixture.outbound_queue();
                let watch = fixture.watch(WATCH, &outbound_queue, names, now);
                (outbound_queue, watch)
            })
            .collect();
        Scene { fixture, now, watchers, members: Vec::new() }
    }

    fn tick(&mut self) {
        self.now += Duration::from_millis(10);
        self.fixture.broker.expire(self.now);
    }

    /// Adds this many members, a hundred every ten milliseconds.
    fn join(&mut self, members: usize) {
        for n in 0..members {
            let name = n.to_string();
            let session = self.fixture.session_at(&name, Some(&name), self.now);
            let joined = self.fixture.join_at("/topic/room", &session, 1, self.now);
            self.members.push((session, joined));
            if n % 100 == 99 {
                self.tick();
            }
        }
        (0..100).for_each(|_| self.tick());
    }
}

#[test]
fn joins_are_batched_for_ten_thousand_members_and_watchers() {
    let mut scene = Scene::new(Options::default(), MEMBERS, false);
    scene.join(MEMBERS);
    let encoded = scene.fixture.metrics.presence_messages.get();
    assert!(encoded <= 1 + 12, "one report per interval for a second: {encoded}");
    let total: usize = scene.watchers.iter().map(|(outbound_queue, _)| outbound_queue.bytes()).sum();
    let bytes_each = total / MEMBERS;
    assert!(
        bytes_each < 256 * 1024,
        "names of the first thousand, then counts: {bytes_each} bytes for each watcher"
    );
    // The watchers share one copy of each message. Their outbound queues take most of the memory.
    let deliveries = 16 * 64 * MEMBERS;
    assert!(scene.fixture.budget.used() < deliveries + 4_000_000, "{}", scene.fixture.budget.used());
    let mut client = Client::default();
    assert_eq!(client.read(&scene.watchers[0].0) as u64, encoded);
    assert_eq!((client.totals.0, &client.users), (MEMBERS as u64, &None));
    drop(scene.watchers);
    drop(scene.members);
    assert!(scene.fixture.broker.is_empty());
    assert_eq!(scene.fixture.budget.used(), 0);
}

#[test]
fn ten_thousand_names_are_reported_once_each_to_watchers_with_names() {
    let mut scene = Scene::new(Options::default(), 100, true);
    scene.join(MEMBERS);
    let encoded = scene.fixture.metrics.presence_messages.get();
    assert!(encoded <= 1 + 22, "one page per interval: {encoded}");
    let mut client = Client::default();
    client.read(&scene.watchers[0].0);
    assert_eq!(client.names().len(), MEMBERS);
    let bytes_each = scene.watchers[1].0.bytes();
    assert!(bytes_each < MEMBERS * 80, "no name is reported twice: {bytes_each} bytes");
}

#[test]
fn members_that_reconnect_within_the_grace_period_are_not_reported() {
    let mut scene = Scene::new(Options::default(), 1, false);
    scene.join(5_000);
    let mut client = Client::default();
    client.read(&scene.watchers[0].0);
    scene.members.clear();
    (0..200).for_each(|_| scene.tick());
    scene.join(5_000);
    assert_eq!(client.read(&scene.watchers[0].0), 0);
}

#[test]
fn user_that_joins_and_leaves_between_two_ticks_leaves_no_state() {
    let options = Options { presence_interval: Duration::from_secs(3_600), ..Options::default() };
    let mut scene = Scene::new(options, 1, false);
    scene.join(1);
    let before = scene.fixture.budget.used();
    for n in 0..20_000 {
        let name = n.to_string();
        let session = scene.fixture.session_at(&name, Some(&name), scene.now);
        drop(scene.fixture.join_at("/topic/room", &session, 1, scene.now));
    }
    scene.now += Duration::from_secs(3_600);
    scene.tick();
    let added_bytes = scene.fixture.budget.used() - before;
    assert!(added_bytes < 1_000_000, "{added_bytes} bytes");
}
