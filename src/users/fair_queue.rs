//! A queue in which those who want something take turns, however much one of them wants.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// Who wants something: an address, or nobody knows who.
pub(super) type ClientKey = Option<IpAddr>;

/// A line for each client; the next of the first client's line comes out, and then it is the next client's turn. So a flood
/// from one address holds up its own, and others wait for one of its pieces, not for all.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    lines: HashMap<ClientKey, VecDeque<T>>,
    order: VecDeque<ClientKey>,
    waiting: usize,
}

impl<T> Default for FairQueue<T> {
    fn default() -> FairQueue<T> {
        FairQueue { lines: HashMap::new(), order: VecDeque::new(), waiting: 0 }
    }
}

impl<T> FairQueue<T> {
    /// All that waits.
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    /// Puts a piece at the end of the client's line.
    pub(super) fn push(&mut self, client: ClientKey, piece: T) {
        let line = self.lines.entry(client).or_default();
        if line.is_empty() {
            self.order.push_back(client);
        }
        line.push_back(piece);
        self.waiting += 1;
    }

    /// The next piece of the client whose turn it is.
    pub(super) fn pop(&mut self) -> Option<T> {
        let client = self.order.pop_front()?;
        let line = self.lines.get_mut(&client)?;
        let piece = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&client);
        } else {
            self.order.push_back(client);
        }
        self.waiting -= usize::from(piece.is_some());
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parties_take_turns_and_each_is_served_in_its_order() {
        let client = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        let mut turns = FairQueue::default();
        for piece in ["a1", "a2", "a3", "a4"] {
            turns.push(client(1), piece);
        }
        turns.push(client(2), "b1");
        turns.push(None, "c1");
        turns.push(client(2), "b2");
        assert_eq!(turns.len(), 7);
        let served: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(served, ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]);
        assert_eq!((turns.len(), turns.lines.len(), turns.order.len()), (0, 0, 0));
    }
}
