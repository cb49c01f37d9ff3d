//! Publishing to users: to all sessions of each user, or to one session.
//!
//! A user's destination, such as `/user/alice/queue/x`, is a topic in a separate family. All sessions of a user
//! subscribe to the same topic. A message to `/user/~ID/queue/x` names a session. If the session has a user, the
//! message is routed to the topic of this user. Only the named session gets the message.

use super::fan_out::FanOutResult;
use super::topic_map::Topics;
use crate::broker::journal::{Record, Ticket};
use crate::broker::published::Published;
use crate::broker::state::BrokerState;
use crate::broker::subscriber::Subscriber;
use crate::command::Publish;
use crate::destination::{Destination, DestinationKind, Owner, UserPath};
use crate::outbound_queue::{Delivery, Message, OutboundQueue, Pushed, SessionId};
use crate::work;
use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Instant;

/// Work of finding the sessions of one user, see [`crate::work`].
pub(crate) const OWNER_WORK: usize = 4;

/// One message on its way to users, and the results so far.
struct UserDelivery<'a> {
    topics: &'a Topics,
    publish: &'a Publish,
    now: Instant,
    /// The message, which is encoded when the first destination with subscribers is found.
    message: Option<Message>,
    result: FanOutResult,
    sessions: usize,
    /// The sessions of the current user that got the message, once for each subscription.
    receivers: Vec<SessionId>,
}

/// Publishes to one user. If `to_session` is given, only this session of the user gets the message.
pub(crate) fn publish(
    shared: &BrokerState,
    destination: &Destination,
    to_session: Option<&str>,
    publish: &Publish,
    now: Instant,
) -> Published {
    let mut delivery = UserDelivery::new(shared, publish, now);
    delivery.send(shared, destination, to_session);
    delivery.into_published()
}

/// Publishes to many users.
pub(crate) fn publish_to_all(
    shared: &BrokerState,
    owners: &[Owner],
    path: &UserPath,
    publish: &Publish,
    now: Instant,
) -> Published {
    let mut delivery = UserDelivery::new(shared, publish, now);
    let mut seen_owners: HashSet<&Owner> = HashSet::with_capacity(owners.len());
    work::add(owners.len() * OWNER_WORK);
    for owner in owners {
        if seen_owners.insert(owner)
            && let Some(destination) = path.of(owner)
        {
            delivery.send(shared, &destination, None);
        }
    }
    delivery.into_published()
}

impl<'a> UserDelivery<'a> {
    fn new(shared: &'a BrokerState, publish: &'a Publish, now: Instant) -> UserDelivery<'a> {
        let topics = shared.family(DestinationKind::User);
        let (result, receivers) = (FanOutResult::default(), Vec::new());
        UserDelivery { topics, publish, now, message: None, result, sessions: 0, receivers }
    }

    fn into_published(self) -> Published {
        Published { sessions: Some(self.sessions), ..self.result.into_published(self.now) }
    }

    /// Pushes the message to one destination. If `to_session` is given, pushes it only to this session.
    fn send(&mut self, shared: &BrokerState, destination: &Destination, to_session: Option<&str>) {
        let (destination, only_session) = match destination.session() {
            Some(id) if to_session.is_some_and(|other| other != id) => return,
            Some(id) => (owner_destination(shared, destination, id), Some(id)),
            None => (Cow::Borrowed(destination), to_session),
        };
        let topics = self.topics;
        let mut ticket = None;
        topics.with_topic(&destination, |topic, patterns| {
            let publish = self.publish;
            let message = self.message.get_or_insert_with(|| shared.context.message(publish)).clone();
            let record = || {
                let destination = &*destination;
                ticket = shared.context.record(|| Record::Published { destination, message: &message });
            };
            let push = |members: &[Subscriber]| self.push(members, only_session, &message);
            let is_closed = topic.with_subscribers(patterns, record, push)?;
            Some(((), is_closed))
        });
        self.result.ticket = Ticket::join(self.result.ticket.take(), ticket);
        self.receivers.sort_unstable();
        self.receivers.dedup();
        self.sessions += self.receivers.len();
        self.result.receivers += self.receivers.len();
        self.receivers.clear();
    }

    fn push(&mut self, members: &[Subscriber], only_session: Option<&str>, message: &Message) {
        for member in members {
            if only_session.is_some_and(|id| !is_session(&member.outbound_queue, id)) {
                continue;
            }
            let delivery = Delivery { message: message.clone(), key: member.key, count: 1, tag: 0 };
            match member.outbound_queue.push(delivery, self.now) {
                Pushed::Accepted => {}
                Pushed::Congested => self.result.congested.push(member.outbound_queue.clone()),
                Pushed::Gone => continue,
            }
            self.result.reached += 1;
            self.receivers.push(member.outbound_queue.session_id());
        }
    }
}

/// Returns the destination that the session with this id subscribes to, given a `destination` like `/user/~ID/…`.
fn owner_destination<'a>(
    shared: &BrokerState,
    destination: &'a Destination,
    id: &str,
) -> Cow<'a, Destination> {
    let owner = shared.sessions.get(id).map(|label| Owner::of(label.user.as_deref(), id));
    let owned = owner.and_then(|owner| destination.of(&owner));
    owned.map_or(Cow::Borrowed(destination), Cow::Owned)
}

fn is_session(outbound_queue: &OutboundQueue, id: &str) -> bool {
    outbound_queue.label().is_some_and(|label| *label.session == *id)
}
