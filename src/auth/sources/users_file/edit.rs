//! Changes one user in the text of a users file. Leaves all other text unchanged. Pure.

use super::record::{self, Record, UserRecordError};
use crate::auth::password::hash::Hash;

/// A change of one user.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change<'a> {
    /// Sets the passcode of a user, or adds the user. If `roles` is `None`, an existing user keeps its roles.
    Set { hash: &'a Hash, roles: Option<&'a [Box<str>]> },
    /// Removes the user from the file.
    Delete,
}

/// The change that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// The user was added.
    Added,
    /// An existing user was changed.
    Updated,
    /// The user was removed.
    Deleted,
}

/// Returns the text of a file after the change. Returns `None` if the user to remove does not exist.
///
/// # Errors
/// The file has an invalid line.
pub(crate) fn edit(
    text: &str,
    name: &str,
    change: Change<'_>,
) -> Result<Option<(String, Changed)>, UserRecordError> {
    let records = record::parse(text)?;
    let user = records.iter().find(|record| *record.name == *name);
    Ok(match (user, change) {
        (None, Change::Delete) => None,
        (None, Change::Set { hash, roles }) => {
            let line = record::line(name, hash, roles.unwrap_or_default());
            let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            Some((format!("{text}{end}{line}\n"), Changed::Added))
        }
        (Some(user), Change::Delete) => Some((with_line(text, user, |_| String::new()), Changed::Deleted)),
        (Some(user), Change::Set { hash, roles }) => {
            let line = record::line(name, hash, roles.unwrap_or(&user.roles));
            Some((with_line(text, user, |end| format!("{line}{end}")), Changed::Updated))
        }
    })
}

/// Replaces the line of `user` with the result of `new`. The argument of `new` is the line ending.
fn with_line(text: &str, user: &Record, new: impl Fn(&str) -> String) -> String {
    let replaced = text.split_inclusive('\n').enumerate().map(|(at, line)| {
        if at + 1 != user.line {
            return line.to_owned();
        }
        new(&line[line.trim_end_matches(['\r', '\n']).len()..])
    });
    replaced.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_keeps_all_other_lines() {
        let hash = |salt: &str| {
            format!("$argon2id$v=19$m=8,t=1,p=1${salt}$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")
        };
        let (old, new) = (hash("c29tZXNhbHQ"), hash("b3RoZXJzYWx0"));
        let made = Hash::parse(&new).expect("a hash");
        let roles: [Box<str>; 1] = ["service".into()];
        let set = |roles| Change::Set { hash: &made, roles };
        let text = format!("# users\n\nalice:{old}:a,b\r\n# bob:\nb%3Ab:{old}");
        for (name, change, expected) in [
            (
                "alice",
                set(None),
                Some((format!("# users\n\nalice:{new}:a,b\r\n# bob:\nb%3Ab:{old}"), Changed::Updated)),
            ),
            (
                "alice",
                set(Some(&roles)),
                Some((format!("# users\n\nalice:{new}:service\r\n# bob:\nb%3Ab:{old}"), Changed::Updated)),
            ),
            (
                "alice",
                set(Some(&[])),
                Some((format!("# users\n\nalice:{new}\r\n# bob:\nb%3Ab:{old}"), Changed::Updated)),
            ),
            (
                "b:b",
                set(None),
                Some((format!("# users\n\nalice:{old}:a,b\r\n# bob:\nb%3Ab:{new}"), Changed::Updated)),
            ),
            ("#c", set(Some(&roles)), Some((format!("{text}\n%23c:{new}:service\n"), Changed::Added))),
            (
                "b:b",
                Change::Delete,
                Some((format!("# users\n\nalice:{old}:a,b\r\n# bob:\n"), Changed::Deleted)),
            ),
            ("alice", Change::Delete, Some((format!("# users\n\n# bob:\nb%3Ab:{old}"), Changed::Deleted))),
            ("carol", Change::Delete, None),
        ] {
            assert_eq!(edit(&text, name, change), Ok(expected), "{name} {change:?}");
        }
        assert_eq!(edit("", "a", set(None)), Ok(Some((format!("a:{new}\n"), Changed::Added))));
        assert_eq!(edit("a\n", "a", Change::Delete).expect_err("an invalid line").line, 1);
    }
}
