//! The name of the JavaScript function that a response calls in the page. It is the query parameter `c` of the SockJS
//! transports htmlfile and jsonp.

use thiserror::Error;

/// A function name that is safe in a script. It consists of one or more characters of `[a-zA-Z0-9-_.]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Callback(String);

/// An error in the callback parameter. SockJS 0.3.3 prescribes its text as the body of a response with status 500.
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
    /// Parses the percent-decoded value of the parameter. `decoded` is empty if the parameter is missing. `length_max`
    /// is the maximum length in bytes.
    ///
    /// # Errors
    /// [`CallbackError::Missing`] if `decoded` is empty. [`CallbackError::Invalid`] if the name is too long or contains
    /// a character that is not allowed.
    pub fn parse(decoded: &str, length_max: usize) -> Result<Callback, CallbackError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        match decoded {
            "" => Err(CallbackError::Missing),
            name if name.len() <= length_max && name.bytes().all(is_allowed) => Ok(Callback(name.to_owned())),
            _ => Err(CallbackError::Invalid),
        }
    }

    /// Returns the name of the function.
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
}
