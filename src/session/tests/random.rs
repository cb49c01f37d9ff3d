//! Random sequences of frames, compared with a simple model of the session.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// An event in the life of a random session. Names are small numbers, so that they occur in several events.
#[derive(Clone, Debug)]
enum Event {
    Subscribe { id: u8, topic: bool, mode: u8 },
    Unsubscribe { id: u8 },
    Deliver { subscription: usize },
    Settle { delivery: usize, accepted: bool, transaction: Option<u8> },
    Begin { transaction: u8 },
    Commit { transaction: u8 },
    Abort { transaction: u8 },
    Send { transaction: Option<u8> },
    Complete { index: usize },
    Disconnect,
}

const MODES: [&str; 3] = ["auto", "client", "client-individual"];

fn event() -> impl Strategy<Value = Event> {
    let transaction = || prop_oneof![2 => Just(None), 3 => (0..2_u8).prop_map(Some)];
    prop_oneof![
        24 => (0..4_u8, any::<bool>(), 0..3_u8).prop_map(|(id, topic, mode)| Event::Subscribe { id, topic, mode }),
        6 => (0..4_u8).prop_map(|id| Event::Unsubscribe { id }),
        60 => any::<usize>().prop_map(|subscription| Event::Deliver { subscription }),
        40 => (any::<usize>(), any::<bool>(), transaction())
            .prop_map(|(delivery, accepted, transaction)| Event::Settle { delivery, accepted, transaction }),
        20 => (0..2_u8).prop_map(|transaction| Event::Begin { transaction }),
        10 => (0..2_u8).prop_map(|transaction| Event::Commit { transaction }),
        10 => (0..2_u8).prop_map(|transaction| Event::Abort { transaction }),
        10 => transaction().prop_map(|transaction| Event::Send { transaction }),
        20 => any::<usize>().prop_map(|index| Event::Complete { index }),
        1 => Just(Event::Disconnect),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum DeliveryState {
    Unsettled,
    /// The transaction with this index in the model has reserved the delivery.
    Reserved(usize),
    Removed,
}

#[derive(Debug)]
struct Delivered {
    key: Key,
    number: usize,
    tag: Tag,
    state: DeliveryState,
}

#[derive(Debug)]
struct Subscribed {
    id: u8,
    topic: bool,
    mode: usize,
    active: bool,
    /// Number of deliveries up to now that the client has to settle.
    count: usize,
}

#[derive(Debug)]
enum PendingStep {
    Send,
    Settle { deliveries: Vec<usize>, accepted: bool },
}

#[derive(Debug)]
struct OpenTransaction {
    name: u8,
    pending: Vec<PendingStep>,
    active: bool,
    uncommittable: bool,
}

/// A model of the session. It searches lists from the front and never removes an entry.
#[derive(Debug, Default)]
struct Model {
    /// The key of a subscription is its index plus 1.
    subscriptions: Vec<Subscribed>,
    /// The index of a delivery is a part of its message ID.
    deliveries: Vec<Delivered>,
    transactions: Vec<OpenTransaction>,
    /// The requested receipts. The values say whether the action is complete and whether the receipt was sent.
    receipts: Vec<(String, bool, bool)>,
    leaving: bool,
    closed: bool,
}

/// The result of a frame that the session must reject.
struct MustReject;

impl Model {
    fn subscription(&self, id: u8) -> Option<usize> {
        self.subscriptions.iter().position(|one| one.active && one.id == id)
    }

    fn transaction(&self, name: u8) -> Result<usize, MustReject> {
        self.transactions.iter().position(|one| one.active && one.name == name).ok_or(MustReject)
    }

    /// Returns the action that the session must emit for the frame. Returns an empty text if the frame is complete at
    /// once.
    fn expected_action(&mut self, event: &Event, version: Version) -> Result<String, MustReject> {
        match *event {
            Event::Subscribe { id, .. } if self.subscription(id).is_some() => Err(MustReject),
            Event::Subscribe { id, topic, mode } => {
                let mode = usize::from(mode);
                self.subscriptions.push(Subscribed { id, topic, mode, active: true, count: 0 });
                let kind = if topic { "topic" } else { "queue" };
                Ok(format!("subscribe {} /{kind}/a 250", self.subscriptions.len()))
            }
            Event::Unsubscribe { id } => {
                let Some(index) = self.subscription(id) else { return Ok(String::new()) };
                self.subscriptions[index].active = false;
                for delivered in self.deliveries.iter_mut().filter(|one| one.key as usize == index + 1) {
                    if let DeliveryState::Reserved(serial) = delivered.state {
                        self.transactions[serial].uncommittable |= self.transactions[serial].active;
                    }
                    delivered.state = DeliveryState::Removed;
                }
                Ok(format!("unsubscribe {}", index + 1))
            }
            Event::Settle { delivery, accepted, transaction } => {
                self.settle(delivery, accepted, transaction, version)
            }
            Event::Begin { transaction } if self.transaction(transaction).is_ok() => Err(MustReject),
            Event::Begin { transaction } => {
                self.transactions.push(OpenTransaction {
                    name: transaction,
                    pending: vec![],
                    active: true,
                    uncommittable: false,
                });
                Ok(String::new())
            }
            Event::Commit { transaction } => self.commit(transaction),
            Event::Abort { transaction } => {
                let serial = self.transaction(transaction)?;
                self.transactions[serial].active = false;
                let reserved =
                    self.deliveries.iter_mut().filter(|one| one.state == DeliveryState::Reserved(serial));
                reserved.for_each(|delivered| delivered.state = DeliveryState::Unsettled);
                Ok(String::new())
            }
            Event::Send { transaction: Some(transaction) } => {
                let serial = self.transaction(transaction)?;
                self.transactions[serial].pending.push(PendingStep::Send);
                Ok(String::new())
            }
            Event::Send { transaction: None } => Ok("publish /queue/a".into()),
            Event::Deliver { .. } | Event::Complete { .. } | Event::Disconnect => Ok(String::new()),
        }
    }

    fn settle(
        &mut self,
        index: usize,
        accepted: bool,
        transaction: Option<u8>,
        version: Version,
    ) -> Result<String, MustReject> {
        if !accepted && version == Version::V1_0 {
            return Err(MustReject);
        }
        let Delivered { key, number, state, .. } = self.deliveries[index];
        let id = self.subscriptions[key as usize - 1].id;
        let now = self.subscription(id).map(|index| self.subscriptions[index].mode);
        let mut active = self.subscriptions.iter().filter(|one| one.active).peekable();
        let all_auto = active.peek().is_some() && active.all(|one| one.mode == 0);
        if if version == Version::V1_1 { now == Some(0) } else { all_auto } {
            // The ID now belongs to a subscription in auto mode. Or the frame names no subscription, and all
            // subscriptions are in auto mode.
            return transaction.map_or(Ok(0), |name| self.transaction(name)).map(|_| String::new());
        }
        let serial = transaction.map(|name| self.transaction(name)).transpose()?;
        if state != DeliveryState::Unsettled {
            return Err(MustReject);
        }
        let cumulative = self.subscriptions[key as usize - 1].mode == 1;
        let reached = |one: &Delivered| {
            one.key == key
                && one.state == DeliveryState::Unsettled
                && (one.number == number || cumulative && one.number < number)
        };
        let reached: Vec<_> =
            (0..self.deliveries.len()).filter(|&index| reached(&self.deliveries[index])).collect();
        let state = serial.map_or(DeliveryState::Removed, DeliveryState::Reserved);
        reached.iter().for_each(|&index| self.deliveries[index].state = state);
        match serial {
            Some(serial) => {
                self.transactions[serial].pending.push(PendingStep::Settle { deliveries: reached, accepted });
                Ok(String::new())
            }
            None => Ok(self.settled(&reached, accepted)),
        }
    }

    fn commit(&mut self, name: u8) -> Result<String, MustReject> {
        let serial = self.transaction(name)?;
        let OpenTransaction { active, uncommittable, pending, .. } = &mut self.transactions[serial];
        *active = false;
        if *uncommittable {
            return Err(MustReject);
        }
        let mut steps = Vec::new();
        for pending in std::mem::take(pending) {
            match pending {
                PendingStep::Send => steps.push("publish /queue/a".to_owned()),
                PendingStep::Settle { deliveries, accepted } => {
                    deliveries
                        .iter()
                        .for_each(|&index| self.deliveries[index].state = DeliveryState::Removed);
                    steps.push(self.settled(&deliveries, accepted));
                }
            }
        }
        steps.retain(|step| !step.is_empty());
        Ok(format!("commit [{}]", steps.join("; ")))
    }

    fn settled(&self, places: &[usize], accepted: bool) -> String {
        let tags: Vec<_> =
            places.iter().map(|&index| self.deliveries[index].tag).filter(|&tag| tag != 0).collect();
        let verb = if accepted { "accept" } else { "return" };
        match tags[..] {
            [] => String::new(),
            _ => format!("{verb} {} {tags:?}", self.deliveries[places[0]].key),
        }
    }

    /// Returns the oldest unsettled delivery of each subscription to a queue.
    fn oldest_unsettled(&self) -> Vec<(Key, Tag)> {
        let of_key = |key: Key| {
            self.deliveries.iter().find(move |one| one.key == key && one.state == DeliveryState::Unsettled)
        };
        let active = (1..).zip(&self.subscriptions).filter(|(_, one)| one.active && !one.topic);
        active.filter_map(|(key, _)| of_key(key).map(|one| (key, one.tag))).collect()
    }

    /// Returns the receipts that must be sent now.
    fn receipts(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for (receipt, done, sent) in &mut self.receipts {
            if !*done {
                break;
            }
            if !std::mem::replace(sent, true) {
                lines.push(format!("RECEIPT receipt-id:{receipt}"));
            }
        }
        if self.leaving && self.receipts.iter().all(|(_, done, _)| *done) {
            self.closed = true;
            lines.push("close Disconnected".into());
        }
        lines
    }
}

/// Returns the frame of an event, without its receipt.
fn frame(event: &Event, model: &Model, version: Version) -> String {
    let within =
        |transaction: &Option<u8>| transaction.map_or(String::new(), |name| format!(" transaction:{name}"));
    match event {
        Event::Subscribe { id, topic, mode } => {
            let kind = if *topic { "topic" } else { "queue" };
            format!("SUBSCRIBE id:{id} destination:/{kind}/a ack:{}", MODES[usize::from(*mode)])
        }
        Event::Unsubscribe { id } => format!("UNSUBSCRIBE id:{id}"),
        Event::Settle { delivery, accepted, transaction } => {
            let Delivered { key, number, .. } = model.deliveries[*delivery];
            let name = match version {
                Version::V1_2 => format!("id:s1-{key}-{number}"),
                Version::V1_1 => {
                    format!(
                        "message-id:m{delivery} subscription:{}",
                        model.subscriptions[key as usize - 1].id
                    )
                }
                Version::V1_0 => format!("message-id:m{delivery}"),
            };
            format!("{} {name}{}", if *accepted { "ACK" } else { "NACK" }, within(transaction))
        }
        Event::Begin { transaction } => format!("BEGIN transaction:{transaction}"),
        Event::Commit { transaction } => format!("COMMIT transaction:{transaction}"),
        Event::Abort { transaction } => format!("ABORT transaction:{transaction}"),
        Event::Send { transaction } => format!("SEND destination:/queue/a{}", within(transaction)),
        Event::Disconnect => "DISCONNECT".into(),
        Event::Deliver { .. } | Event::Complete { .. } => unreachable!("no frame"),
    }
}

fn deliver(peer: &mut Peer, model: &mut Model, subscription: usize) {
    let index = subscription % model.subscriptions.len();
    let (key, tag) = (index as Key + 1, model.deliveries.len() as Tag + 1);
    let Subscribed { topic, mode, active, count, .. } = &mut model.subscriptions[index];
    let tag = if *topic { 0 } else { tag };
    let expected = match *active && !model.leaving && !model.closed {
        true => DeliveryAction::Write { settle_when_written: *mode == 0 && !*topic },
        false => DeliveryAction::Skip,
    };
    assert_eq!(peer.deliver(key, tag, &format!("m{}", model.deliveries.len())), expected);
    if expected != DeliveryAction::Skip && *mode != 0 {
        model.deliveries.push(Delivered { key, number: *count, tag, state: DeliveryState::Unsettled });
        *count += 1;
    }
}

fn complete(peer: &mut Peer, model: &mut Model, index: usize) {
    let pending: Vec<_> = (0..model.receipts.len()).filter(|&index| !model.receipts[index].1).collect();
    if pending.is_empty() || model.closed {
        return;
    }
    let (receipt, done, _) = &mut model.receipts[pending[index % pending.len()]];
    *done = true;
    let receipt = receipt.clone();
    peer.complete(&receipt).expect(&model.receipts().join("\n"));
}

fn handle(peer: &mut Peer, model: &mut Model, event: &Event, receipt: Option<String>, version: Version) {
    let receipt_header = receipt.as_ref().map_or(String::new(), |receipt| format!(" receipt:{receipt}"));
    peer.send(&format!("{}{receipt_header}", frame(event, model, version)));
    if model.closed || model.leaving {
        peer.expect("");
        return;
    }
    let suffix = receipt.as_ref().map_or(String::new(), |receipt| format!(" receipt {receipt}"));
    let Ok(expected_action) = model.expected_action(event, version) else {
        model.closed = true;
        let lines = peer.take();
        assert!(
            lines.len() == 2 && lines[0].starts_with("ERROR ") && lines[0].ends_with(&suffix),
            "{lines:?}"
        );
        let is_not_settled = NOT_SETTLED.iter().any(|summary| lines[0] == format!("ERROR {summary}{suffix}"));
        let (closing, lost) = match is_not_settled {
            true => (Closing::NotSettled, Vec::new()),
            false => (Closing::Rejected, model.oldest_unsettled()),
        };
        assert_eq!((&*lines[1], &peer.lost), (&*format!("close {closing:?}"), &lost));
        return;
    };
    model.leaving = matches!(event, Event::Disconnect);
    model.receipts.extend(receipt.map(|receipt| (receipt, expected_action.is_empty(), false)));
    let expected_action =
        if expected_action.is_empty() { expected_action } else { expected_action + &suffix };
    let lines: Vec<_> = [expected_action].into_iter().chain(model.receipts()).collect();
    peer.expect(&lines.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn session_behaves_as_the_model_predicts(
        version in prop::sample::select(&VERSIONS[..]),
        events in prop::collection::vec((event(), any::<bool>()), 0..120),
    ) {
        let mut peer = Peer::connected(version);
        let mut model = Model::default();
        for (at, (event, has_receipt)) in events.into_iter().enumerate() {
            let receipt = has_receipt.then(|| format!("r{at}"));
            match event {
                Event::Deliver { subscription } if !model.subscriptions.is_empty() => {
                    deliver(&mut peer, &mut model, subscription);
                }
                Event::Complete { index } => complete(&mut peer, &mut model, index),
                // A rejected frame ends the session. Leave out most frames that the session would reject, so that some
                // sessions become long.
                Event::Deliver { .. } => {}
                Event::Settle { .. } if model.deliveries.is_empty() => {}
                Event::Settle { delivery, accepted, transaction } => {
                    let delivery = delivery % model.deliveries.len();
                    let event = Event::Settle { delivery, accepted: accepted || version == Version::V1_0, transaction };
                    if at % 8 == 0 || model.is_probably_accepted(&event, version) {
                        handle(&mut peer, &mut model, &event, receipt, version);
                    }
                }
                event if at % 8 == 0 || model.is_probably_accepted(&event, version) => {
                    handle(&mut peer, &mut model, &event, receipt, version);
                }
                _ => {}
            }
        }
        while !model.closed && model.receipts.iter().any(|(_, done, _)| !*done) {
            complete(&mut peer, &mut model, 0);
        }
        peer.expect("");
    }

    #[test]
    fn arbitrary_frames_never_panic_and_close_is_the_last_action(
        version in prop::option::of(prop::sample::select(&VERSIONS[..])),
        frames in prop::collection::vec(random_frame(), 0..40),
        time in prop::collection::vec(0..20_000_u64, 40),
    ) {
        let mut peer = version.map_or_else(|| Peer::new(Options::default()), Peer::connected);
        let mut lines = Vec::new();
        let mut requested = Vec::new();
        for (frame, time) in frames.iter().zip(time) {
            peer.raw(frame).after(time);
            requested.extend(frame.lines().find_map(|line| line.strip_prefix("receipt:")).map(str::to_owned));
            for key in 0..3 {
                peer.deliver(key, Tag::from(key), "m");
            }
            loop {
                let pending: Vec<_> = peer.actions.iter().filter_map(receipt_of).collect();
                let is_authenticating = peer.actions.iter().any(|action| matches!(action, Action::Authenticate(_)));
                lines.extend(peer.take());
                if is_authenticating {
                    peer.accept_login(None);
                }
                for receipt in pending {
                    peer.complete(&receipt.id);
                }
                if peer.actions.is_empty() {
                    break;
                }
            }
        }
        let end = lines.iter().position(|line| line.starts_with("close "));
        prop_assert!(end.is_none_or(|end| end + 1 == lines.len()), "{lines:?}");
        prop_assert!(lines.iter().filter(|line| line.starts_with("ERROR ")).count() <= 1, "{lines:?}");
        let mut requested = requested.into_iter();
        for receipt in lines.iter().filter_map(|line| line.strip_prefix("RECEIPT receipt-id:")) {
            prop_assert!(requested.any(|requested| requested == receipt), "{receipt} is out of order: {lines:?}");
        }
    }
}

impl Model {
    /// Returns whether the session would probably accept the frame. This is a guess. The model decides later.
    fn is_probably_accepted(&self, event: &Event, version: Version) -> bool {
        match *event {
            Event::Subscribe { id, .. } => self.subscription(id).is_none(),
            Event::Unsubscribe { id } => self.subscription(id).is_some(),
            Event::Settle { delivery, accepted, transaction } => {
                (accepted || version > Version::V1_0)
                    && self.deliveries[delivery].state == DeliveryState::Unsettled
                    && transaction.is_none_or(|name| self.transaction(name).is_ok())
            }
            Event::Begin { transaction } => self.transaction(transaction).is_err(),
            Event::Commit { transaction } => {
                self.transaction(transaction).is_ok_and(|serial| !self.transactions[serial].uncommittable)
            }
            Event::Abort { transaction } => self.transaction(transaction).is_ok(),
            Event::Send { transaction } => transaction.is_none_or(|name| self.transaction(name).is_ok()),
            Event::Deliver { .. } | Event::Complete { .. } | Event::Disconnect => true,
        }
    }
}

/// Generates a frame that is sometimes valid, with a header that may make it invalid.
fn random_frame() -> impl Strategy<Value = String> {
    const HEADS: &[&str] = &[
        "CONNECT accept-version:1.1",
        "SEND destination:/topic/a",
        "SEND destination:/queue/a reply-to:/temp-queue/a",
        "SEND destination:/queue/a transaction:t",
        "SEND destination:/temp-queue/a",
        "SUBSCRIBE id:0 destination:/topic/a",
        "SUBSCRIBE id:1 destination:/queue/a ack:client",
        "SUBSCRIBE id:2 destination:/temp-queue/a ack:client-individual",
        "SUBSCRIBE destination:/topic/b.*",
        "UNSUBSCRIBE id:1",
        "UNSUBSCRIBE destination:/topic/b.*",
        "UNSUBSCRIBE id:/temp-queue/a",
        "ACK id:1-0 message-id:m",
        "ACK id:undefined subscription:0",
        "NACK id:2-1 message-id:m transaction:t",
        "BEGIN transaction:t",
        "COMMIT transaction:t",
        "ABORT transaction:t",
        "DISCONNECT",
        "MESSAGE",
    ];
    let extra_headers =
        "id:0 id:1 id:1-0 id:1-1 id:2-0 message-id:m subscription:1 destination:/topic/** destination:x \
                  destination:/temp-queue/~0 reply-to:/temp-queue/b transaction:u ack:x prefetch-count:5 \
                  prefetch-count:0 heart-beat:1000,1000 accept-version:9 selector:x x:\\n x:\\t nothing"
            .split_whitespace()
            .collect::<Vec<_>>();
    let extra_header = prop_oneof![8 => Just(""), 1 => prop::sample::select(extra_headers)];
    let receipt = prop_oneof![2 => Just(""), 1 => prop::sample::select(&["receipt:r1", "receipt:r2"][..])];
    (extra_header, prop::sample::select(HEADS), receipt).prop_map(|(extra_header, head, receipt)| {
        let (command, headers) = head.split_once(' ').unwrap_or((head, ""));
        let lines = [command, extra_header, headers, receipt].join(" ");
        format!("{}\n\n\0", lines.split_whitespace().collect::<Vec<_>>().join("\n"))
    })
}

#[test]
fn random_frames_reach_every_kind_of_action() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..2000 {
        let mut peer = Peer::connected(Version::V1_0);
        for _ in 0..8 {
            let frame =
                random_frame().new_tree(&mut runner).expect("the strategy generates a frame").current();
            let lines = peer.raw(&frame).take();
            seen.extend(lines.iter().filter_map(|line| line.split(' ').next()).map(str::to_owned));
        }
    }
    for kind in ["publish", "subscribe", "unsubscribe", "commit", "open", "RECEIPT", "ERROR", "close"] {
        assert!(seen.contains(kind), "{kind} is never reached: {seen:?}");
    }
}
