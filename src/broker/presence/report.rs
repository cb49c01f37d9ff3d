//! The reports that watchers get, as JSON.

use super::PAGE;
use super::member_counts::{Change, Event, ReportedTotals};
use std::sync::Arc;

/// The fields that every report contains.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReportHeader<'a> {
    /// The watched destination: `/topic/NAME`, or `users`.
    pub(super) of: &'a str,
    pub(super) version: u64,
    pub(super) totals: ReportedTotals,
}

/// An entry of a snapshot: name, since, sessions.
pub(super) type Present = (Arc<str>, u64, usize);

/// Returns a snapshot of all present users, in pages.
pub(super) fn snapshot(head: ReportHeader<'_>, users: &[Present]) -> Vec<String> {
    let items = users.iter().map(|(user, since, sessions)| {
        format!(r#"{{"user":{},"since":{since},"sessions":{sessions}}}"#, quoted(user))
    });
    pages(head, "snapshot", "users", items, users.len())
}

/// Returns a snapshot with numbers only.
pub(super) fn numbers(head: ReportHeader<'_>) -> String {
    opened(head, "snapshot", 1, 1) + "}"
}

/// Returns the changes, in pages.
pub(super) fn changes(head: ReportHeader<'_>, changes: &[Change]) -> Vec<String> {
    pages(head, "changes", "changes", changes.iter().map(change), changes.len())
}

/// Returns a change report with numbers only.
pub(super) fn changed_numbers(head: ReportHeader<'_>) -> String {
    opened(head, "changes", 1, 1) + "}"
}

fn change(change: &Change) -> String {
    let user = quoted(&change.user);
    match change.event {
        Event::Join { since, sessions } => {
            format!(r#"{{"event":"join","user":{user},"since":{since},"sessions":{sessions}}}"#)
        }
        Event::Update { since, sessions } => {
            format!(r#"{{"event":"update","user":{user},"since":{since},"sessions":{sessions}}}"#)
        }
        Event::Leave => format!(r#"{{"event":"leave","user":{user}}}"#),
    }
}

/// Returns `count` items in pages, each with the complete header. Returns one empty page if there are no items.
fn pages(
    head: ReportHeader<'_>,
    event: &str,
    list: &str,
    mut items: impl Iterator<Item = String>,
    count: usize,
) -> Vec<String> {
    let pages = count.div_ceil(PAGE).max(1);
    let page = |page: usize| {
        let mut text = opened(head, event, page, pages);
        text.push_str(&format!(r#","{list}":["#));
        for (index, item) in items.by_ref().take(PAGE).enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(&item);
        }
        text + "]}"
    };
    (1..=pages).map(page).collect()
}

/// Returns the header fields, with the JSON object still open.
fn opened(head: ReportHeader<'_>, event: &str, page: usize, pages: usize) -> String {
    let ReportHeader { of, version, totals: ReportedTotals { members, sessions, anonymous } } = head;
    let of = quoted(of);
    format!(
        r#"{{"event":"{event}","of":{of},"version":{version},"page":{page},"pages":{pages},"members":{members},"sessions":{sessions},"anonymous":{anonymous}"#
    )
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text can be written as JSON")
}
