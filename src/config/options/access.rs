//! Options of permissions, and of authentication before CONNECT.

use crate::config::builders::{boolean, optional, text};
use crate::config::row::{OptionRow, ValueKind};
use crate::config::value::{cookie_name, header_name, preset, store, switch};
use crate::permissions::Rule;

pub(crate) const ACCESS: &[OptionRow] = &[
    text(
        "default-permissions",
        "auto|safe|open",
        "auto",
        "Permissions that apply where no rule of the option permission matches. safe: read topics and presence, send \
         to services and to queues of users, and use the client's own queues and topics. open: everything except \
         reading messages of other users. auto: open if only this machine can connect, no proxy is configured \
         (trusted-proxies, allowed-hosts), and there are no users or only those of the option user; otherwise safe. \
         check-config shows the rules.",
        |c, v| store(&mut c.permissions.preset, preset(v)),
    ),
    OptionRow {
        key: "permission",
        value: "RULE",
        default: "",
        help: "A permission rule has four words: allow or deny; send, subscribe or all; anyone, users, anonymous, \
               user:NAME or role:NAME; and a destination with wildcards. {user} and {claim.NAME} stand for one \
               segment. The broker escapes ., / and % in it as %2E, %2F and %25, except directly after /user/. Repeat \
               the option for each rule; the first rule that matches decides. In the environment semicolons separate \
               rules. Example: allow send role:editor /topic/news.**.",
        kind: ValueKind::List { clear: |c| c.permissions.rules.clear(), hidden: false },
        set: |c, v| {
            c.permissions.rules.push(Rule::parse(v)?);
            Ok(())
        },
    },
    boolean(
        "show-sender",
        "false",
        "Adds the header user-name, which names the sender, to messages of topics and queues. Messages to users and \
         services always have it.",
        |c, v| store(&mut c.session.show_sender, switch(v)),
    ),
    boolean(
        "demo",
        "true",
        "Serves the demo chat at /. If the default permissions are safe, also allows its users to send to \
         /topic/chat.**.",
        |c, v| store(&mut c.http.demo, switch(v)),
    ),
    text(
        "proxy-user-header",
        "NAME",
        "",
        "Header in which a proxy of trusted-proxies names the user that it has authenticated. The header is ignored \
         in requests from any other address.",
        |c, v| {
            store(&mut c.http.proxy_user.user, optional(v, header_name))?;
            c.users.proxy = c.http.proxy_user.user.is_some();
            Ok(())
        },
    ),
    text(
        "proxy-roles-header",
        "NAME",
        "",
        "Header in which a proxy of trusted-proxies lists the roles of the user, separated by commas.",
        |c, v| store(&mut c.http.proxy_user.roles, optional(v, header_name)),
    ),
    text(
        "token-cookie",
        "NAME",
        "",
        "Cookie that contains a token. It is used only for pages of the same origin and of origins that \
         allowed-origins lists by name.",
        |c, v| store(&mut c.sockjs.token_cookie, optional(v, cookie_name)),
    ),
];
