//! The window of a closed loop: limits the number of a publisher's messages in flight.
//!
//! The window counts messages in groups of about an eighth of its size. Otherwise a thousand subscribers would contend
//! for one counter per message. Each group takes a slot of the window. The slot is free again when all receivers have
//! received all messages of the group.

use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// The window of one publisher.
#[derive(Debug)]
pub(in crate::bench) struct Window {
    /// Number of messages in a group.
    group: u64,
    /// Number of deliveries of each message.
    copies: u64,
    /// For each slot, the number of missing deliveries of its group.
    missing: Box<[AtomicU64]>,
    freed: Notify,
}

impl Window {
    /// Creates a window for at most `messages` messages in flight. Each message is delivered `copies` times.
    pub(in crate::bench) fn new(messages: usize, copies: usize) -> Window {
        let group = (messages / 8).max(1);
        let slots = (messages / group).max(1);
        Window {
            group: group as u64,
            copies: copies as u64,
            missing: (0..slots).map(|_| AtomicU64::new(0)).collect(),
            freed: Notify::new(),
        }
    }

    /// Takes a slot if `number`, the number of the publisher's next message, is the first of its group. Returns `false`
    /// if no slot is free.
    pub(in crate::bench) fn try_take(&self, number: u64) -> bool {
        if !number.is_multiple_of(self.group) {
            return true;
        }
        let slot = self.slot(number / self.group);
        if slot.load(Ordering::Acquire) != 0 {
            return false;
        }
        slot.store(self.group * self.copies, Ordering::Release);
        true
    }

    /// Returns the group of a message.
    pub(in crate::bench) fn group_of(&self, number: u64) -> u64 {
        number / self.group
    }

    /// Records `count` deliveries of messages of one group.
    pub(in crate::bench) fn record_deliveries(&self, group: u64, count: u64) {
        if self.slot(group).fetch_sub(count, Ordering::AcqRel) == count {
            self.freed.notify_one();
        }
    }

    /// Waits until a slot has been freed since the last call.
    pub(in crate::bench) async fn freed(&self) {
        self.freed.notified().await;
    }

    fn slot(&self, group: u64) -> &AtomicU64 {
        &self.missing[(group % self.missing.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_in_flight_never_exceed_the_window() {
        for messages in [1, 2, 7, 8, 9, 16, 25, 64, 100, 1000] {
            let window = Window::new(messages, 3);
            let in_flight = (0..).take_while(|number| window.try_take(*number)).count();
            assert!(in_flight <= messages && in_flight * 8 >= messages * 7, "{in_flight} of {messages}");
        }
    }

    #[test]
    fn group_is_freed_after_every_subscriber_has_seen_it() {
        let window = Window::new(16, 2);
        assert_eq!((0..).take_while(|number| window.try_take(*number)).count(), 16);
        window.record_deliveries(window.group_of(0), 2);
        window.record_deliveries(window.group_of(1), 1);
        window.record_deliveries(window.group_of(5), 4);
        assert!(!window.try_take(16), "the second delivery of message 1 is missing");
        window.record_deliveries(window.group_of(1), 1);
        assert!(
            window.try_take(16) && window.try_take(17) && !window.try_take(18),
            "the next group is in order"
        );
    }

    #[tokio::test]
    async fn freed_completes_even_if_a_slot_was_freed_before_the_call() {
        let window = Window::new(1, 1);
        assert!(window.try_take(0) && !window.try_take(1));
        window.record_deliveries(0, 1);
        window.freed().await;
        assert!(window.try_take(1));
    }
}
