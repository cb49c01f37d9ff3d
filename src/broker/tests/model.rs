//! Random operations on one queue, compared with a list of messages. The test checks:
//!
//! - No message is lost or duplicated, and the order is kept.
//! - No message waits if a consumer with credit could take it.
//! - No text-only consumer gets a message that is not text.
//! - All counters return to zero.
//! - The contents of the queues can be rebuilt from the records in the journal.

use super::fixture::*;
use super::replica::{Replica, ReplicaMessage};
use crate::broker::{Options, Subscription};
use crate::command::{ConsumerOptions, Settlement};
use crate::outbound_queue::{Delivery, Tag};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

const Q: &str = "/queue/q";
const DEAD: &str = "/queue/dead.q";
const MAX_DELIVERIES: u32 = 4;
const SLOTS: usize = 3;

#[derive(Clone, Debug)]
enum Op {
    /// Publish this many messages, whose bodies are text or not.
    Publish(usize, bool),
    /// Subscribe a consumer at this slot, with this credit, text only or not. An earlier consumer at the slot
    /// unsubscribes first.
    Subscribe(usize, u32, bool),
    Unsubscribe(usize),
    /// Read the deliveries of this slot's outbound queue, so that the work queue can deliver more.
    Read(usize),
    /// Settle deliveries that this slot has read: the slot, the index of the first delivery, the number of deliveries,
    /// and the settlement.
    Settle(usize, usize, usize, Settlement),
    Resume(usize),
    Sleep(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let slot = 0..SLOTS;
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
            .prop_map(|(slot, credit, text_only)| Op::Subscribe(slot, credit, text_only)),
        1 => slot.clone().prop_map(Op::Unsubscribe),
        3 => slot.clone().prop_map(Op::Read),
        4 => (slot.clone(), 0usize..4, 1usize..3, settlement)
            .prop_map(|(slot, first, count, settlement)| Op::Settle(slot, first, count, settlement)),
        1 => slot.prop_map(Op::Resume),
        2 => (0u64..30).prop_map(Op::Sleep),
    ]
}

/// The expected location of a message.
#[derive(Clone, Debug, PartialEq)]
enum Location {
    /// The message is in the backlog. If set, the consumer with this ID must wait for it until this time.
    InBacklog(Option<(u64, Instant)>),
    /// The message was delivered to the consumer with this ID, which may not have read it yet.
    Delivered(u64),
    Accepted,
    /// The message is in the dead letter queue, for this reason.
    Dead(&'static str),
}

/// The locations of dead letters, by reason.
const MAX_DELIVERIES_REACHED: Location = Location::Dead("max-deliveries");
const NOT_TEXT: Location = Location::Dead("not-text");
const REJECTED: Location = Location::Dead("rejected");

/// The expected state of a message.
struct MessageState {
    location: Location,
    /// Number of times that the message was sent.
    sent: u32,
    /// Number of failed deliveries.
    failed: u32,
}

/// Encodes the number of a message as its body. If the body must not be text, adds a byte that is not UTF-8.
fn encode(message: usize, is_text: bool) -> Vec<u8> {
    let mut body = message.to_string().into_bytes();
    body.extend((!is_text).then_some(0xff));
    body
}

fn decode(delivery: &Delivery) -> usize {
    body(delivery).trim_end_matches('\u{fffd}').parse().expect("a number")
}

struct SubscriberSlot {
    consumer_id: u64,
    subscription: Subscription,
    receiver: Receiver,
    credit: usize,
    text_only: bool,
    paused: bool,
    /// The tags of the deliveries that were read, by message.
    read_tags: BTreeMap<usize, Tag>,
}

struct Harness {
    fixture: Fixture,
    replica: Arc<Replica>,
    now: Instant,
    outbound_queue_bytes: usize,
    messages: Vec<MessageState>,
    /// Whether each message is text.
    text: Vec<bool>,
    ever_delivered: BTreeSet<usize>,
    slots: [Option<SubscriberSlot>; SLOTS],
    last_consumer_id: u64,
}

impl Harness {
    fn new(outbound_queue_bytes: usize) -> Harness {
        let options = Options { max_deliveries: MAX_DELIVERIES, ..Options::default() };
        let replica = Arc::new(Replica::default());
        let fixture = Fixture::with_journal(options, usize::MAX, Some(replica.clone()));
        let now = fixture.now();
        Harness {
            fixture,
            replica,
            now,
            outbound_queue_bytes,
            messages: Vec::new(),
            text: Vec::new(),
            ever_delivered: BTreeSet::new(),
            slots: Default::default(),
            last_consumer_id: 0,
        }
    }

    fn perform(&mut self, op: Op) {
        match op {
            Op::Publish(n, is_text) => {
                for _ in 0..n {
                    let body = encode(self.messages.len(), is_text);
                    self.fixture.publish_at(Q, &body, self.now).expect("the message is accepted");
                    self.messages.push(MessageState {
                        location: Location::InBacklog(None),
                        sent: 0,
                        failed: 0,
                    });
                    self.text.push(is_text);
                    self.dead_letter_non_text();
                }
            }
            Op::Subscribe(slot, prefetch, text_only) => {
                self.subscribe(slot, ConsumerOptions { text_only, ..credit(prefetch) })
            }
            Op::Unsubscribe(slot) => self.unsubscribe(slot),
            Op::Read(slot) => self.read(slot),
            Op::Settle(slot, first, count, settlement) => self.settle(slot, first, count, settlement),
            Op::Resume(slot) => {
                if let Some(slot) = &mut self.slots[slot] {
                    slot.paused = false;
                    slot.subscription.resume(self.now);
                }
            }
            Op::Sleep(millis) => self.now += Duration::from_millis(millis),
        }
        self.fixture.broker.expire(self.now);
    }

    /// Marks the messages that no consumer can take as dead letters. If all consumers are text only, these are the
    /// messages in the backlog that are not text.
    fn dead_letter_non_text(&mut self) {
        let mut slots = self.slots.iter().flatten().peekable();
        if slots.peek().is_some() && slots.all(|slot| slot.text_only) {
            for (MessageState { location, .. }, is_text) in self.messages.iter_mut().zip(&self.text) {
                if matches!(location, Location::InBacklog(_)) && !is_text {
                    *location = NOT_TEXT;
                }
            }
        }
    }

    fn subscribe(&mut self, slot: usize, options: ConsumerOptions) {
        self.unsubscribe(slot);
        self.last_consumer_id += 1;
        let receiver = Receiver {
            outbound_queue: self.fixture.outbound_queue_of(self.outbound_queue_bytes),
            key: self.last_consumer_id as u32,
        };
        let subscription = self
            .fixture
            .try_subscribe(selector(Q), &receiver, options, self.now)
            .expect("a queue accepts every consumer");
        let (consumer_id, read_tags) = (self.last_consumer_id, BTreeMap::new());
        let (credit, text_only) = (options.prefetch.max(1) as usize, options.text_only);
        self.slots[slot] = Some(SubscriberSlot {
            consumer_id,
            subscription,
            receiver,
            credit,
            text_only,
            paused: false,
            read_tags,
        });
        self.dead_letter_non_text();
    }

    fn unsubscribe(&mut self, slot: usize) {
        let Some(slot) = self.slots[slot].take() else { return };
        // All deliveries of the consumer, read or not, must be recorded before the consumer leaves.
        self.record_deliveries(&slot, &mut BTreeMap::new(), false);
        for (message, MessageState { location, sent, .. }) in self.messages.iter_mut().enumerate() {
            if *location != Location::Delivered(slot.consumer_id) {
                if let Location::InBacklog(wait @ Some(_)) = location
                    && wait.is_some_and(|(consumer_id, _)| consumer_id == slot.consumer_id)
                {
                    *wait = None;
                }
                continue;
            }
            // A message that was read counts as sent, but its delivery does not count as failed.
            *location = Location::InBacklog(None);
            *sent -= u32::from(!slot.read_tags.contains_key(&message));
        }
        self.dead_letter_non_text();
    }

    /// Records the deliveries in the outbound queue. If `is_read` is false, pushes them back afterwards.
    fn record_deliveries(
        &mut self,
        slot: &SubscriberSlot,
        read_tags: &mut BTreeMap<usize, Tag>,
        is_read: bool,
    ) {
        let mut last = None;
        for delivery in slot.receiver.deliveries() {
            let message = decode(&delivery);
            assert!(
                self.text[message] || !slot.text_only,
                "{message} is not text, but consumer {} gets it",
                slot.consumer_id
            );
            let MessageState { location, sent, .. } = &mut self.messages[message];
            assert!(
                matches!(location, Location::InBacklog(_)),
                "{message} was {location:?} and is delivered again"
            );
            *sent += 1;
            assert_eq!(delivery.count, *sent, "of {message}");
            assert_eq!(delivery.key as u64, slot.consumer_id);
            *location = Location::Delivered(slot.consumer_id);
            if *sent == 1 && !self.ever_delivered.contains(&message) {
                assert!(last < Some(message), "first deliveries are in order");
                last = Some(message);
            }
            self.ever_delivered.insert(message);
            if is_read {
                read_tags.insert(message, delivery.tag);
            } else {
                assert!(
                    slot.receiver.outbound_queue.try_push(delivery),
                    "the outbound queue contained it before"
                );
            }
        }
    }

    fn read(&mut self, slot_index: usize) {
        let Some(mut slot) = self.slots[slot_index].take() else { return };
        let mut read_tags = std::mem::take(&mut slot.read_tags);
        self.record_deliveries(&slot, &mut read_tags, true);
        slot.read_tags = read_tags;
        if slot.receiver.outbound_queue.take_blocked() {
            slot.subscription.resume(self.now);
            slot.paused = false;
        }
        self.slots[slot_index] = Some(slot);
    }

    fn settle(&mut self, slot_index: usize, first: usize, count: usize, settlement: Settlement) {
        let Some(slot) = &mut self.slots[slot_index] else { return };
        let chosen: Vec<(usize, Tag)> =
            slot.read_tags.iter().skip(first).take(count).map(|(&message, &tag)| (message, tag)).collect();
        if chosen.is_empty() {
            return;
        }
        slot.paused |= matches!(settlement, Settlement::Unwritten | Settlement::Lost);
        let tags: Vec<Tag> = chosen.iter().map(|&(_, tag)| tag).collect();
        for (message, _) in chosen {
            slot.read_tags.remove(&message);
            let MessageState { location, sent, failed } = &mut self.messages[message];
            *failed += u32::from(!matches!(settlement, Settlement::Accepted | Settlement::Unwritten));
            *location = match settlement {
                Settlement::Accepted => Location::Accepted,
                Settlement::Unwritten => {
                    *sent -= 1;
                    Location::InBacklog(None)
                }
                Settlement::Rejected => REJECTED,
                Settlement::Returned | Settlement::Lost if *failed >= MAX_DELIVERIES => {
                    MAX_DELIVERIES_REACHED
                }
                Settlement::Lost => Location::InBacklog(None),
                Settlement::Returned => {
                    let wait = [0, 0, 10, 20, 40][*failed as usize];
                    let due = self.now + Duration::from_millis(wait);
                    Location::InBacklog((wait > 0).then_some((slot.consumer_id, due)))
                }
            };
        }
        slot.subscription.settle(&tags, settlement, self.now);
    }

    /// Reads all deliveries, and checks that no message waits if a consumer with credit could take it.
    fn check_no_consumer_is_idle(&mut self) {
        for slot in 0..SLOTS {
            self.read(slot);
        }
        let gets_nothing = |slot: &SubscriberSlot| slot.paused || slot.read_tags.len() >= slot.credit;
        for slot in self.slots.iter().flatten().filter(|slot| !gets_nothing(slot)) {
            for (message, MessageState { location, .. }) in self.messages.iter().enumerate() {
                let Location::InBacklog(wait) = location else { continue };
                if slot.text_only && !self.text[message] {
                    continue;
                }
                let waits =
                    wait.is_some_and(|(consumer_id, due)| consumer_id == slot.consumer_id && due > self.now);
                assert!(
                    waits,
                    "{message} is {location:?} though consumer {} could take it",
                    slot.consumer_id
                );
            }
        }
        for is_text in [true, false] {
            let stores_messages =
                |message: &usize| matches!(self.messages[*message].location, Location::InBacklog(_));
            let mut of_kind = (0..self.messages.len()).filter(|&message| self.text[message] == is_text);
            let waiting = of_kind
                .clone()
                .find(|message| !self.ever_delivered.contains(message) && stores_messages(message));
            let delivered = of_kind.rfind(|message| self.ever_delivered.contains(message));
            if let (Some(delivered), Some(waiting)) = (delivered, waiting) {
                assert!(delivered < waiting, "{delivered} was delivered before {waiting}");
            }
        }
    }

    fn check_gauges(&self) {
        let dead =
            self.messages.iter().filter(|message| matches!(message.location, Location::Dead(_))).count();
        let accepted = self.messages.iter().filter(|message| message.location == Location::Accepted).count();
        let metrics = &self.fixture.metrics;
        assert_eq!(metrics.dead_letters.get(), dead as u64);
        assert_eq!(
            metrics.queue_messages.get(),
            (self.messages.len() - accepted) as i64,
            "dead letters are in a queue"
        );
        assert_eq!(metrics.messages_dropped.get(), 0);
        assert_eq!(metrics.subscriptions.get(), self.slots.iter().flatten().count() as i64);
    }

    /// Checks that the contents of the queues can be rebuilt from the records. All deliveries must have been read.
    fn check_records(&self) {
        let session_of = |id| {
            let slot = self.slots.iter().flatten().find(|slot| slot.consumer_id == id);
            slot.map(|slot| slot.receiver.outbound_queue.session_id())
        };
        let mut expected = Vec::new();
        for (message, &MessageState { ref location, sent, failed }) in self.messages.iter().enumerate() {
            let session = match location {
                Location::InBacklog(_) => None,
                Location::Delivered(id) => session_of(*id),
                Location::Accepted | Location::Dead(_) => continue,
            };
            let body = encode(message, self.text[message]);
            expected.push(ReplicaMessage { body, session, sent, failed });
        }
        assert_eq!(self.replica.messages(Q), expected);
        let dead = self
            .messages
            .iter()
            .zip(0..)
            .filter(|(message, _)| matches!(message.location, Location::Dead(_)));
        let dead: BTreeSet<Vec<u8>> = dead.map(|(_, message)| encode(message, self.text[message])).collect();
        let recorded = self.replica.messages(DEAD);
        assert_eq!(recorded.len(), dead.len());
        assert_eq!(recorded.into_iter().map(|message| message.body).collect::<BTreeSet<_>>(), dead);
    }

    /// Removes all consumers. Then takes the remaining messages of the queue and of its dead letter queue. Checks that
    /// each message is where it is expected.
    fn finish(mut self) {
        (0..SLOTS).for_each(|slot| self.unsubscribe(slot));
        self.check_gauges();
        self.check_records();
        let mut taken: [BTreeSet<usize>; 2] = Default::default();
        for (taken, queue) in taken.iter_mut().zip([Q, DEAD]) {
            let receiver = self.fixture.receiver(1);
            let last = self.fixture.subscribe(queue, &receiver, ALL);
            for delivery in receiver.deliveries() {
                let message = decode(&delivery);
                assert!(taken.insert(message), "{message} twice");
                assert_eq!(delivery.message.body(), encode(message, self.text[message]));
                if let Location::Dead(reason) = self.messages[message].location {
                    assert!(headers(&delivery).contains(&format!("dead-reason:{reason}")), "{message}");
                }
                last.settle(&[delivery.tag], Settlement::Accepted, self.now);
            }
        }
        for (message, MessageState { location, .. }) in self.messages.iter().enumerate() {
            let expected =
                [matches!(location, Location::InBacklog(_)), matches!(location, Location::Dead(_))];
            assert_eq!(
                taken.each_ref().map(|taken| taken.contains(&message)),
                expected,
                "{message} {location:?}"
            );
        }
        let metrics = &self.fixture.metrics;
        assert!(self.fixture.broker.is_empty() && self.replica.is_empty());
        assert_eq!(
            (metrics.queue_messages.get(), metrics.queue_bytes.get(), metrics.queues.get()),
            (0, 0, 0)
        );
        assert_eq!((metrics.subscriptions.get(), metrics.outbound_queue_bytes.get()), (0, 0));
        assert_eq!(self.fixture.budget.used(), 0);
    }
}

proptest! {
    #[test]
    fn each_message_is_in_exactly_one_place(ops in prop::collection::vec(op(), 1..120)) {
        let mut harness = Harness::new(1 << 30);
        for op in ops {
            harness.perform(op);
            harness.check_no_consumer_is_idle();
            harness.check_gauges();
            harness.check_records();
        }
        harness.finish();
    }

    /// Uses outbound queues with space for about three messages. Unread deliveries stay in them until the consumer
    /// reads or leaves.
    #[test]
    fn no_message_is_lost_or_duplicated_with_small_outbound_queues(ops in prop::collection::vec(op(), 1..120)) {
        let mut harness = Harness::new(1500);
        for op in ops {
            harness.perform(op);
        }
        harness.finish();
    }
}
