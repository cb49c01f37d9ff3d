//! A cache of positive responses of a hook. It stores no secrets, only keyed hashes of requests.

use crate::auth::principal::Principal;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::{Duration, Instant};

/// Maximum number of cached responses; the oldest are evicted.
const ENTRIES_MAX: usize = 10_000;

/// 128 bits from two hash keys drawn at start, so that a client cannot construct two requests with the same hash.
pub(super) type Key = (u64, u64);

#[derive(Debug)]
pub(super) struct Cache {
    time: Duration,
    hashing: (RandomState, RandomState),
    responses: Mutex<Responses>,
}

#[derive(Debug, Default)]
struct Responses {
    known: HashMap<Key, (Principal, Instant)>,
    /// Keys in insertion order. A key that was inserted twice is in here twice, with two times.
    order: VecDeque<(Key, Instant)>,
}

impl Cache {
    /// Creates a cache that keeps responses for `time`, or none if that is zero.
    pub(super) fn new(time: Duration) -> Cache {
        let hashing = (RandomState::new(), RandomState::new());
        Cache { time, hashing, responses: Mutex::default() }
    }

    pub(super) fn key(&self, request: &impl Hash) -> Key {
        (self.hashing.0.hash_one(request), self.hashing.1.hash_one(request))
    }

    pub(super) fn find(&self, key: Key) -> Option<Principal> {
        if self.time.is_zero() { None } else { self.responses.lock().find(key, Instant::now()) }
    }

    pub(super) fn insert(&self, key: Key, principal: &Principal) {
        if !self.time.is_zero() {
            self.responses.lock().insert(key, principal, self.time, Instant::now());
        }
    }
}

impl Responses {
    fn find(&self, key: Key, now: Instant) -> Option<Principal> {
        self.known.get(&key).filter(|(_, end)| now < *end).map(|(principal, _)| principal.clone())
    }

    fn insert(&mut self, key: Key, principal: &Principal, time: Duration, now: Instant) {
        let end = now + time;
        let end = principal.expires.map_or(end, |expires| end.min(expires));
        self.known.insert(key, (principal.clone(), end));
        self.order.push_back((key, end));
        while self.order.front().is_some_and(|(_, end)| *end <= now || self.order.len() > ENTRIES_MAX) {
            let Some((key, end)) = self.order.pop_front() else { break };
            if self.known.get(&key).is_some_and(|(_, kept)| *kept == end) {
                self.known.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn response_expires_with_its_duration_or_its_principal() {
        let (mut responses, now) = (Responses::default(), Instant::now());
        let mut alice = Principal::named("alice", "hook");
        responses.insert((1, 1), &alice, MINUTE, now);
        alice.expires = Some(now + SECOND);
        responses.insert((2, 2), &alice, MINUTE, now);
        alice.expires = Some(now + MINUTE * 2);
        responses.insert((3, 3), &alice, MINUTE, now);
        for (key, after, is_known) in [
            (1, Duration::ZERO, true),
            (1, MINUTE - SECOND, true),
            (1, MINUTE, false),
            (2, Duration::ZERO, true),
            (2, SECOND, false),
            (3, MINUTE - SECOND, true),
            (3, MINUTE, false),
            (4, Duration::ZERO, false),
        ] {
            assert_eq!(responses.find((key, key), now + after).is_some(), is_known, "{key} {after:?}");
        }
    }

    #[test]
    fn oldest_responses_are_evicted_at_the_limit() {
        let (mut responses, now) = (Responses::default(), Instant::now());
        let alice = Principal::named("alice", "hook");
        for number in 0..=ENTRIES_MAX as u64 {
            responses.insert((number, 0), &alice, MINUTE, now);
        }
        assert_eq!((responses.known.len(), responses.order.len()), (ENTRIES_MAX, ENTRIES_MAX));
        assert!(responses.find((0, 0), now).is_none() && responses.find((1, 0), now).is_some());
        for nanos in 0..ENTRIES_MAX as u32 * 2 {
            responses.insert((1, 0), &alice, MINUTE, now + Duration::from_nanos(nanos.into()));
        }
        assert!(responses.order.len() <= ENTRIES_MAX, "repeated inserts keep the order bounded");
        assert!(responses.find((1, 0), now).is_some());
        responses.insert((1, 0), &alice, MINUTE, now + MINUTE * 2);
        assert_eq!((responses.known.len(), responses.order.len()), (1, 1), "expired responses are removed");
    }
}
