//! The payload of a request body or WebSocket message of a SockJS client: a JSON array of strings.

use memchr::{memchr, memchr2};
use percent_encoding::percent_decode;
use serde_core::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use thiserror::Error;

/// The strings of one request or WebSocket message.
///
/// All strings are in one buffer, each after its length. The length is in unsigned LEB128: seven bits in a byte, the
/// lowest bits first. The high bit of a byte means that more bytes follow. For any number of strings, the buffer takes
/// at most a few bytes more than the JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    buffer: Vec<u8>,
    count: usize,
}

/// An error in a payload. SockJS 0.3.3 prescribes its text as the body of a response with status 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum PayloadError {
    /// The payload is empty or not an array.
    #[error("Payload expected.")]
    Expected,
    /// The payload is not valid JSON, or the array contains a value that is not a string.
    #[error("Broken JSON encoding.")]
    Broken,
}

/// Parses a JSON array of strings: the body of xhr_send, or the result of [`form`] for the body of jsonp_send. Escapes
/// of unpaired surrogates become U+FFFD.
///
/// # Errors
/// [`PayloadError::Expected`] if the body is empty or is JSON other than an array. [`PayloadError::Broken`] if the body
/// is not JSON, or if the array contains a value that is not a string.
pub fn array(json: &[u8]) -> Result<Payload, PayloadError> {
    if json.is_empty() {
        return Err(PayloadError::Expected);
    }
    read(json, Shape::Array).ok_or_else(|| match is_json(json) && first_non_space(json) != Some(b'[') {
        true => PayloadError::Expected,
        false => PayloadError::Broken,
    })
}

/// Parses a WebSocket message: an empty message, a JSON array of strings, or one JSON string.
///
/// # Errors
/// [`PayloadError::Broken`] for any other message.
pub fn message(json: &[u8]) -> Result<Payload, PayloadError> {
    match first_non_space(json) {
        None if json.is_empty() => Ok(Payload::default()),
        Some(b'"') => read(json, Shape::OneString).ok_or(PayloadError::Broken),
        _ => read(json, Shape::Array).ok_or(PayloadError::Broken),
    }
}

/// Returns the JSON in the body of jsonp_send. If `content_type` is the type of a form, this is the field `d`.
/// Otherwise, it is the whole body.
///
/// # Errors
/// [`PayloadError::Expected`] if the form has no field `d` or an empty one.
pub fn form<'a>(body: &'a [u8], content_type: Option<&str>) -> Result<Cow<'a, [u8]>, PayloadError> {
    const FORM: &str = "application/x-www-form-urlencoded";
    let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    if !media_type.trim().eq_ignore_ascii_case(FORM) {
        return Ok(Cow::Borrowed(body));
    }
    let mut fields = body.split(|byte| *byte == b'&').map(|field| {
        let end = memchr(b'=', field).unwrap_or(field.len());
        (&field[..end], field.get(end + 1..).unwrap_or_default())
    });
    match fields.find(|(name, _)| *decoded(name) == *b"d") {
        Some((_, value)) if !value.is_empty() => Ok(decoded(value)),
        _ => Err(PayloadError::Expected),
    }
}

/// Decodes `%HH` to a byte and `+` to a space. Keeps a `%` that is not before two hexadecimal digits.
fn decoded(bytes: &[u8]) -> Cow<'_, [u8]> {
    if memchr2(b'%', b'+', bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    for (at, piece) in bytes.split(|byte| *byte == b'+').enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend(percent_decode(piece));
    }
    Cow::Owned(out)
}

impl Payload {
    /// Returns the strings in their order. Each one is valid UTF-8.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.buffer[..];
        std::iter::from_fn(move || {
            let digits = rest.iter().position(|byte| byte & CONTINUATION_BIT == 0)? + 1;
            let (length, after) = rest.split_at(digits);
            let length =
                length.iter().rev().fold(0, |sum, byte| sum << 7 | usize::from(byte & !CONTINUATION_BIT));
            let (string, after) = after.split_at(length);
            rest = after;
            Some(string)
        })
    }

    /// Returns the number of strings.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns whether the payload has no strings.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the memory of the payload's buffer, in bytes.
    pub fn bytes(&self) -> usize {
        self.buffer.capacity()
    }

    fn push_length(&mut self, length: usize) {
        let mut rest = length;
        while rest >= usize::from(CONTINUATION_BIT) {
            self.buffer.push(rest as u8 | CONTINUATION_BIT);
            rest >>= 7;
        }
        self.buffer.push(rest as u8);
        self.count += 1;
    }

    fn push(&mut self, string: &str) {
        self.push_length(string.len());
        self.buffer.extend_from_slice(string.as_bytes());
    }

    /// Appends a string in WTF-8, in which an unpaired surrogate takes three bytes. Replaces each surrogate with
    /// U+FFFD.
    fn push_wtf8(&mut self, string: &[u8]) {
        self.push_length(string.len());
        let mut from = 0;
        while let Some(at) = memchr(0xED, &string[from..]).map(|at| from + at) {
            self.buffer.extend_from_slice(&string[from..at]);
            let is_surrogate = string[at + 1] >= 0xA0;
            let char = if is_surrogate { "\u{fffd}".as_bytes() } else { &string[at..at + 3] };
            self.buffer.extend_from_slice(char);
            from = at + 3;
        }
        self.buffer.extend_from_slice(&string[from..]);
    }
}

/// The high bit of a byte of a length. It is set in all bytes except the last one.
const CONTINUATION_BIT: u8 = 0x80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Array,
    OneString,
}

/// Parses an array of strings or one string, depending on `shape`. Returns `None` for other input.
///
/// The JSON parser accepts unpaired surrogates only when it deserializes bytes. It then also accepts control
/// characters, which are not valid JSON. Bytes are therefore deserialized only in one case: the parser rejects the
/// input as text, but `is_json` accepts it.
fn read(json: &[u8], shape: Shape) -> Option<Payload> {
    let json = std::str::from_utf8(json).ok()?;
    // The length of a string below 16 KiB takes at most two bytes, like the quotation marks in the JSON. The addends
    // are for longer strings.
    let bytes_max = json.len() + (json.len() >> 20) + 4;
    let whole = |encoding| {
        let mut payload = Payload { buffer: Vec::with_capacity(bytes_max), count: 0 };
        let mut reader = serde_json::Deserializer::from_str(json);
        let strings = Strings { payload: &mut payload, encoding };
        match shape {
            Shape::Array => reader.deserialize_seq(strings),
            Shape::OneString => strings.deserialize(&mut reader),
        }
        .and_then(|()| reader.end())
        .ok()?;
        if payload.buffer.len() < json.len() / 2 {
            payload.buffer.shrink_to_fit();
        }
        Some(payload)
    };
    whole(StringEncoding::Text)
        .or_else(|| is_json(json.as_bytes()).then(|| whole(StringEncoding::Wtf8)).flatten())
}

/// Returns whether the input is JSON, with any depth of nesting. The parser keeps the open brackets on the heap, not on
/// the stack.
fn is_json(json: &[u8]) -> bool {
    std::str::from_utf8(json).is_ok_and(|json| serde_json::from_str::<IgnoredAny>(json).is_ok())
}

/// Returns the first byte that is not JSON white space.
fn first_non_space(json: &[u8]) -> Option<u8> {
    json.iter().copied().find(|byte| !b" \t\n\r".contains(byte))
}

/// The form in which the parser returns a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StringEncoding {
    Text,
    /// Bytes: UTF-8 that may also contain unpaired surrogates.
    Wtf8,
}

/// Deserializes a string, or the strings of an array, into a payload.
struct Strings<'p> {
    payload: &'p mut Payload,
    encoding: StringEncoding,
}

impl<'de> DeserializeSeed<'de> for Strings<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        match self.encoding {
            StringEncoding::Text => reader.deserialize_str(StringVisitor(self.payload)),
            StringEncoding::Wtf8 => reader.deserialize_bytes(StringVisitor(self.payload)),
        }
    }
}

impl<'de> Visitor<'de> for Strings<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        while array.next_element_seed(Strings { payload: self.payload, encoding: self.encoding })?.is_some() {
        }
        Ok(())
    }
}

struct StringVisitor<'p>(&'p mut Payload);

impl Visitor<'_> for StringVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, string: &str) -> Result<(), E> {
        self.0.push(string);
        Ok(())
    }

    fn visit_bytes<E: Error>(self, string: &[u8]) -> Result<(), E> {
        self.0.push_wtf8(string);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PayloadError::{Broken, Expected};
    use proptest::prelude::*;

    type Strings = Result<Vec<String>, PayloadError>;

    fn strings(payload: Result<Payload, PayloadError>) -> Strings {
        payload.map(|payload| {
            let strings: Vec<_> =
                payload.iter().map(|string| String::from_utf8(string.to_vec()).expect("UTF-8")).collect();
            assert_eq!((payload.len(), payload.is_empty()), (strings.len(), strings.is_empty()));
            strings
        })
    }

    fn ok_strings(strings: &[&str]) -> Strings {
        Ok(strings.iter().map(|string| (*string).to_owned()).collect())
    }

    /// Returns JSON texts, each with two expected results: as a request body and as a WebSocket message.
    fn cases() -> Vec<(&'static str, Strings, Strings)> {
        let both = |json, strings: &[&str]| (json, ok_strings(strings), ok_strings(strings));
        let broken = |json| (json, Err(Broken), Err(Broken));
        let no_array = |json| (json, Err(Expected), Err(Broken));
        vec![
            ("", Err(Expected), ok_strings(&[])),
            both("[]", &[]),
            both(" [\n] \t\r", &[]),
            both(r#"["x"]"#, &["x"]),
            both(r#" [ "a" , "b","" ] "#, &["a", "b", ""]),
            both(r#"["\"\\\/\b\f\n\r\t\u0000\u00E9\u00e9é"]"#, &["\"\\/\u{8}\u{c}\n\r\t\0ééé"]),
            both(r#"["\ud83d\ude00","\uD83D\uDE00","😀"]"#, &["😀", "😀", "😀"]),
            // Unpaired surrogates: a high one, a low one, and both in the wrong order.
            both(r#"["\ud83d"]"#, &["\u{fffd}"]),
            both(r#"["\ude00"]"#, &["\u{fffd}"]),
            both(
                r#"["\ude00\ud83d","퟿a\ud83d\ud83d\ude00b","\ud83d\n\""]"#,
                &["\u{fffd}\u{fffd}", "\u{d7ff}a\u{fffd}😀b", "\u{fffd}\n\""],
            ),
            ("\"x\"", Err(Expected), ok_strings(&["x"])),
            (" \"\" ", Err(Expected), ok_strings(&[""])),
            ("\"\\ud83d\"", Err(Expected), ok_strings(&["\u{fffd}"])),
            no_array("{}"),
            no_array(r#"{"a":["b"]}"#),
            no_array("1"),
            no_array("-0.5e+3"),
            no_array("1e999"),
            no_array("null"),
            no_array(" true"),
            broken(" "),
            broken("x"),
            broken("["),
            broken("]"),
            broken("[\"x\""),
            broken("[\"x"),
            broken("\"x"),
            broken("{"),
            broken("01"),
            broken("[,]"),
            broken(r#"["a",]"#),
            broken(r#"["a" "b"]"#),
            broken(r#"["a"]["b"]"#),
            broken(r#"["a"]x"#),
            broken("['a']"),
            broken(r#"["\x41"]"#),
            broken(r#"["\u12"]"#),
            broken(r#"["\ud83d\u12"]"#),
            broken("[\"\n\"]"),
            broken("[\"\\ud83d\n\"]"),
            broken("\"\\ud83d\0\""),
            broken("\u{feff}[]"),
            broken("[1]"),
            broken("[-1.5e300]"),
            broken("[18446744073709551616]"),
            broken("[null]"),
            broken("[true]"),
            broken(r#"[{"a":"b"}]"#),
            broken(r#"["a",["b"]]"#),
            broken(r#"["\ud83d",["b"]]"#),
            broken(r#"["\ud83d",7]"#),
        ]
    }

    #[test]
    fn body_is_an_array_of_strings() {
        for (json, expected, _) in cases() {
            assert_eq!(strings(array(json.as_bytes())), expected, "{json:?}");
        }
        assert_eq!(Expected.to_string(), "Payload expected.");
        assert_eq!(Broken.to_string(), "Broken JSON encoding.");
    }

    #[test]
    fn websocket_message_may_also_be_empty_or_one_string() {
        for (json, _, expected) in cases() {
            assert_eq!(strings(message(json.as_bytes())), expected, "{json:?}");
        }
    }

    #[test]
    fn non_utf8_payload_is_broken() {
        for json in
            [&b"[\"\xff\"]"[..], b"[\"\xed\xa0\xbd\"]", b"[\"\xc3\"]", b"\xff", b"[]\xff", b"\"\xff\""]
        {
            assert_eq!(strings(array(json)), Err(Broken), "{json:?}");
            assert_eq!(strings(message(json)), Err(Broken), "{json:?}");
        }
    }

    #[test]
    fn truncated_body_is_broken() {
        for json in [r#"["a\"b","é\ud83d\ude00"]"#, r#"["\ud83d","\u0041"]"#] {
            for at in 1..json.len() {
                assert_eq!(strings(array(&json.as_bytes()[..at])), Err(Broken), "{at}");
            }
        }
    }

    #[test]
    fn deep_nesting_does_not_overflow_the_stack() {
        let deep = 1 << 20;
        let open = "[".repeat(deep);
        let whole = [open.as_str(), "]".repeat(deep).as_str()].concat();
        let object = [r#"{"a":"#.repeat(deep), "1".to_owned(), "}".repeat(deep)].concat();
        assert_eq!(strings(array(open.as_bytes())), Err(Broken));
        assert_eq!(strings(array(whole.as_bytes())), Err(Broken));
        assert_eq!(strings(array(object.as_bytes())), Err(Expected));
    }

    #[test]
    fn many_short_strings_take_at_most_the_memory_of_their_json() {
        let cases = [
            ["[", &r#""","#.repeat(100_000), "\"\"]"].concat(),
            ["[", &r#""ab","#.repeat(100_000), "\"\"]"].concat(),
            ["[\"", &r"\u0041".repeat(100_000), "\"]"].concat(),
            ["[", &"\"\",".repeat(1000), "\"\\ud800\"]"].concat(),
        ];
        for json in cases {
            let payload = array(json.as_bytes()).expect("strings");
            assert!(payload.bytes() <= json.len() + 4, "{} of {}", payload.bytes(), json.len());
        }
        assert_eq!(message(b"").expect("an empty message").bytes(), 0);
    }

    #[test]
    fn strings_of_every_length_are_read_unchanged() {
        for length in [0, 1, 127, 128, 129, 16_383, 16_384, 16_385, (1 << 21) - 1, 1 << 21] {
            for json in
                [format!("\"{}\"", "x".repeat(length)), format!("[\"\",\"{}\",\"y\"]", "x".repeat(length))]
            {
                let payload = message(json.as_bytes()).expect("strings");
                let lengths: Vec<_> = payload.iter().map(<[u8]>::len).collect();
                assert!(lengths == [length] || lengths == [0, length, 1], "{lengths:?}");
                assert!(payload.bytes() <= json.len() + 8, "memory is allocated once");
            }
        }
    }

    /// Characters that sockjs-client escapes, because some browsers and proxies change them.
    const ESCAPED_BY_CLIENTS: &str = "
        0000-001f 0022 007f-009f 00ad 0300-0333 033d-0346 034a-034c 0350-0352 0357-0358 035c-0362 0374 037e 0387
        0591-05af 05c4 0600-0604 0610-0617 0653-0654 0657-065b 065d-065e 06df-06e2 06eb-06ec 070f 0730 0732-0733
        0735-0736 073a 073d 073f-0741 0743 0745 0747 07eb-07f1 0951 0958-095f 09dc-09dd 09df 0a33 0a36 0a59-0a5b
        0a5e 0b5c-0b5d 0e38-0e39 0f43 0f4d 0f52 0f57 0f5c 0f69 0f72-0f76 0f78 0f80-0f83 0f93 0f9d 0fa2 0fa7 0fac
        0fb9 17b4-17b5 1939-193a 1a17 1b6b 1cda-1cdb 1dc0-1dcf 1dfc 1dfe 1f71 1f73 1f75 1f77 1f79 1f7b 1f7d 1fbb
        1fbe 1fc9 1fcb 1fd3 1fdb 1fe3 1feb 1fee-1fef 1ff9 1ffb 1ffd 2000-20ff 2126 212a-212b 2329-232a 2adc
        302b-302c aab2-aab3 f900-fa0d fa10 fa12 fa15-fa1e fa20 fa22 fa25-fa26 fa2a-fa2d fa30-fa6d fa70-fad9 fb1d
        fb1f fb2a-fb36 fb38-fb3c fb3e fb40-fb41 fb43-fb44 fb46-fb4e feff fff0-ffff";

    #[test]
    fn characters_escaped_by_clients_are_decoded() {
        let code = |text| u32::from_str_radix(text, 16).expect("a code point");
        let mut count = 0;
        for range in ESCAPED_BY_CLIENTS.split_whitespace() {
            let (first_non_space, last) = range.split_once('-').unwrap_or((range, range));
            for code in code(first_non_space)..=code(last) {
                let char = char::from_u32(code).expect("a character").to_string();
                for json in [format!("[\"\\u{code:04x}\"]"), format!("[\"\\u{code:04X}\"]")] {
                    assert_eq!(strings(array(json.as_bytes())), ok_strings(&[&char]), "{json}");
                }
                count += 1;
            }
        }
        assert!(count > 900, "{count}");
    }

    #[test]
    fn form_carries_the_payload_in_the_field_d() {
        const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
        let cases: [(Option<&str>, &str, Result<&str, PayloadError>); 23] = [
            (FORM, "d=%5B%22x%22%5D", Ok(r#"["x"]"#)),
            (FORM, "d=[\"x\"]", Ok(r#"["x"]"#)),
            (FORM, "d=%5b%22a+b%2B%25%22%5d", Ok(r#"["a b+%"]"#)),
            (FORM, "a=b&d=[]&e=f", Ok("[]")),
            (FORM, "&&d=[]", Ok("[]")),
            (FORM, "d=[]&d=[1]", Ok("[]")),
            (FORM, "%64=[]", Ok("[]")),
            (FORM, "d=a=b", Ok("a=b")),
            (FORM, "d=%zz%", Ok("%zz%")),
            (FORM, "d=a+b%2B%+2%00", Ok("a b+% 2\0")),
            (FORM, "", Err(Expected)),
            (FORM, "d", Err(Expected)),
            (FORM, "d=", Err(Expected)),
            (FORM, "d=&x=1", Err(Expected)),
            (FORM, "dd=[]", Err(Expected)),
            (FORM, "D=[]", Err(Expected)),
            (FORM, "[\"x\"]", Err(Expected)),
            (Some("Application/X-WWW-Form-urlencoded ; charset=UTF-8"), "d=%5B%5D", Ok("[]")),
            (Some("text/plain"), r#"["%5B+"]"#, Ok(r#"["%5B+"]"#)),
            (Some("text/plain; charset=UTF-8"), "d=[]", Ok("d=[]")),
            (Some(""), "[]", Ok("[]")),
            (None, "[\"a+b\"]", Ok("[\"a+b\"]")),
            (None, "", Ok("")),
        ];
        for (content_type, body, expected) in cases {
            let got = form(body.as_bytes(), content_type);
            assert_eq!(got, expected.map(|json| Cow::from(json.as_bytes())), "{content_type:?} {body}");
        }
    }

    proptest! {
        #[test]
        fn payload_of_any_strings_is_read_unchanged(strings in prop::collection::vec(any::<String>(), 0..20)) {
            let json = serde_json::to_string(&strings).expect("JSON");
            let expected: Strings = Ok(strings.clone());
            prop_assert_eq!(super::tests::strings(array(json.as_bytes())), expected.clone());
            let units = |string: &String| string.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect::<String>();
            let escaped: Vec<_> = strings.iter().map(|string| format!("\"{}\"", units(string))).collect();
            let json = format!("[{}]", escaped.join(" , "));
            prop_assert_eq!(super::tests::strings(message(json.as_bytes())), expected);
        }

        #[test]
        fn surrogates_are_decoded_as_utf_16(units in prop::collection::vec(
            prop_oneof![0xD7F0u16..0xE010, any::<u16>()], 0..12,
        )) {
            let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let json = format!("[\"{escaped}\"]");
            prop_assert_eq!(strings(array(json.as_bytes())), Ok(vec![String::from_utf16_lossy(&units)]));
        }

        #[test]
        fn arbitrary_payload_never_panics_and_agrees_with_serde_json(input in r#"[\[\]{},:"\\ud8dc0-1a\n é]{0,24}"#) {
            let value = serde_json::from_str::<Vec<String>>(&input);
            let got = strings(array(input.as_bytes()));
            if let Ok(strings) = value {
                prop_assert_eq!(got, Ok(strings));
            } else if let Ok(strings) = got {
                let replaced = strings.iter().any(|string| string.contains(char::REPLACEMENT_CHARACTER));
                prop_assert!(replaced);
            }
            let _ = message(input.as_bytes());
            let _ = form(input.as_bytes(), Some("application/x-www-form-urlencoded"));
        }
    }
}
