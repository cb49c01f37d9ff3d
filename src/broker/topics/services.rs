//! Publishing to services: of all services that subscribe by name or by pattern, one gets the message.

use super::fan_out::FanOutResult;
use crate::broker::state::BrokerState;
use crate::broker::subscriber::Subscriber;
use crate::command::Publish;
use crate::destination::Destination;
use crate::outbound_queue::{Delivery, Message, Pushed};
use std::time::Instant;

/// Publishes to the next service in round robin. If no service is subscribed, the message reaches none.
pub(crate) fn publish(
    shared: &BrokerState,
    destination: &Destination,
    publish: &Publish,
    now: Instant,
) -> FanOutResult {
    let mut message = None;
    let result = shared.family(destination.kind()).with_topic(destination, |topic, patterns| {
        let message = message.get_or_insert_with(|| shared.context.message(publish));
        topic.choose(patterns, &shared.service_position, |groups, position| {
            push_to_next(groups, position, message, now)
        })
    });
    result.unwrap_or_default()
}

/// Pushes the message to the next member in round robin whose outbound queue is at or below one half. If there is no
/// such member, pushes it to the member with the fewest bytes above one half. The publisher should then wait for this
/// member. Skips members that cannot take the message.
fn push_to_next(
    groups: &[&[Subscriber]],
    position: &mut u32,
    message: &Message,
    now: Instant,
) -> FanOutResult {
    let count: usize = groups.iter().map(|members| members.len()).sum();
    let mut above_half = Vec::new();
    for step in 0..count {
        let index = (*position as usize).wrapping_add(step) % count;
        let member = member_at(groups, index);
        if member.outbound_queue.is_text_only() && !message.is_text() {
            continue;
        }
        match member.outbound_queue.bytes_above_half() {
            None => {}
            // The message may bring the queue above one half. Only the next message then finds it congested.
            Some(0) if push(member, message, now) != Pushed::Gone => {
                *position = next(index);
                return FanOutResult { reached: 1, receivers: 1, ..FanOutResult::default() };
            }
            Some(0) => {}
            Some(bytes_above_half) => above_half.push((bytes_above_half, index)),
        }
    }
    above_half.sort_by_key(|(bytes_above_half, _)| *bytes_above_half);
    for (_, index) in above_half {
        let member = member_at(groups, index);
        let congested = match push(member, message, now) {
            Pushed::Gone => continue,
            Pushed::Congested => vec![member.outbound_queue.clone()],
            Pushed::Accepted => Vec::new(),
        };
        *position = next(index);
        return FanOutResult { reached: 1, receivers: 1, congested, ..FanOutResult::default() };
    }
    FanOutResult::default()
}

fn push(member: &Subscriber, message: &Message, now: Instant) -> Pushed {
    member.outbound_queue.push(Delivery { message: message.clone(), key: member.key, count: 1, tag: 0 }, now)
}

fn next(index: usize) -> u32 {
    u32::try_from(index + 1).unwrap_or(0)
}

/// Returns the member at `index` in the concatenation of all groups.
fn member_at<'a>(groups: &[&'a [Subscriber]], mut index: usize) -> &'a Subscriber {
    for members in groups {
        match members.get(index) {
            Some(member) => return member,
            None => index -= members.len(),
        }
    }
    unreachable!("the index is less than the number of members")
}
