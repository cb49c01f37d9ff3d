//! Options of users: the list in the configuration and the users file.

use crate::config::builders::text;
use crate::config::row::{OptionRow, ValueKind};
use crate::config::value::{store, switch, user};

pub(crate) const USERS: &[OptionRow] = &[
    OptionRow {
        key: "user",
        value: "NAME:PASSCODE",
        default: "",
        help: "A user who may connect; repeat the option for each user. If any user is configured, CONNECT requires a \
               login (see allow-anonymous). Without any source of users, every client is accepted and its login is \
               ignored. Other users of this machine can see flags, so the file is a better place. In the environment \
               commas separate users, so a passcode with a comma must be set in the file.",
        kind: ValueKind::Secrets { clear: |c| c.users.static_users.clear() },
        set: |c, v| {
            let (name, passcode) = user(v)?;
            if c.users.static_users.iter().any(|(other, _)| *other == name) {
                return Err(format!("{name:?} is given twice; expected each name once"));
            }
            c.users.static_users.push((name, passcode));
            Ok(())
        },
    },
    OptionRow {
        key: "allow-anonymous",
        value: "true|false",
        default: "false",
        help: "Accepts clients that send no login; an incorrect login still fails. This option is required to listen \
               on addresses that other machines can reach, unless a source of users is configured.",
        kind: ValueKind::Switch,
        set: |c, v| store(&mut c.users.allow_anonymous, switch(v)),
    },
    text(
        "users-file",
        "FILE",
        "",
        "File of users with hashes of their passcodes; stompbox passwd creates and changes it. The broker reads it \
         again within a second of a change. While the new content is invalid, the previous users stay in effect.",
        |c, v| {
            c.users.users_file = Some(v).filter(|path| !path.is_empty()).map(Into::into);
            Ok(())
        },
    ),
];
