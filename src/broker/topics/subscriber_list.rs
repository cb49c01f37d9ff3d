//! The subscribers of one topic or pattern: a dense list for the hot loop. Adding and removing a subscriber take O(1).

use crate::broker::subscriber::Subscriber;
use crate::budget::{Budget, Charge, allocation};
use slab::Slab;
use std::sync::Arc;

/// The slot of a member. It does not change until the member is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubscriberSlot(usize);

/// A list of subscribers. The members are contiguous and in no particular order. Each member has a slot in a slab,
/// which stores its index.
#[derive(Debug, Default)]
pub(crate) struct SubscriberList {
    members: Vec<Subscriber>,
    /// The information about the member at the same index.
    infos: Vec<SubscriberInfo>,
    /// The index of the member in each slot.
    indexes: Slab<usize>,
    /// The charge for the lists. `None` if they are not charged.
    memory: Option<Charge>,
}

/// Information about a member that publishing does not need.
#[derive(Clone, Copy, Debug)]
struct SubscriberInfo {
    slot: SubscriberSlot,
    /// The time at which the member subscribed, in milliseconds of Unix time.
    since: u64,
}

/// Largest capacity that is not shrunk.
const IDLE_CAPACITY: usize = 16;
/// Capacity of a list when it gets its first entry.
const FIRST_ENTRIES: usize = 4;
/// Bytes of a slab entry.
const SLOT_BYTES: usize = 2 * size_of::<usize>();

impl SubscriberList {
    /// Adds a member that subscribed at `since`, in milliseconds of Unix time.
    pub(crate) fn add(&mut self, member: Subscriber, since: u64) -> SubscriberSlot {
        let slot = SubscriberSlot(self.indexes.insert(self.members.len()));
        self.members.push(member);
        self.infos.push(SubscriberInfo { slot, since });
        self.update_charge();
        slot
    }

    /// Charges the memory of the lists to `share` from now on, until the last member is removed.
    pub(crate) fn charge_to(&mut self, share: &Arc<Budget>) {
        if self.memory.is_none() {
            self.memory = Some(share.charge(self.bytes()));
        }
    }

    /// Returns the bytes of the lists with one subscriber.
    pub(crate) const fn first_bytes() -> usize {
        lists_bytes(FIRST_ENTRIES, FIRST_ENTRIES)
    }

    fn bytes(&self) -> usize {
        lists_bytes(self.members.capacity(), self.indexes.capacity())
    }

    fn update_charge(&mut self) {
        let bytes = self.bytes();
        if let Some(memory) = &mut self.memory {
            memory.resize(bytes);
        }
    }

    /// Removes and returns the member in this slot.
    pub(crate) fn remove(&mut self, slot: SubscriberSlot) -> Subscriber {
        let index = self.indexes.remove(slot.0);
        let member = self.members.swap_remove(index);
        self.infos.swap_remove(index);
        if let Some(moved) = self.infos.get(index) {
            self.indexes[moved.slot.0] = index;
        }
        self.shrink();
        member
    }

    /// Returns all members, in no particular order.
    pub(crate) fn members(&self) -> &[Subscriber] {
        &self.members
    }

    /// Returns all members, each with the time at which it subscribed.
    pub(crate) fn infos(&self) -> impl Iterator<Item = (&Subscriber, u64)> {
        self.members.iter().zip(self.infos.iter().map(|info| info.since))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn shrink(&mut self) {
        if self.members.is_empty() {
            *self = SubscriberList::default();
        } else if self.members.capacity() > IDLE_CAPACITY && self.members.len() < self.members.capacity() / 4
        {
            self.members.shrink_to(self.members.len() * 2);
            self.infos.shrink_to(self.infos.len() * 2);
            // Slots identify members and cannot move, so only unused slots at the end can be freed.
            self.indexes.shrink_to_fit();
            self.update_charge();
        }
    }
}

/// Returns the bytes of lists with these capacities.
const fn lists_bytes(members: usize, indexes: usize) -> usize {
    allocation(members * size_of::<Subscriber>())
        + allocation(members * size_of::<SubscriberInfo>())
        + allocation(indexes * SLOT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::tests::fixture::Fixture;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn each_added_subscriber_is_listed_once_until_it_is_removed(
            choices in prop::collection::vec(any::<u16>(), 1..200),
        ) {
            let fixture = Fixture::new();
            let outbound_queue = fixture.outbound_queue();
            let mut subscribers = SubscriberList::default();
            let mut present: HashMap<u32, SubscriberSlot> = HashMap::new();
            for (key, choice) in (0u32..).zip(choices) {
                let mut keys: Vec<u32> = present.keys().copied().collect();
                keys.sort_unstable();
                if choice % 3 == 0 && !keys.is_empty() {
                    let removed = keys[choice as usize % keys.len()];
                    let member = subscribers.remove(present.remove(&removed).unwrap());
                    prop_assert_eq!(member.key, removed);
                } else {
                    present.insert(key, subscribers.add(Subscriber { outbound_queue: outbound_queue.clone(), key }, 0));
                }
                let mut left: Vec<u32> = subscribers.members().iter().map(|member| member.key).collect();
                left.sort_unstable();
                let mut expected: Vec<u32> = present.keys().copied().collect();
                expected.sort_unstable();
                prop_assert_eq!(left, expected);
            }
            for (_, slot) in present {
                subscribers.remove(slot);
            }
            prop_assert!(subscribers.is_empty());
        }
    }

    #[test]
    fn memory_charge_equals_the_capacity_of_the_lists() {
        let fixture = Fixture::new();
        let (outbound_queue, mut subscribers) = (fixture.outbound_queue(), SubscriberList::default());
        let mut slots = Vec::new();
        for key in 0..1000 {
            slots.push(subscribers.add(Subscriber { outbound_queue: outbound_queue.clone(), key }, 0));
            subscribers.charge_to(&fixture.budget);
            let lists = subscribers.members.capacity() * size_of::<Subscriber>()
                + subscribers.infos.capacity() * size_of::<SubscriberInfo>()
                + subscribers.indexes.capacity() * 16;
            assert_eq!(fixture.budget.used(), lists);
            assert!(key > 0 || lists == SubscriberList::first_bytes());
        }
        while let Some(slot) = slots.pop() {
            subscribers.remove(slot);
            assert_eq!(fixture.budget.used(), subscribers.bytes());
        }
        assert_eq!(fixture.budget.used(), 0);
    }

    #[test]
    fn memory_is_released_as_members_leave() {
        let fixture = Fixture::new();
        let outbound_queue = fixture.outbound_queue();
        let mut subscribers = SubscriberList::default();
        let slots: Vec<SubscriberSlot> = (0..10_000)
            .map(|key| subscribers.add(Subscriber { outbound_queue: outbound_queue.clone(), key }, 0))
            .collect();
        for &slot in &slots[10..] {
            subscribers.remove(slot);
        }
        assert_eq!(subscribers.members().len(), 10);
        assert!(subscribers.members.capacity() < 100 && subscribers.infos.capacity() < 100);
        for &slot in &slots[..10] {
            subscribers.remove(slot);
        }
        assert_eq!((subscribers.members.capacity(), subscribers.indexes.capacity()), (0, 0));
    }
}
