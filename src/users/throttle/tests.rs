//! Tests of the throttle with a simulated clock: attackers, their neighbors, and the users under attack.

use super::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// A throttle and its simulated time.
struct Scene {
    throttle: Throttle,
    now: Instant,
}

/// Milliseconds until a login is checked, and until a refusal is answered.
#[derive(Debug, PartialEq, Eq)]
struct Waits(u128, u128);

impl Scene {
    fn new(free: u32) -> Scene {
        Scene { throttle: Throttle::new(free, 1000), now: Instant::now() }
    }

    fn attempt(&self, address: &str, name: &str, passcode: &str) -> Attempt {
        let address = (!address.is_empty()).then(|| address.parse().expect("an address"));
        self.throttle.attempt(address, name, passcode)
    }

    fn enter(&mut self, address: &str, name: &str, passcode: &str) -> Result<Ticket, Held> {
        let attempt = self.attempt(address, name, passcode);
        self.throttle.enter(attempt, None, self.now)
    }

    /// Checks a login and waits for its answer. The login takes the first slot for which it has to wait as it opens.
    fn login(&mut self, address: &str, name: &str, passcode: &str, outcome: Outcome) -> Waits {
        let (attempt, began) = (self.attempt(address, name, passcode), self.now);
        let mut drawn = None;
        let ticket = loop {
            match self.throttle.enter(attempt, drawn, self.now) {
                Ok(ticket) => break ticket,
                Err(held) => {
                    self.now = self.now.max(held.slot);
                    drawn = Some(held.slot);
                }
            }
        };
        let checked = (self.now - began).as_millis();
        self.throttle.settle(&ticket, outcome, self.now);
        if outcome == Outcome::Wrong {
            self.now = self.now.max(ticket.answer_at);
        }
        Waits(checked, (self.now - began).as_millis())
    }

    fn wrong(&mut self, address: &str, name: &str, passcode: &str) -> u128 {
        let Waits(_, answered) = self.login(address, name, passcode, Outcome::Wrong);
        answered
    }

    /// Returns the milliseconds that a correct login waits until it is checked.
    fn right(&mut self, address: &str, name: &str, passcode: &str) -> u128 {
        let Waits(checked, _) = self.login(address, name, passcode, Outcome::Right);
        checked
    }
}

#[test]
fn the_interval_between_guesses_doubles_and_is_forgotten() {
    let mut scene = Scene::new(5);
    let waits: Vec<_> = (0..14).map(|n| scene.wrong("192.0.2.1", "alice", &format!("{n}"))).collect();
    assert_eq!(waits, [0, 0, 0, 0, 0, 250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    // The last refusal was delayed by 15 s.
    scene.now += FORGOTTEN_AFTER - 16 * SECOND;
    assert_eq!(scene.wrong("192.0.2.1", "alice", "14"), 15_000);
    scene.now += FORGOTTEN_AFTER;
    assert_eq!(scene.wrong("192.0.2.1", "alice", "15"), 0);
    let mut scene = Scene::new(0);
    assert_eq!(
        [0, 1].map(|n| scene.wrong("", "alice", &format!("{n}"))),
        [0, 500],
        "the first refusal is not delayed"
    );
}

#[test]
fn right_logins_of_other_users_are_not_delayed() {
    for wrong in [10, 14, 99] {
        let mut scene = Scene::new(5);
        for n in 0..wrong {
            scene.wrong("192.0.2.1", "alice", &format!("{n}"));
        }
        for (name, passcode) in [("bob", "b"), ("carol", "c")] {
            assert_eq!(scene.right("192.0.2.1", name, passcode), 0, "{name} behind {wrong} of alice");
        }
        assert_eq!(scene.right("192.0.2.2", "alice", "a"), 0, "alice elsewhere");
    }
}

#[test]
fn right_login_is_not_delayed_and_forgives_only_its_own_failures() {
    let mut scene = Scene::new(5);
    for n in 0..14 {
        scene.wrong("192.0.2.1", "alice", &format!("{n}"));
        scene.wrong("192.0.2.1", "bob", &format!("{n}"));
    }
    assert_eq!(scene.right("192.0.2.1", "alice", "a"), 0);
    assert_eq!(scene.wrong("192.0.2.1", "alice", "x"), 0, "failures are counted from one again");
    assert_eq!(scene.wrong("192.0.2.1", "bob", "x"), 15_000, "only the failures of alice are forgiven");
}

#[test]
fn a_login_remembered_as_right_is_not_delayed_by_guesses_of_its_name() {
    let mut scene = Scene::new(5);
    scene.right("192.0.2.1", "alice", "a");
    for n in 0..200 {
        scene.wrong("192.0.2.1", "alice", &format!("{n}"));
    }
    scene.now += DRAW;
    let guess = scene.enter("192.0.2.1", "alice", "guess").expect("a slot");
    assert_eq!((guess.answer_at - scene.now).as_secs(), 15);
    for address in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
        assert_eq!(scene.right(address, "alice", "a"), 0, "{address}");
    }
}

#[test]
fn a_changed_passcode_is_refused_and_no_longer_remembered() {
    let mut scene = Scene::new(1);
    scene.right("192.0.2.1", "alice", "a");
    assert_eq!(scene.wrong("192.0.2.1", "alice", "a"), 0);
    assert_eq!(scene.throttle.right.len(), 0);
    assert_eq!(scene.wrong("192.0.2.1", "alice", "a"), 250, "it delays its own refusals");
    assert_eq!(scene.right("192.0.2.1", "alice", "a"), 0, "the passcode is right again");
    assert_eq!((scene.throttle.right.len(), scene.throttle.wrong.len()), (1, 0));
}

#[test]
fn a_stale_passcode_that_is_repeated_delays_its_own_refusals_only() {
    let mut scene = Scene::new(5);
    let waits: Vec<_> = (0..9).map(|_| scene.wrong("192.0.2.1", "alice", "stale")).collect();
    assert_eq!(waits, [0, 0, 0, 0, 0, 250, 500, 1000, 2000]);
    for _ in 0..500 {
        scene.wrong("192.0.2.1", "alice", "stale");
    }
    assert_eq!(scene.right("192.0.2.1", "alice", "new"), 0, "the same user with the new passcode");
    // A shared login whose passcode has changed, on many devices.
    for device in 0..200 {
        assert_eq!(scene.wrong(&format!("198.51.100.{device}"), "sensors", "stale"), 0);
    }
    assert_eq!(scene.right("192.0.2.9", "sensors", "new"), 0);
}

#[test]
fn parallel_guesses_wait_for_one_another() {
    let mut scene = Scene::new(5);
    let start = scene.now;
    let (mut checks, mut tickets, mut drawn) = (Vec::new(), Vec::new(), None);
    let end = start + 40 * SECOND;
    while scene.now < end {
        let attempt = scene.attempt("192.0.2.1", "alice", &format!("{}", tickets.len()));
        match scene.throttle.enter(attempt, drawn, scene.now) {
            Ok(ticket) => {
                checks.push((scene.now - start).as_millis());
                tickets.push(ticket);
            }
            Err(held) => {
                assert_eq!(held.reason, "too many wrong passcodes of this name from this address");
                scene.now = held.slot;
                drawn = Some(held.slot);
            }
        }
    }
    assert_eq!(checks, [0, 0, 0, 0, 0, 0, 250, 750, 1750, 3750, 7750, 15_750, 30_750]);
    assert!(scene.enter("192.0.2.1", "bob", "b").is_ok());
    tickets.iter().for_each(|ticket| scene.throttle.settle(ticket, Outcome::Unknown, scene.now));
    assert_eq!(scene.throttle.checks.len(), 1, "only the check of bob");
    assert_eq!(scene.wrong("192.0.2.1", "alice", "x"), 0, "checks without a result are not guesses");
}

/// Three waiting logins and one that arrives as the slot opens.
#[test]
fn slot_goes_to_a_waiting_login_before_one_that_has_just_arrived() {
    let mut scene = Scene::new(1);
    scene.enter("192.0.2.1", "alice", "0").expect("free");
    scene.enter("192.0.2.1", "alice", "1").expect("the first slot");
    let waiting = ["2", "3", "4"].map(|passcode| scene.attempt("192.0.2.1", "alice", passcode));
    let held = waiting.map(|login| scene.throttle.enter(login, None, scene.now).expect_err("it waits"));
    let slot = scene.now + INTERVAL;
    assert_eq!(held.map(|held| held.slot), [slot; 3]);
    scene.now = slot;
    for after in [Duration::ZERO, DRAW - Duration::from_millis(1)] {
        scene.now = slot + after;
        let arrived = scene.enter("192.0.2.1", "alice", "5").expect_err("it waits for a random time, too");
        assert_eq!(arrived.slot, slot, "{after:?}");
    }
    scene.throttle.enter(waiting[1], Some(slot), scene.now).expect("the slot is free");
    let next = scene.throttle.enter(waiting[0], Some(slot), scene.now).expect_err("the slot is taken");
    assert_eq!(next.slot, scene.now + 2 * INTERVAL);
    scene.now = next.slot + DRAW;
    scene.enter("192.0.2.1", "alice", "6").expect("no waiting login has taken the slot");
}

#[test]
fn a_login_that_has_to_wait_leaves_no_state() {
    let mut scene = Scene::new(1);
    scene.wrong("192.0.2.1", "alice", "0");
    let ticket = scene.enter("192.0.2.1", "alice", "1").expect("a slot");
    scene.throttle.settle(&ticket, Outcome::Wrong, scene.now);
    for n in 2..100 {
        let held = scene.enter("192.0.2.1", "alice", &format!("{n}")).expect_err("it waits");
        assert_eq!(held.slot, ticket.answer_at);
    }
    assert_eq!((scene.throttle.checks.len(), scene.throttle.checked_names.len()), (0, 0));
    scene.now = ticket.answer_at + DRAW;
    assert_eq!(scene.login("192.0.2.1", "alice", "2", Outcome::Wrong), Waits(0, 500), "the third guess");
}

#[test]
fn check_without_a_result_does_not_count() {
    let mut scene = Scene::new(1);
    for n in 0..50 {
        let waits = scene.login("192.0.2.1", "alice", &format!("{n}"), Outcome::Unknown);
        assert_eq!(waits, Waits(0, 0));
    }
    assert_eq!(scene.throttle.pairs.len(), 0);
}

#[test]
fn an_ipv6_network_of_one_customer_is_one_address() {
    for (one, other, is_same) in [
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("2001:db8:1:2:3::4", "2001:db8:1:2:ffff::1", true),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
        ("::1", "::2", false),
    ] {
        let mut scene = Scene::new(1);
        scene.wrong(one, "alice", "0");
        assert_eq!(scene.wrong(other, "alice", "1") > 0, is_same, "{one} {other}");
    }
}

#[test]
fn attacked_name_stays_open_to_its_user() {
    let mut scene = Scene::new(5);
    scene.right("192.0.2.1", "alice", "a");
    // A thousand addresses that guess in parallel, and try again at once when they have to wait.
    for round in 0..3 {
        for n in 0..1000 {
            let address = format!("198.51.{}.{}", n / 250, n % 250);
            if let Ok(ticket) = scene.enter(&address, "alice", &format!("{round}-{n}")) {
                scene.throttle.settle(&ticket, Outcome::Wrong, scene.now);
            }
        }
    }
    let unknown = scene.enter("203.0.113.1", "alice", "guess").expect_err("it waits");
    assert_eq!(unknown.reason, "too many wrong passcodes of this name from all addresses");
    assert_eq!(scene.right("203.0.113.2", "alice", "a"), 0, "the passcode was right before");
    assert_eq!(
        scene.right("192.0.2.1", "alice", "another"),
        0,
        "alice has signed in from this address before"
    );
    assert_eq!(scene.right("198.51.0.1", "bob", "b"), 0, "other names, from an address of the attack");
}

#[test]
fn address_that_tries_many_names_is_delayed_except_for_known_users() {
    let mut scene = Scene::new(5);
    scene.right("192.0.2.1", "alice", "a");
    let mut last = Waits(0, 0);
    for n in 0..300 {
        last = scene.login("192.0.2.1", &format!("user-{n}"), "123456", Outcome::Wrong);
        if n == 99 {
            assert_eq!(last, Waits(0, 0), "a hundred names are not delayed");
            assert_eq!(scene.right("192.0.2.1", "bob", "b"), 0);
        }
    }
    assert_eq!(last, Waits(1000, 1000));
    assert_eq!(scene.right("192.0.2.1", "alice", "another"), 0, "alice has signed in from there before");
    assert_eq!(scene.right("192.0.2.1", "bob", "b"), 0, "this passcode was right before");
    assert!(scene.right("192.0.2.1", "carol", "c") <= 1000, "carol has not signed in before");
    assert_eq!(scene.right("192.0.2.2", "carol", "c"), 0);
    // The counts of the first hundred names were not erased by correct logins of others.
    assert_eq!(scene.login("192.0.2.1", "next", "123456", Outcome::Wrong), Waits(1000, 1000));
}

#[test]
fn memory_of_the_throttle_is_bounded() {
    let mut scene = Scene::new(1_000_000);
    for n in 0..ENTRIES_MAX as u32 + 1000 {
        let address = IpAddr::from(n.to_be_bytes());
        let attempt = scene.throttle.attempt(Some(address), &format!("{n}"), "x");
        let ticket = scene.throttle.enter(attempt, None, scene.now).expect("all are free");
        scene.throttle.settle(&ticket, if n % 2 == 0 { Outcome::Wrong } else { Outcome::Right }, scene.now);
    }
    let throttle = &scene.throttle;
    let lens = [throttle.pairs.len(), throttle.names.len(), throttle.addresses.len(), throttle.wrong.len()];
    assert!(lens.iter().all(|len| *len <= ENTRIES_MAX), "{lens:?}");
    assert_eq!((throttle.known_pairs.len(), throttle.right.len()), ((ENTRIES_MAX + 1000) / 2, 1000));
    assert_eq!((throttle.checks.len(), throttle.checked_names.len()), (0, 0));
}

// ---- guesses per hour ----

/// Attackers that guess as fast as the throttle allows, `parallel` at a time from each address. Each slot is taken as
/// it opens: random delays can only make them slower.
struct Attack {
    addresses: u32,
    names: u32,
    parallel: u32,
}

/// A scheduled event, ordered by time and then by the order of scheduling.
enum Step {
    Guess { worker: u32 },
    Wait { worker: u32, name: u32, attempt: Attempt, slot: Option<Instant> },
}

impl Attack {
    /// Returns the guesses that were checked in each hour: the most of one name, and those of all names.
    fn guesses(&self, hours: usize) -> Vec<(u32, u32)> {
        let (mut throttle, start) = (Throttle::new(5, 1000), Instant::now());
        let mut steps = Vec::new();
        let mut heap = BinaryHeap::new();
        let plan = |steps: &mut Vec<Option<Step>>, heap: &mut BinaryHeap<_>, at: Instant, step| {
            heap.push(Reverse((at, steps.len())));
            steps.push(Some(step));
        };
        for worker in 0..self.addresses * self.parallel {
            plan(&mut steps, &mut heap, start, Step::Guess { worker });
        }
        let mut found = vec![(vec![0; self.names as usize], 0); hours];
        let mut guess = 0_u32;
        while let Some(Reverse((now, number))) = heap.pop() {
            let hour = ((now - start).as_secs() / HOUR.as_secs()) as usize;
            if hour >= hours {
                break;
            }
            match steps[number].take().expect("each step is taken once") {
                Step::Guess { worker } => {
                    let address = worker % self.addresses;
                    let name = guess % self.names;
                    guess += 1;
                    let address = IpAddr::from((0x0a00_0000 + address).to_be_bytes());
                    let attempt = throttle.attempt(Some(address), &name.to_string(), &guess.to_string());
                    plan(&mut steps, &mut heap, now, Step::Wait { worker, name, attempt, slot: None });
                }
                Step::Wait { worker, name, attempt, slot } => match throttle.enter(attempt, slot, now) {
                    Ok(ticket) => {
                        throttle.settle(&ticket, Outcome::Wrong, now);
                        found[hour].0[name as usize] += 1;
                        found[hour].1 += 1;
                        plan(&mut steps, &mut heap, ticket.answer_at, Step::Guess { worker });
                    }
                    Err(held) => {
                        let step = Step::Wait { worker, name, attempt, slot: Some(held.slot) };
                        plan(&mut steps, &mut heap, now.max(held.slot), step);
                    }
                },
            }
        }
        found.into_iter().map(|(names, all)| (names.into_iter().max().unwrap_or(0), all)).collect()
    }
}

#[test]
fn guesses_per_hour_are_bounded_per_name_and_in_total() {
    for (addresses, names, parallel, expected) in [
        (1, 1, 16, [(250, 250), (240, 240)]),
        (1, 3, 48, [(250, 750), (240, 720)]),
        (1, 4, 64, [(250, 1000), (240, 960)]),
        // A thousand times as many names give at most this in total.
        (1, 15, 32, [(248, 3701), (240, 3600)]),
        (1, 10_000, 16, [(1, 3702), (1, 3600)]),
        // The number of addresses does not matter for one name.
        (100, 1, 1, [(1004, 1004), (900, 900)]),
        // Addresses do not help one another: twenty of them have twenty times as many guesses.
        (20, 50_000, 2, [(2, 74_040), (2, 72_000)]),
    ] {
        let found = Attack { addresses, names, parallel }.guesses(2);
        assert_eq!(found, expected, "{addresses} addresses, {names} names");
    }
}
