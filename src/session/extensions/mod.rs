//! Extension headers of RabbitMQ, ActiveMQ, Artemis, Apollo and Spring, and how Stompbox treats them.
//!
//! Stompbox must not send RECEIPT for a frame and silently ignore a header that requests a feature. Each known header
//! is therefore honoured, rejected, ignored with a warning, or harmless. [`table`] is the only place that lists these
//! headers.
//!
//! The session rejects a SUBSCRIBE with an unsupported header. It ignores such a header on SEND, because many libraries
//! set it on every message. It then logs a warning once per connection. With `strict-headers`, it rejects the SEND
//! instead. A value that does not request the feature, such as `durable:false`, is harmless everywhere.

mod extension;
#[cfg(test)]
pub(crate) mod reference;
mod table;
pub(super) mod warned_headers;

use super::action::Action;
use super::machine::Session;
use crate::rejection::Rejection;
use extension::{Extension, Treatment};
use stompbox_frames::stomp::{Command, Frame};
use table::TABLE;

impl Session {
    /// Rejects a SEND or SUBSCRIBE with a header that requests an unsupported feature, or requests a warning in the
    /// log.
    pub(super) fn check_extensions(
        &mut self,
        frame: &Frame,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        for (row, extension) in known(frame) {
            let value = frame.header(extension.name).unwrap_or_default();
            let destination = || frame.header("destination").unwrap_or_default();
            match extension.treatment {
                Treatment::Honoured | Treatment::Ignored => {}
                Treatment::Unsupported | Treatment::WarnOnly
                    if !extension.condition.matches(&value, &destination()) => {}
                Treatment::Unsupported
                    if frame.command == Command::Subscribe || self.options.strict_headers =>
                {
                    return Err(Rejection::unsupported_header(
                        frame.command,
                        extension.name,
                        &value,
                        extension.text,
                    ));
                }
                Treatment::Unsupported | Treatment::WarnOnly => {
                    if self.rare.get_or_insert_default().warned.insert(row) {
                        actions.push(Action::IgnoredHeader {
                            name: extension.name,
                            reason: extension.text,
                            can_be_rejected: extension.treatment == Treatment::Unsupported,
                        });
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns the rows of the table that match headers of the frame, with their indices. May leave out rows that need no
/// check ([`Extension::is_checked`]).
fn known(frame: &Frame) -> impl Iterator<Item = (usize, &'static Extension)> {
    let command = frame.command;
    let may_be_known = frame.headers.names().filter(|name| may_be_known(name));
    may_be_known.filter_map(move |name| {
        TABLE
            .iter()
            .enumerate()
            .find(|(_, row)| row.name.as_bytes() == name && row.commands.contains(&command))
    })
}

/// Returns whether any header that needs a check has the first byte and the length of `name`. Otherwise a search of the
/// table is not necessary.
#[inline]
fn may_be_known(name: &[u8]) -> bool {
    let lengths = name.first().and_then(|first| LENGTHS.get(usize::from(*first)));
    lengths.is_some_and(|lengths| name.len() < 64 && lengths >> name.len() & 1 == 1)
}

/// For each first byte of a name, a bit set of the lengths of the names that need a check.
static LENGTHS: [u64; 128] = {
    let mut lengths = [0; 128];
    let mut row = 0;
    while row < TABLE.len() {
        let name = TABLE[row].name.as_bytes();
        if TABLE[row].is_checked() {
            lengths[name[0] as usize] |= 1 << name.len();
        }
        row += 1;
    }
    lengths
};

#[cfg(test)]
mod tests;
