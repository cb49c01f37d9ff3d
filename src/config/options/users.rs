//! Options of users: the list in the configuration and the users file.

use crate::config::builders::text;
use crate::config::row::{OptionRow, ValueKind};
use crate::config::value::{store, switch, user};

pub(crate) const USERS: &[OptionRow] = &[
    OptionRow {
        key: "user",
        value: "NAME:PASSCODE",
        default: "",
        help: "A user who may connect. Repeat the option for each user. If any user is configured, every client must \
               send a login. The option allow-anonymous removes this requirement. Without any source of users, the \
               broker accepts every client and ignores its login. Other users of this machine can see flags, so set \
               passcodes in the file. In the environment commas separate users. Set a passcode that contains a comma \
               in the file.",
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
        help: "Accepts clients that send no login. A login with wrong credentials still fails. If other machines can \
               reach the broker, set this option or configure a source of users. Otherwise the broker does not start.",
        kind: ValueKind::Switch,
        set: |c, v| store(&mut c.users.allow_anonymous, switch(v)),
    },
    text(
        "users-file",
        "FILE",
        "",
        "File of users with hashes of their passcodes. The command stompbox passwd creates and changes the file. The \
         broker reads the file again within a second of a change. While the new content is invalid, the previous \
         users stay in effect.",
        |c, v| {
            c.users.users_file = Some(v).filter(|path| !path.is_empty()).map(Into::into);
            Ok(())
        },
    ),
];
