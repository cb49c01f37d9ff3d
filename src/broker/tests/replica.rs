//! A journal that rebuilds the contents of all queues from the records alone, as a store does after a restart.

use crate::broker::{Journal, QueueId, Record, RecordedQueue, Ticket, TicketSender};
use crate::command::Settlement;
use crate::outbound_queue::{Message, SessionId, Tag};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};

/// A message as the records describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct ReplicaMessage {
    pub(in crate::broker) body: Vec<u8>,
    /// The session to which the message is outstanding.
    pub(in crate::broker) session: Option<SessionId>,
    /// Number of deliveries.
    pub(in crate::broker) sent: u32,
    /// Number of failed deliveries.
    pub(in crate::broker) failed: u32,
}

/// The contents of all queues. Panics at a record that contradicts the earlier ones.
#[derive(Debug, Default)]
pub(in crate::broker) struct Replica {
    state: Mutex<State>,
    /// Whether each record returns a ticket.
    creates_tickets: bool,
}

#[derive(Debug, Default)]
struct State {
    queues: BTreeMap<(String, QueueId), BTreeMap<Tag, ReplicaMessage>>,
    last_positions: BTreeMap<QueueId, Tag>,
    closed: BTreeSet<QueueId>,
    /// Each record as a line of text.
    lines: Vec<String>,
    /// The tickets that are not completed, by the line of their record.
    pending: Vec<(String, TicketSender)>,
}

impl Replica {
    /// Creates a journal that returns a ticket for each record.
    pub(in crate::broker) fn with_tickets() -> Replica {
        Replica { creates_tickets: true, ..Replica::default() }
    }

    /// Returns the messages of the queue of this name, in order.
    pub(in crate::broker) fn messages(&self, queue: &str) -> Vec<ReplicaMessage> {
        let state = self.state.lock();
        let of_name =
            state.queues.iter().filter(|((name, _), messages)| name == queue && !messages.is_empty());
        let of_name: Vec<_> = of_name.map(|(_, messages)| messages).collect();
        assert!(of_name.len() <= 1, "only one queue of a name has messages: {of_name:?}");
        of_name.into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// Returns the number of queues that have had this name.
    pub(in crate::broker) fn queues(&self, queue: &str) -> usize {
        self.state.lock().queues.keys().filter(|(name, _)| name == queue).count()
    }

    /// Returns whether no queue contains a message.
    pub(in crate::broker) fn is_empty(&self) -> bool {
        self.state.lock().queues.values().all(BTreeMap::is_empty)
    }

    /// Removes and returns the lines of all records.
    pub(in crate::broker) fn take_lines(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().lines)
    }

    /// Completes the ticket of the record with this line.
    pub(in crate::broker) fn confirm(&self, line: &str) {
        let pending = &mut self.state.lock().pending;
        let at = pending.iter().position(|(pending, _)| pending == line);
        let (_, sender) = pending.remove(at.unwrap_or_else(|| panic!("{line:?} in {pending:?}")));
        sender.complete(Ok(()));
    }
}

impl Journal for Replica {
    fn record(&self, record: Record<'_>) -> Option<Ticket> {
        let mut state = self.state.lock();
        let line = line(&record);
        state.apply(record);
        state.lines.push(line.clone());
        self.creates_tickets.then(|| {
            let (sender, ticket) = Ticket::new();
            state.pending.push((line, sender));
            ticket
        })
    }
}

impl State {
    fn apply(&mut self, record: Record<'_>) {
        match record {
            Record::Published { .. } => {}
            Record::Enqueued { queue, position, message } => self.add(queue, position, message),
            Record::Delivered { queue, position, session, count } => {
                let message = self.get(queue, position);
                assert_eq!((message.session, message.sent + 1), (None, count), "{record:?}");
                (message.session, message.sent) = (Some(session), count);
            }
            Record::Settled { queue, positions, settlement } => {
                assert!(!positions.is_empty());
                positions.iter().for_each(|&position| self.settle(queue, position, settlement));
            }
            Record::Requeued { queue, deliveries } => {
                assert!(!deliveries.is_empty());
                for &(position, sent) in deliveries {
                    let message = self.get(queue, position);
                    assert!(message.session.take().is_some(), "{record:?}");
                    message.sent = sent;
                }
            }
            Record::Moved { queue, position, to, to_position, message } => {
                self.remove(queue, position);
                self.add(to, to_position, message);
            }
            Record::Dropped { queue, position } => self.remove(queue, position),
            Record::Closed { queue } => {
                self.contents(queue).clear();
                assert!(self.closed.insert(queue.id), "{record:?}");
            }
        }
    }

    fn contents(&mut self, queue: RecordedQueue<'_>) -> &mut BTreeMap<Tag, ReplicaMessage> {
        assert!(!self.closed.contains(&queue.id), "{queue:?} is closed");
        self.queues.entry((queue.destination.as_str().to_owned(), queue.id)).or_default()
    }

    fn get(&mut self, queue: RecordedQueue<'_>, position: Tag) -> &mut ReplicaMessage {
        let message = self.contents(queue).get_mut(&position);
        message.unwrap_or_else(|| panic!("no message {position} in {queue:?}"))
    }

    fn add(&mut self, queue: RecordedQueue<'_>, position: Tag, message: &Message) {
        let last_position = self.last_positions.entry(queue.id).or_default();
        *last_position += 1;
        assert_eq!(position, *last_position, "of {queue:?}");
        let body = message.body().to_vec();
        let message = ReplicaMessage { body, session: None, sent: 0, failed: 0 };
        self.contents(queue).insert(position, message);
    }

    fn settle(&mut self, queue: RecordedQueue<'_>, position: Tag, settlement: Settlement) {
        let message = self.get(queue, position);
        assert!(message.session.take().is_some(), "message {position} of {queue:?} is not outstanding");
        match settlement {
            Settlement::Accepted => self.remove(queue, position),
            Settlement::Unwritten => message.sent -= 1,
            Settlement::Returned | Settlement::Rejected | Settlement::Lost => message.failed += 1,
        }
    }

    /// Removes a message that is not outstanding.
    fn remove(&mut self, queue: RecordedQueue<'_>, position: Tag) {
        assert_eq!(self.get(queue, position).session, None, "message {position} of {queue:?}");
        self.contents(queue).remove(&position);
    }
}

/// Returns a record as a line of text.
fn line(record: &Record<'_>) -> String {
    let name = |queue: &RecordedQueue<'_>| queue.destination.as_str().to_owned();
    let text = |message: &Message| String::from_utf8_lossy(message.body()).into_owned();
    match record {
        Record::Published { destination, message } => {
            format!("published {} {}", destination.as_str(), text(message))
        }
        Record::Enqueued { queue, position, message } => {
            format!("enqueued {} {position} {}", name(queue), text(message))
        }
        Record::Delivered { queue, position, count, .. } => {
            format!("delivered {} {position} {count}", name(queue))
        }
        Record::Settled { queue, positions, settlement } => {
            format!("settled {} {positions:?} {settlement:?}", name(queue))
        }
        Record::Requeued { queue, deliveries } => format!("requeued {} {deliveries:?}", name(queue)),
        Record::Moved { queue, position, to, to_position, message } => {
            format!("moved {} {position} {} {to_position} {}", name(queue), name(to), text(message))
        }
        Record::Dropped { queue, position } => format!("dropped {} {position}", name(queue)),
        Record::Closed { queue } => format!("closed {}", name(queue)),
    }
}
