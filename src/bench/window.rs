//! The closed loop: a publisher has only so many messages under way.
//!
//! Messages are counted in groups of about an eighth of the window, for a thousand subscribers would otherwise fight over
//! one counter per message: a group's place is free again when each of its messages has been seen by
//! everybody.

use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// The window of one publisher.
#[derive(Debug)]
pub(super) struct Window {
    /// Messages in a group.
    group: u64,
    /// Deliveries of each message.
    copies: u64,
    /// Deliveries that a group under way still misses.
    missing: Box<[AtomicU64]>,
    freed: Notify,
}

impl Window {
    /// At most `messages` under way, each to be delivered `copies` times.
    pub(super) fn new(messages: usize, copies: usize) -> Window {
        let group = (messages / 8).max(1);
        let places = (messages / group).max(1);
        Window {
            group: group as u64,
            copies: copies as u64,
            missing: (0..places).map(|_| AtomicU64::new(0)).collect(),
            freed: Notify::new(),
        }
    }

    /// Takes a place for message `number`, the next of its publisher; `false` where there is none.
    pub(super) fn take(&self, number: u64) -> bool {
        if !number.is_multiple_of(self.group) {
            return true;
        }
        let place = self.place(number / self.group);
        if place.load(Ordering::Acquire) != 0 {
            return false;
        }
        place.store(self.group * self.copies, Ordering::Release);
        true
    }

    /// The group that a message belongs to.
    pub(super) fn group_of(&self, number: u64) -> u64 {
        number / self.group
    }

    /// Messages of one group have been delivered `count` times.
    pub(super) fn seen(&self, group: u64, count: u64) {
        if self.place(group).fetch_sub(count, Ordering::AcqRel) == count {
            self.freed.notify_one();
        }
    }

    /// Waits until a place has become free since the last time.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    fn place(&self, group: u64) -> &AtomicU64 {
        &self.missing[(group % self.missing.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_window_is_under_way() {
        for messages in [1, 2, 7, 8, 9, 16, 25, 64, 100, 1000] {
            let window = Window::new(messages, 3);
            let under_way = (0..).take_while(|number| window.take(*number)).count();
            assert!(under_way <= messages && under_way * 8 >= messages * 7, "{under_way} of {messages}");
        }
    }

    #[test]
    fn a_place_is_free_when_everybody_has_seen_its_whole_group() {
        let window = Window::new(16, 2);
        assert_eq!((0..).take_while(|number| window.take(*number)).count(), 16);
        window.seen(window.group_of(0), 2);
        window.seen(window.group_of(1), 1);
        window.seen(window.group_of(5), 4);
        assert!(!window.take(16), "the second delivery of message 1 is missing");
        window.seen(window.group_of(1), 1);
        assert!(window.take(16) && window.take(17) && !window.take(18), "the next group is in order");
    }

    #[tokio::test]
    async fn who_waits_is_told_even_when_it_came_late() {
        let window = Window::new(1, 1);
        assert!(window.take(0) && !window.take(1));
        window.seen(0, 1);
        window.freed().await;
        assert!(window.take(1));
    }
}
