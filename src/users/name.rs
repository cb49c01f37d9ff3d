//! Names of users that come from outside.

use std::sync::Arc;

/// Octets of a name at most.
pub(super) const NAME_BYTES_MAX: usize = 256;

/// The name, if it is fit to be one: it stands in headers, in destinations and in the log.
///
/// # Errors
/// What is wrong with it, in words for the log.
pub(super) fn checked(name: &str) -> Result<Arc<str>, &'static str> {
    match name {
        "" => Err("the name is empty"),
        long if long.len() > NAME_BYTES_MAX => Err("the name has more than 256 octets"),
        odd if odd.contains(char::is_control) => Err("the name has a control character"),
        name => Ok(name.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_names_are_fit() {
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
}
