//! The unsettled deliveries of one subscription in a client mode.
//!
//! ```text
//!            deliver                    settle (ACK, NACK)
//!  (nothing) -------> unsettled ---------------------------------> (nothing)
//!                       |    ^                                        ^
//!    reserve (ACK, NACK |    | release_reserved       settle_reserved |
//!    in a transaction)  v    | (ABORT)                       (COMMIT) |
//!                      reserved --------------------------------------+
//! ```

use crate::outbound_queue::{Key, Tag};
use crate::work;
use std::collections::VecDeque;
use std::fmt::Result as Formatted;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU64;

/// The number of a delivery within its subscription, counted from 0.
pub(super) type Number = u64;

/// The serial number of a transaction within a session. Clients reuse the names of transactions; serial numbers are
/// never reused.
pub(super) type TransactionSerial = NonZeroU64;

/// Capacity, in deliveries, above which an empty list frees its memory.
const IDLE_DELIVERIES: usize = 32;

/// The part of every `ack` value that identifies the session.
///
/// Clients keep `ack` values when they reconnect. Without this part, a value of the previous connection could identify
/// a different delivery on the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token([u8; Token::BYTES_MAX]);

impl Token {
    /// Number of hexadecimal digits of the random session id in the token: 10 digits are 40 bits.
    const BYTES_MAX: usize = 10;

    /// Returns the token of a session: the first bytes of its random id.
    pub(super) fn of(session: &str) -> Token {
        let end = session.floor_char_boundary(Token::BYTES_MAX);
        let mut bytes = [0; Token::BYTES_MAX];
        bytes[..end].copy_from_slice(&session.as_bytes()[..end]);
        Token(bytes)
    }

    fn as_bytes(&self) -> &[u8] {
        // A shorter id is padded with zeros.
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
    /// Parses an `ack` value: the inverse of [`AckId::spell`]. Returns `None` if it is malformed or belongs to another
    /// session.
    pub(super) fn parse(token: Token, text: &str) -> Option<AckId> {
        let numbers = text.as_bytes().strip_prefix(token.as_bytes())?.strip_prefix(b"-")?;
        let (key, number) = std::str::from_utf8(numbers).ok()?.split_once('-')?;
        let id = AckId { key: key.parse().ok()?, number: number.parse().ok()? };
        id.is_spelled(token, text).then_some(id)
    }

    /// Returns whether `text` is the canonical form of this id, without signs and leading zeros.
    fn is_spelled(self, token: Token, text: &str) -> bool {
        let mut spelling = AckIdBuffer::default();
        *self.spell(token, &mut spelling) == *text
    }

    /// Returns `TOKEN-KEY-NUMBER`, written into `spelling` without an allocation.
    pub(super) fn spell(self, token: Token, spelling: &mut AckIdBuffer) -> &str {
        spelling.length = 0;
        let numbers = format_args!("-{}-{}", self.key, self.number);
        let written = spelling.push(token.as_bytes()).and_then(|()| std::fmt::write(spelling, numbers));
        debug_assert!(written.is_ok(), "a spelling has room for every id");
        std::str::from_utf8(&spelling.octets[..spelling.length]).unwrap_or_default()
    }
}

/// A buffer for the longest `ack` value: a token, then two numbers of at most 10 and 20 digits, each after a dash.
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

/// The deliveries that an ACK or a NACK settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AckScope {
    /// `client` mode: the identified delivery and all earlier ones.
    Cumulative,
    /// `client-individual` mode: the identified delivery only.
    One,
}

/// The state of a delivery that was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The delivery is unsettled and has this index in the list.
    At(usize),
    /// The delivery is reserved by an open transaction.
    Reserved,
    /// The delivery does not exist or is settled.
    Nowhere,
}

#[derive(Clone, Copy, Debug)]
struct Delivered {
    number: Number,
    tag: Tag,
    /// A hash of the message-id. Unlike the id it needs no allocation. The keys of the hash are fixed: the broker
    /// creates the ids, so a client cannot make two of them collide.
    message: u64,
    reserved: Option<TransactionSerial>,
}

/// The unsettled and reserved deliveries of one subscription, oldest first.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    next: Number,
    /// Every delivery below this number is reserved, so that a cumulative ACK can skip these.
    reserved_below: Number,
    deliveries: VecDeque<Delivered>,
}

impl Unsettled {
    /// Returns the number of unsettled and reserved deliveries.
    pub(super) fn len(&self) -> usize {
        self.deliveries.len()
    }

    /// Returns the memory of the list in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.deliveries.capacity() * size_of::<Delivered>()
    }

    /// Returns the number of deliveries that did not come from a queue: all or none, because a subscription is either
    /// to a queue or not.
    pub(super) fn broadcasts(&self) -> usize {
        let is_queue = self.deliveries.front().is_some_and(|delivered| delivered.tag != 0);
        if is_queue { 0 } else { self.deliveries.len() }
    }

    /// Records a delivery and returns its number.
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

    /// Finds a delivery by its number.
    pub(super) fn by_number(&self, number: Number) -> Found {
        self.place(number).map_or(Found::Nowhere, |at| self.standing(at))
    }

    /// Finds the oldest unsettled delivery of a message, or if there is none, a reserved one.
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

    /// Returns whether there is an unsettled or reserved delivery of this message from a queue.
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

    /// Removes the deliveries that an ACK or NACK of the delivery at index `at` settles, and returns the tags of those
    /// that came from a queue. Reserved deliveries stay in the list.
    pub(super) fn settle(&mut self, at: usize, reach: AckScope) -> Vec<Tag> {
        // `VecDeque::remove` moves the elements of the shorter side.
        work::add_visits(at.min(self.deliveries.len() - at));
        let settled = match reach {
            AckScope::One => self.deliveries.remove(at).into_iter().collect(),
            AckScope::Cumulative => {
                let from = self.first_to_look_at(at);
                work::add_visits(at - from);
                let (reserved, settled): (Vec<_>, Vec<_>) =
                    self.deliveries.drain(from..=at).partition(|delivered| delivered.reserved.is_some());
                // Rotates the deliveries before `from` to the back, because inserting is cheap only at the ends of the
                // list.
                self.deliveries.rotate_left(from);
                reserved.into_iter().rev().for_each(|delivered| self.deliveries.push_front(delivered));
                self.deliveries.rotate_right(from);
                settled
            }
        };
        self.rest();
        settled.into_iter().map(|delivered: Delivered| delivered.tag).filter(|&tag| tag != 0).collect()
    }

    /// Returns the index of the first delivery that a cumulative ACK or NACK of the delivery at `at` may settle.
    fn first_to_look_at(&self, at: usize) -> usize {
        self.deliveries.partition_point(|delivered| delivered.number < self.reserved_below).min(at)
    }

    /// Reserves for a transaction the deliveries that an ACK or NACK of the delivery at index `at` would settle, and
    /// returns their numbers.
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

    /// Releases the reservations of an aborted transaction in one pass for all of its frames. The order of the
    /// deliveries does not change.
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

    /// Removes the deliveries that a committed transaction reserved, in one pass for all of its frames.
    pub(super) fn settle_reserved(&mut self, serial: TransactionSerial) {
        work::add_visits(self.deliveries.len());
        self.deliveries.retain(|delivered| delivered.reserved != Some(serial));
        self.rest();
    }

    /// Returns the tag of the oldest delivery that is neither settled nor reserved: a client that processes deliveries
    /// in order is processing this one. Returns `None` if there is no such delivery or if it did not come from a queue.
    pub(super) fn oldest(&self) -> Option<Tag> {
        let oldest = self.deliveries.iter().find(|delivered| delivered.reserved.is_none())?;
        (oldest.tag != 0).then_some(oldest.tag)
    }

    /// Returns the transaction of each reserved delivery. A transaction may occur several times.
    pub(super) fn reserved_by(&self) -> impl Iterator<Item = TransactionSerial> + '_ {
        work::add_visits(self.deliveries.len());
        self.deliveries.iter().filter_map(|delivered| delivered.reserved)
    }

    /// Frees the memory of an empty list that a burst of deliveries has made large.
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
