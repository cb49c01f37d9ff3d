//! Presence of many: what ten thousand cost is counted, not timed.

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
    /// So many who watch an empty room.
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

    /// A hundred come every ten milliseconds.
    fn come(&mut self, members: usize) {
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
fn ten_thousand_join_before_ten_thousand_who_watch() {
    let mut crowd = Crowd::new(Options::default(), CROWD, false);
    crowd.come(CROWD);
    let encoded = crowd.fixture.metrics.presence_messages.get();
    assert!(encoded <= 1 + 12, "one an interval, a second long: {encoded}");
    let total: usize = crowd.watchers.iter().map(|(outbound_queue, _)| outbound_queue.bytes()).sum();
    let each = total / CROWD;
    assert!(each < 256 * 1024, "names of the first thousand, then numbers: {each} octets for each");
    // Shared by all of them: what is held is one copy, and the room of the outbound queues.
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
fn ten_thousand_names_are_told_once_each_to_those_who_ask_for_them() {
    let mut crowd = Crowd::new(Options::default(), 100, true);
    crowd.come(CROWD);
    let encoded = crowd.fixture.metrics.presence_messages.get();
    assert!(encoded <= 1 + 22, "a page an interval: {encoded}");
    let mut client = Client::default();
    client.read(&crowd.watchers[0].0);
    assert_eq!(client.names().len(), CROWD);
    let each = crowd.watchers[1].0.bytes();
    assert!(each < CROWD * 80, "no name is told twice: {each} octets");
}

#[test]
fn a_crowd_that_is_cut_off_and_comes_back_is_not_told_of() {
    let mut crowd = Crowd::new(Options::default(), 1, false);
    crowd.come(5_000);
    let mut client = Client::default();
    client.read(&crowd.watchers[0].0);
    crowd.members.clear();
    (0..200).for_each(|_| crowd.tick());
    crowd.come(5_000);
    assert_eq!(client.read(&crowd.watchers[0].0), 0);
}

#[test]
fn who_comes_and_goes_between_two_ticks_is_not_remembered() {
    let options = Options { presence_interval: Duration::from_secs(3_600), ..Options::default() };
    let mut crowd = Crowd::new(options, 1, false);
    crowd.come(1);
    let before = crowd.fixture.budget.used();
    for n in 0..20_000 {
        let name = n.to_string();
        let session = crowd.fixture.session_at(&name, Some(&name), crowd.now);
        drop(crowd.fixture.join_at("/topic/room", &session, 1, crowd.now));
    }
    crowd.now += Duration::from_secs(3_600);
    crowd.tick();
    let more = crowd.fixture.budget.used() - before;
    assert!(more < 1_000_000, "{more} octets");
}
