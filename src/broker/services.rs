//! To services: of all who subscribe, by name or by pattern, one gets the message.

use super::fan_out::Reach;
use super::publication::Publication;
use super::{Shared, Subscriber};
use crate::outbox::{Message, Parcel, Pushed};
use std::time::Instant;

/// To the one whose turn it is; nobody is reached if there is none.
pub(super) fn publish(shared: &Shared, publication: &Publication<'_>, now: Instant) -> Reach {
    let mut message = None;
    let reach = shared.services.at(publication.destination, |topic, patterns| {
        let message = message.get_or_insert_with(|| shared.ground.message(publication.content()));
        topic.choose(patterns, &shared.turn, |groups, turn| give(groups, turn, message, now))
    });
    reach.unwrap_or_default()
}

/// Gives the message to the first in turn that may have it and is not behind. If all are, to the one that is least, and the publisher
/// should wait for it.
fn give(groups: &[&[Subscriber]], turn: &mut u32, message: &Message, now: Instant) -> Reach {
    let count: usize = groups.iter().map(|members| members.len()).sum();
    let mut behind = Vec::new();
    for step in 0..count {
        let index = (*turn as usize).wrapping_add(step) % count;
        let member = at(groups, index);
        if member.outbox.is_text_only() && !message.is_text() {
            continue;
        }
        match member.outbox.lag() {
            None => {}
            // What this one message makes of it, the next one will see.
            Some(0) if push(member, message, now) != Pushed::Gone => {
                *turn = next(index);
                return Reach { reached: 1, receivers: 1, ..Reach::default() };
            }
            Some(0) => {}
            Some(lag) => behind.push((lag, index)),
        }
    }
    behind.sort_by_key(|(lag, _)| *lag);
    for (_, index) in behind {
        let member = at(groups, index);
        let congested = match push(member, message, now) {
            Pushed::Gone => continue,
            Pushed::Congested => vec![member.outbox.clone()],
            Pushed::Accepted => Vec::new(),
        };
        *turn = next(index);
        return Reach { reached: 1, receivers: 1, congested };
    }
    Reach::default()
}

fn push(member: &Subscriber, message: &Message, now: Instant) -> Pushed {
    member.outbox.push(Parcel { message: message.clone(), key: member.key, count: 1, tag: 0 }, now)
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
