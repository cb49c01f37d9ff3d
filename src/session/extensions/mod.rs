//! Extension headers of RabbitMQ, ActiveMQ, Artemis, Apollo and Spring, and how Stompbox treats them.
//!
//! A header that asks for a feature must not be answered by a RECEIPT and then ignored. Each known header is therefore
//! honoured, refused, warned about, or harmless. [`table`] is the only place that lists them.
//!
//! A header that changes the meaning of a SUBSCRIBE is refused by ERROR. On SEND it is ignored with a warning in the log,
//! once a connection, because many libraries set such headers on every message; with `strict-headers` the SEND is
//! refused. What a header's value does not ask for (`durable:false`) is harmless everywhere.

mod table;

use super::action::Action;
use super::{Rejection, Session};
use crate::destination::Kind;
use std::borrow::Cow;
use std::fmt::Write;
use stompbox_frames::stomp::{Command, Frame};
use table::TABLE;

/// A known header on some commands.
#[derive(Debug)]
struct Extension {
    name: &'static str,
    commands: &'static [Command],
    /// The brokers that know the header.
    from: &'static str,
    does: Treatment,
    /// Values that ask for the feature.
    asks: Condition,
    /// Why the header is treated so, and what to use instead.
    text: &'static str,
}

/// The treatment of a header whose value asks for a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Treatment {
    /// The header has its effect.
    Honoured,
    /// SUBSCRIBE is refused. SEND is warned about, and refused with `strict-headers`.
    Unsupported,
    /// Warned about, and never refused: clients send it by habit.
    Habit,
    /// Ignored: the sender misses nothing by it.
    Ignored,
}

/// The values of a header that ask for a feature; an empty one never does.
#[derive(Clone, Copy, Debug)]
enum Condition {
    /// Every value.
    Always,
    /// Every value but these, in any case.
    Unless(&'static [&'static str]),
    /// Every value but these, in any case, on a work queue; elsewhere no value.
    OfQueueUnless(&'static [&'static str]),
    /// An address of a temporary queue.
    TempQueue,
    /// `ANYCAST` on a broadcast and `MULTICAST` on a queue, and any other value.
    OtherRouting,
}

/// The headers that this connection has been warned about, a bit for each row of the table.
#[derive(Debug, Default)]
pub(super) struct Warned(u128);

const _: () = assert!(TABLE.len() <= 128, "a row has a bit in Warned");

impl Warned {
    /// Records the row, and returns whether it is the first time.
    fn first(&mut self, row: usize) -> bool {
        let first = self.0 >> row & 1 == 0;
        self.0 |= 1 << row;
        first
    }
}

impl Extension {
    /// Returns whether a frame may be refused or warned about for the header.
    const fn is_checked(&self) -> bool {
        matches!(self.does, Treatment::Unsupported | Treatment::Habit)
    }
}

impl Condition {
    fn asks(self, value: &str, destination: &str) -> bool {
        let value = value.trim();
        let is_none_of = |values: &[&str]| !values.iter().any(|other| other.eq_ignore_ascii_case(value));
        match self {
            _ if value.is_empty() => false,
            Condition::Always => true,
            Condition::Unless(values) => is_none_of(values),
            Condition::OfQueueUnless(values) => {
                destination.starts_with(Kind::Queue.prefix()) && is_none_of(values)
            }
            Condition::TempQueue => value.starts_with(Kind::TempQueue.prefix()),
            Condition::OtherRouting => match value {
                "ANYCAST" => [Kind::Topic, Kind::User, Kind::Presence]
                    .iter()
                    .any(|kind| destination.starts_with(kind.prefix())),
                "MULTICAST" => [Kind::Queue, Kind::TempQueue, Kind::App]
                    .iter()
                    .any(|kind| destination.starts_with(kind.prefix())),
                _ => true,
            },
        }
    }
}

impl Session {
    /// Refuses a SEND or SUBSCRIBE with a header that asks for a missing feature, or warns about it.
    pub(super) fn check_extensions(
        &mut self,
        frame: &Frame,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        for (row, extension) in known(frame) {
            let value = frame.header(extension.name).unwrap_or_default();
            let destination = || frame.header("destination").unwrap_or_default();
            match extension.does {
                Treatment::Honoured | Treatment::Ignored => {}
                Treatment::Unsupported | Treatment::Habit if !extension.asks.asks(&value, &destination()) => {
                }
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
                Treatment::Unsupported | Treatment::Habit => {
                    if self.rare.get_or_insert_default().warned.first(row) {
                        actions.push(Action::IgnoredHeader {
                            name: extension.name,
                            reason: extension.text,
                            can_be_refused: extension.does == Treatment::Unsupported,
                        });
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns the checked rows of the table for which the frame has headers, with their indices.
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

/// Returns whether a checked header has this first byte and this length. Other names need no search of the table.
#[inline]
fn may_be_known(name: &[u8]) -> bool {
    let lengths = name.first().and_then(|first| LENGTHS.get(usize::from(*first)));
    lengths.is_some_and(|lengths| name.len() < 64 && lengths >> name.len() & 1 == 1)
}

/// A bit for each length of a checked name, by first byte.
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

/// Returns the README's section, from its heading on, as Markdown.
pub fn markdown() -> String {
    let mut text = String::from(
        "## Headers of other brokers\n\n\
         Clients that were written for RabbitMQ, ActiveMQ, Artemis, Apollo or Spring may set headers that STOMP does not \
         have. Stompbox knows these. A refused SUBSCRIBE gets an ERROR that names the header and, where \
         there is one, what to use instead. An ignored header on SEND causes a WARN in the log, once a connection and \
         at most once a minute for each header. With `strict-headers` such a SEND gets an ERROR, except for \
         `persistent`. Other headers are passed on to receivers.\n\n\
         | header | on | known from | what Stompbox does |\n|---|---|---|---|\n",
    );
    let is_alike = |one: &Extension, other: &Extension| {
        one.commands == other.commands && one.text == other.text && treatment(one) == treatment(other)
    };
    for rows in TABLE.chunk_by(is_alike) {
        let names: Vec<_> = rows.iter().map(|row| format!("`{}`", row.name)).collect();
        let commands: Vec<_> = rows[0].commands.iter().map(|command| command.as_str()).collect();
        let mut from: Vec<_> = rows.iter().flat_map(|row| row.from.split(", ")).collect();
        from.sort_unstable();
        from.dedup();
        let (names, commands, from) = (names.join(", "), commands.join(", "), from.join(", "));
        let _ =
            writeln!(text, "| {names} | {commands} | {from} | {}: {} |", treatment(&rows[0]), rows[0].text);
    }
    text
}

/// Returns the treatment of a header, in the README's words.
fn treatment(row: &Extension) -> Cow<'static, str> {
    let what = match (row.does, row.commands) {
        (Treatment::Honoured, _) => return "honoured".into(),
        (Treatment::Ignored, _) => return "harmless".into(),
        (Treatment::Habit, _) => "ignored with a warning (never refused)",
        (Treatment::Unsupported, [Command::Subscribe]) => "refused",
        (Treatment::Unsupported, [Command::Send]) => "ignored with a warning",
        (Treatment::Unsupported, _) => "refused on SUBSCRIBE and ignored with a warning on SEND",
    };
    let unless =
        |values: &[&str]| values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    match row.asks {
        Condition::Always => what.into(),
        Condition::Unless(values) => format!("{what}, unless {}", unless(values)).into(),
        Condition::OfQueueUnless(values) => {
            format!("for `/queue/…` {what}, unless {}", unless(values)).into()
        }
        Condition::TempQueue => format!("with `/temp-queue/…` {what}").into(),
        Condition::OtherRouting => {
            format!("{what}, unless `ANYCAST` for a queue or `MULTICAST` for a topic").into()
        }
    }
}

#[cfg(test)]
mod tests;
