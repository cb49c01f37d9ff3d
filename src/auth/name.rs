//! The rules that user names must follow.

use precis_core::Error;
use precis_core::profile::PrecisFastInvocation;
use precis_profiles::UsernameCasePreserved;
use std::borrow::Cow;
use std::sync::Arc;

/// Length limit of a user name, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 256;

/// Returns the name if it can be used in headers, in destinations and in the log.
///
/// # Errors
/// The text says what is wrong with the name, for the log.
pub(super) fn checked(name: &str) -> Result<Arc<str>, &'static str> {
    match name {
        "" => Err("the name is empty"),
        long if long.len() > NAME_BYTES_MAX => Err("the name has more than 256 bytes"),
        odd if odd.contains(char::is_control) => Err("the name has a control character"),
        name => Ok(name.into()),
    }
}

/// The rule that user names from every source must follow (`user-names`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Names {
    /// Names in the canonical form of the PRECIS profile UsernameCasePreserved (RFC 8265, section 3.4). They consist of
    /// letters and digits of any script and of printable ASCII characters, in Unicode normalization form C. They
    /// contain no spaces and no invisible characters. Two users therefore cannot have names that differ only in
    /// invisible characters or in the encoding of a letter.
    #[default]
    Precis,
    /// Any name that the source of users returns.
    Any,
}

impl Names {
    /// Parses the value of `user-names`.
    pub fn parse(text: &str) -> Option<Names> {
        match text {
            "precis" => Some(Names::Precis),
            "any" => Some(Names::Any),
            _ => None,
        }
    }

    /// Checks that a user may have this name. A name that is not in its canonical form is rejected, not converted.
    /// Conversion could give two users of a source the same name.
    ///
    /// # Errors
    /// The text says what is wrong with the name, and which option allows it. It shows invisible characters as escapes.
    pub fn check(self, name: &str) -> Result<(), String> {
        if self == Names::Any || is_plain(name) {
            return Ok(());
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(format!("the user name has {} bytes; expected at most {NAME_BYTES_MAX}", name.len()));
        }
        let what = match UsernameCasePreserved::enforce(name) {
            Ok(canonical) if canonical == name => return Ok(()),
            Ok(canonical) => format!("is not in its canonical form {canonical:?}"),
            Err(Error::BadCodepoint(bad)) => format!("has the character U+{:04X}", bad.cp),
            Err(Error::Invalid) if name.is_empty() => "is empty".to_owned(),
            Err(_) => "mixes left-to-right and right-to-left writing in a way that is not allowed".to_owned(),
        };
        Err(format!(
            "the user name {name:?} {what}; expected a name that the PRECIS profile UsernameCasePreserved allows: no \
             spaces, no invisible characters. To accept every name, set user-names = any"
        ))
    }

    /// Returns the canonical form of a login from a client. Returns the login itself if it has no canonical form. The
    /// passcode proves which user the client is, so converting the login cannot confuse two users.
    ///
    /// Returns a login that is longer than any user name unchanged, because its conversion would be slow. For some
    /// characters, the profile examines the whole login again.
    pub(super) fn canonical(self, login: &str) -> Cow<'_, str> {
        if self == Names::Any || is_plain(login) || login.len() > NAME_BYTES_MAX {
            return Cow::Borrowed(login);
        }
        UsernameCasePreserved::enforce(login).unwrap_or(Cow::Borrowed(login))
    }
}

/// Returns whether the name consists of printable ASCII characters other than the space. The profile leaves such a name
/// unchanged.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_for_length_and_control_characters() {
        let longest = "n".repeat(NAME_BYTES_MAX);
        let longer = format!("{longest}n");
        for (name, is_fit) in [
            ("alice", true),
            ("a", true),
            ("a/b.c %2F\u{738b}", true),
            (&longest, true),
            ("", false),
            (&longer, false),
            ("a\0", false),
            ("a\nb", false),
            ("a\u{7f}", false),
            ("a\u{85}", false),
        ] {
            assert_eq!(checked(name).is_ok(), is_fit, "{name:?}");
        }
    }

    #[test]
    fn too_long_login_is_not_converted_and_its_name_is_rejected() {
        // For each of these characters, the profile looks at all others.
        let long = "\u{30fb}\u{738b}".repeat(NAME_BYTES_MAX) + "\u{ff21}";
        assert_eq!(Names::Precis.canonical(&long), long, "the last character alone would become A");
        let error = Names::Precis.check(&long).expect_err("too long");
        assert_eq!(error, "the user name has 1539 bytes; expected at most 256");
    }

    #[test]
    fn names_in_canonical_form_are_accepted() {
        for name in [
            "alice",
            "Alice",
            "john.doe",
            "alice@example.org",
            "DOMAIN\\alice",
            "auth0|5f7c8ec7",
            "al:%/ice",
            "~#!{}",
            "\u{738b}\u{5c0f}\u{660e}",
            "Jos\u{e9}",
            "\u{434}\u{43c}\u{438}\u{442}\u{440}\u{438}\u{439}",
            "\u{5d3}\u{5d5}\u{5d3}",
            // A zero-width joiner where Sinhala needs it to be spelled.
            "\u{dc1}\u{dca}\u{200d}\u{dbb}\u{dd3}",
        ] {
            assert_eq!(Names::Precis.check(name), Ok(()), "{name}");
            assert_eq!(Names::Precis.canonical(name), name);
        }
    }

    #[test]
    fn names_that_look_like_another_name_are_rejected() {
        for (name, what) in [
            (" bob", "has the character U+0020"),
            ("bob ", "has the character U+0020"),
            ("John Smith", "has the character U+0020"),
            ("bob\u{a0}", "has the character U+00A0"),
            ("bob\u{3000}", "has the character U+"),
            ("bo\u{200b}b", "has the character U+200B"),
            ("bo\u{200d}b", "has the character U+200D"),
            ("bo\u{2060}b", "has the character U+2060"),
            ("bo\u{ad}b", "has the character U+00AD"),
            ("\u{feff}bob", "has the character U+FEFF"),
            ("bob\u{200e}", "has the character U+200E"),
            ("\u{202e}bob", "has the character U+202E"),
            ("\u{2066}bob", "has the character U+2066"),
            ("bob\u{2028}", "has the character U+2028"),
            ("bob\u{e0041}", "has the character U+E0041"),
            ("bob\u{fe0f}", "has the character U+FE0F"),
            ("bob\u{3164}", "has the character U+"),
            ("\u{ff42}ob", "is not in its canonical form \"bob\""),
            ("Jose\u{301}", "is not in its canonical form \"Jos\u{e9}\""),
            ("", "is empty"),
            ("\u{5d3}a", "mixes left-to-right and right-to-left writing"),
        ] {
            let error = Names::Precis.check(name).expect_err(name);
            assert!(error.contains(what) && error.contains("user-names = any"), "{name:?}: {error}");
            let is_visible =
                |c: char| c == ' ' || !c.is_whitespace() && !"\u{200b}\u{202e}\u{feff}".contains(c);
            assert!(error.chars().all(is_visible), "{error:?}");
            assert_eq!(Names::Any.check(name), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn a_login_is_converted_to_its_canonical_form_where_it_has_one() {
        for (login, canonical) in [
            ("alice", "alice"),
            ("\u{ff41}lice", "alice"),
            ("Jose\u{301}", "Jos\u{e9}"),
            ("bob ", "bob "),
            ("", ""),
        ] {
            assert_eq!(Names::Precis.canonical(login), canonical);
            assert_eq!(Names::Any.canonical(login), login);
        }
    }
}
