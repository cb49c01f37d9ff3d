//! Builders of rows for the table of options, and constants for their ranges.

use super::row::{OptionRow, Setter, ValueKind};
use super::sections::Config;
use std::time::Duration;

pub(super) const ZERO: Duration = Duration::ZERO;
pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const COUNT_MAX: u64 = u32::MAX as u64;

pub(super) const KIB: u64 = 1 << 10;
pub(super) const GIB: u64 = 1 << 30;
pub(super) const TIB: u64 = 1 << 40;

pub(super) const fn text(
    key: &'static str,
    value: &'static str,
    default: &'static str,
    help: &'static str,
    set: Setter,
) -> OptionRow {
    OptionRow { key, value, default, help, kind: ValueKind::Text, set }
}

pub(super) const fn bytes(
    key: &'static str,
    default: &'static str,
    help: &'static str,
    set: Setter,
) -> OptionRow {
    OptionRow { key, value: "BYTES", default, help, kind: ValueKind::Number, set }
}

pub(super) const fn number(
    key: &'static str,
    default: &'static str,
    help: &'static str,
    set: Setter,
) -> OptionRow {
    OptionRow { key, value: "N", default, help, kind: ValueKind::Number, set }
}

pub(super) const fn duration(
    key: &'static str,
    default: &'static str,
    help: &'static str,
    set: Setter,
) -> OptionRow {
    OptionRow { key, value: "TIME", default, help, kind: ValueKind::Number, set }
}

/// Parses a value. Returns `None` for an empty text, which means that the option is not set.
pub(super) fn optional<T>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

pub(super) const fn boolean(
    key: &'static str,
    default: &'static str,
    help: &'static str,
    set: Setter,
) -> OptionRow {
    OptionRow { key, value: "true|false", default, help, kind: ValueKind::Switch, set }
}

/// Returns the row of a repeatable option.
pub(super) const fn list(
    key: &'static str,
    value: &'static str,
    help: &'static str,
    hidden: bool,
    clear: fn(&mut Config),
    set: Setter,
) -> OptionRow {
    OptionRow { key, value, default: "", help, kind: ValueKind::List { clear, hidden }, set }
}
