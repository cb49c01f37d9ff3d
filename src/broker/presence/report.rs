//! The reports that watchers get, as JSON.

use super::member_counts::{ChangeKind, MemberChange, ReportedTotals};
use super::page::PAGE;
use std::sync::Arc;

/// The fields that every report contains.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReportHeader<'a> {
    /// The watched destination: `/topic/NAME`, or `users`.
    pub(super) of: &'a str,
    pub(super) version: u64,
    pub(super) totals: ReportedTotals,
}

/// An entry of a snapshot: the user's name, the time of its first subscription, and its number of sessions.
pub(super) type PresentUser = (Arc<str>, u64, usize);

/// Returns a snapshot of all present users, in pages.
pub(super) fn snapshot(header: ReportHeader<'_>, users: &[PresentUser]) -> Vec<String> {
    let items = users.iter().map(|(user, since, sessions)| {
        format!(r#"{{"user":{},"since":{since},"sessions":{sessions}}}"#, json_string(user))
    });
    pages(header, "snapshot", "users", items, users.len())
}

/// Returns a snapshot with numbers only.
pub(super) fn numbers(header: ReportHeader<'_>) -> String {
    open_header(header, "snapshot", 1, 1) + "}"
}

/// Returns the changes, in pages.
pub(super) fn changes(header: ReportHeader<'_>, changes: &[MemberChange]) -> Vec<String> {
    pages(header, "changes", "changes", changes.iter().map(change), changes.len())
}

/// Returns a change report with numbers only.
pub(super) fn changed_numbers(header: ReportHeader<'_>) -> String {
    open_header(header, "changes", 1, 1) + "}"
}

fn change(change: &MemberChange) -> String {
    let user = json_string(&change.user);
    match change.kind {
        ChangeKind::Join { since, sessions } => {
            format!(r#"{{"event":"join","user":{user},"since":{since},"sessions":{sessions}}}"#)
        }
        ChangeKind::Update { since, sessions } => {
            format!(r#"{{"event":"update","user":{user},"since":{since},"sessions":{sessions}}}"#)
        }
        ChangeKind::Leave => format!(r#"{{"event":"leave","user":{user}}}"#),
    }
}

/// Returns `count` items in pages. Each page has the complete header. Returns one empty page if there are no items.
fn pages(
    header: ReportHeader<'_>,
    event: &str,
    list: &str,
    mut items: impl Iterator<Item = String>,
    count: usize,
) -> Vec<String> {
    let pages = count.div_ceil(PAGE).max(1);
    let page = |page: usize| {
        let mut text = open_header(header, event, page, pages);
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
fn open_header(header: ReportHeader<'_>, event: &str, page: usize, pages: usize) -> String {
    let ReportHeader { of, version, totals: ReportedTotals { members, sessions, anonymous } } = header;
    let of = json_string(of);
    format!(
        r#"{{"event":"{event}","of":{of},"version":{version},"page":{page},"pages":{pages},"members":{members},"sessions":{sessions},"anonymous":{anonymous}"#
    )
}

fn json_string(text: &str) -> String {
    serde_json::to_string(text).expect("a string can be written as JSON")
}
