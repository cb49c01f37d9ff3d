//! The subscribers of one pattern.

use crate::broker::topics::subscriber_list::SubscriberList;
use crate::budget::{allocation, shared_allocation};
use crate::destination::{Pattern, Segment};
use parking_lot::RwLock;

/// A pattern and its subscribers.
#[derive(Debug)]
pub(crate) struct PatternGroup {
    /// The pattern, shared with all its subscribers.
    pub(super) pattern: Pattern,
    pub(crate) subscribers: RwLock<SubscriberList>,
}

impl PatternGroup {
    /// Returns the bytes of the group of a pattern, without its subscriber list.
    pub(super) fn bytes(pattern: &Pattern) -> usize {
        let literals = pattern.segments().iter().map(|segment| match segment {
            Segment::Literal(literal) => allocation(literal.len()),
            Segment::One | Segment::Many => 0,
        });
        shared_allocation(size_of::<PatternGroup>())
            + shared_allocation(pattern.as_str().len())
            + shared_allocation(size_of_val(pattern.segments()))
            + literals.sum::<usize>()
    }
}
