//! The subscribers of one topic or pattern: dense for the hot loop, with O(1) coming and going.

use super::Subscriber;
use crate::budget::{Budget, Charge, allocation};
use slab::Slab;
use std::sync::Arc;

/// A member's seat; its own until it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat(usize);

/// Members lie side by side in no particular order; a slab of seats tells where each lies.
#[derive(Debug, Default)]
pub(super) struct Roster {
    members: Vec<Subscriber>,
    /// The tenure of the member at the same index.
    tenures: Vec<Tenure>,
    /// Seat to index.
    places: Slab<usize>,
    /// The charge for the lists; `None` if the memory is not accounted for.
    memory: Option<Charge>,
}

/// What is known of a member and no publisher asks.
#[derive(Clone, Copy, Debug)]
struct Tenure {
    seat: Seat,
    /// When it came, in milliseconds of Unix time.
    since: u64,
}

/// Capacity below which nothing is given back.
const SMALL: usize = 16;
/// Capacity of a list when it gets its first entry.
const FIRST_ENTRIES: usize = 4;
/// Bytes of an entry of the slab.
const PLACE_BYTES: usize = 2 * size_of::<usize>();

impl Roster {
    /// Takes a member in that comes at `since`, in milliseconds of Unix time.
    pub(super) fn add(&mut self, member: Subscriber, since: u64) -> Seat {
        let seat = Seat(self.places.insert(self.members.len()));
        self.members.push(member);
        self.tenures.push(Tenure { seat, since });
        self.recharge();
        seat
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

    /// Lets the member go whose seat this is.
    pub(super) fn remove(&mut self, seat: Seat) -> Subscriber {
        let place = self.places.remove(seat.0);
        let member = self.members.swap_remove(place);
        self.tenures.swap_remove(place);
        if let Some(moved) = self.tenures.get(place) {
            self.places[moved.seat.0] = place;
        }
        self.shrink();
        member
    }

    /// All of them.
    pub(super) fn members(&self) -> &[Subscriber] {
        &self.members
    }

    /// All of them, and since when they are there.
    pub(super) fn tenures(&self) -> impl Iterator<Item = (&Subscriber, u64)> {
        self.members.iter().zip(self.tenures.iter().map(|tenure| tenure.since))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn shrink(&mut self) {
        if self.members.is_empty() {
            *self = Roster::default();
        } else if self.members.capacity() > SMALL && self.members.len() < self.members.capacity() / 4 {
            self.members.shrink_to(self.members.len() * 2);
            self.tenures.shrink_to(self.tenures.len() * 2);
            // Seats are names and cannot move; what is free at the end can go.
            self.places.shrink_to_fit();
            self.recharge();
        }
    }
}

/// Returns the bytes of lists with these capacities.
const fn lists_bytes(members: usize, places: usize) -> usize {
    allocation(members * size_of::<Subscriber>())
        + allocation(members * size_of::<Tenure>())
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
            let outbox = fixture.outbox();
            let mut roster = Roster::default();
            let mut there: HashMap<u32, Seat> = HashMap::new();
            for (key, choice) in (0u32..).zip(choices) {
                let mut keys: Vec<u32> = there.keys().copied().collect();
                keys.sort_unstable();
                if choice % 3 == 0 && !keys.is_empty() {
                    let gone = keys[choice as usize % keys.len()];
                    let member = roster.remove(there.remove(&gone).unwrap());
                    prop_assert_eq!(member.key, gone);
                } else {
                    there.insert(key, roster.add(Subscriber { outbox: outbox.clone(), key }, 0));
                }
                let mut left: Vec<u32> = roster.members().iter().map(|member| member.key).collect();
                left.sort_unstable();
                let mut expected: Vec<u32> = there.keys().copied().collect();
                expected.sort_unstable();
                prop_assert_eq!(left, expected);
            }
            for (_, seat) in there {
                roster.remove(seat);
            }
            prop_assert!(roster.is_empty());
        }
    }

    #[test]
    fn the_charge_is_the_memory_of_the_lists() {
        let fixture = Fixture::new();
        let (outbox, mut roster) = (fixture.outbox(), Roster::default());
        let mut seats = Vec::new();
        for key in 0..1000 {
            seats.push(roster.add(Subscriber { outbox: outbox.clone(), key }, 0));
            roster.charge_to(&fixture.budget);
            let lists = roster.members.capacity() * size_of::<Subscriber>()
                + roster.tenures.capacity() * size_of::<Tenure>()
                + roster.places.capacity() * 16;
            assert_eq!(fixture.budget.used(), lists);
            assert!(key > 0 || lists == Roster::first_bytes());
        }
        while let Some(seat) = seats.pop() {
            roster.remove(seat);
            assert_eq!(fixture.budget.used(), roster.bytes());
        }
        assert_eq!(fixture.budget.used(), 0);
    }

    #[test]
    fn room_is_given_back_as_members_leave() {
        let fixture = Fixture::new();
        let outbox = fixture.outbox();
        let mut roster = Roster::default();
        let seats: Vec<Seat> =
            (0..10_000).map(|key| roster.add(Subscriber { outbox: outbox.clone(), key }, 0)).collect();
        for &seat in &seats[10..] {
            roster.remove(seat);
        }
        assert_eq!(roster.members().len(), 10);
        assert!(roster.members.capacity() < 100 && roster.tenures.capacity() < 100);
        for &seat in &seats[..10] {
            roster.remove(seat);
        }
        assert_eq!((roster.members.capacity(), roster.places.capacity()), (0, 0));
    }
}
