//! Random operations on one queue against a plain list of messages: nothing is lost, nothing doubled, the order
//! kept, nobody idle who could work, no text-only consumer given what is not text, and every counter back at zero.

use super::fixture::*;
use crate::broker::{ConsumerOptions, Options, Settlement, Subscription};
use crate::outbound_queue::{Delivery, Tag};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const Q: &str = "/queue/q";
const MAX_DELIVERIES: u32 = 4;
const SEATS: usize = 3;

#[derive(Clone, Debug)]
enum Op {
    /// So many, text or not.
    Publish(usize, bool),
    /// Subscribe at this slot, with this credit, for text only or for everything; or leave it.
    Come(usize, u32, bool),
    Go(usize),
    /// Take what is in the outbound queue, and let the queue go on.
    Read(usize),
    /// Settle the nth of what was read, and so many more, in any way that there is.
    Settle(usize, usize, usize, Settlement),
    Resume(usize),
    Sleep(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let slot = 0..SEATS;
    let settlement = prop::sample::select(vec![
        Settlement::Accepted,
        Settlement::Accepted,
        Settlement::Returned,
        Settlement::Returned,
        Settlement::Rejected,
        Settlement::Lost,
        Settlement::Unwritten,
    ]);
    prop_oneof![
        3 => (1usize..4, any::<bool>()).prop_map(|(n, is_text)| Op::Publish(n, is_text)),
        2 => (slot.clone(), 0u32..5, any::<bool>())
            .prop_map(|(slot, credit, text_only)| Op::Come(slot, credit, text_only)),
        1 => slot.clone().prop_map(Op::Go),
        3 => slot.clone().prop_map(Op::Read),
        4 => (slot.clone(), 0usize..4, 1usize..3, settlement)
            .prop_map(|(slot, nth, more, settlement)| Op::Settle(slot, nth, more, settlement)),
        1 => slot.prop_map(Op::Resume),
        2 => (0u64..30).prop_map(Op::Sleep),
    ]
}

/// Where a message is, as far as a plain list can tell.
#[derive(Clone, Debug, PartialEq)]
enum Where {
    /// In the backlog; until when which slot must wait for it.
    Kept(Option<(u64, Instant)>),
    /// Given to this visit of a consumer, read or not.
    Given(u64),
    Accepted,
    /// For this reason.
    Dead(&'static str),
}

/// Deaths.
const SPENT: Where = Where::Dead("max-deliveries");
const REFUSED: Where = Where::Dead("not-text");
const REJECTED: Where = Where::Dead("rejected");

/// Expected state of a message.
struct Known {
    place: Where,
    /// How often it was sent.
    sent: u32,
    /// How many of its deliveries failed.
    failed: u32,
}

/// A message is its number; what is not text has another byte behind it.
fn encode(message: usize, is_text: bool) -> Vec<u8> {
    let mut body = message.to_string().into_bytes();
    body.extend((!is_text).then_some(0xff));
    body
}

fn decode(delivery: &Delivery) -> usize {
    body(delivery).trim_end_matches('\u{fffd}').parse().expect("a number")
}

struct SubscriberSlot {
    visit: u64,
    subscription: Subscription,
    receiver: Receiver,
    credit: usize,
    text_only: bool,
    idle: bool,
    /// What was read, by message.
    hand: BTreeMap<usize, Tag>,
}

struct Play {
    fixture: Fixture,
    now: Instant,
    outbox_bytes: usize,
    messages: Vec<Known>,
    /// Which of them are text.
    text: Vec<bool>,
    ever_given: BTreeSet<usize>,
    slots: [Option<SubscriberSlot>; SEATS],
    visits: u64,
}

impl Play {
    fn new(outbox_bytes: usize) -> Play {
        let options = Options { max_deliveries: MAX_DELIVERIES, ..Options::default() };
        let fixture = Fixture::with(options, usize::MAX);
        let now = fixture.now();
        Play {
            fixture,
            now,
            outbox_bytes,
            messages: Vec::new(),
            text: Vec::new(),
            ever_given: BTreeSet::new(),
            slots: Default::default(),
            visits: 0,
        }
    }

    fn perform(&mut self, op: Op) {
        match op {
            Op::Publish(n, is_text) => {
                for _ in 0..n {
                    let body = encode(self.messages.len(), is_text);
                    self.fixture.publish_at(Q, &body, self.now).expect("room");
                    self.messages.push(Known { place: Where::Kept(None), sent: 0, failed: 0 });
                    self.text.push(is_text);
                    self.bury_refused();
                }
            }
            Op::Come(slot, prefetch, text_only) => {
                self.come(slot, ConsumerOptions { text_only, ..credit(prefetch) })
            }
            Op::Go(slot) => self.go(slot),
            Op::Read(slot) => self.read(slot),
            Op::Settle(slot, nth, more, settlement) => self.settle(slot, nth, more, settlement),
            Op::Resume(slot) => {
                if let Some(slot) = &mut self.slots[slot] {
                    slot.idle = false;
                    slot.subscription.resume(self.now);
                }
            }
            Op::Sleep(millis) => self.now += Duration::from_millis(millis),
        }
        self.fixture.broker.expire(self.now);
    }

    /// What nobody who is there may have is dead. What others have is not touched: those who are text only have
    /// none of it, and when others are there nothing dies.
    fn bury_refused(&mut self) {
        let mut slots = self.slots.iter().flatten().peekable();
        if slots.peek().is_some() && slots.all(|slot| slot.text_only) {
            for (Known { place, .. }, is_text) in self.messages.iter_mut().zip(&self.text) {
                if matches!(place, Where::Kept(_)) && !is_text {
                    *place = REFUSED;
                }
            }
        }
    }

    fn come(&mut self, slot: usize, terms: ConsumerOptions) {
        self.go(slot);
        self.visits += 1;
        let receiver =
            Receiver { outbound_queue: self.fixture.outbox_of(self.outbox_bytes), key: self.visits as u32 };
        let subscription = self
            .fixture
            .broker
            .subscribe(&selector(Q), receiver.subscriber(), terms, self.now)
            .expect("a queue takes every consumer");
        let (visit, hand) = (self.visits, BTreeMap::new());
        let (credit, text_only) = (terms.prefetch.max(1) as usize, terms.text_only);
        self.slots[slot] =
            Some(SubscriberSlot { visit, subscription, receiver, credit, text_only, idle: false, hand });
        self.bury_refused();
    }

    fn go(&mut self, slot: usize) {
        let Some(slot) = self.slots[slot].take() else { return };
        // What it has, read or not, must be known before it goes.
        self.note_given(&slot, &mut BTreeMap::new(), false);
        for (message, Known { place, sent, .. }) in self.messages.iter_mut().enumerate() {
            if *place != Where::Given(slot.visit) {
                if let Where::Kept(wait @ Some(_)) = place
                    && wait.is_some_and(|(visit, _)| visit == slot.visit)
                {
                    *wait = None;
                }
                continue;
            }
            // The message counts as sent, but a consumer that leaves has not failed.
            *place = Where::Kept(None);
            *sent -= u32::from(!slot.hand.contains_key(&message));
        }
        self.bury_refused();
    }

    /// Reads, or peeks at, what lies in the outbound queue. A peek takes the deliveries out and pushes them back.
    fn note_given(&mut self, slot: &SubscriberSlot, hand: &mut BTreeMap<usize, Tag>, reads: bool) {
        let mut last = None;
        for delivery in slot.receiver.deliveries() {
            let message = decode(&delivery);
            assert!(
                self.text[message] || !slot.text_only,
                "{message} is not text, and visit {} is given it",
                slot.visit
            );
            let Known { place, sent, .. } = &mut self.messages[message];
            assert!(matches!(place, Where::Kept(_)), "{message} was {place:?} and is given again");
            *sent += 1;
            assert_eq!(delivery.count, *sent, "of {message}");
            assert_eq!(delivery.key as u64, slot.visit);
            *place = Where::Given(slot.visit);
            if *sent == 1 && !self.ever_given.contains(&message) {
                assert!(last < Some(message), "first deliveries are in order");
                last = Some(message);
            }
            self.ever_given.insert(message);
            if reads {
                hand.insert(message, delivery.tag);
            } else {
                assert!(slot.receiver.outbound_queue.push_within(delivery), "it was in there before");
            }
        }
    }

    fn read(&mut self, at: usize) {
        let Some(mut slot) = self.slots[at].take() else { return };
        let mut hand = std::mem::take(&mut slot.hand);
        self.note_given(&slot, &mut hand, true);
        slot.hand = hand;
        if slot.receiver.outbound_queue.take_blocked() {
            slot.subscription.resume(self.now);
            slot.idle = false;
        }
        self.slots[at] = Some(slot);
    }

    fn settle(&mut self, at: usize, nth: usize, more: usize, settlement: Settlement) {
        let Some(slot) = &mut self.slots[at] else { return };
        let chosen: Vec<(usize, Tag)> =
            slot.hand.iter().skip(nth).take(more).map(|(&message, &tag)| (message, tag)).collect();
        if chosen.is_empty() {
            return;
        }
        slot.idle |= matches!(settlement, Settlement::Unwritten | Settlement::Lost);
        let tags: Vec<Tag> = chosen.iter().map(|&(_, tag)| tag).collect();
        for (message, _) in chosen {
            slot.hand.remove(&message);
            let Known { place, sent, failed } = &mut self.messages[message];
            *failed += u32::from(!matches!(settlement, Settlement::Accepted | Settlement::Unwritten));
            *place = match settlement {
                Settlement::Accepted => Where::Accepted,
                Settlement::Unwritten => {
                    *sent -= 1;
                    Where::Kept(None)
                }
                Settlement::Rejected => REJECTED,
                Settlement::Returned | Settlement::Lost if *failed >= MAX_DELIVERIES => SPENT,
                Settlement::Lost => Where::Kept(None),
                Settlement::Returned => {
                    let wait = [0, 0, 10, 20, 40][*failed as usize];
                    let due = self.now + Duration::from_millis(wait);
                    Where::Kept((wait > 0).then_some((slot.visit, due)))
                }
            };
        }
        slot.subscription.settle(&tags, settlement, self.now);
    }

    /// With everything read: whoever has credit has nothing left to be given.
    fn check_nobody_is_idle(&mut self) {
        for slot in 0..SEATS {
            self.read(slot);
        }
        let starving = |slot: &SubscriberSlot| slot.idle || slot.hand.len() >= slot.credit;
        for slot in self.slots.iter().flatten().filter(|slot| !starving(slot)) {
            for (message, Known { place, .. }) in self.messages.iter().enumerate() {
                let Where::Kept(wait) = place else { continue };
                if slot.text_only && !self.text[message] {
                    continue;
                }
                let waits = wait.is_some_and(|(visit, due)| visit == slot.visit && due > self.now);
                assert!(waits, "{message} is {place:?} though visit {} could take it", slot.visit);
            }
        }
        for is_text in [true, false] {
            let stores_messages = |message: &usize| matches!(self.messages[*message].place, Where::Kept(_));
            let mut of_kind = (0..self.messages.len()).filter(|&message| self.text[message] == is_text);
            let kept = of_kind
                .clone()
                .find(|message| !self.ever_given.contains(message) && stores_messages(message));
            let given = of_kind.rfind(|message| self.ever_given.contains(message));
            if let (Some(given), Some(kept)) = (given, kept) {
                assert!(given < kept, "{given} was given before {kept}");
            }
        }
    }

    fn check_gauges(&self) {
        let dead = self.messages.iter().filter(|known| matches!(known.place, Where::Dead(_))).count();
        let gone = self.messages.iter().filter(|known| known.place == Where::Accepted).count();
        let metrics = &self.fixture.metrics;
        assert_eq!(metrics.dead_letters.get(), dead as u64);
        assert_eq!(
            metrics.queue_messages.get(),
            (self.messages.len() - gone) as i64,
            "dead ones are in a queue"
        );
        assert_eq!(metrics.messages_dropped.get(), 0);
        assert_eq!(metrics.subscriptions.get(), self.slots.iter().flatten().count() as i64);
    }

    /// Everybody goes, and one consumer each takes what is left.
    fn finish(mut self) {
        (0..SEATS).for_each(|slot| self.go(slot));
        self.check_gauges();
        let mut taken: [BTreeSet<usize>; 2] = Default::default();
        for (taken, queue) in taken.iter_mut().zip([Q, "/queue/dead.q"]) {
            let receiver = self.fixture.receiver(1);
            let last = self.fixture.subscribe(queue, &receiver, ALL);
            for delivery in receiver.deliveries() {
                let message = decode(&delivery);
                assert!(taken.insert(message), "twice");
                assert_eq!(delivery.message.body(), encode(message, self.text[message]));
                if let Where::Dead(reason) = self.messages[message].place {
                    assert!(headers(&delivery).contains(&format!("dead-reason:{reason}")), "{message}");
                }
                last.settle(&[delivery.tag], Settlement::Accepted, self.now);
            }
        }
        for (message, Known { place, .. }) in self.messages.iter().enumerate() {
            let expected = [matches!(place, Where::Kept(_)), matches!(place, Where::Dead(_))];
            assert_eq!(
                taken.each_ref().map(|taken| taken.contains(&message)),
                expected,
                "{message} {place:?}"
            );
        }
        let metrics = &self.fixture.metrics;
        assert!(self.fixture.broker.is_empty());
        assert_eq!(
            (metrics.queue_messages.get(), metrics.queue_bytes.get(), metrics.queues.get()),
            (0, 0, 0)
        );
        assert_eq!((metrics.subscriptions.get(), metrics.outbox_bytes.get()), (0, 0));
        assert_eq!(self.fixture.budget.used(), 0);
    }
}

proptest! {
    #[test]
    fn a_queue_is_a_list_of_messages_each_in_one_place(ops in prop::collection::vec(op(), 1..120)) {
        let mut play = Play::new(1 << 30);
        for op in ops {
            play.perform(op);
            play.check_nobody_is_idle();
            play.check_gauges();
        }
        play.finish();
    }

    /// Outboxes for about three messages; what was not read lies there until its consumer reads or goes.
    #[test]
    fn nothing_is_lost_or_doubled_where_outboxes_are_small(ops in prop::collection::vec(op(), 1..120)) {
        let mut play = Play::new(1500);
        for op in ops {
            play.perform(op);
        }
        play.finish();
    }
}
