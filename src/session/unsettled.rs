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

/// The serial number of a transaction within a session. Clients may reuse the name of a transaction. Serial numbers are
/// unique.
pub(super) type TransactionSerial = NonZeroU64;

/// Capacity in deliveries above which an empty list frees its memory.
const IDLE_DELIVERIES: usize = 32;

/// The part of every `ack` value that identifies the session.
///
/// A client may keep `ack` values when it reconnects. Without this part, a value of the previous connection could
/// identify another delivery on the new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AckPrefix([u8; AckPrefix::BYTES_MAX]);

impl AckPrefix {
    /// Number of hexadecimal digits of the session ID in the prefix. 10 digits are 40 bits.
    const BYTES_MAX: usize = 10;

    /// Returns the prefix for a session: the first bytes of its random ID.
    pub(super) fn of(session: &str) -> AckPrefix {
        let end = session.floor_char_boundary(AckPrefix::BYTES_MAX);
        let mut bytes = [0; AckPrefix::BYTES_MAX];
        bytes[..end].copy_from_slice(&session.as_bytes()[..end]);
        AckPrefix(bytes)
    }

    fn as_bytes(&self) -> &[u8] {
        // If the ID is shorter, the array ends in zeros.
        let end = self.0.iter().position(|&byte| byte == 0).unwrap_or(AckPrefix::BYTES_MAX);
        &self.0[..end]
    }
}

/// The identifier of a delivery within its session. In the `ack` value of a MESSAGE, it follows the [`AckPrefix`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AckId {
    pub(super) key: Key,
    pub(super) number: Number,
}

impl AckId {
    /// Parses an `ack` value. Returns `None` if the value is malformed or belongs to another session.
    pub(super) fn parse(prefix: AckPrefix, text: &str) -> Option<AckId> {
        let numbers = text.as_bytes().strip_prefix(prefix.as_bytes())?.strip_prefix(b"-")?;
        let (key, number) = std::str::from_utf8(numbers).ok()?.split_once('-')?;
        let id = AckId { key: key.parse().ok()?, number: number.parse().ok()? };
        id.is_canonical(prefix, text).then_some(id)
    }

    /// Returns whether `text` is the canonical form of this id, without signs and leading zeros.
    fn is_canonical(self, prefix: AckPrefix, text: &str) -> bool {
        let mut buffer = AckIdBuffer::default();
        *self.format_into(prefix, &mut buffer) == *text
    }

    /// Returns `PREFIX-KEY-NUMBER`, written into `buffer` without an allocation.
    pub(super) fn format_into(self, prefix: AckPrefix, buffer: &mut AckIdBuffer) -> &str {
        buffer.length = 0;
        let numbers = format_args!("-{}-{}", self.key, self.number);
        let written = buffer.push(prefix.as_bytes()).and_then(|()| std::fmt::write(buffer, numbers));
        debug_assert!(written.is_ok(), "the buffer is large enough for every id");
        std::str::from_utf8(&buffer.bytes[..buffer.length]).unwrap_or_default()
    }
}

/// A buffer for the longest `ack` value: a prefix and two numbers with a dash before each. The numbers have at most 10
/// and 20 digits.
#[derive(Debug)]
pub(super) struct AckIdBuffer {
    bytes: [u8; AckPrefix::BYTES_MAX + 32],
    length: usize,
}

impl Default for AckIdBuffer {
    fn default() -> AckIdBuffer {
        AckIdBuffer { bytes: [0; AckPrefix::BYTES_MAX + 32], length: 0 }
    }
}

impl AckIdBuffer {
    fn push(&mut self, bytes: &[u8]) -> Formatted {
        let end = self.length + bytes.len();
        let target = self.bytes.get_mut(self.length..end).ok_or(std::fmt::Error)?;
        target.copy_from_slice(bytes);
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
pub(super) enum DeliveryLookup {
    /// The delivery is unsettled. The value is its index in the list.
    Unsettled(usize),
    /// An open transaction has reserved the delivery.
    Reserved,
    /// The delivery does not exist or is settled.
    NotFound,
}

#[derive(Clone, Copy, Debug)]
struct UnsettledDelivery {
    number: Number,
    tag: Tag,
    /// A hash of the message ID. Unlike the ID, it needs no allocation. The hash function has fixed keys. This is safe,
    /// because the broker creates the IDs, and a client cannot make two of them collide.
    message: u64,
    reserved: Option<TransactionSerial>,
}

/// The unsettled and reserved deliveries of one subscription, oldest first.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    next: Number,
    /// All deliveries in the list with a lower number are reserved. A cumulative ACK can skip them.
    reserved_below: Number,
    deliveries: VecDeque<UnsettledDelivery>,
}

impl Unsettled {
    /// Returns the number of unsettled and reserved deliveries.
    pub(super) fn len(&self) -> usize {
        self.deliveries.len()
    }

    /// Returns the memory of the list in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.deliveries.capacity() * size_of::<UnsettledDelivery>()
    }

    /// Returns the number of deliveries that did not come from a work queue. It is 0 for a subscription to a work
    /// queue, and the number of all deliveries otherwise.
    pub(super) fn broadcasts(&self) -> usize {
        let is_queue = self.deliveries.front().is_some_and(|delivered| delivered.tag != 0);
        if is_queue { 0 } else { self.deliveries.len() }
    }

    /// Records a delivery and returns its number.
    pub(super) fn deliver(&mut self, tag: Tag, message_id: &str) -> Number {
        let number = self.next;
        self.next += 1;
        self.deliveries.push_back(UnsettledDelivery {
            number,
            tag,
            message: fingerprint(message_id),
            reserved: None,
        });
        number
    }

    /// Finds a delivery by its number.
    pub(super) fn by_number(&self, number: Number) -> DeliveryLookup {
        self.position(number).map_or(DeliveryLookup::NotFound, |at| self.lookup(at))
    }

    /// Finds the oldest unsettled delivery of a message. If all are reserved, finds the oldest reserved delivery.
    pub(super) fn by_message(&self, id: &str) -> DeliveryLookup {
        work::add_visits(self.deliveries.len());
        let message = fingerprint(id);
        let positions = || (0..self.deliveries.len()).filter(|&at| self.deliveries[at].message == message);
        let unsettled = positions().find(|&at| self.deliveries[at].reserved.is_none());
        match unsettled.or_else(|| positions().next()) {
            Some(at) => self.lookup(at),
            None => DeliveryLookup::NotFound,
        }
    }

    /// Returns whether the list has a delivery of this message from a queue.
    pub(super) fn has_queue_delivery(&self, id: &str) -> bool {
        work::add_visits(self.deliveries.len());
        let message = fingerprint(id);
        self.deliveries.iter().any(|delivered| delivered.message == message && delivered.tag != 0)
    }

    fn lookup(&self, at: usize) -> DeliveryLookup {
        if self.deliveries[at].reserved.is_some() {
            DeliveryLookup::Reserved
        } else {
            DeliveryLookup::Unsettled(at)
        }
    }

    fn position(&self, number: Number) -> Option<usize> {
        self.deliveries.binary_search_by_key(&number, |delivered| delivered.number).ok()
    }

    /// Removes the deliveries that an ACK or NACK of the delivery at index `at` settles. Returns the tags of those that
    /// came from a queue. Reserved deliveries stay in the list.
    pub(super) fn settle(&mut self, at: usize, scope: AckScope) -> Vec<Tag> {
        // `VecDeque::remove` moves the elements on the shorter side of the removed one.
        work::add_visits(at.min(self.deliveries.len() - at));
        let settled = match scope {
            AckScope::One => self.deliveries.remove(at).into_iter().collect(),
            AckScope::Cumulative => {
                let from = self.first_unreserved(at);
                work::add_visits(at - from);
                let (reserved, settled): (Vec<_>, Vec<_>) =
                    self.deliveries.drain(from..=at).partition(|delivered| delivered.reserved.is_some());
                // Put the reserved deliveries back. Inserting is cheap only at the ends of the list. Rotate the
                // deliveries before `from` to the back, insert at the front, and rotate again.
                self.deliveries.rotate_left(from);
                reserved.into_iter().rev().for_each(|delivered| self.deliveries.push_front(delivered));
                self.deliveries.rotate_right(from);
                settled
            }
        };
        self.shrink_if_empty();
        settled
            .into_iter()
            .map(|delivered: UnsettledDelivery| delivered.tag)
            .filter(|&tag| tag != 0)
            .collect()
    }

    /// Returns the index of the first delivery that a cumulative ACK or NACK of the delivery at `at` may settle.
    fn first_unreserved(&self, at: usize) -> usize {
        self.deliveries.partition_point(|delivered| delivered.number < self.reserved_below).min(at)
    }

    /// Reserves deliveries for a transaction: those that an ACK or NACK of the delivery at index `at` would settle.
    /// Returns the tags of those that came from a queue.
    pub(super) fn reserve(&mut self, at: usize, scope: AckScope, serial: TransactionSerial) -> Vec<Tag> {
        let mut from = at;
        if scope == AckScope::Cumulative {
            from = self.first_unreserved(at);
            work::add_visits(at - from);
            let below = self.deliveries.get(at).map_or(0, |delivered| delivered.number + 1);
            self.reserved_below = self.reserved_below.max(below);
        }
        let unsettled = self.deliveries.range_mut(from..=at).filter(|delivered| delivered.reserved.is_none());
        unsettled
            .map(|delivered| {
                delivered.reserved = Some(serial);
                delivered.tag
            })
            .filter(|&tag| tag != 0)
            .collect()
    }

    /// Releases the reservations of an aborted transaction in one pass. The order of the deliveries does not change.
    pub(super) fn release_reserved(&mut self, serial: TransactionSerial) {
        work::add_visits(self.deliveries.len());
        for delivered in self.deliveries.iter_mut().filter(|delivered| delivered.reserved == Some(serial)) {
            delivered.reserved = None;
            self.reserved_below = self.reserved_below.min(delivered.number);
        }
    }

    /// Removes the deliveries that a committed transaction has reserved, in one pass.
    pub(super) fn settle_reserved(&mut self, serial: TransactionSerial) {
        work::add_visits(self.deliveries.len());
        self.deliveries.retain(|delivered| delivered.reserved != Some(serial));
        self.shrink_if_empty();
    }

    /// Returns the tag of the oldest delivery that is not reserved. A client that processes deliveries in order is
    /// processing this one. Returns `None` if no such delivery exists, or if it did not come from a queue.
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
    fn shrink_if_empty(&mut self) {
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
