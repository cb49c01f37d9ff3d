//! The subscribers of one topic or pattern: dense for the hot loop, with O(1) coming and going.

use super::Subscriber;
use crate::budget::{Budget, Charge, allocation};
use slab::Slab;
use std::sync::Arc;

/// A member's slot; its own until it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SubscriberSlot(usize);

/// Members lie side by side in no particular order; a slab of slots tells where each lies.
#[derive(Debug, Default)]
pub(super) struct SubscriberList {
    members: Vec<Subscriber>,
    /// The info of the member at the same index.
    infos: Vec<SubscriberInfo>,
    /// Seat to index.
    places: Slab<usize>,
    /// The charge for the lists; `None` if the memory is not accounted for.
    memory: Option<Charge>,
}

/// What is known of a member and no publisher asks.
#[derive(Clone, Copy, Debug)]
struct SubscriberInfo {
    slot: SubscriberSlot,
    /// When it came, in milliseconds of Unix time.
    since: u64,
}

/// Capacity below which nothing is given back.
const SMALL: usize = 16;
/// Capacity of a list when it gets its first entry.
const FIRST_ENTRIES: usize = 4;
/// Bytes of an entry of the slab.
const PLACE_BYTES: usize = 2 * size_of::<usize>();

impl SubscriberList {
    /// Takes a member in that comes at `since`, in milliseconds of Unix time.
    pub(super) fn add(&mut self, member: Subscriber, since: u64) -> SubscriberSlot {
        let slot = SubscriberSlot(self.places.insert(self.members.len()));
        self.members.push(member);
        self.infos.push(SubscriberInfo { slot, since });
        self.recharge();
        slot
    }

    /// Charges the memory of the lists to `share` from now on, until the last member has left.
    pub(super) fn charge_to(&mut self, share: &Arc<Budget>) {
        if self.memory.is_none() {
            self.memory = Some(share.charge(self.bytes()));
        }
    }

    /// Returns the bytes of the lists with one subscriber.
    pub(super) const fn first_bytes() -> usize {
        lists_bytes(FIRST_ENTRIES, FIRST_ENTRIES)
    }

    fn bytes(&self) -> usize {
        lists_bytes(self.members.capacity(), self.places.capacity())
    }

    fn recharge(&mut self) {
        let bytes = self.bytes();
        if let Some(memory) = &mut self.memory {
            memory.resize(bytes);
        }
    }

    /// Lets the member go whose slot this is.
    pub(super) fn remove(&mut self, slot: SubscriberSlot) -> Subscriber {
        let place = self.places.remove(slot.0);
        let member = self.members.swap_remove(place);
        self.infos.swap_remove(place);
        if let Some(moved) = self.infos.get(place) {
            self.places[moved.slot.0] = place;
        }
        self.shrink();
        member
    }

    /// All of them.
    pub(super) fn members(&self) -> &[Subscriber] {
        &self.members
    }

    /// All of them, and since when they are there.
    pub(super) fn infos(&self) -> impl Iterator<Item = (&Subscriber, u64)> {
        self.members.iter().zip(self.infos.iter().map(|info| info.since))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn shrink(&mut self) {
        if self.members.is_empty() {
            *self = SubscriberList::default();
        } else if self.members.capacity() > SMALL && self.members.len() < self.members.capacity() / 4 {
            self.members.shrink_to(self.members.len() * 2);
            self.infos.shrink_to(self.infos.len() * 2);
            // Seats are names and cannot move; what is free at the end can go.
            self.places.shrink_to_fit();
            self.recharge();
        }
    }
}

/// Returns the bytes of lists with these capacities.
const fn lists_bytes(members: usize, places: usize) -> usize {
    allocation(members * size_of::<Subscriber>())
        + allocation(members * size_of::<SubscriberInfo>())
        + allocation(places * PLACE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture::Fixture;
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn whoever_came_and_did_not_go_is_there_once(choices in prop::collection::vec(any::<u16>(), 1..200)) {
            let fixture = Fixture::new();
            let outbound_queue = fixture.outbound_queue();
            let mut subscribers = SubscriberList::default();
            let mut there: HashMap<u32, SubscriberSlot> = HashMap::new();
            for (key, choice) in (0u32..).zip(choices) {
                let mut keys: Vec<u32> = there.keys().copied().collect();
                keys.sort_unstable();
                if choice % 3 == 0 && !keys.is_empty() {
                    let gone = keys[choice as usize % keys.len()];
                    let member = subscribers.remove(there.remove(&gone).unwrap());
                    prop_assert_eq!(member.key, gone);
                } else {
                    there.insert(key, subscribers.add(Subscriber { outbound_queue: outbound_queue.clone(), key }, 0));
                }
                let mut left: Vec<u32> = subscribers.members().iter().map(|member| member.key).collect();
                left.sort_unstable();
                let mut expected: Vec<u32> = there.keys().copied().collect();
                expected.sort_unstable();
                prop_assert_eq!(left, expected);
            }
            for (_, slot) in there {
                subscribers.remove(slot);
            }
            prop_assert!(subscribers.is_empty());
        }
    }

    #[test]
    fn the_charge_is_the_memory_of_the_lists() {
        let fixture = Fixture::new();
        let (outbound_queue, mut subscribers) = (fixture.outbound_queue(), SubscriberList::default());
        let mut slots = Vec::new();
        for key in 0..1000 {
            slots.push(subscribers.add(Subscriber { outbound_queue: outbound_queue.clone(), key }, 0));
            subscribers.charge_to(&fixture.budget);
            let lists = subscribers.members.capacity() * size_of::<Subscriber>()
                + subscribers.infos.capacity() * size_of::<SubscriberInfo>()
                + subscribers.places.capacity() * 16;
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
    fn room_is_given_back_as_members_leave() {
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
        assert_eq!((subscribers.members.capacity(), subscribers.places.capacity()), (0, 0));
    }
}
