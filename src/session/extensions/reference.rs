//! The table of extension headers as Markdown. A test compares it with the documentation.

use super::extension::{Condition, Extension, Treatment};
use super::table::TABLE;
use std::borrow::Cow;
use std::fmt::Write;
use stompbox_frames::stomp::Command;

/// Returns the section about extension headers of `web/docs/compatibility.md`, including its heading.
pub fn markdown() -> String {
    let mut text = String::from(
        "## Headers of other brokers\n\n\
         Clients that were written for RabbitMQ, ActiveMQ, Artemis, Apollo or Spring may set headers that STOMP does not \
         define. Stompbox knows the headers in this table. A rejected SUBSCRIBE gets an ERROR that names the header and \
         the alternative, if there is one. An ignored header on SEND causes a WARN in the log. It is logged once per \
         connection, and at most once a minute for each header. With `strict-headers`, such a SEND gets an ERROR, \
         except for `persistent`. Other headers are forwarded to receivers.\n\n\
         | header | on | known from | what Stompbox does |\n|---|---|---|---|\n",
    );
    let is_alike = |one: &Extension, other: &Extension| {
        one.commands == other.commands && one.text == other.text && treatment(one) == treatment(other)
    };
    for rows in TABLE.chunk_by(is_alike) {
        let names: Vec<_> = rows.iter().map(|row| format!("`{}`", row.name)).collect();
        let commands: Vec<_> = rows[0].commands.iter().map(|command| command.as_str()).collect();
        let mut brokers: Vec<_> = rows.iter().flat_map(|row| row.brokers.split(", ")).collect();
        brokers.sort_unstable();
        brokers.dedup();
        let (names, commands, brokers) = (names.join(", "), commands.join(", "), brokers.join(", "));
        let _ = writeln!(
            text,
            "| {names} | {commands} | {brokers} | {}: {} |",
            treatment(&rows[0]),
            rows[0].text
        );
    }
    text
}

/// Returns the treatment of a header as the documentation describes it.
fn treatment(row: &Extension) -> Cow<'static, str> {
    let what = match (row.treatment, row.commands) {
        (Treatment::Honoured, _) => return "honoured".into(),
        (Treatment::Ignored, _) => return "harmless".into(),
        (Treatment::WarnOnly, _) => "ignored with a warning (never rejected)",
        (Treatment::Unsupported, [Command::Subscribe]) => "rejected",
        (Treatment::Unsupported, [Command::Send]) => "ignored with a warning",
        (Treatment::Unsupported, _) => "rejected on SUBSCRIBE and ignored with a warning on SEND",
    };
    let unless =
        |values: &[&str]| values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    match row.condition {
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
