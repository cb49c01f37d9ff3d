//! The name of the JavaScript function that a page wants called: query parameter `c` of htmlfile and jsonp.

use memchr::memchr;
use std::borrow::Cow;
use thiserror::Error;

/// A function name that is safe in a script: one or more characters of `[a-zA-Z0-9-_.]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Callback(String);

/// An error in the callback parameter. The text is the body of the response with status 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum CallbackError {
    /// The parameter is missing or empty.
    #[error("\"callback\" parameter required")]
    Missing,
    /// The name is too long or contains a character that is not allowed.
    #[error("invalid \"callback\" parameter")]
    Invalid,
}

impl Callback {
    /// Parses the parameter's value, already decoded by [`percent_decode`]; empty if the parameter is missing.
    pub fn parse(decoded: &str, length_max: usize) -> Result<Callback, CallbackError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        match decoded {
            "" => Err(CallbackError::Missing),
            name if name.len() <= length_max && name.bytes().all(is_allowed) => Ok(Callback(name.to_owned())),
            _ => Err(CallbackError::Invalid),
        }
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Decodes `%HH` to bytes. A `%` without two hexadecimal digits is kept, and bytes that are not UTF-8 become U+FFFD.
pub fn percent_decode(text: &str) -> Cow<'_, str> {
    match decoded(text.as_bytes(), false) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(bytes) => Cow::Owned(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }),
    }
}

/// Decodes `%HH` to a byte and, in a form, `+` to a space.
pub(super) fn decoded(bytes: &[u8], in_form: bool) -> Cow<'_, [u8]> {
    let has_plus = in_form && memchr(b'+', bytes).is_some();
    if memchr(b'%', bytes).is_none() && !has_plus {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let hex = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (first, hex(0).zip(hex(1))) {
            (b'%', Some((high, low))) => {
                out.push((high << 4 | low) as u8);
                rest = &after[2..];
            }
            (b'+', _) if in_form => out.push(b' '),
            _ => out.push(*first),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callback_is_a_short_name_of_safe_characters() {
        let longest = "a".repeat(32);
        for name in ["callback", "_jp.a1b2c3d", "A-Z.0_9", "x", &longest] {
            assert_eq!(Callback::parse(name, 32).as_ref().map(Callback::as_str), Ok(name));
        }
        let too_long = "a".repeat(33);
        let bad =
            ["abc()", "a b", "a\n", "a\0", "a'", "a\"", "a\\", "a[0]", "é", "a%63", "<", "a+b", &too_long];
        for name in bad {
            assert_eq!(Callback::parse(name, 32), Err(CallbackError::Invalid), "{name:?}");
        }
        assert!(Callback::parse(&too_long, 33).is_ok());
        assert_eq!(Callback::parse("", 32), Err(CallbackError::Missing));
        assert_eq!(CallbackError::Missing.to_string(), r#""callback" parameter required"#);
        assert_eq!(CallbackError::Invalid.to_string(), r#"invalid "callback" parameter"#);
    }

    #[test]
    fn percent_escapes_are_decoded_to_bytes() {
        let cases = [
            ("callback", "callback"),
            ("%63allback", "callback"),
            ("a%2Eb%2eb", "a.b.b"),
            ("%C3%A9é", "éé"),
            ("%ff", "\u{fffd}"),
            ("a+b", "a+b"),
            ("%", "%"),
            ("%4", "%4"),
            ("%4g%g4%%41", "%4g%g4%A"),
            ("%+1%é", "%+1%é"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(percent_decode(text), expected, "{text:?}");
        }
        assert!(matches!(percent_decode("callback"), Cow::Borrowed(_)));
        assert_eq!(&*decoded(b"a+b%2B%00", true), b"a b+\0");
    }
}
