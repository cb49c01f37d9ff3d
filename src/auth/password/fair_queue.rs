//! A queue that serves its clients round robin.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// The address of the client that enqueues an item. `None` if the address is unknown.
pub(crate) type ClientKey = Option<IpAddr>;

/// One queue for each client. The queues are served round robin: one item of the first client, then one of the next. If
/// one address enqueues many items, they delay only that address. An item of another client waits for only one of them.
#[derive(Debug)]
pub(crate) struct FairQueue<T> {
    queues: HashMap<ClientKey, VecDeque<T>>,
    /// The clients that have waiting items, in the order in which they are served.
    order: VecDeque<ClientKey>,
    waiting: usize,
}

impl<T> Default for FairQueue<T> {
    fn default() -> FairQueue<T> {
        FairQueue { queues: HashMap::new(), order: VecDeque::new(), waiting: 0 }
    }
}

impl<T> FairQueue<T> {
    /// Returns the number of waiting items of all clients.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    /// Adds an item at the end of the client's queue.
    pub(crate) fn push(&mut self, client: ClientKey, item: T) {
        let queue = self.queues.entry(client).or_default();
        if queue.is_empty() {
            self.order.push_back(client);
        }
        queue.push_back(item);
        self.waiting += 1;
    }

    /// Removes and returns the first item of the client that is next in round-robin order.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let client = self.order.pop_front()?;
        let queue = self.queues.get_mut(&client)?;
        let item = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&client);
        } else {
            self.order.push_back(client);
        }
        self.waiting -= usize::from(item.is_some());
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_served_round_robin_and_each_in_its_order() {
        let client = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        let mut queue = FairQueue::default();
        for item in ["a1", "a2", "a3", "a4"] {
            queue.push(client(1), item);
        }
        queue.push(client(2), "b1");
        queue.push(None, "c1");
        queue.push(client(2), "b2");
        assert_eq!(queue.len(), 7);
        let served: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(served, ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]);
        assert_eq!((queue.len(), queue.queues.len(), queue.order.len()), (0, 0, 0));
    }
}
