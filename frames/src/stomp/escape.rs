//! Escapes in header names and values (STOMP 1.1 and 1.2, section "Value Encoding").
//!
//! | sequence | 1.0     | 1.1   | 1.2   | CONNECT, STOMP, CONNECTED |
//! |----------|---------|-------|-------|---------------------------|
//! | `\\`     | literal | `\`   | `\`   | literal                   |
//! | `\n`     | literal | LF    | LF    | literal                   |
//! | `\c`     | literal | `:`   | `:`   | literal                   |
//! | `\r`     | literal | fatal | CR    | literal                   |
//! | other    | literal | fatal | fatal | literal                   |

use super::version::Version;
use bytes::BufMut;
use memchr::memchr;
use std::borrow::Cow;

/// The escaping rules of a header line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// No escapes. For version 1.0, and for CONNECT, STOMP and CONNECTED in all versions.
    Literal,
    /// The escapes of 1.1.
    V1_1,
    /// The escapes of 1.2.
    V1_2,
}

/// The part of a header line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderPart {
    Name,
    Value,
}

/// The escape sequences. Each row has the letter after the backslash, the character that it represents, and the first
/// dialect that defines it.
const SEQUENCES: [(u8, u8, Dialect); 4] = [
    (b'\\', b'\\', Dialect::V1_1),
    (b'n', b'\n', Dialect::V1_1),
    (b'c', b':', Dialect::V1_1),
    (b'r', b'\r', Dialect::V1_2),
];

impl Dialect {
    /// Returns the dialect of headers in `version`. `literal` means that the command has literal headers.
    pub(crate) fn of(version: Version, literal: bool) -> Dialect {
        match version {
            _ if literal => Dialect::Literal,
            Version::V1_0 => Dialect::Literal,
            Version::V1_1 => Dialect::V1_1,
            Version::V1_2 => Dialect::V1_2,
        }
    }

    fn table(self, part: HeaderPart) -> &'static Table {
        static TABLES: [[Table; 2]; 3] = [
            [table(Dialect::Literal, HeaderPart::Name), table(Dialect::Literal, HeaderPart::Value)],
            [table(Dialect::V1_1, HeaderPart::Name), table(Dialect::V1_1, HeaderPart::Value)],
            [table(Dialect::V1_2, HeaderPart::Name), table(Dialect::V1_2, HeaderPart::Value)],
        ];
        &TABLES[self as usize][part as usize]
    }
}

/// Checks the escape sequences. The error is the offset of the first backslash that begins no sequence of `dialect`.
pub(crate) fn check(dialect: Dialect, wire: &[u8]) -> Result<(), usize> {
    let mut at = 0;
    while let Some(next) = memchr(b'\\', &wire[at..]) {
        at += next;
        let letter = wire.get(at + 1).copied();
        if !SEQUENCES.iter().any(|row| Some(row.0) == letter && row.2 as u8 <= dialect as u8) {
            return Err(at);
        }
        at += 2;
    }
    Ok(())
}

/// Decodes the escape sequences in one pass from left to right. `wire` must have passed [`check`] for 1.1 or 1.2. The
/// dialect does not matter, because the sequences of 1.1 have the same meaning in 1.2.
pub(crate) fn unescape(wire: &str) -> Cow<'_, str> {
    let Some(first) = memchr(b'\\', wire.as_bytes()) else { return Cow::Borrowed(wire) };
    let mut text = String::with_capacity(wire.len());
    text.push_str(&wire[..first]);
    let mut chars = wire[first..].chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            text.push(char);
            continue;
        }
        let letter = chars.next().unwrap_or('\\');
        let sequence = SEQUENCES.iter().find(|row| char::from(row.0) == letter);
        text.push(sequence.map_or(letter, |row| char::from(row.1)));
    }
    Cow::Owned(text)
}

/// Returns `true` only if `text` needs no escape and no replacement in any dialect. Tests eight bytes at a time. It may
/// therefore return `false` for text with other control characters.
#[inline]
pub(crate) fn needs_no_escape(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk() else {
        return text.iter().all(|byte| VALUE_1_2[usize::from(*byte)] == 0);
    };
    let (words, _) = text.as_chunks();
    words.iter().chain([last]).fold(0, |seen, word| seen | special_bits(u64::from_le_bytes(*word))) == 0
}

/// Sets the highest bit of each byte that is below 0x10, a colon or a backslash in `word`. A subtraction may borrow
/// from the byte above such a byte. It may then also set the bit of that byte.
#[inline]
fn special_bits(word: u64) -> u64 {
    const fn repeat(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    let [colons, backslashes] = [b':', b'\\'].map(|byte| word ^ repeat(byte));
    let below_16 = word.wrapping_sub(repeat(0x10)) & !word;
    let colons = colons.wrapping_sub(repeat(1)) & !colons;
    let backslashes = backslashes.wrapping_sub(repeat(1)) & !backslashes;
    (below_16 | colons | backslashes) & repeat(0x80)
}

/// Appends `text` with escapes. Replaces characters that `dialect` cannot represent.
#[inline]
pub(crate) fn put(out: &mut impl BufMut, dialect: Dialect, part: HeaderPart, text: &str) {
    match needs_no_escape(text.as_bytes()) {
        true => out.put_slice(text.as_bytes()),
        false => put_escaped(out, dialect, part, text),
    }
}

fn put_escaped(out: &mut impl BufMut, dialect: Dialect, part: HeaderPart, text: &str) {
    let table = dialect.table(part);
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| table[usize::from(*byte)] != 0) {
        out.put_slice(&rest[..at]);
        match table[usize::from(rest[at])] {
            replacement @ (SPACE | UNDERSCORE) => out.put_slice(&[replacement]),
            letter => out.put_slice(&[b'\\', letter]),
        }
        rest = &rest[at + 1..];
    }
    out.put_slice(rest);
}

/// Returns the number of bytes that [`put`] would append.
#[inline]
pub(crate) fn length(dialect: Dialect, part: HeaderPart, text: &str) -> usize {
    match needs_no_escape(text.as_bytes()) {
        true => text.len(),
        false => length_escaped(dialect, part, text),
    }
}

fn length_escaped(dialect: Dialect, part: HeaderPart, text: &str) -> usize {
    let table = dialect.table(part);
    let escaped = |byte: &&u8| !matches!(table[usize::from(**byte)], 0 | SPACE | UNDERSCORE);
    text.len() + text.as_bytes().iter().filter(escaped).count()
}

/// Maps each byte to its encoding. 0 means that the byte stays unchanged. A space or an underscore replaces the byte.
/// Another value is the letter of its escape.
type Table = [u8; 256];
/// The table for values of 1.2. It is nonzero for each byte that any dialect changes in a name or in a value.
static VALUE_1_2: Table = table(Dialect::V1_2, HeaderPart::Value);
const SPACE: u8 = b' ';
const UNDERSCORE: u8 = b'_';

const fn table(dialect: Dialect, part: HeaderPart) -> Table {
    let mut table = [0; 256];
    // No version can represent NUL. Many clients take the first NUL for the end of the frame.
    table[0] = SPACE;
    table[b'\n' as usize] = SPACE;
    table[b'\r' as usize] = SPACE;
    if matches!(part, HeaderPart::Name) {
        table[b':' as usize] = UNDERSCORE;
    }
    let mut row = 0;
    while row < SEQUENCES.len() {
        let (letter, byte, since) = SEQUENCES[row];
        if dialect as u8 >= since as u8 {
            table[byte as usize] = letter;
        }
        row += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use proptest::prelude::*;

    fn written(dialect: Dialect, part: HeaderPart, text: &str) -> String {
        let mut out = BytesMut::new();
        put(&mut out, dialect, part, text);
        assert_eq!(out.len(), length(dialect, part, text), "length of {text:?}");
        String::from_utf8(out.to_vec()).expect("UTF-8 stays UTF-8")
    }

    #[test]
    fn each_version_accepts_its_own_escape_sequences() {
        type Checked = Result<(), usize>;
        let cases: [(&str, Checked, Checked); 12] = [
            ("plain", Ok(()), Ok(())),
            (r"\\", Ok(()), Ok(())),
            (r"\n", Ok(()), Ok(())),
            (r"\c", Ok(()), Ok(())),
            (r"\r", Err(0), Ok(())),
            (r"a\t", Err(1), Err(1)),
            (r"ab\", Err(2), Err(2)),
            (r"\\\", Err(2), Err(2)),
            (r"\\r", Ok(()), Ok(())),
            (r"\N", Err(0), Err(0)),
            (r"\:", Err(0), Err(0)),
            (r"\cc\x", Err(3), Err(3)),
        ];
        for (wire, v1_1, v1_2) in cases {
            assert_eq!(check(Dialect::V1_1, wire.as_bytes()), v1_1, "1.1 {wire:?}");
            assert_eq!(check(Dialect::V1_2, wire.as_bytes()), v1_2, "1.2 {wire:?}");
        }
    }

    #[test]
    fn unescaping_is_one_pass_from_left_to_right() {
        let cases = [
            (r"plain", "plain"),
            (r"\\", "\\"),
            (r"\\n", "\\n"),
            (r"\\\n", "\\\n"),
            (r"a\cb\nc\rd", "a:b\nc\rd"),
            (r"\c\c", "::"),
            (r"é\né", "é\né"),
            ("", ""),
        ];
        for (wire, text) in cases {
            assert_eq!(unescape(wire), text, "{wire:?}");
        }
        assert!(matches!(unescape("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn characters_that_a_version_cannot_represent_are_replaced() {
        let text = "a:b\\c\nd\re\0f";
        let cases = [
            (Dialect::Literal, HeaderPart::Value, "a:b\\c d e f"),
            (Dialect::Literal, HeaderPart::Name, "a_b\\c d e f"),
            (Dialect::V1_1, HeaderPart::Value, r"a\cb\\c\nd e f"),
            (Dialect::V1_1, HeaderPart::Name, r"a\cb\\c\nd e f"),
            (Dialect::V1_2, HeaderPart::Value, r"a\cb\\c\nd\re f"),
            (Dialect::V1_2, HeaderPart::Name, r"a\cb\\c\nd\re f"),
        ];
        for (dialect, part, expected) in cases {
            assert_eq!(written(dialect, part, text), expected, "{dialect:?} {part:?}");
        }
    }

    proptest! {
        #[test]
        fn bare_text_is_written_unchanged(text in "[a-c:;\\\\\\]\n\r\0\t\x10 é]{0,40}") {
            if needs_no_escape(text.as_bytes()) {
                for dialect in [Dialect::Literal, Dialect::V1_1, Dialect::V1_2] {
                    for part in [HeaderPart::Name, HeaderPart::Value] {
                        let mut out = BytesMut::new();
                        put_escaped(&mut out, dialect, part, &text);
                        prop_assert_eq!(&out, text.as_bytes());
                        prop_assert_eq!(length_escaped(dialect, part, &text), text.len());
                    }
                }
            } else {
                prop_assert!(text.contains(['\0', '\t', '\n', '\r', ':', '\\']));
            }
        }

        #[test]
        fn unescape_is_the_inverse_of_put(text in "[a\\\\:\n\r é]{0,12}") {
            for (dialect, expected) in [(Dialect::V1_2, text.clone()), (Dialect::V1_1, text.replace('\r', " "))] {
                let wire = written(dialect, HeaderPart::Value, &text);
                prop_assert_eq!(check(dialect, wire.as_bytes()), Ok(()));
                prop_assert_eq!(unescape(&wire), expected);
            }
        }

        #[test]
        fn written_text_never_ends_a_line_or_a_name(text in any::<String>()) {
            for dialect in [Dialect::Literal, Dialect::V1_1, Dialect::V1_2] {
                let name = written(dialect, HeaderPart::Name, &text);
                let value = written(dialect, HeaderPart::Value, &text);
                prop_assert!(!name.contains(['\n', '\r', '\0', ':']), "{name:?}");
                prop_assert!(!value.contains(['\n', '\r', '\0']), "{value:?}");
            }
        }
    }
}
