//! How the text of a message is written into a SockJS frame: character by character, so that what is quoted
//! in pieces is what is quoted whole.

use super::callback::decoded;
use bytes::BytesMut;
use std::borrow::Cow;

/// How text is written into a frame, which depends on the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quoting {
    /// A JSON string: xhr, xhr_streaming, websocket.
    Plain,
    /// A JSON string whose `%` is written `%25`, for clients undo a URI's escapes: eventsource.
    JsonPercent,
    /// A JSON string in a string of JavaScript: htmlfile, jsonp. No `<` stands in it, so that no text can end
    /// the script element around it.
    JsonTwice,
}

impl Quoting {
    /// Every quoting, in the order of their discriminants.
    pub const ALL: [Quoting; 3] = [Quoting::Plain, Quoting::JsonPercent, Quoting::JsonTwice];

    /// What stands around a string.
    pub fn mark(self) -> &'static [u8] {
        match self {
            Quoting::Plain | Quoting::JsonPercent => b"\"",
            Quoting::JsonTwice => b"\\\"",
        }
    }
}

/// What an octet of UTF-8 is, to [`quote`].
mod class {
    /// Stands for itself.
    pub(super) const PLAIN: u8 = 0;
    /// Up to here: index of an escape in [`super::ESCAPES`].
    pub(super) const ESCAPE_MAX: u8 = 9;
    /// A control character without an escape of its own.
    pub(super) const CONTROL: u8 = 10;
    /// Begins a character that may be of those that need an escape.
    pub(super) const DOUBTFUL: u8 = 11;
    /// Begins a character above U+FFFF.
    pub(super) const ASTRAL: u8 = 12;
}

/// Octets with an escape of their own, as JSON has it and as that stands in a string of JavaScript. The last
/// two have one in one quoting only.
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

static CLASSES: [[u8; 256]; 3] = [classes(0), classes(1), classes(2)];

const fn classes(quoting: usize) -> [u8; 256] {
    let mut classes = [class::PLAIN; 256];
    let mut octet = 0;
    while octet < 256 {
        classes[octet] = match octet {
            0x00..0x20 => class::CONTROL,
            // U+2000–2FFF and U+F000–FFFF.
            0xE2 | 0xEF => class::DOUBTFUL,
            0xF0..=0xFF => class::ASTRAL,
            _ => class::PLAIN,
        };
        octet += 1;
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

/// Appends `text` without marks around it. It is UTF-8; a sequence that is not becomes U+FFFD.
pub fn quote(quoting: Quoting, text: &[u8], out: &mut BytesMut) {
    out.reserve(text.len());
    match std::str::from_utf8(text) {
        Ok(text) => quote_valid(quoting, text, out),
        Err(_) => {
            for chunk in text.utf8_chunks() {
                quote_valid(quoting, chunk.valid(), out);
                if !chunk.invalid().is_empty() {
                    unicode(quoting, char::REPLACEMENT_CHARACTER, out);
                }
            }
        }
    }
}

fn quote_valid(quoting: Quoting, text: &str, out: &mut BytesMut) {
    let octets = text.as_bytes();
    let classes = &CLASSES[quoting as usize];
    // What lies between these two needs no escape.
    let (mut from, mut at) = (0, 0);
    loop {
        at = plain_end(octets, at, classes);
        let Some(octet) = octets.get(at) else { break };
        let class = classes[usize::from(*octet)];
        if class == class::DOUBTFUL && !needs_escape([octets[at], octets[at + 1], octets[at + 2]]) {
            at += 3;
            continue;
        }
        out.extend_from_slice(&octets[from..at]);
        if class <= class::ESCAPE_MAX {
            out.extend_from_slice(ESCAPES[usize::from(class) - 1].1[quoting as usize]);
            at += 1;
        } else {
            let char = text[at..].chars().next().expect("a character begins here");
            unicode(quoting, char, out);
            at += char.len_utf8();
        }
        from = at;
    }
    out.extend_from_slice(&octets[from..]);
}

/// Where, from `at` on, the first octet lies that is not plain.
fn plain_end(octets: &[u8], mut at: usize, classes: &[u8; 256]) -> usize {
    // As many as a vector register of every machine holds.
    const BLOCK: usize = 16;
    // In no class but plain: `%`, which is so in two quotings, is left to the table.
    let may_stop = |octet: u8| {
        (octet.wrapping_sub(0x20) >= 0x60)
            | (octet == b'"')
            | (octet == b'\\')
            | (octet == b'%')
            | (octet == b'<')
    };
    let plain = |octet: &u8| classes[usize::from(*octet)] == class::PLAIN;
    while let Some(block) = octets[at..].first_chunk::<BLOCK>() {
        if block.iter().fold(false, |any, octet| any | may_stop(*octet)) {
            match block.iter().position(|octet| !plain(octet)) {
                Some(stop) => return at + stop,
                None => at += BLOCK,
            }
        } else {
            at += BLOCK;
        }
    }
    octets[at..].iter().position(|octet| !plain(octet)).map_or(octets.len(), |stop| at + stop)
}

/// Whether the character of these three octets is one that proxies and browsers were seen to change: U+200C–200F,
/// 2028–202F, 2060–206F, FFF0–FFFF.
fn needs_escape(octets: [u8; 3]) -> bool {
    matches!(
        octets,
        [0xE2, 0x80, 0x8C..=0x8F | 0xA8..=0xAF] | [0xE2, 0x81, 0xA0..=0xAF] | [0xEF, 0xBF, 0xB0..=0xBF]
    )
}

/// Appends `\uXXXX`, or a pair of them for a character above U+FFFF.
fn unicode(quoting: Quoting, char: char, out: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let escape: &[u8] = if quoting == Quoting::JsonTwice { b"\\\\u" } else { b"\\u" };
    for unit in char.encode_utf16(&mut [0; 2]) {
        out.extend_from_slice(escape);
        out.extend_from_slice(&[12, 8, 4, 0].map(|shift| DIGITS[usize::from(*unit >> shift & 0xF)]));
    }
}

/// The inverse: the text that was quoted, without the marks. None if it is no valid quoting.
pub fn unquote(quoting: Quoting, quoted: &[u8]) -> Option<String> {
    match quoting {
        Quoting::Plain => unquote_json(quoted),
        Quoting::JsonPercent => {
            let mut escapes = quoted.split(|octet| *octet == b'%').skip(1);
            match escapes.all(|behind| behind.starts_with(b"25")) {
                true => unquote_json(&decoded(quoted, false)),
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
