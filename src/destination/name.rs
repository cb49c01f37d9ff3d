//! Validates the names of destinations and splits them into segments.

use super::error::{SUMMARY, invalid};
use super::family::DestinationKind;
use super::segment::wildcard;
use crate::rejection::{Limit, Rejection};
use std::iter;

/// The option that limits the length of a destination.
const BYTES_MAX: &str = "destination-bytes-max";

/// The prefix of dead letter queues.
const DEAD_PREFIX: &str = "/queue/dead.";

/// Maximum number of segments of a name or a pattern. The cost of matching grows with it.
pub(crate) const SEGMENTS_MAX: usize = 64;

/// Checks the length of the `destination` of a SEND or SUBSCRIBE, before all other checks.
pub(super) fn check_length(text: &str, bytes_max: usize) -> Result<(), Rejection> {
    // A dead letter queue may be longer by `dead.`. Otherwise clients could not use the dead letter queue of a long
    // queue name.
    let extra = if text.starts_with(DEAD_PREFIX) {
        DEAD_PREFIX.len() - DestinationKind::Queue.prefix().len()
    } else {
        0
    };
    if text.len() > bytes_max.saturating_add(extra) {
        let detail = format!(
            "The destination has {} bytes; expected at most {bytes_max}. Use a shorter name, or raise {BYTES_MAX}.",
            text.len()
        );
        return Err(Rejection::by_limit(Limit::DestinationBytes, SUMMARY, detail));
    }
    Ok(())
}

/// Validates `name`, which is a part of the destination `text`. Returns the first wildcard segment, or `None`.
pub(super) fn check_name<'a>(text: &str, name: &'a str) -> Result<Option<&'a str>, Rejection> {
    let segments = split(name).count();
    if segments > SEGMENTS_MAX {
        return Err(invalid(format!(
            "The destination has {segments} segments between '/' and '.'; expected at most {SEGMENTS_MAX} segments."
        )));
    }
    let mut first_wildcard = None;
    for segment in split(name) {
        if segment.is_empty() {
            return Err(invalid(format!(
                "{text:?} has an empty segment; expected at least one character before and after each '/' and '.'."
            )));
        }
        if wildcard(segment).is_some() {
            first_wildcard = first_wildcard.or(Some(segment));
        } else if segment.contains('*') {
            return Err(invalid(format!(
                "{text:?} has '*' inside the segment {segment:?}; expected '*' or '**' as a whole segment, or a segment \
                 without '*'. Only SUBSCRIBE to /topic/, /app/ and your own /user/ may contain wildcards."
            )));
        }
    }
    Ok(first_wildcard)
}

/// Returns the segments of a name, split at `/` and `.`.
pub(super) fn split(name: &str) -> impl Iterator<Item = &str> {
    // Iterate over bytes: `str::split` iterates over characters and takes three times as long.
    let mut rest = Some(name);
    iter::from_fn(move || {
        let text = rest?;
        match text.bytes().position(|byte| matches!(byte, b'/' | b'.')) {
            Some(at) => {
                rest = Some(&text[at + 1..]);
                Some(&text[..at])
            }
            None => rest.take(),
        }
    })
}
