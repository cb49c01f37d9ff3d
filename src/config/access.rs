//! Options of permissions, and of authentication before CONNECT.

use super::Config;
use super::row::{OptionRow, ValueKind};
use super::table::text;
use super::value::{header, name, preset, put, switch};
use crate::users::permissions::Rule;

/// Parses a value, or returns `None` for an empty text, which means that the option is not set.
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
    set: fn(&mut Config, &str) -> Result<(), String>,
) -> OptionRow {
    OptionRow { key, value: "true|false", default, help, kind: ValueKind::Switch, set }
}

pub(super) const ACCESS: &[OptionRow] = &[
    text(
        "default-permissions",
        "auto|safe|open",
        "auto",
        "What holds behind the rules of permission. safe: read topics and see who is there, send to services and to \
         users' queues, and everything of one's own. open: everything but other users' messages. auto: open as long as \
         only this machine can connect, no proxy before it either (trusted-proxies, allowed-hosts), and users are none or \
         given with user; else safe. check-config shows the rules.",
        |c, v| put(&mut c.users.permissions.preset, preset(v)),
    ),
    OptionRow {
        key: "permission",
        value: "RULE",
        default: "",
        help: "A rule: allow or deny, then send, subscribe or all, then anyone, users, anonymous, user:NAME or \
               role:NAME, then a destination with wildcards; {user} and {claim.NAME} stand for one segment, \
               in which ., / and % are written as %2E, %2F and %25, except right after /user/. Give it \
               once for each; the first that matches decides. In the environment semicolons separate rules. Example: \
               allow send role:editor /topic/news.**.",
        kind: ValueKind::List { clear: |c| c.users.permissions.rules.clear(), hidden: false },
        set: |c, v| {
            c.users.permissions.rules.push(Rule::parse(v)?);
            Ok(())
        },
    },
    boolean(
        "show-sender",
        "false",
        "Messages of topics and queues say in the header user-name who sent them, as those to users and services always \
         do.",
        |c, v| put(&mut c.session.show_sender, switch(v)),
    ),
    boolean(
        "demo",
        "true",
        "Serves the chat at /, and where permissions are safe lets its users send to /topic/chat.**.",
        |c, v| put(&mut c.http.demo, switch(v)),
    ),
    text(
        "proxy-user-header",
        "NAME",
        "",
        "Header in which a proxy of trusted-proxies says whom it has signed in; from anybody else it is ignored.",
        |c, v| {
            put(&mut c.http.proxy_user.user, optional(v, header))?;
            c.users.proxy = c.http.proxy_user.user.is_some();
            Ok(())
        },
    ),
    text(
        "proxy-roles-header",
        "NAME",
        "",
        "Header in which such a proxy says the user's roles, with commas between them.",
        |c, v| put(&mut c.http.proxy_user.roles, optional(v, header)),
    ),
    text(
        "token-cookie",
        "NAME",
        "",
        "Cookie in which a token travels. It counts for pages of the same origin and those listed in allowed-origins by \
         name.",
        |c, v| put(&mut c.sockjs.token_cookie, optional(v, name)),
    ),
];
