//! Tests of the throttle with a simulated clock: attackers, their neighbors, and the users under attack.

use super::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// A throttle and its simulated time.
struct Simulation {
    throttle: Throttle,
    now: Instant,
}

/// Milliseconds until a login is checked, and until the answer to a wrong passcode.
#[derive(Debug, PartialEq, Eq)]
struct Waits(u128, u128);

impl Simulation {
    fn new(free: u32) -> Simulation {
        Simulation { throttle: Throttle::new(free, 1000), now: Instant::now() }
    }

    fn attempt(&self, address: &str, name: &str, passcode: &str) -> Attempt {
        let address = (!address.is_empty()).then(|| address.parse().expect("an address"));
        self.throttle.attempt(address, name, passcode)
    }

    fn admit(&mut self, address: &str, name: &str, passcode: &str) -> Result<Ticket, Delayed> {
        let attempt = self.attempt(address, name, passcode);
        self.throttle.admit(attempt, None, self.now)
    }

    /// Checks a login and waits for its answer. If the login has to wait for a slot, it takes the first one as soon as
    /// it opens.
    fn login(&mut self, address: &str, name: &str, passcode: &str, outcome: CheckOutcome) -> Waits {
        let (attempt, began) = (self.attempt(address, name, passcode), self.now);
        let mut drawn_slot = None;
        let ticket = loop {
            match self.throttle.admit(attempt, drawn_slot, self.now) {
                Ok(ticket) => break ticket,
                Err(delayed) => {
                    self.now = self.now.max(delayed.slot);
                    drawn_slot = Some(delayed.slot);
                }
            }
        };
        let checked = (self.now - began).as_millis();
        self.throttle.settle(&ticket, outcome, self.now);
        if outcome == CheckOutcome::Wrong {
            self.now = self.now.max(ticket.answer_at);
        }
        Waits(checked, (self.now - began).as_millis())
    }

    fn wrong(&mut self, address: &str, name: &str, passcode: &str) -> u128 {
        let Waits(_, answered) = self.login(address, name, passcode, CheckOutcome::Wrong);
        answered
    }

    /// Returns the milliseconds that a correct login waits until it is checked.
    fn correct(&mut self, address: &str, name: &str, passcode: &str) -> u128 {
        let Waits(checked, _) = self.login(address, name, passcode, CheckOutcome::Correct);
        checked
    }
}

#[test]
fn the_interval_between_guesses_doubles_and_is_forgotten() {
    let mut simulation = Simulation::new(5);
    let waits: Vec<_> = (0..14).map(|n| simulation.wrong("192.0.2.1", "alice", &format!("{n}"))).collect();
    assert_eq!(waits, [0, 0, 0, 0, 0, 250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    // The last answer was delayed by 15 s.
    simulation.now += COUNTER_EXPIRY - 16 * SECOND;
    assert_eq!(simulation.wrong("192.0.2.1", "alice", "14"), 15_000);
    simulation.now += COUNTER_EXPIRY;
    assert_eq!(simulation.wrong("192.0.2.1", "alice", "15"), 0);
    let mut simulation = Simulation::new(0);
    assert_eq!(
        [0, 1].map(|n| simulation.wrong("", "alice", &format!("{n}"))),
        [0, 500],
        "the first answer is not delayed"
    );
}

#[test]
fn correct_logins_of_other_users_are_not_delayed() {
    for wrong in [10, 14, 99] {
        let mut simulation = Simulation::new(5);
        for n in 0..wrong {
            simulation.wrong("192.0.2.1", "alice", &format!("{n}"));
        }
        for (name, passcode) in [("bob", "b"), ("carol", "c")] {
            assert_eq!(
                simulation.correct("192.0.2.1", name, passcode),
                0,
                "{name} after {wrong} guesses at alice"
            );
        }
        assert_eq!(simulation.correct("192.0.2.2", "alice", "a"), 0, "alice at another address");
    }
}

#[test]
fn correct_login_is_not_delayed_and_forgives_only_its_own_failures() {
    let mut simulation = Simulation::new(5);
    for n in 0..14 {
        simulation.wrong("192.0.2.1", "alice", &format!("{n}"));
        simulation.wrong("192.0.2.1", "bob", &format!("{n}"));
    }
    assert_eq!(simulation.correct("192.0.2.1", "alice", "a"), 0);
    assert_eq!(simulation.wrong("192.0.2.1", "alice", "x"), 0, "failures are counted from one again");
    assert_eq!(simulation.wrong("192.0.2.1", "bob", "x"), 15_000, "only the failures of alice are forgiven");
}

#[test]
fn a_login_remembered_as_correct_is_not_delayed_by_guesses_of_its_name() {
    let mut simulation = Simulation::new(5);
    simulation.correct("192.0.2.1", "alice", "a");
    for n in 0..200 {
        simulation.wrong("192.0.2.1", "alice", &format!("{n}"));
    }
    simulation.now += DRAW_WINDOW;
    let guess = simulation.admit("192.0.2.1", "alice", "guess").expect("a slot");
    assert_eq!((guess.answer_at - simulation.now).as_secs(), 15);
    for address in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
        assert_eq!(simulation.correct(address, "alice", "a"), 0, "{address}");
    }
}

#[test]
fn a_changed_passcode_fails_and_is_no_longer_remembered() {
    let mut simulation = Simulation::new(1);
    simulation.correct("192.0.2.1", "alice", "a");
    assert_eq!(simulation.wrong("192.0.2.1", "alice", "a"), 0);
    assert_eq!(simulation.throttle.correct.len(), 0);
    assert_eq!(simulation.wrong("192.0.2.1", "alice", "a"), 250, "it delays its own answers");
    assert_eq!(simulation.correct("192.0.2.1", "alice", "a"), 0, "the passcode is correct again");
    assert_eq!((simulation.throttle.correct.len(), simulation.throttle.wrong.len()), (1, 0));
}

#[test]
fn a_stale_passcode_that_is_repeated_delays_its_own_answers_only() {
    let mut simulation = Simulation::new(5);
    let waits: Vec<_> = (0..9).map(|_| simulation.wrong("192.0.2.1", "alice", "stale")).collect();
    assert_eq!(waits, [0, 0, 0, 0, 0, 250, 500, 1000, 2000]);
    for _ in 0..500 {
        simulation.wrong("192.0.2.1", "alice", "stale");
    }
    assert_eq!(simulation.correct("192.0.2.1", "alice", "new"), 0, "the same user with the new passcode");
    // Many devices share one login and still send its old passcode.
    for device in 0..200 {
        assert_eq!(simulation.wrong(&format!("198.51.100.{device}"), "sensors", "stale"), 0);
    }
    assert_eq!(simulation.correct("192.0.2.9", "sensors", "new"), 0);
}

#[test]
fn parallel_guesses_wait_for_one_another() {
    let mut simulation = Simulation::new(5);
    let start = simulation.now;
    let (mut checks, mut tickets, mut drawn_slot) = (Vec::new(), Vec::new(), None);
    let end = start + 40 * SECOND;
    while simulation.now < end {
        let attempt = simulation.attempt("192.0.2.1", "alice", &format!("{}", tickets.len()));
        match simulation.throttle.admit(attempt, drawn_slot, simulation.now) {
            Ok(ticket) => {
                checks.push((simulation.now - start).as_millis());
                tickets.push(ticket);
            }
            Err(delayed) => {
                assert_eq!(delayed.reason, "too many wrong passcodes for this name from this address");
                simulation.now = delayed.slot;
                drawn_slot = Some(delayed.slot);
            }
        }
    }
    assert_eq!(checks, [0, 0, 0, 0, 0, 0, 250, 750, 1750, 3750, 7750, 15_750, 30_750]);
    assert!(simulation.admit("192.0.2.1", "bob", "b").is_ok());
    tickets
        .iter()
        .for_each(|ticket| simulation.throttle.settle(ticket, CheckOutcome::Unknown, simulation.now));
    assert_eq!(simulation.throttle.checks.len(), 1, "only the check of bob");
    assert_eq!(simulation.wrong("192.0.2.1", "alice", "x"), 0, "checks without a result are not guesses");
}

/// Three waiting logins and one that arrives as the slot opens.
#[test]
fn slot_goes_to_a_waiting_login_before_one_that_has_just_arrived() {
    let mut simulation = Simulation::new(1);
    simulation.admit("192.0.2.1", "alice", "0").expect("free");
    simulation.admit("192.0.2.1", "alice", "1").expect("the first slot");
    let waiting = ["2", "3", "4"].map(|passcode| simulation.attempt("192.0.2.1", "alice", passcode));
    let delayed =
        waiting.map(|login| simulation.throttle.admit(login, None, simulation.now).expect_err("it waits"));
    let slot = simulation.now + INTERVAL;
    assert_eq!(delayed.map(|delayed| delayed.slot), [slot; 3]);
    simulation.now = slot;
    for after in [Duration::ZERO, DRAW_WINDOW - Duration::from_millis(1)] {
        simulation.now = slot + after;
        let arrived =
            simulation.admit("192.0.2.1", "alice", "5").expect_err("it waits for a random time, too");
        assert_eq!(arrived.slot, slot, "{after:?}");
    }
    simulation.throttle.admit(waiting[1], Some(slot), simulation.now).expect("the slot is free");
    let next =
        simulation.throttle.admit(waiting[0], Some(slot), simulation.now).expect_err("the slot is taken");
    assert_eq!(next.slot, simulation.now + 2 * INTERVAL);
    simulation.now = next.slot + DRAW_WINDOW;
    simulation.admit("192.0.2.1", "alice", "6").expect("no waiting login has taken the slot");
}

#[test]
fn a_login_that_has_to_wait_leaves_no_state() {
    let mut simulation = Simulation::new(1);
    simulation.wrong("192.0.2.1", "alice", "0");
    let ticket = simulation.admit("192.0.2.1", "alice", "1").expect("a slot");
    simulation.throttle.settle(&ticket, CheckOutcome::Wrong, simulation.now);
    for n in 2..100 {
        let delayed = simulation.admit("192.0.2.1", "alice", &format!("{n}")).expect_err("it waits");
        assert_eq!(delayed.slot, ticket.answer_at);
    }
    assert_eq!((simulation.throttle.checks.len(), simulation.throttle.checked_names.len()), (0, 0));
    simulation.now = ticket.answer_at + DRAW_WINDOW;
    assert_eq!(
        simulation.login("192.0.2.1", "alice", "2", CheckOutcome::Wrong),
        Waits(0, 500),
        "the third guess"
    );
}

#[test]
fn check_without_a_result_does_not_count() {
    let mut simulation = Simulation::new(1);
    for n in 0..50 {
        let waits = simulation.login("192.0.2.1", "alice", &format!("{n}"), CheckOutcome::Unknown);
        assert_eq!(waits, Waits(0, 0));
    }
    assert_eq!(simulation.throttle.pairs.len(), 0);
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
        let mut simulation = Simulation::new(1);
        simulation.wrong(one, "alice", "0");
        assert_eq!(simulation.wrong(other, "alice", "1") > 0, is_same, "{one} {other}");
    }
}

#[test]
fn attacked_name_stays_open_to_its_user() {
    let mut simulation = Simulation::new(5);
    simulation.correct("192.0.2.1", "alice", "a");
    // A thousand addresses guess in parallel. They try again at once when they have to wait.
    for round in 0..3 {
        for n in 0..1000 {
            let address = format!("198.51.{}.{}", n / 250, n % 250);
            if let Ok(ticket) = simulation.admit(&address, "alice", &format!("{round}-{n}")) {
                simulation.throttle.settle(&ticket, CheckOutcome::Wrong, simulation.now);
            }
        }
    }
    let unknown = simulation.admit("203.0.113.1", "alice", "guess").expect_err("it waits");
    assert_eq!(unknown.reason, "too many wrong passcodes for this name from all addresses");
    assert_eq!(simulation.correct("203.0.113.2", "alice", "a"), 0, "the passcode was correct before");
    assert_eq!(
        simulation.correct("192.0.2.1", "alice", "another"),
        0,
        "alice has logged in from this address before"
    );
    assert_eq!(simulation.correct("198.51.0.1", "bob", "b"), 0, "other names, from an address of the attack");
}

#[test]
fn address_that_tries_many_names_is_delayed_except_for_known_users() {
    let mut simulation = Simulation::new(5);
    simulation.correct("192.0.2.1", "alice", "a");
    let mut last = Waits(0, 0);
    for n in 0..300 {
        last = simulation.login("192.0.2.1", &format!("user-{n}"), "123456", CheckOutcome::Wrong);
        if n == 99 {
            assert_eq!(last, Waits(0, 0), "a hundred names are not delayed");
            assert_eq!(simulation.correct("192.0.2.1", "bob", "b"), 0);
        }
    }
    assert_eq!(last, Waits(1000, 1000));
    assert_eq!(
        simulation.correct("192.0.2.1", "alice", "another"),
        0,
        "alice has logged in from there before"
    );
    assert_eq!(simulation.correct("192.0.2.1", "bob", "b"), 0, "this passcode was correct before");
    assert!(simulation.correct("192.0.2.1", "carol", "c") <= 1000, "carol has not logged in before");
    assert_eq!(simulation.correct("192.0.2.2", "carol", "c"), 0);
    // Correct logins of other names did not erase the counts of the first hundred names.
    assert_eq!(simulation.login("192.0.2.1", "next", "123456", CheckOutcome::Wrong), Waits(1000, 1000));
}

#[test]
fn memory_of_the_throttle_is_bounded() {
    let mut simulation = Simulation::new(1_000_000);
    for n in 0..ENTRIES_MAX as u32 + 1000 {
        let address = IpAddr::from(n.to_be_bytes());
        let attempt = simulation.throttle.attempt(Some(address), &format!("{n}"), "x");
        let ticket = simulation.throttle.admit(attempt, None, simulation.now).expect("all are free");
        simulation.throttle.settle(
            &ticket,
            if n % 2 == 0 { CheckOutcome::Wrong } else { CheckOutcome::Correct },
            simulation.now,
        );
    }
    let throttle = &simulation.throttle;
    let lens = [throttle.pairs.len(), throttle.names.len(), throttle.addresses.len(), throttle.wrong.len()];
    assert!(lens.iter().all(|len| *len <= ENTRIES_MAX), "{lens:?}");
    assert_eq!((throttle.known_pairs.len(), throttle.correct.len()), ((ENTRIES_MAX + 1000) / 2, 1000));
    assert_eq!((throttle.checks.len(), throttle.checked_names.len()), (0, 0));
}

// ---- guesses per hour ----

/// Attackers that guess as fast as the throttle allows, `parallel` at a time from each address. They take each slot as
/// soon as it opens. Random delays could only make them slower.
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
    /// Returns the number of guesses that were checked in each hour. The first is for the name with the most guesses,
    /// the second for all names.
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
                Step::Wait { worker, name, attempt, slot } => match throttle.admit(attempt, slot, now) {
                    Ok(ticket) => {
                        throttle.settle(&ticket, CheckOutcome::Wrong, now);
                        found[hour].0[name as usize] += 1;
                        found[hour].1 += 1;
                        plan(&mut steps, &mut heap, ticket.answer_at, Step::Guess { worker });
                    }
                    Err(delayed) => {
                        let step = Step::Wait { worker, name, attempt, slot: Some(delayed.slot) };
                        plan(&mut steps, &mut heap, now.max(delayed.slot), step);
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
        // Twenty addresses together have twenty times as many guesses as one.
        (20, 50_000, 2, [(2, 74_040), (2, 72_000)]),
    ] {
        let found = Attack { addresses, names, parallel }.guesses(2);
        assert_eq!(found, expected, "{addresses} addresses, {names} names");
    }
}
