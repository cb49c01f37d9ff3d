//! Quoting of a message's text for a SockJS frame. Each character is quoted separately. Quoting a text in pieces
//! therefore gives the same result as quoting the whole text.

use bytes::BytesMut;
use percent_encoding::percent_decode;
use std::borrow::Cow;

/// The way in which text is quoted in a frame. It depends on the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quoting {
    /// As a JSON string, for xhr, xhr_streaming and websocket.
    Plain,
    /// As a JSON string with `%` as `%25`, for eventsource. Its clients percent-decode the string.
    JsonPercent,
    /// As a JSON string inside a JavaScript string, for htmlfile and jsonp. It contains no `<`, so that no text can end
    /// the enclosing script element.
    JsonTwice,
}

impl Quoting {
    /// All quotings, in the order of their discriminants.
    pub const ALL: [Quoting; 3] = [Quoting::Plain, Quoting::JsonPercent, Quoting::JsonTwice];

    /// Returns the quotation mark before and after a string.
    pub fn quotation_mark(self) -> &'static [u8] {
        match self {
            Quoting::Plain | Quoting::JsonPercent => b"\"",
            Quoting::JsonTwice => b"\\\"",
        }
    }
}

/// Classes of UTF-8 bytes for [`quote`].
mod class {
    /// The byte needs no escape.
    pub(super) const PLAIN: u8 = 0;
    /// The last of the classes for bytes with their own escape. Class N, from 1 to this class, is for row N - 1 of
    /// [`super::ESCAPES`].
    pub(super) const ESCAPE_MAX: u8 = 9;
    /// A control character without its own escape.
    pub(super) const CONTROL: u8 = 10;
    /// The first byte of a character that may need an escape.
    pub(super) const CANDIDATE: u8 = 11;
    /// The first byte of a character above U+FFFF.
    pub(super) const ASTRAL: u8 = 12;
}

/// Bytes with their own escape, and the escape in each quoting. An empty escape means that the quoting does not escape
/// the byte.
const ESCAPES: [(u8, [&[u8]; 3]); 9] = [
    (b'"', [b"\\\"", b"\\\"", b"\\\\\\\""]),
    (b'\\', [b"\\\\", b"\\\\", b"\\\\\\\\"]),
    (b'\n', [b"\\n", b"\\n", b"\\\\n"]),
    (b'\r', [b"\\r", b"\\r", b"\\\\r"]),
    (b'\t', [b"\\t", b"\\t", b"\\\\t"]),
    (0x08, [b"\\b", b"\\b", b"\\\\b"]),
    (0x0C, [b"\\f", b"\\f", b"\\\\f"]),
    (b'%', [b"", b"%25", b""]),
    (b'<', [b"", b"", b"\\u003c"]),
];

/// An escape with padding, and its length without the padding. Because of the fixed size, it is copied in one step.
type Padded = ([u8; 8], usize);

static PADDED: [[Padded; ESCAPES.len()]; 3] = [padded(0), padded(1), padded(2)];

const fn padded(quoting: usize) -> [Padded; ESCAPES.len()] {
    let mut all = [([0; 8], 0); ESCAPES.len()];
    let mut at = 0;
    while at < ESCAPES.len() {
        let escape = ESCAPES[at].1[quoting];
        all[at].0.split_at_mut(escape.len()).0.copy_from_slice(escape);
        all[at].1 = escape.len();
        at += 1;
    }
    all
}

static CLASSES: [[u8; 256]; 3] = [classes(0), classes(1), classes(2)];

const fn classes(quoting: usize) -> [u8; 256] {
    let mut classes = [class::PLAIN; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte {
            0x00..0x20 => class::CONTROL,
            // U+2000–2FFF and U+F000–FFFF.
            0xE2 | 0xEF => class::CANDIDATE,
            0xF0..=0xFF => class::ASTRAL,
            _ => class::PLAIN,
        };
        byte += 1;
    }
    let mut at = 0;
    while at < ESCAPES.len() {
        if !ESCAPES[at].1[quoting].is_empty() {
            classes[ESCAPES[at].0 as usize] = at as u8 + 1;
        }
        at += 1;
    }
    classes
}

/// Appends `text` quoted, without quotation marks. Invalid UTF-8 sequences become U+FFFD.
pub fn quote(quoting: Quoting, text: &[u8], out: &mut BytesMut) {
    out.reserve(text.len());
    match std::str::from_utf8(text) {
        Ok(text) => quote_valid(quoting, text, out),
        Err(_) => {
            for chunk in text.utf8_chunks() {
                quote_valid(quoting, chunk.valid(), out);
                if !chunk.invalid().is_empty() {
                    write_unicode_escape(quoting, char::REPLACEMENT_CHARACTER, out);
                }
            }
        }
    }
}

fn quote_valid(quoting: Quoting, text: &str, out: &mut BytesMut) {
    let bytes = text.as_bytes();
    let classes = &CLASSES[quoting as usize];
    // The bytes from `from` to `at` need no escape and are not appended yet.
    let (mut from, mut at) = (0, 0);
    loop {
        at = plain_end(bytes, at, quoting);
        let Some(byte) = bytes.get(at) else { break };
        let class = classes[usize::from(*byte)];
        if class == class::CANDIDATE && !needs_escape([bytes[at], bytes[at + 1], bytes[at + 2]]) {
            at += 3;
            continue;
        }
        append_run(&bytes[from..], at - from, out);
        if class <= class::ESCAPE_MAX {
            let (escape, length) = &PADDED[quoting as usize][usize::from(class) - 1];
            let end = out.len() + length;
            out.extend_from_slice(escape);
            out.truncate(end);
            at += 1;
        } else {
            let char = text[at..].chars().next().expect("at is the start of a character");
            write_unicode_escape(quoting, char, out);
            at += char.len_utf8();
        }
        from = at;
    }
    out.extend_from_slice(&bytes[from..]);
}

/// Appends the first `length` bytes. JSON has many short runs. For a short run, copying a chunk of fixed size and
/// truncating it is faster than copying `length` bytes.
fn append_run(bytes: &[u8], length: usize, out: &mut BytesMut) {
    const SHORT_MAX: usize = 16;
    match bytes.first_chunk::<SHORT_MAX>() {
        Some(chunk) if length <= SHORT_MAX => {
            let end = out.len() + length;
            out.extend_from_slice(chunk);
            out.truncate(end);
        }
        _ => out.extend_from_slice(&bytes[..length]),
    }
}

/// Returns the index of the first byte from `at` on that is not plain. Examines eight bytes at a time. Uses the table
/// only if one of them may need an escape.
fn plain_end(bytes: &[u8], mut at: usize, quoting: Quoting) -> usize {
    let classes = &CLASSES[quoting as usize];
    let special = |byte: &u8| classes[usize::from(*byte)] != class::PLAIN;
    while let Some(word) = bytes[at..].first_chunk() {
        if let Some(candidate) = first_candidate(u64::from_le_bytes(*word), quoting) {
            if let Some(stop) = word[candidate..].iter().position(special) {
                return at + candidate + stop;
            }
            at += word.len();
        } else {
            at += word.len();
            at += plain_blocks(&bytes[at..], quoting);
        }
    }
    bytes[at..].iter().position(special).map_or(bytes.len(), |stop| at + stop)
}

/// Returns the total length of the plain blocks at the beginning of `bytes`. A plain block has only ASCII characters
/// without an escape. The loop over a block has no early exit, so that the compiler vectorizes it.
fn plain_blocks(bytes: &[u8], quoting: Quoting) -> usize {
    const BLOCK: usize = 32;
    let extra = extra_escape(quoting);
    let candidate =
        |byte: u8| (byte.wrapping_sub(0x20) >= 0x60) | (byte == b'"') | (byte == b'\\') | (byte == extra);
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let is_plain = |block: &&[u8; BLOCK]| !block.iter().fold(false, |any, byte| any | candidate(*byte));
    blocks.iter().take_while(is_plain).count() * BLOCK
}

/// Returns the index of the first byte that is a control character, is not ASCII, or has its own escape. The lowest
/// byte is the first of the eight bytes.
fn first_candidate(bytes: u64, quoting: Quoting) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    // The subtraction sets the high bit of an ASCII byte that is less than the subtrahend. Only such a byte borrows
    // from the next higher byte. The borrow can therefore change only bytes after a candidate. The first candidate is
    // always right.
    let is = |byte: u8| (bytes ^ (u64::from(byte) * ONES)).wrapping_sub(ONES);
    let is_control = bytes.wrapping_sub(0x20 * ONES);
    let candidate = (bytes | is_control | is(b'"') | is(b'\\') | is(extra_escape(quoting))) & HIGH;
    (candidate != 0).then(|| candidate.trailing_zeros() as usize / 8)
}

/// Returns the byte that only this quoting escapes. For [`Quoting::Plain`], which has no such byte, returns the
/// quotation mark.
fn extra_escape(quoting: Quoting) -> u8 {
    match quoting {
        Quoting::Plain => b'"',
        Quoting::JsonPercent => b'%',
        Quoting::JsonTwice => b'<',
    }
}

/// Returns whether these three bytes encode a character that some proxies and browsers change. These are U+200C–200F,
/// 2028–202F, 2060–206F and FFF0–FFFF.
fn needs_escape(bytes: [u8; 3]) -> bool {
    matches!(
        bytes,
        [0xE2, 0x80, 0x8C..=0x8F | 0xA8..=0xAF] | [0xE2, 0x81, 0xA0..=0xAF] | [0xEF, 0xBF, 0xB0..=0xBF]
    )
}

/// Appends the escape `\uXXXX`. Appends two escapes for a character above U+FFFF.
fn write_unicode_escape(quoting: Quoting, char: char, out: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let escape: &[u8] = if quoting == Quoting::JsonTwice { b"\\\\u" } else { b"\\u" };
    for unit in char.encode_utf16(&mut [0; 2]) {
        out.extend_from_slice(escape);
        out.extend_from_slice(&[12, 8, 4, 0].map(|shift| DIGITS[usize::from(*unit >> shift & 0xF)]));
    }
}

/// Returns the text that [`quote`] has quoted. `quoted` is without quotation marks. Returns `None` if it is not valid.
pub fn unquote(quoting: Quoting, quoted: &[u8]) -> Option<String> {
    match quoting {
        Quoting::Plain => unquote_json(quoted),
        Quoting::JsonPercent => {
            let mut escapes = quoted.split(|byte| *byte == b'%').skip(1);
            match escapes.all(|after| after.starts_with(b"25")) {
                true => unquote_json(&Cow::from(percent_decode(quoted))),
                false => None,
            }
        }
        Quoting::JsonTwice => unquote_json(unquote_json(quoted)?.as_bytes()),
    }
}

fn unquote_json(quoted: &[u8]) -> Option<String> {
    let literal = [b"\"", quoted, b"\""].concat();
    let text: Cow<'_, str> = serde_json::from_slice(&literal).ok()?;
    Some(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    fn quoted(quoting: Quoting, text: &[u8]) -> String {
        let mut out = BytesMut::new();
        quote(quoting, text, &mut out);
        String::from_utf8(out.to_vec()).expect("UTF-8")
    }

    fn json(literal: &str) -> String {
        serde_json::from_str(&format!("\"{literal}\"")).unwrap_or_else(|error| panic!("{literal:?}: {error}"))
    }

    /// Checks each quoting of `text` against the JSON parser, and returns the quoted texts.
    fn checked(text: &str) -> [String; 3] {
        let [plain, percent, twice] = Quoting::ALL.map(|quoting| {
            let quoted = quoted(quoting, text.as_bytes());
            assert_eq!(unquote(quoting, quoted.as_bytes()).as_deref(), Some(text), "{quoting:?} {quoted:?}");
            assert!(!quoted.bytes().any(|byte| byte < b' '), "{quoted:?}");
            quoted
        });
        assert_eq!(json(&plain), text);
        assert_eq!(percent_decode_str(&percent).decode_utf8().as_deref(), Ok(&*plain));
        assert_eq!(json(&twice), plain);
        assert!(!twice.contains('<'), "{twice:?}");
        [plain, percent, twice]
    }

    /// Returns how a character is written in a JSON string. This is a simple model of the quoting.
    fn model(char: char) -> String {
        let code = u32::from(char);
        let is_changed_by_some =
            [0..=0x1F, 0x200C..=0x200F, 0x2028..=0x202F, 0x2060..=0x206F, 0xFFF0..=0xFFFF]
                .iter()
                .any(|range| range.contains(&code));
        match char {
            '"' | '\\' => format!("\\{char}"),
            '\u{8}' => "\\b".to_owned(),
            '\u{c}' => "\\f".to_owned(),
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            '\t' => "\\t".to_owned(),
            _ if is_changed_by_some || code > 0xFFFF => {
                char.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
            }
            _ => char.to_string(),
        }
    }

    #[test]
    fn text_is_quoted_for_each_transport() {
        let cases = [
            ("", ["", "", ""]),
            ("x", ["x", "x", "x"]),
            ("\"\\", [r#"\"\\"#, r#"\"\\"#, r#"\\\"\\\\"#]),
            ("\u{8}\u{c}\n\r\t", [r"\b\f\n\r\t", r"\b\f\n\r\t", r"\\b\\f\\n\\r\\t"]),
            ("\0\u{1b}\u{7f}", ["\\u0000\\u001b\u{7f}", "\\u0000\\u001b\u{7f}", "\\\\u0000\\\\u001b\u{7f}"]),
            (
                "\u{200b}\u{200c}\u{2010}",
                ["\u{200b}\\u200c\u{2010}", "\u{200b}\\u200c\u{2010}", "\u{200b}\\\\u200c\u{2010}"],
            ),
            (
                "\u{2028}\u{2060}\u{ffff}",
                [r"\u2028\u2060\uffff", r"\u2028\u2060\uffff", r"\\u2028\\u2060\\uffff"],
            ),
            ("é€\u{ffef}", ["é€\u{ffef}", "é€\u{ffef}", "é€\u{ffef}"]),
            ("😀", [r"\ud83d\ude00", r"\ud83d\ude00", r"\\ud83d\\ude00"]),
            ("100 %25", ["100 %25", "100 %2525", "100 %25"]),
            ("</script><!--/", ["</script><!--/", "</script><!--/", r"\u003c/script>\u003c!--/"]),
            ("\\u003c", [r"\\u003c", r"\\u003c", r"\\\\u003c"]),
            (
                "MESSAGE\n\n{\"a\":1}\0",
                [
                    r#"MESSAGE\n\n{\"a\":1}\u0000"#,
                    r#"MESSAGE\n\n{\"a\":1}\u0000"#,
                    r#"MESSAGE\\n\\n{\\\"a\\\":1}\\u0000"#,
                ],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(checked(text), expected, "{text:?}");
        }
        assert_eq!(Quoting::ALL.map(Quoting::quotation_mark), [&b"\""[..], b"\"", b"\\\""]);
        assert_eq!(Quoting::ALL.map(|quoting| quoting as usize), [0, 1, 2]);
    }

    #[test]
    fn every_character_is_quoted_as_the_model_defines() {
        for char in ('\0'..='\u{ffff}').chain(('\u{10000}'..=char::MAX).step_by(61)).chain([char::MAX]) {
            let text = char.to_string();
            let plain = model(char);
            let mut out = BytesMut::new();
            quote(Quoting::Plain, text.as_bytes(), &mut out);
            assert_eq!(out, plain.as_bytes(), "{char:?}");
            out.clear();
            quote(Quoting::JsonPercent, text.as_bytes(), &mut out);
            assert_eq!(out, plain.replace('%', "%25").as_bytes(), "{char:?}");
            out.clear();
            quote(Quoting::JsonTwice, text.as_bytes(), &mut out);
            let twice = plain.replace('\\', "\\\\").replace('"', "\\\"").replace('<', "\\u003c");
            assert_eq!(out, twice.as_bytes(), "{char:?}");
        }
    }

    #[test]
    fn every_character_is_unquoted_to_itself() {
        let all: Vec<char> = ('\0'..=char::MAX).collect();
        for some in all.chunks(8191) {
            checked(&some.iter().collect::<String>());
        }
    }

    #[test]
    fn special_characters_are_escaped_at_every_position() {
        for length in 0..50 {
            for at in 0..=length {
                for special in ["\"", "\0", "%", "<", "é", "\u{2028}", "\u{2027}", "\u{ffff}", "😀"] {
                    let text = ["x".repeat(at).as_str(), special, "y".repeat(length - at).as_str()].concat();
                    let [plain, ..] = checked(&text);
                    assert_eq!(plain, text.chars().map(model).collect::<String>());
                }
            }
        }
    }

    #[test]
    fn non_utf8_bytes_become_replacement_characters() {
        let cases: [(&[u8], &str); 5] = [
            (b"\xff", "\\ufffd"),
            (b"a\xc3", "a\\ufffd"),
            (b"\xc3\"", "\\ufffd\\\""),
            (b"\xe2\x80", "\\ufffd"),
            (b"\xed\xa0\x80z", "\\ufffd\\ufffd\\ufffdz"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(quoted(Quoting::Plain, bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn invalid_quoted_text_is_rejected() {
        let cases: [(&[u8], [bool; 3]); 12] = [
            (b"x", [true; 3]),
            (b"a\"b", [false; 3]),
            (b"\\", [false; 3]),
            (b"\\q", [false; 3]),
            (b"\n", [false; 3]),
            (b"\xff", [false; 3]),
            (b"\\ud800", [false; 3]),
            (b"%", [true, false, true]),
            (b"%2", [true, false, true]),
            (b"%41", [true, false, true]),
            (b"%25", [true; 3]),
            (b"\\\"", [true, true, false]),
        ];
        for (bytes, expected) in cases {
            let taken = Quoting::ALL.map(|quoting| unquote(quoting, bytes).is_some());
            assert_eq!(taken, expected, "{bytes:?}");
        }
    }

    fn text() -> impl Strategy<Value = String> {
        let special = prop::sample::select(vec![
            '"', '\\', '%', '<', '\0', '\n', '\u{200d}', '\u{2027}', '\u{fffd}', '😀',
        ]);
        let char = prop_oneof![4 => any::<char>(), 4 => prop::char::range(' ', '~'), 2 => special];
        prop::collection::vec(char, 0..80).prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        #[test]
        fn quoted_text_is_unquoted_to_itself(text in text()) {
            checked(&text);
        }

        #[test]
        fn quoting_pieces_equals_quoting_the_whole(text in text()) {
            for quoting in Quoting::ALL {
                let whole = quoted(quoting, text.as_bytes());
                for (at, _) in text.char_indices() {
                    let (left, right) = text.as_bytes().split_at(at);
                    prop_assert_eq!(quoted(quoting, left) + &quoted(quoting, right), whole.clone());
                }
            }
        }

        #[test]
        fn bytes_are_quoted_like_their_lossy_utf8_text(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let text = String::from_utf8_lossy(&bytes);
            for quoting in Quoting::ALL {
                prop_assert_eq!(quoted(quoting, &bytes), quoted(quoting, text.as_bytes()));
            }
        }

        #[test]
        fn unquoted_text_is_always_valid_json(input in "[\\\\\"u0-9a-fn%2-5<é]{0,12}") {
            for quoting in Quoting::ALL {
                if let Some(text) = unquote(quoting, input.as_bytes()) {
                    checked(&text);
                }
            }
        }
    }
}
