//! The owner of a user destination.

use super::error::invalid;
use crate::rejection::Rejection;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::sync::Arc;

/// The character before the ID of a session.
pub(super) const SESSION: char = '~';

/// A user or a session that owns user destinations. Its text is the segment after `/user/` in the form for routing.
///
/// The text of a user is the name, in which ambiguous characters are percent-encoded. These are `/`, `%` and a `~` at
/// the beginning. If the whole name is `queue`, `topic` or a wildcard, its first character is encoded. Two users never
/// have the same text. A user never has the text of a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner(Arc<str>);

impl Owner {
    /// Creates the owner for the user with this name.
    pub fn user(name: &str) -> Owner {
        let reserved = matches!(name, "queue" | "topic" | "*" | "**" | "#" | ">");
        if !reserved && !name.starts_with(SESSION) && !name.contains(['/', '%']) {
            return Owner(name.into());
        }
        let mut text = String::with_capacity(name.len() + 8);
        for (at, character) in name.char_indices() {
            let plain = !matches!(character, '/' | '%') && (at > 0 || !reserved && character != SESSION);
            if plain {
                text.push(character);
            } else {
                let mut bytes = [0; 4];
                for byte in character.encode_utf8(&mut bytes).bytes() {
                    text.push_str(&format!("%{byte:02X}"));
                }
            }
        }
        Owner(text.into())
    }

    /// Creates the owner for the session with this ID.
    pub fn session(id: &str) -> Owner {
        Owner(format!("{SESSION}{id}").into())
    }

    /// Creates the owner of a session's own destinations: its user, or the session itself if it has no user.
    pub fn of(user: Option<&str>, session: &str) -> Owner {
        user.map_or_else(|| Owner::session(session), Owner::user)
    }

    /// Returns the text, as in `/user/TEXT/queue/x`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Decodes the segment after `/user/`. Returns a user name as the inner `Ok`, or the ID of a session as the inner
/// `Err`.
pub(super) fn decode(text: &str) -> Result<Result<String, &str>, Rejection> {
    if let Some(id) = text.strip_prefix(SESSION) {
        return Ok(Err(id));
    }
    percent_decode(text).map(Ok)
}

/// Decodes the percent-encoding of a name.
///
/// # Errors
/// A `%` is not followed by two hexadecimal digits, or the bytes are not UTF-8. The function does not repair an invalid
/// name, because the result could be the name of another user.
pub(crate) fn percent_decode(text: &str) -> Result<String, Rejection> {
    let malformed = || {
        invalid(format!(
            "invalid name {text:?}: expected two hexadecimal digits of a UTF-8 byte after each '%', and %25 for a \
             '%' itself."
        ))
    };
    let is_escape =
        |rest: &str| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(is_escape) {
        return Err(malformed());
    }
    percent_decode_str(text).decode_utf8().map(Cow::into_owned).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_encoded_only_where_they_would_be_ambiguous() {
        for (name, text) in [
            ("alice", "alice"),
            ("john.doe", "john.doe"),
            ("Jo Doe", "Jo Doe"),
            ("小明", "小明"),
            ("a~b", "a~b"),
            ("a/b", "a%2Fb"),
            ("100%", "100%25"),
            ("~s1", "%7Es1"),
            ("queue", "%71ueue"),
            ("topic", "%74opic"),
            ("*", "%2A"),
            ("**", "%2A*"),
            ("queues", "queues"),
        ] {
            assert_eq!(Owner::user(name).as_str(), text, "{name}");
            assert_eq!(decode(text), Ok(Ok(name.to_owned())));
        }
        assert_eq!(Owner::session("s1").as_str(), "~s1");
        assert_eq!(decode("~s1"), Ok(Err("s1")));
    }

    #[test]
    fn invalid_percent_encoding_is_rejected() {
        for text in ["100%", "%", "%2", "%zz", "a%2", "%ff", "%c3%28"] {
            assert!(percent_decode(text).is_err(), "{text}");
        }
        for (text, name) in [("a%20b", "a b"), ("%2f", "/"), ("%e5%b0%8F", "小"), ("%252F", "%2F")] {
            assert_eq!(percent_decode(text).as_deref(), Ok(name));
        }
    }

    proptest! {
        #[test]
        fn owner_encoding_is_reversible_and_unique(name in "\\PC{1,12}|[~%/a*]{1,4}", other in "[~%/a2F*]{1,4}") {
            let owner = Owner::user(&name);
            prop_assert!(!owner.as_str().contains('/'));
            prop_assert_eq!(decode(owner.as_str()), Ok(Ok(name.clone())));
            prop_assert_eq!(owner == Owner::user(&other), name == other);
            prop_assert_ne!(owner, Owner::session(&other));
        }
    }
}
