//! The prefetch limits of a SUBSCRIBE. Several brokers have different headers for them.

use crate::rejection::Rejection;
use crate::session::machine::Session;
use stompbox_frames::stomp::Frame;

/// Headers that contain a number of messages.
const COUNTS: [&str; 4] = ["prefetch-count", "x-prefetch-count", "prefetch_count", "activemq.prefetchSize"];
/// The header of Apollo: `COUNT` or `COUNT,BYTES`.
const CREDIT: &str = "credit";
/// The header of Artemis: a number of bytes. 0 means one message at a time. -1 means no limit.
const WINDOW: &str = "consumer-window-size";

const COUNT_EXPECTED: &str = "a whole number from 1 to 4294967295";
const CREDIT_EXPECTED: &str = "COUNT or COUNT,BYTES: whole numbers, at least one of them greater than 0";
const WINDOW_EXPECTED: &str = "a whole number of bytes, 0 for one message at a time, or -1 for no limit";

/// The prefetch limits of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefetch {
    /// The limit in messages, at least 1 and at most `unsettled-max`.
    pub(super) count: u32,
    /// The limit in bytes, at most `prefetch-bytes`.
    pub(super) bytes: usize,
}

/// The limit that one header sets, with the header's name and value.
struct PrefetchLimit<'a, T> {
    amount: T,
    name: &'static str,
    value: &'a str,
}

/// The limit that all headers of a frame must agree on.
struct PrefetchLimits<'a, T>(Option<PrefetchLimit<'a, T>>);

impl<'a, T: PartialEq> PrefetchLimits<'a, T> {
    fn add(&mut self, amount: T, name: &'static str, value: &'a str) -> Result<(), Rejection> {
        match &self.0 {
            Some(earlier) if earlier.amount != amount => {
                Err(Rejection::conflicting_headers(earlier.name, earlier.value, name, value))
            }
            Some(_) => Ok(()),
            None => {
                self.0 = Some(PrefetchLimit { amount, name, value });
                Ok(())
            }
        }
    }
}

impl Session {
    /// Returns the prefetch limits that a SUBSCRIBE requests. Rejects the frame if two headers set different limits.
    pub(super) fn prefetch(&self, frame: &Frame) -> Result<Prefetch, Rejection> {
        let values: Vec<_> = COUNTS
            .into_iter()
            .chain([CREDIT, WINDOW])
            .filter_map(|name| Some((name, frame.header(name)?)))
            .collect();
        let (mut count, mut bytes) = (PrefetchLimits(None), PrefetchLimits(None));
        let mut unbounded = false;
        for (name, value) in &values {
            let (name, value) = (*name, value.trim());
            match name {
                CREDIT => {
                    let (messages, size) = credit(value)
                        .ok_or_else(|| Rejection::malformed_prefetch(name, value, CREDIT_EXPECTED))?;
                    if messages > 0 {
                        count.add(messages, name, value)?;
                    }
                    if size > 0 {
                        bytes.add(size, name, value)?;
                    }
                }
                WINDOW => match value {
                    "-1" => unbounded = true,
                    "0" => count.add(1, name, value)?,
                    _ => {
                        let size = number(value)
                            .ok_or_else(|| Rejection::malformed_prefetch(name, value, WINDOW_EXPECTED))?;
                        bytes.add(size, name, value)?;
                    }
                },
                _ => {
                    let messages = number(value)
                        .and_then(|count| u32::try_from(count).ok())
                        .filter(|count| *count > 0)
                        .ok_or_else(|| Rejection::malformed_prefetch(name, value, COUNT_EXPECTED))?;
                    count.add(messages, name, value)?;
                }
            }
        }
        let count = count.0.map(|limit| limit.amount).or(unbounded.then_some(u32::MAX));
        let default = self.default_prefetch(count);
        let bytes = bytes.0.map_or(default.bytes, |limit| limit.amount.min(default.bytes));
        Ok(Prefetch { bytes, ..default })
    }

    /// Returns the limit `requested`, in messages, or the broker's default if it is `None`. The result is at least 1
    /// and at most `unsettled-max`. The limit in bytes is the broker's default.
    pub(super) fn default_prefetch(&self, requested: Option<u32>) -> Prefetch {
        Prefetch { count: self.options.prefetch(requested), bytes: self.options.prefetch_bytes }
    }
}

/// Parses `COUNT` or `COUNT,BYTES`. At least one of the numbers must be greater than 0.
fn credit(value: &str) -> Option<(u32, usize)> {
    let (count, size) = value.split_once(',').unwrap_or((value, "0"));
    let (count, size) = (number(count.trim())?, number(size.trim())?);
    (count > 0 || size > 0).then_some((u32::try_from(count).unwrap_or(u32::MAX), size))
}

/// Parses a number that consists of digits only. A number that does not fit into a `usize` becomes `usize::MAX`.
fn number(value: &str) -> Option<usize> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| value.parse().unwrap_or(usize::MAX))
}
