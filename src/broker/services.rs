//! To services: of all who subscribe, by name or by pattern, one gets the message.

use super::fan_out::FanOutResult;
use super::publication::Publication;
use super::{BrokerState, Subscriber};
use crate::outbound_queue::{Delivery, Message, Pushed};
use std::time::Instant;

/// To the one whose turn it is; nobody is reached if there is none.
pub(super) fn publish(shared: &BrokerState, publication: &Publication<'_>, now: Instant) -> FanOutResult {
    let mut message = None;
    let reach = shared.services.at(publication.destination, |topic, patterns| {
        let message = message.get_or_insert_with(|| shared.context.message(publication.content()));
        topic.choose(patterns, &shared.turn, |groups, turn| give(groups, turn, message, now))
    });
    reach.unwrap_or_default()
}

/// Gives the message to the first in turn that may have it and is not behind. If all are, to the one that is least, and the publisher
/// should wait for it.
fn give(groups: &[&[Subscriber]], turn: &mut u32, message: &Message, now: Instant) -> FanOutResult {
    let count: usize = groups.iter().map(|members| members.len()).sum();
    let mut behind = Vec::new();
    for step in 0..count {
        let index = (*turn as usize).wrapping_add(step) % count;
        let member = at(groups, index);
        if member.outbound_queue.is_text_only() && !message.is_text() {
            continue;
        }
        match member.outbound_queue.bytes_above_half() {
            None => {}
            // What this one message makes of it, the next one will see.
            Some(0) if push(member, message, now) != Pushed::Gone => {
                *turn = next(index);
                return FanOutResult { reached: 1, receivers: 1, ..FanOutResult::default() };
            }
            Some(0) => {}
            Some(bytes_above_half) => behind.push((bytes_above_half, index)),
        }
    }
    behind.sort_by_key(|(bytes_above_half, _)| *bytes_above_half);
    for (_, index) in behind {
        let member = at(groups, index);
        let congested = match push(member, message, now) {
            Pushed::Gone => continue,
            Pushed::Congested => vec![member.outbound_queue.clone()],
            Pushed::Accepted => Vec::new(),
        };
        *turn = next(index);
        return FanOutResult { reached: 1, receivers: 1, congested };
    }
    FanOutResult::default()
}

fn push(member: &Subscriber, message: &Message, now: Instant) -> Pushed {
    member.outbound_queue.push(Delivery { message: message.clone(), key: member.key, count: 1, tag: 0 }, now)
}

fn next(index: usize) -> u32 {
    u32::try_from(index + 1).unwrap_or(0)
}

/// The member at `index`, counted through all groups.
fn at<'a>(groups: &[&'a [Subscriber]], mut index: usize) -> &'a Subscriber {
    for members in groups {
        match members.get(index) {
            Some(member) => return member,
            None => index -= members.len(),
        }
    }
    unreachable!("the index is below the number of all members")
}
