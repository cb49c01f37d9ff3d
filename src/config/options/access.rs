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
        "Permissions that apply if no rule of the option permission matches. The value safe allows clients to read \
         topics and presence, and to send to services and to queues of users. It also allows clients to use their own \
         queues and topics. The value open allows everything except reading messages of other users. The value auto \
         means safe if other machines can connect, or if trusted-proxies or allowed-hosts is set. It also means safe \
         if users come from a source other than the option user. Otherwise auto means open. The command check-config \
         shows the rules.",
        |c, v| store(&mut c.permissions.preset, preset(v)),
    ),
    OptionRow {
        key: "permission",
        value: "RULE",
        default: "",
        help: "Permission rule of four words. The first word is allow or deny. The second is send, subscribe or all. \
               The third is anyone, users, anonymous, user:NAME or role:NAME. The fourth is a destination with \
               wildcards. {user} and {claim.NAME} stand for one segment. The broker escapes ., / and % in this \
               segment as %2E, %2F and %25. Directly after /user/ it does not escape them. Repeat the option for each \
               rule. The first rule that matches decides. In the environment semicolons separate rules. Example: \
               allow send role:editor /topic/news.**.",
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
         services always have this header.",
        |c, v| store(&mut c.operations.show_sender, switch(v)),
    ),
    boolean(
        "demo",
        "true",
        "Serves the demo chat at /. If the default permissions are safe, every client may also send to \
         /topic/chat.**.",
        |c, v| store(&mut c.http.demo, switch(v)),
    ),
    text(
        "proxy-user-header",
        "NAME",
        "",
        "Header in which a trusted proxy (trusted-proxies) names the user that the proxy has authenticated. The \
         broker ignores the header in requests from any other address.",
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
        "Header in which a trusted proxy (trusted-proxies) lists the roles of the user, separated by commas.",
        |c, v| store(&mut c.http.proxy_user.roles, optional(v, header_name)),
    ),
    text(
        "token-cookie",
        "NAME",
        "",
        "Cookie that contains a token. The broker uses the cookie only for pages of its own origin and of origins \
         that allowed-origins names.",
        |c, v| store(&mut c.sockjs.token_cookie, optional(v, cookie_name)),
    ),
];
