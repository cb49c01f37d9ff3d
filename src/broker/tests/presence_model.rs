//! Random sessions that join, leave and watch, compared with a list of members. A client that applies a snapshot and
//! the changes that follow it has the true state at every flush.

use super::fixture::*;
use super::presence_client::Client;
use crate::broker::{Options, Subscription};
use crate::outbound_queue::OutboundQueue;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const USERS: [Option<&str>; 6] = [Some("a"), Some("b"), Some("c"), Some("d"), Some("e"), None];
const SESSIONS: usize = 10;
const WATCHERS: usize = 3;
const INTERVAL: u64 = 50;

#[derive(Clone, Debug)]
enum Op {
    /// The session of this number adds a subscription.
    Join(usize),
    /// The session of this number drops one subscription.
    Unsubscribe(usize),
    /// The session of this number drops all its subscriptions.
    Leave(usize),
    /// The watcher of this number begins to watch, with names or not.
    Watch(usize, bool),
    Unwatch(usize),
    /// Advance the time by this many steps of 10 ms.
    Advance(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let (session, watcher) = (0..SESSIONS, 0..WATCHERS);
    prop_oneof![
        5 => session.clone().prop_map(Op::Join),
        2 => session.clone().prop_map(Op::Unsubscribe),
        3 => session.prop_map(Op::Leave),
        2 => (watcher.clone(), any::<bool>()).prop_map(|(watcher, names)| Op::Watch(watcher, names)),
        1 => watcher.prop_map(Op::Unwatch),
        4 => (0u64..9).prop_map(Op::Advance),
    ]
}

struct Watcher {
    outbound_queue: Arc<OutboundQueue>,
    client: Client,
    names: bool,
    _watch: Subscription,
}

struct Harness {
    fixture: Fixture,
    now: Instant,
    grace: Duration,
    sessions: Vec<Session>,
    joined: Vec<Vec<Subscription>>,
    watchers: [Option<Watcher>; WATCHERS],
    /// The time at which the number of sessions of each user changed last.
    changed: BTreeMap<Option<&'static str>, Instant>,
    keys: u32,
}

impl Harness {
    fn new(grace: Duration) -> Harness {
        let options = Options {
            presence_names_max: 3,
            presence_grace: grace,
            presence_interval: Duration::from_millis(INTERVAL),
            ..Options::default()
        };
        let fixture = Fixture::with(options, usize::MAX);
        let sessions: Vec<_> = (0..SESSIONS).map(|n| fixture.session(&n.to_string(), user(n))).collect();
        let now = fixture.now();
        Harness {
            fixture,
            now,
            grace,
            joined: sessions.iter().map(|_| Vec::new()).collect(),
            sessions,
            watchers: Default::default(),
            changed: BTreeMap::new(),
            keys: 0,
        }
    }

    fn perform(&mut self, op: Op) {
        match op {
            Op::Join(n) => {
                self.keys += 1;
                let joined = self.fixture.join_at("/topic/room", &self.sessions[n], self.keys, self.now);
                self.joined[n].push(joined);
                self.record_change(n, 1);
            }
            Op::Unsubscribe(n) => {
                if self.joined[n].pop().is_some() {
                    self.record_change(n, 0);
                }
            }
            Op::Leave(n) => {
                if !self.joined[n].is_empty() {
                    self.joined[n].clear();
                    self.record_change(n, 0);
                }
            }
            Op::Watch(n, names) => {
                let outbound_queue = self.fixture.outbound_queue();
                let watch = self.fixture.watch("/presence/topic/room", &outbound_queue, names, self.now);
                let mut watcher = Watcher { outbound_queue, client: Client::default(), names, _watch: watch };
                assert!(watcher.client.read(&watcher.outbound_queue) > 0, "the snapshot arrives at once");
                self.watchers[n] = Some(watcher);
            }
            Op::Unwatch(n) => self.watchers[n] = None,
            Op::Advance(ticks) => (0..ticks).for_each(|_| self.tick()),
        }
    }

    /// Records the time if the session has `changed_at_count` subscriptions, which means that the user's number of
    /// sessions has changed.
    fn record_change(&mut self, n: usize, changed_at_count: usize) {
        if self.joined[n].len() == changed_at_count {
            self.changed.insert(user(n), self.now);
        }
    }

    fn tick(&mut self) {
        self.now += Duration::from_millis(10);
        self.fixture.broker.expire(self.now);
        let truth = self.truth();
        let mut reported = None;
        for watcher in self.watchers.iter_mut().flatten() {
            let message_count = watcher.client.read(&watcher.outbound_queue);
            let totals = watcher.client.totals;
            assert_eq!(
                *reported.get_or_insert((watcher.client.version, totals)),
                (watcher.client.version, totals)
            );
            let has_names = watcher.client.users.is_some();
            assert_eq!(has_names, watcher.names || totals.0 <= 3, "names are reported for few members");
            if message_count > 0 && self.grace.is_zero() {
                assert_eq!(reported_state(&watcher.client, &truth), truth);
            }
            check_grace(&watcher.client, &truth, &self.changed, self.now, self.grace);
        }
    }

    /// Returns the true number of sessions of each user.
    fn truth(&self) -> BTreeMap<Option<&'static str>, u64> {
        let mut truth = BTreeMap::new();
        for (n, joined) in self.joined.iter().enumerate() {
            if !joined.is_empty() {
                *truth.entry(user(n)).or_default() += 1;
            }
        }
        truth
    }

    /// Waits until all changes must have been reported, and checks that the reported state is true.
    fn finish(mut self) {
        let ticks = (self.grace.as_millis() as u64 + 3 * INTERVAL) / 10;
        (0..ticks).for_each(|_| self.tick());
        let truth = self.truth();
        for watcher in self.watchers.iter().flatten() {
            assert_eq!(reported_state(&watcher.client, &truth), truth);
        }
        assert_eq!(self.fixture.broker.expire(self.now), None, "no report is pending");
        let Harness { fixture, sessions, joined, watchers, .. } = self;
        drop((watchers, joined, sessions));
        assert!(fixture.broker.is_empty());
        assert_eq!((fixture.budget.used(), fixture.metrics.presence_topics.get()), (0, 0));
    }
}

fn user(n: usize) -> Option<&'static str> {
    USERS[n % USERS.len()]
}

/// Returns the state that the client has. If the client gets only numbers, checks that they match the true state, and
/// returns the true state.
fn reported_state(
    client: &Client,
    truth: &BTreeMap<Option<&'static str>, u64>,
) -> BTreeMap<Option<&'static str>, u64> {
    let (members, sessions, anonymous) = client.totals;
    let mut reported: BTreeMap<_, u64> = BTreeMap::new();
    reported.extend((anonymous > 0).then_some((None, anonymous)));
    match &client.users {
        Some(_) => {
            let known = |name: &str| USERS.into_iter().flatten().find(|user| *user == name).expect("a user");
            reported.extend(client.names().into_iter().map(|(name, sessions)| (Some(known(name)), sessions)));
        }
        None => {
            let users = truth.iter().filter(|(user, _)| user.is_some());
            reported.extend(users.clone().map(|(user, sessions)| (*user, *sessions)));
            assert_eq!(
                (members, sessions),
                (users.clone().count() as u64, users.map(|(_, n)| n).sum::<u64>())
            );
        }
    }
    reported
}

/// Checks the time of reports. The end of a session is reported within the grace period plus the reporting delay. A new
/// session is reported within the reporting delay.
fn check_grace(
    client: &Client,
    truth: &BTreeMap<Option<&'static str>, u64>,
    changed: &BTreeMap<Option<&'static str>, Instant>,
    now: Instant,
    grace: Duration,
) {
    if client.users.is_none() {
        return;
    }
    for user in USERS.into_iter().flatten() {
        let present = truth.get(&Some(user)).copied().unwrap_or(0);
        let reported =
            client.names().into_iter().find(|(name, _)| *name == user).map_or(0, |(_, reported)| reported);
        let ago = changed.get(&Some(user)).map_or(Duration::MAX, |at| now.saturating_duration_since(*at));
        let delay_max = Duration::from_millis(2 * INTERVAL + 10);
        assert!(
            reported <= present || ago <= grace + delay_max,
            "{user}: {reported} reported, {present} present, for {ago:?}"
        );
        assert!(
            reported >= present || ago <= delay_max,
            "{user}: {reported} reported, {present} present, for {ago:?}"
        );
    }
}

proptest! {
    #[test]
    fn client_that_applies_all_changes_has_the_true_state_at_every_flush(
        ops in prop::collection::vec(op(), 1..120), grace in prop::sample::select(vec![0u64, 0, 70, 200]),
    ) {
        let mut harness = Harness::new(Duration::from_millis(grace));
        ops.into_iter().for_each(|op| harness.perform(op));
        harness.finish();
    }
}
