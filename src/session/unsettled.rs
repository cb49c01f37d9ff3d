//! What was delivered to one subscription in a client mode and is not settled.
//!
//! ```text
//!            deliver                    settle (ACK, NACK)
//!  (nothing) -------> unsettled ---------------------------------> (nothing)
//!                       |    ^                                        ^
//!    reserve (ACK, NACK |    | release                settle_reserved |
//!    in a transaction)  v    | (ABORT)                       (COMMIT) |
//!                      reserved --------------------------------------+
//! ```

use crate::outbound_queue::{Key, Tag};
use crate::work;
use std::collections::VecDeque;
use std::fmt::Result as Formatted;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU64;

/// Counts the deliveries of one subscription, from 0.
pub(super) type Number = u64;

/// A transaction, as long as the connection lives: names are used again, serials are not.
pub(super) type TransactionSerial = NonZeroU64;

/// Above this an empty list gives its memory back.
const IDLE_DELIVERIES: usize = 32;

/// The part of every `ack` value that identifies the session.
///
/// Clients keep `ack` values when they reconnect. Without this part, a value of the connection before would name another
/// delivery on the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token([u8; Token::BYTES_MAX]);

impl Token {
    /// Number of hexadecimal digits of the random session id that are kept: 40 bits.
    const BYTES_MAX: usize = 10;

    /// Returns the beginning of the session's id, which is random.
    pub(super) fn of(session: &str) -> Token {
        let end = session.floor_char_boundary(Token::BYTES_MAX);
        let mut bytes = [0; Token::BYTES_MAX];
        bytes[..end].copy_from_slice(&session.as_bytes()[..end]);
        Token(bytes)
    }

    fn as_bytes(&self) -> &[u8] {
        // A shorter id is filled up with zeros.
        let end = self.0.iter().position(|&byte| byte == 0).unwrap_or(Token::BYTES_MAX);
        &self.0[..end]
    }
}

/// The identifier of a delivery within its session. In the `ack` value of a MESSAGE it follows the session's [`Token`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AckId {
    pub(super) key: Key,
    pub(super) number: Number,
}

impl AckId {
    /// Parses an `ack` value, the inverse of [`AckId::spell`]; `None` if it is malformed or another session's.
    pub(super) fn parse(token: Token, text: &str) -> Option<AckId> {
        let numbers = text.as_bytes().strip_prefix(token.as_bytes())?.strip_prefix(b"-")?;
        let (key, number) = std::str::from_utf8(numbers).ok()?.split_once('-')?;
        let id = AckId { key: key.parse().ok()?, number: number.parse().ok()? };
        id.is_spelled(token, text).then_some(id)
    }

    /// Returns whether `text` is exactly the spelling of this id: no sign and no leading zero.
    fn is_spelled(self, token: Token, text: &str) -> bool {
        let mut spelling = AckIdBuffer::default();
        *self.spell(token, &mut spelling) == *text
    }

    /// Returns `TOKEN-KEY-NUMBER`, without an allocation.
    pub(super) fn spell(self, token: Token, spelling: &mut AckIdBuffer) -> &str {
        spelling.length = 0;
        let numbers = format_args!("-{}-{}", self.key, self.number);
        let written = spelling.push(token.as_bytes()).and_then(|()| std::fmt::write(spelling, numbers));
        debug_assert!(written.is_ok(), "a spelling has room for every id");
        std::str::from_utf8(&spelling.octets[..spelling.length]).unwrap_or_default()
    }
}

/// A buffer for the longest `ack` value: a token, ten digits, twenty digits, and a dash before both numbers.
#[derive(Debug)]
pub(super) struct AckIdBuffer {
    octets: [u8; Token::BYTES_MAX + 32],
    length: usize,
}

impl Default for AckIdBuffer {
    fn default() -> AckIdBuffer {
        AckIdBuffer { octets: [0; Token::BYTES_MAX + 32], length: 0 }
    }
}

impl AckIdBuffer {
    fn push(&mut self, bytes: &[u8]) -> Formatted {
        let end = self.length + bytes.len();
        let room = self.octets.get_mut(self.length..end).ok_or(std::fmt::Error)?;
        room.copy_from_slice(bytes);
        self.length = end;
        Ok(())
    }
}

impl std::fmt::Write for AckIdBuffer {
    fn write_str(&mut self, text: &str) -> Formatted {
        self.push(text.as_bytes())
    }
}

/// How far an ACK or a NACK reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AckScope {
    /// `client`: the delivery named, and all before it.
    Cumulative,
    /// `client-individual`: the delivery named.
    One,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Unsettled, at this place of the list.
    At(usize),
    /// An open transaction settles it already.
    Reserved,
    /// It was never made, or is settled.
    Nowhere,
}

#[derive(Clone, Copy, Debug)]
struct Delivered {
    number: Number,
    tag: Tag,
    /// A hash of the message-id, with fixed keys: an id costs an allocation and a hash does not, and ids are
    /// made by the broker, so that no client can make two of them collide.
    message: u64,
    reserved: Option<TransactionSerial>,
}

/// The deliveries, oldest first.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    next: Number,
    /// Every delivery below this number is reserved. A cumulative ACK need not look at these again.
    reserved_below: Number,
    deliveries: VecDeque<Delivered>,
}

impl Unsettled {
    /// Unsettled and reserved deliveries.
    pub(super) fn len(&self) -> usize {
        self.deliveries.len()
    }

    /// Memory of the list.
    pub(super) fn held_bytes(&self) -> usize {
        self.deliveries.capacity() * size_of::<Delivered>()
    }

    /// Returns the number of deliveries that did not come from a queue: all or none, because a subscription is either
    /// to a queue or not.
    pub(super) fn broadcasts(&self) -> usize {
        let is_queue = self.deliveries.front().is_some_and(|delivered| delivered.tag != 0);
        if is_queue { 0 } else { self.deliveries.len() }
    }

    /// Remembers a delivery and numbers it.
    pub(super) fn deliver(&mut self, tag: Tag, message_id: &str) -> Number {
        let number = self.next;
        self.next += 1;
        self.deliveries.push_back(Delivered {
            number,
            tag,
            message: fingerprint(message_id),
            reserved: None,
        });
        number
    }

    /// A delivery by its number.
    pub(super) fn by_number(&self, number: Number) -> Found {
        self.place(number).map_or(Found::Nowhere, |at| self.standing(at))
    }

    /// The oldest unsettled delivery of a message.
    pub(super) fn by_message(&self, id: &str) -> Found {
        work::add_visits(self.deliveries.len());
        let message = fingerprint(id);
        let places = || (0..self.deliveries.len()).filter(|&at| self.deliveries[at].message == message);
        let unsettled = places().find(|&at| self.deliveries[at].reserved.is_none());
        match unsettled.or_else(|| places().next()) {
            Some(at) => self.standing(at),
            None => Found::Nowhere,
        }
    }

    /// Returns whether it holds an unsettled or reserved delivery of the queue message `id`.
    pub(super) fn has_of_queue(&self, id: &str) -> bool {
        work::add_visits(self.deliveries.len());
        let message = fingerprint(id);
        self.deliveries.iter().any(|delivered| delivered.message == message && delivered.tag != 0)
    }

    fn standing(&self, at: usize) -> Found {
        if self.deliveries[at].reserved.is_some() { Found::Reserved } else { Found::At(at) }
    }

    fn place(&self, number: Number) -> Option<usize> {
        self.deliveries.binary_search_by_key(&number, |delivered| delivered.number).ok()
    }

    /// Forgets what an ACK or NACK of the delivery at this place settles, and returns the tags of what came
    /// from a queue. What is reserved stays.
    pub(super) fn settle(&mut self, at: usize, reach: AckScope) -> Vec<Tag> {
        // The list closes a gap from its shorter side.
        work::add_visits(at.min(self.deliveries.len() - at));
        let settled = match reach {
            AckScope::One => self.deliveries.remove(at).into_iter().collect(),
            AckScope::Cumulative => {
                let from = self.first_to_look_at(at);
                work::add_visits(at - from);
                let (reserved, settled): (Vec<_>, Vec<_>) =
                    self.deliveries.drain(from..=at).partition(|delivered| delivered.reserved.is_some());
                // Rotates the deliveries before `from` to the back, since only the ends of the list grow cheaply.
                self.deliveries.rotate_left(from);
                reserved.into_iter().rev().for_each(|delivered| self.deliveries.push_front(delivered));
                self.deliveries.rotate_right(from);
                settled
            }
        };
        self.rest();
        settled.into_iter().map(|delivered: Delivered| delivered.tag).filter(|&tag| tag != 0).collect()
    }

    /// Returns the place of the first delivery that a cumulative ACK or NACK of the delivery at `at` may settle.
    fn first_to_look_at(&self, at: usize) -> usize {
        self.deliveries.partition_point(|delivered| delivered.number < self.reserved_below).min(at)
    }

    /// Reserves for a transaction what an ACK or NACK of the delivery at this place would settle.
    pub(super) fn reserve(&mut self, at: usize, reach: AckScope, serial: TransactionSerial) -> Vec<Number> {
        let mut from = at;
        if reach == AckScope::Cumulative {
            from = self.first_to_look_at(at);
            work::add_visits(at - from);
            let below = self.deliveries.get(at).map_or(0, |delivered| delivered.number + 1);
            self.reserved_below = self.reserved_below.max(below);
        }
        let unsettled = self.deliveries.range_mut(from..=at).filter(|delivered| delivered.reserved.is_none());
        unsettled
            .map(|delivered| {
                delivered.reserved = Some(serial);
                delivered.number
            })
            .collect()
    }

    /// Releases all reservations of an aborted transaction in one pass. The deliveries keep their places.
    pub(super) fn release_reserved(&mut self, serial: TransactionSerial) {
        work::add_visits(self.deliveries.len());
        for delivered in self.deliveries.iter_mut().filter(|delivered| delivered.reserved == Some(serial)) {
            delivered.reserved = None;
            self.reserved_below = self.reserved_below.min(delivered.number);
        }
    }

    /// Returns the tags of the deliveries with these `numbers` that came from a queue.
    pub(super) fn tags(&self, numbers: &[Number]) -> Vec<Tag> {
        work::add_visits(numbers.len());
        let places = numbers.iter().filter_map(|&number| self.place(number));
        places.map(|at| self.deliveries[at].tag).filter(|&tag| tag != 0).collect()
    }

    /// Removes the deliveries that a committed transaction reserved. It takes one pass for all frames of the
    /// transaction.
    pub(super) fn settle_reserved(&mut self, serial: TransactionSerial) {
        work::add_visits(self.deliveries.len());
        self.deliveries.retain(|delivered| delivered.reserved != Some(serial));
        self.rest();
    }

    /// Returns the tag of the oldest delivery that is neither settled nor reserved. A client that works in order is
    /// working on it. `None` without such a delivery, or if it did not come from a queue.
    pub(super) fn oldest(&self) -> Option<Tag> {
        let oldest = self.deliveries.iter().find(|delivered| delivered.reserved.is_none())?;
        (oldest.tag != 0).then_some(oldest.tag)
    }

    /// The transactions that have reserved something, with repetitions.
    pub(super) fn reserved_by(&self) -> impl Iterator<Item = TransactionSerial> + '_ {
        work::add_visits(self.deliveries.len());
        self.deliveries.iter().filter_map(|delivered| delivered.reserved)
    }

    /// A burst that is over leaves nothing behind.
    fn rest(&mut self) {
        if self.deliveries.is_empty() && self.deliveries.capacity() > IDLE_DELIVERIES {
            self.deliveries = VecDeque::new();
        }
    }
}

fn fingerprint(message_id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    message_id.hash(&mut hasher);
    hasher.finish()
}
