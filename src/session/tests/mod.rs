//! Tests of sessions as transcripts of `peer.send(…)` and `peer.expect(…)`, with a clock that the tests advance.

mod access;
mod acknowledgements;
mod connecting;
mod endings;
mod extensions;
mod heart_beats;
mod random;
mod receipts;
mod sending;
mod subscribing;
mod temporary;
mod transacting;
mod users;

use super::*;
use crate::auth::{LoginError, Principal};
use crate::budget::Budget;
use crate::command::{Audience, Publish, Settle, Settlement, Step, Subscribe};
use crate::operations::{self, Addresses, Client};
use crate::outbound_queue::{Delivery, Key, Message, Tag};
use crate::rejection::{Code, Limit, Rejection};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use stompbox_frames::message::MessageParts;
use stompbox_frames::stomp::{Command, Decoder, Frame, Headers, HeartBeat, Limits, Version};

pub(super) const VERSIONS: [Version; 3] = [Version::V1_0, Version::V1_1, Version::V1_2];

/// Summaries of the ERRORs that reject an acknowledgement or a COMMIT ([`Closing::NotSettled`]).
const NOT_SETTLED: [&str; 4] = [
    "nothing to settle",
    "already in a transaction",
    "ambiguous message-id",
    "transaction cannot be committed",
];

/// A simulated client with its session, and the actions that the test has not checked yet.
pub(super) struct Peer {
    pub(super) session: Session,
    decoder: Decoder,
    pub(super) now: Instant,
    actions: Vec<Action>,
    /// The pending receipts, in order.
    receipts: Vec<Receipt>,
    /// The body of the last ERROR.
    pub(super) detail: String,
    /// The start of the last MESSAGE, with its lines separated by spaces.
    pub(super) prefix: String,
    /// Deliveries that the client was processing when it was lost.
    pub(super) lost: Vec<(Key, Tag)>,
}

impl Peer {
    /// Creates a peer that has not sent CONNECT.
    pub(super) fn new(options: Options) -> Peer {
        Peer::with_operations(options, operations::Options::default())
    }

    pub(super) fn with_operations(options: Options, operations: operations::Options) -> Peer {
        let now = Instant::now();
        let made = AtomicUsize::new(0);
        let addresses: Addresses = Box::new(move || format!("~{}", made.fetch_add(1, Ordering::Relaxed)));
        let limits = Limits {
            frame_bytes_max: 1 << 20,
            header_count_max: 100,
            header_bytes_max: 1 << 16,
            to_bytes_max: 0,
        };
        Peer {
            session: Session::new(
                Arc::new(options),
                Client::new(Arc::new(operations), "s1".into(), Arc::new(addresses)),
                now,
            ),
            decoder: Decoder::new(limits),
            now,
            actions: Vec::new(),
            receipts: Vec::new(),
            detail: String::new(),
            prefix: String::new(),
            lost: Vec::new(),
        }
    }

    /// Creates a connected peer with default options and without heartbeats.
    pub(super) fn connected(version: Version) -> Peer {
        Peer::connected_with(version, Options::default())
    }

    pub(super) fn connected_with(version: Version, options: Options) -> Peer {
        Peer::new(options).signed_in(version)
    }

    fn signed_in(mut self, version: Version) -> Peer {
        self.send(&format!("CONNECT accept-version:{}", version.as_str()));
        self.accept_login(None);
        self.take();
        self
    }

    /// Creates a connected, authenticated peer of version 1.2. It has the role `role`, or no role if `role` is empty.
    pub(super) fn user(name: &str, role: &str) -> Peer {
        let mut peer = Peer::new(Options::default());
        peer.send("CONNECT accept-version:1.2");
        let roles = [role].into_iter().filter(|role| !role.is_empty()).map(Box::from).collect();
        peer.accept_login_as(Principal { roles, ..Principal::named(name, "test") }).take();
        peer
    }

    /// Creates a connected peer of version 1.2. `limit` changes its default options.
    pub(super) fn limited(limit: impl FnOnce(&mut Options)) -> Peer {
        let mut options = Options::default();
        limit(&mut options);
        Peer::connected_with(Version::V1_2, options)
    }

    /// Creates a connected peer of version 1.2. `limit` changes the default options of its requests.
    pub(super) fn limited_operations(limit: impl FnOnce(&mut operations::Options)) -> Peer {
        let mut options = operations::Options::default();
        limit(&mut options);
        Peer::with_operations(Options::default(), options).signed_in(Version::V1_2)
    }

    /// Sends frames, one per line. Each word is a line of the frame's head, and the text after ` = ` is the body.
    pub(super) fn send(&mut self, frames: &str) -> &mut Peer {
        for frame in frames.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (head, body) = frame.split_once(" = ").unwrap_or((frame, ""));
            self.raw(&format!("{}\n\n{body}\0", head.replace(' ', "\n")));
        }
        self
    }

    /// Sends one frame, in which `_` stands for a space.
    pub(super) fn send_with_spaces(&mut self, frame: &str) -> &mut Peer {
        let (head, body) = frame.split_once(" = ").unwrap_or((frame, ""));
        let head: Vec<_> = head.split(' ').collect();
        let token = head.join("\n").replace("Bearer_", "Bearer ");
        self.raw(&format!("{token}\n\n{}\0", body.replace('_', " ")))
    }

    /// Sends bytes unchanged.
    pub(super) fn raw(&mut self, text: &str) -> &mut Peer {
        self.decoder.feed(text.as_bytes());
        self.session.note_input(self.now);
        loop {
            match self.decoder.next() {
                Ok(Some(frame)) => {
                    self.run_deferred_steps();
                    let handled = self.actions.len();
                    self.session.handle(frame, self.now, &mut self.actions);
                    self.receipts.extend(self.actions[handled..].iter().filter_map(receipt_of));
                    self.run_deferred_steps();
                }
                Ok(None) => break,
                Err(error) => {
                    self.session.malformed(&error, &mut self.actions);
                    break;
                }
            }
        }
        self
    }

    fn run_deferred_steps(&mut self) {
        while self.session.has_deferred_work() {
            self.session.run_deferred_step();
        }
    }

    pub(super) fn accept_login(&mut self, user: Option<&str>) -> &mut Peer {
        self.accept_login_as(user.map_or_else(Principal::anonymous, |name| Principal::named(name, "test")))
    }

    pub(super) fn accept_login_as(&mut self, principal: Principal) -> &mut Peer {
        self.session.authenticated(Ok(principal), Arc::default(), self.now, &mut self.actions);
        self.decoder.set_version(self.session.version());
        self
    }

    pub(super) fn complete(&mut self, receipt: &str) -> &mut Peer {
        let receipt = self.receipt(receipt);
        self.session.complete(Some(receipt), &[], &mut self.actions);
        self
    }

    /// Removes and returns the oldest pending receipt with this value. Returns a receipt that is not pending if there is
    /// none.
    pub(super) fn receipt(&mut self, id: &str) -> Receipt {
        match self.receipts.iter().position(|receipt| *receipt.id == *id) {
            Some(at) => self.receipts.remove(at),
            None => id.into(),
        }
    }

    pub(super) fn close_with_error(&mut self, receipt: Option<&str>, closing: Closing) -> &mut Peer {
        let reject = ErrorReply { summary: "no", detail: "Because." };
        self.session.close_with_error(receipt.map(Receipt::from), reject, closing, &mut self.actions);
        self
    }

    /// Advances the clock and lets due timers expire.
    pub(super) fn after(&mut self, milliseconds: u64) -> &mut Peer {
        self.now += Duration::from_millis(milliseconds);
        self.session.expire(self.now, &mut self.actions);
        self
    }

    /// Returns the milliseconds until the deadline of the session.
    pub(super) fn until_deadline(&self) -> Option<u128> {
        self.session.deadline().map(|deadline| (deadline - self.now).as_millis())
    }

    /// Delivers a message with the message-id `id` to a subscription.
    pub(super) fn deliver(&mut self, key: Key, tag: Tag, id: &str) -> DeliveryAction {
        self.redeliver(key, tag, id, 1)
    }

    pub(super) fn redeliver(&mut self, key: Key, tag: Tag, id: &str, count: u32) -> DeliveryAction {
        let mut prefix = BytesMut::new();
        let delivery = self.session.deliver(&delivery(key, tag, id, count), &mut prefix);
        self.prefix = String::from_utf8_lossy(&prefix).trim_end().replace('\n', " ");
        delivery
    }

    /// Returns the actions since the last call, one line each. Lost deliveries go to `lost` instead.
    pub(super) fn take(&mut self) -> Vec<String> {
        let mut actions = std::mem::take(&mut self.actions);
        if let Some(at) = actions.iter().position(|action| matches!(action, Action::Lost(_)))
            && let Action::Lost(lost) = actions.remove(at)
        {
            assert!(matches!(actions.get(at), Some(Action::Close(_))), "{actions:?}");
            self.lost = lost;
        }
        actions.iter().map(|action| self.line(action)).collect()
    }

    /// Asserts the actions since the last check, one line per action.
    #[track_caller]
    pub(super) fn expect(&mut self, expected: &str) -> &mut Peer {
        let expected: Vec<_> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert_eq!(self.take(), expected, "{}", self.detail);
        self
    }

    /// Asserts that the session has ended with an ERROR of this summary.
    #[track_caller]
    pub(super) fn expect_error(&mut self, summary: &str) -> &mut Peer {
        let closing = if NOT_SETTLED.contains(&summary) { Closing::NotSettled } else { Closing::Rejected };
        self.expect(&format!("ERROR {summary}\nclose {closing:?}"))
    }

    /// Asserts that the session has ended because of a limit, with a hint about its option.
    #[track_caller]
    pub(super) fn expect_limit(&mut self, option: &str, summary: &str) -> &mut Peer {
        self.expect(&format!("limit {option}\nERROR {summary}\nclose Limit({option:?})"));
        assert!(self.detail.contains(&format!("`{option}`")), "{}", self.detail);
        self
    }

    /// Asserts that the session has ended because of a limit that the broker enforces. The broker's own text contains
    /// the remedy.
    #[track_caller]
    pub(super) fn expect_limit_without_remedy(&mut self, option: &str, summary: &str) -> &mut Peer {
        self.expect(&format!("limit {option}\nERROR {summary}\nclose Limit({option:?})"))
    }

    fn line(&mut self, action: &Action) -> String {
        match action {
            Action::Write(frame) => self.written_frame(frame),
            Action::HeartBeat => "heart-beat".into(),
            Action::Authenticate(credentials) => {
                let passcode = credentials.passcode.as_ref().map(crate::auth::Secret::reveal);
                format!("authenticate {:?} {passcode:?}", credentials.login)
            }
            Action::Agent(agent) => format!("agent {agent}"),
            Action::Renew { credentials, receipt } => {
                let token = credentials.token().unwrap_or("nothing");
                format!("renew {token}{}", receipt_suffix(receipt))
            }
            Action::AccessDenied(denial) => {
                format!("denied {} {}: {}", denial.verb, denial.destination, denial.rule)
            }
            Action::Report(publish) => {
                assert_eq!(only_session(publish), Some("s1"), "reports are for one session");
                assert_eq!(&*publish.destination_header, "/user/queue/errors");
                let extra = publish.extra.iter().filter(|(name, _)| *name != "content-type");
                let extra: Vec<_> = extra.map(|(name, value)| format!("{name}:{value}")).collect();
                format!("report {}", extra.join(" "))
            }
            Action::Established(version) => format!("established {}", version.as_str()),
            Action::OpenTemp(address) => format!("open {}", address.as_str()),
            Action::Publish { publish, receipt } => {
                format!("{}{}", publish_line(publish), receipt_suffix(receipt))
            }
            Action::Subscribe { subscribe: Subscribe { key, selector, options }, receipt } => {
                let names = if options.presence_names { " names" } else { "" };
                let bytes = match options.prefetch_bytes {
                    bytes if bytes == Options::default().prefetch_bytes => String::new(),
                    bytes => format!(" bytes {bytes}"),
                };
                format!(
                    "subscribe {key} {} {}{bytes}{names}{}",
                    selector.as_str(),
                    options.prefetch,
                    receipt_suffix(receipt)
                )
            }
            Action::Unsubscribe { key, receipt } => format!("unsubscribe {key}{}", receipt_suffix(receipt)),
            Action::Settle { settle, receipt } => {
                format!("{}{}", settle_line(settle), receipt_suffix(receipt))
            }
            Action::Commit { steps, receipt } => {
                let steps = steps.iter().map(|step| match step {
                    Step::Publish(publish) => publish_line(publish),
                    Step::Settle(settle) => settle_line(settle),
                });
                format!("commit [{}]{}", steps.collect::<Vec<_>>().join("; "), receipt_suffix(receipt))
            }
            Action::IgnoredHeader { name, .. } => format!("ignored {name}"),
            Action::Limit(option) => format!("limit {option}"),
            Action::Lost(lost) => format!("lost {lost:?}"),
            Action::Close(Closing::Limit(limit)) => format!("close Limit({:?})", limit.option()),
            Action::Close(closing) => format!("close {closing:?}"),
        }
    }

    /// Returns the head of a frame as one line, in which words stand for its lines. For an ERROR, returns the summary
    /// and the receipt instead.
    fn written_frame(&mut self, frame: &Bytes) -> String {
        let text = String::from_utf8(frame.to_vec()).expect("a control frame is text");
        let text = text.strip_suffix("\0\n").expect("a frame ends in NUL LF");
        let (head, body) = text.split_once("\n\n").expect("a frame has a blank line");
        if !head.starts_with("ERROR\n") {
            return head.replace('\n', " ");
        }
        self.detail = body.to_owned();
        assert!(head.contains("\ncontent-type:text/plain"), "{head}");
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let receipt = header("receipt-id:").map_or(String::new(), |receipt| format!(" receipt {}", receipt));
        format!("ERROR {}{receipt}", header("message:").unwrap_or("(none)"))
    }
}

/// Returns a delivery of a message to a subscription.
pub(super) fn delivery(key: Key, tag: Tag, id: &str, count: u32) -> Delivery {
    let parts = MessageParts {
        id,
        destination: "/topic/a",
        headers: &Headers::default(),
        extra: &[],
        body: b"hello",
    };
    let budget = Budget::new(1 << 20);
    Delivery { message: Message::new(parts, |bytes| budget.charge(bytes)), key, count, tag }
}

fn publish_line(publish: &Publish) -> String {
    let Publish { audience, destination_header, extra, body, .. } = publish;
    let to = match audience {
        Audience::One(destination) | Audience::Session(destination, _) => destination.as_str().to_owned(),
        Audience::Users(owners, path) => {
            let owners: Vec<_> = owners.iter().map(crate::destination::Owner::as_str).collect();
            format!("[{}] {}", owners.join(" "), path.as_str())
        }
    };
    let header =
        if **destination_header == *to { String::new() } else { format!(" as {destination_header}") };
    let extra: String = extra.iter().map(|(name, value)| format!(" {name}:{value}")).collect();
    let only = only_session(publish).map_or(String::new(), |session| format!(" only {session}"));
    let body = String::from_utf8_lossy(body);
    let body = if body.is_empty() { String::new() } else { format!(" = {body}") };
    format!("publish {to}{header}{extra}{only}{body}")
}

/// Returns the ID of the session that the message is for, if it is for one session only.
fn only_session(publish: &Publish) -> Option<&str> {
    match &publish.audience {
        Audience::Session(_, session) => Some(session),
        Audience::One(_) | Audience::Users(..) => None,
    }
}

fn settle_line(settle: &Settle) -> String {
    let verb = match settle.settlement {
        Settlement::Accepted => "accept",
        Settlement::Returned => "return",
        Settlement::Rejected => "reject",
        Settlement::Lost | Settlement::Unwritten => panic!("a client cannot request {settle:?}"),
    };
    format!("{verb} {} {:?}", settle.key, settle.tags)
}

/// Returns the receipt that the action completes.
pub(super) fn receipt_of(action: &Action) -> Option<Receipt> {
    match action {
        Action::Publish { receipt, .. }
        | Action::Subscribe { receipt, .. }
        | Action::Unsubscribe { receipt, .. }
        | Action::Settle { receipt, .. }
        | Action::Renew { receipt, .. }
        | Action::Commit { receipt, .. } => receipt.clone(),
        _ => None,
    }
}

fn receipt_suffix(receipt: &Option<Receipt>) -> String {
    receipt.as_ref().map_or(String::new(), |receipt| format!(" receipt {}", receipt.id))
}
