//! Text from clients in error texts.

use std::fmt::{Display, Formatter, Result, Write};

/// Displays text from a client in quotes. Shows at most 100 characters. Replaces control characters, so that a terminal
/// does not interpret them.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        const CHARACTERS_MAX: usize = 100;
        let mut rest = self.0.chars();
        f.write_char('"')?;
        for character in rest.by_ref().take(CHARACTERS_MAX) {
            match character {
                '"' => f.write_char('\'')?,
                character if character.is_control() => f.write_char('\u{fffd}')?,
                character => f.write_char(character)?,
            }
        }
        f.write_str(if rest.as_str().is_empty() { "\"" } else { "…\"" })
    }
}
