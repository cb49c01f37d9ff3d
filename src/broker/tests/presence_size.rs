//! Presence with many members and watchers: the costs of ten thousand are counted, not timed.

use super::fixture::*;
use super::presence_client::Client;
use crate::broker::{Options, Subscription};
use crate::outbound_queue::OutboundQueue;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CROWD: usize = 10_000;
const WATCH: &str = "/presence/topic/room";

struct Crowd {
    fixture: Fixture,
    now: Instant,
    watchers: Vec<(Arc<OutboundQueue>, Subscription)>,
    members: Vec<(Session, Subscription)>,
}

impl Crowd {
    /// Creates this many watchers of an empty topic.
    fn new(options: Options, watchers: usize, names: bool) -> Crowd {
        let fixture = Fixture::with(options, usize::MAX);
        let now = fixture.now();
        let watchers = (0..watchers)
            .map(|_| {
                let outbound_queue = fixture.outbound_queue();
                let watch = fixture.watch(WATCH, &outbound_queue, names, now);
                (outbound_queue, watch)
            })
            .collect();
        Crowd { fixture, now, watchers, members: Vec::new() }
    }

    fn tick(&mut self) {
        self.now += Duration::from_millis(10);
        self.fixture.broker.expire(self.now);
    }

    /// Adds members, a hundred every ten milliseconds.
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
    let mut crowd = Crowd::new(Options::default(), CROWD, false);
    crowd.join(CROWD);
    let encoded = crowd.fixture.metrics.presence_messages.get();
    assert!(encoded <= 1 + 12, "one report per interval for a second: {encoded}");
    let total: usize = crowd.watchers.iter().map(|(outbound_queue, _)| outbound_queue.bytes()).sum();
    let each = total / CROWD;
    assert!(each < 256 * 1024, "names of the first thousand, then counts: {each} bytes for each");
    // The watchers share one copy of each message. The rest of the memory is the space of the outbound queues.
    let deliveries = 16 * 64 * CROWD;
    assert!(crowd.fixture.budget.used() < deliveries + 4_000_000, "{}", crowd.fixture.budget.used());
    let mut client = Client::default();
    assert_eq!(client.read(&crowd.watchers[0].0) as u64, encoded);
    assert_eq!((client.totals.0, &client.users), (CROWD as u64, &None));
    drop(crowd.watchers);
    drop(crowd.members);
    assert!(crowd.fixture.broker.is_empty());
    assert_eq!(crowd.fixture.budget.used(), 0);
}

#[test]
fn ten_thousand_names_are_reported_once_each_to_watchers_with_names() {
    let mut crowd = Crowd::new(Options::default(), 100, true);
    crowd.join(CROWD);
    let encoded = crowd.fixture.metrics.presence_messages.get();
    assert!(encoded <= 1 + 22, "one page per interval: {encoded}");
    let mut client = Client::default();
    client.read(&crowd.watchers[0].0);
    assert_eq!(client.names().len(), CROWD);
    let each = crowd.watchers[1].0.bytes();
    assert!(each < CROWD * 80, "no name is reported twice: {each} bytes");
}

#[test]
fn crowd_that_reconnects_within_the_grace_period_is_not_reported() {
    let mut crowd = Crowd::new(Options::default(), 1, false);
    crowd.join(5_000);
    let mut client = Client::default();
    client.read(&crowd.watchers[0].0);
    crowd.members.clear();
    (0..200).for_each(|_| crowd.tick());
    crowd.join(5_000);
    assert_eq!(client.read(&crowd.watchers[0].0), 0);
}

#[test]
fn user_that_joins_and_leaves_between_two_ticks_leaves_no_state() {
    let options = Options { presence_interval: Duration::from_secs(3_600), ..Options::default() };
    let mut crowd = Crowd::new(options, 1, false);
    crowd.join(1);
    let before = crowd.fixture.budget.used();
    for n in 0..20_000 {
        let name = n.to_string();
        let session = crowd.fixture.session_at(&name, Some(&name), crowd.now);
        drop(crowd.fixture.join_at("/topic/room", &session, 1, crowd.now));
    }
    crowd.now += Duration::from_secs(3_600);
    crowd.tick();
    let more = crowd.fixture.budget.used() - before;
    assert!(more < 1_000_000, "{more} bytes");
}
