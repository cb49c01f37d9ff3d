//! The name of a client's program in the log.

/// Maximum length of the name of a client's program in the log, in characters.
const AGENT_CHARS_MAX: usize = 120;

/// Returns the name of a client's program for the log: shortened, on one line, and without control characters.
pub(crate) fn agent_for_log(text: &str) -> Option<Box<str>> {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let display: String = text.trim().chars().take(AGENT_CHARS_MAX).map(plain).collect();
    (!display.is_empty()).then(|| display.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_is_shortened_and_shown_on_one_line() {
        assert_eq!(agent_for_log(" Firefox/144.0 ").as_deref(), Some("Firefox/144.0"));
        assert_eq!(agent_for_log(" "), None);
        assert_eq!(agent_for_log("a\nb\u{1b}[0mc").as_deref(), Some("a b [0mc"));
        assert_eq!(agent_for_log(&"\u{738b}".repeat(500)).map(|agent| agent.chars().count()), Some(120));
    }
}
