//! Whose a user's destination is.

use super::{DestinationError, wrong};
use std::sync::Arc;

/// The mark before the id of a session.
pub(super) const SESSION: char = '~';

/// A user, or one session that is nobody's: the segment behind `/user/` in the one form by which the broker routes.
///
/// A name is written as it is, but for what could be taken for something else: `/` and `%` anywhere, a `~` at the
/// beginning, and the whole names `queue` and `topic` are percent-encoded. No two users have one text, and no user has
/// that of a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner(Arc<str>);

impl Owner {
    /// The user of this name.
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
                let mut octets = [0; 4];
                for octet in character.encode_utf8(&mut octets).bytes() {
                    text.push_str(&format!("%{octet:02X}"));
                }
            }
        }
        Owner(text.into())
    }

    /// The session of this id.
    pub fn session(id: &str) -> Owner {
        Owner(format!("{SESSION}{id}").into())
    }

    /// Whose a session's own destinations are: its user's, or its alone if it is anonymous.
    pub fn of(user: Option<&str>, session: &str) -> Owner {
        user.map_or_else(|| Owner::session(session), Owner::user)
    }

    /// The text, as in `/user/TEXT/queue/x`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a client wrote behind `/user/`, decoded; `Err`: the id of a session.
pub(super) fn decode(text: &str) -> Result<Result<String, &str>, DestinationError> {
    if let Some(id) = text.strip_prefix(SESSION) {
        return Ok(Err(id));
    }
    percent_decode(text).map(Ok)
}

/// Undoes percent-encoding.
///
/// # Errors
/// A `%` without two hexadecimal digits behind it, or bytes that are not UTF-8: it is not guessed who is meant.
pub(crate) fn percent_decode(text: &str) -> Result<String, DestinationError> {
    let malformed = || {
        wrong(format!(
            "{text:?} is no name: '%' begins a percent-encoded octet of UTF-8 there, and itself is written %25."
        ))
    };
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [octet, tail @ ..] = rest {
        rest = tail;
        if *octet != b'%' {
            octets.push(*octet);
            continue;
        }
        let digit = |at: usize| rest.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else { return Err(malformed()) };
        octets.push((high * 16 + low) as u8);
        rest = &rest[2..];
    }
    String::from_utf8(octets).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_written_plainly_where_nothing_else_could_be_meant() {
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
    fn percent_signs_are_not_guessed_at() {
        for text in ["100%", "%", "%2", "%zz", "a%2", "%ff", "%c3%28"] {
            assert!(percent_decode(text).is_err(), "{text}");
        }
        for (text, name) in [("a%20b", "a b"), ("%2f", "/"), ("%e5%b0%8F", "小"), ("%252F", "%2F")] {
            assert_eq!(percent_decode(text).as_deref(), Ok(name));
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back_and_no_two_are_one(name in "\\PC{1,12}|[~%/a*]{1,4}", other in "[~%/a2F*]{1,4}") {
            let owner = Owner::user(&name);
            prop_assert!(!owner.as_str().contains('/'));
            prop_assert_eq!(decode(owner.as_str()), Ok(Ok(name.clone())));
            prop_assert_eq!(owner == Owner::user(&other), name == other);
            prop_assert_ne!(owner, Owner::session(&other));
        }
    }
}
