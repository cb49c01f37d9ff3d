//! What a client sends: a JSON array of strings, as the body of a request or as a WebSocket message.

use super::callback::decoded;
use memchr::memchr;
use serde_core::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use thiserror::Error;

/// The strings of one request.
///
/// They lie in one allocation, each behind its length (seven bits in an octet, the lowest first, the highest bit
/// says that more follow). That takes less than the JSON did, however many strings there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    held: Vec<u8>,
    count: usize,
}

/// Why a request carries no payload; the text is the body of the 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum BadPayload {
    /// There is none, or it is no array.
    #[error("Payload expected.")]
    Expected,
    /// It is no JSON, or not what an array may hold.
    #[error("Broken JSON encoding.")]
    Broken,
}

/// The body of xhr_send, or of jsonp_send behind [`form`]: a JSON array of strings.
///
/// An escape of a surrogate that has no pair becomes U+FFFD.
pub fn array(json: &[u8]) -> Result<Payload, BadPayload> {
    if json.is_empty() {
        return Err(BadPayload::Expected);
    }
    read(json, Shape::Array).ok_or_else(|| match is_json(json) && first(json) != Some(b'[') {
        true => BadPayload::Expected,
        false => BadPayload::Broken,
    })
}

/// A WebSocket message: nothing, an array of strings, or one string.
pub fn message(json: &[u8]) -> Result<Payload, BadPayload> {
    match first(json) {
        None if json.is_empty() => Ok(Payload::default()),
        Some(b'"') => read(json, Shape::One).ok_or(BadPayload::Broken),
        _ => read(json, Shape::Array).ok_or(BadPayload::Broken),
    }
}

/// The JSON in the body of jsonp_send: field `d` of a form, or all of it where it is not said to be a form.
pub fn form<'a>(body: &'a [u8], content_type: Option<&str>) -> Result<Cow<'a, [u8]>, BadPayload> {
    const FORM: &str = "application/x-www-form-urlencoded";
    let media = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    if !media.trim().eq_ignore_ascii_case(FORM) {
        return Ok(Cow::Borrowed(body));
    }
    let mut fields = body.split(|octet| *octet == b'&').map(|field| {
        let end = memchr(b'=', field).unwrap_or(field.len());
        (&field[..end], field.get(end + 1..).unwrap_or_default())
    });
    match fields.find(|(name, _)| *decoded(name, true) == *b"d") {
        Some((_, value)) if !value.is_empty() => Ok(decoded(value, true)),
        _ => Err(BadPayload::Expected),
    }
}

impl Payload {
    /// The strings, in order, in UTF-8.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.held[..];
        std::iter::from_fn(move || {
            let digits = rest.iter().position(|octet| octet & MORE == 0)? + 1;
            let (length, behind) = rest.split_at(digits);
            let length = length.iter().rev().fold(0, |sum, octet| sum << 7 | usize::from(octet & !MORE));
            let (string, behind) = behind.split_at(length);
            rest = behind;
            Some(string)
        })
    }

    /// How many strings there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no string.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Octets of memory held.
    pub fn bytes(&self) -> usize {
        self.held.capacity()
    }

    fn begin(&mut self, length: usize) {
        let mut rest = length;
        while rest >= usize::from(MORE) {
            self.held.push(rest as u8 | MORE);
            rest >>= 7;
        }
        self.held.push(rest as u8);
        self.count += 1;
    }

    fn push(&mut self, string: &str) {
        self.begin(string.len());
        self.held.extend_from_slice(string.as_bytes());
    }

    /// Appends a string that may have surrogates without a pair, each of them in three octets.
    fn push_wtf8(&mut self, string: &[u8]) {
        self.begin(string.len());
        let mut from = 0;
        while let Some(at) = memchr(0xED, &string[from..]).map(|at| from + at) {
            self.held.extend_from_slice(&string[from..at]);
            let is_surrogate = string[at + 1] >= 0xA0;
            let char = if is_surrogate { "\u{fffd}".as_bytes() } else { &string[at..at + 3] };
            self.held.extend_from_slice(char);
            from = at + 3;
        }
        self.held.extend_from_slice(&string[from..]);
    }
}

/// Set on an octet of a length that is not its last.
const MORE: u8 = 0x80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Array,
    One,
}

/// Reads strings; `None` if there is anything else.
///
/// The JSON reader takes a surrogate without a pair only where octets are asked of it, and then it takes control
/// characters too, which are no JSON. So octets are asked for only when text was refused and it is known
/// that this is JSON.
fn read(json: &[u8], shape: Shape) -> Option<Payload> {
    let json = std::str::from_utf8(json).ok()?;
    // A length takes no more than the marks around the string, but for a few octets where it is very long.
    let bytes_max = json.len() + (json.len() >> 20) + 4;
    let whole = |kind| {
        let mut payload = Payload { held: Vec::with_capacity(bytes_max), count: 0 };
        let mut reader = serde_json::Deserializer::from_str(json);
        let strings = Strings { payload: &mut payload, kind };
        match shape {
            Shape::Array => reader.deserialize_seq(strings),
            Shape::One => strings.deserialize(&mut reader),
        }
        .and_then(|()| reader.end())
        .ok()?;
        if payload.held.len() < json.len() / 2 {
            payload.held.shrink_to_fit();
        }
        Some(payload)
    };
    whole(Kind::Text).or_else(|| is_json(json.as_bytes()).then(|| whole(Kind::Wtf8)).flatten())
}

/// Whether it is JSON, of any depth: the reader keeps what is open in a list, not on the stack.
fn is_json(json: &[u8]) -> bool {
    std::str::from_utf8(json).is_ok_and(|json| serde_json::from_str::<IgnoredAny>(json).is_ok())
}

/// The first octet that is no white space of JSON.
fn first(json: &[u8]) -> Option<u8> {
    json.iter().copied().find(|octet| !b" \t\n\r".contains(octet))
}

/// How a string is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    /// UTF-8 that may have surrogates.
    Wtf8,
}

/// Puts a string, or the strings of an array, into a payload.
struct Strings<'p> {
    payload: &'p mut Payload,
    kind: Kind,
}

impl<'de> DeserializeSeed<'de> for Strings<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        match self.kind {
            Kind::Text => reader.deserialize_str(One(self.payload)),
            Kind::Wtf8 => reader.deserialize_bytes(One(self.payload)),
        }
    }
}

impl<'de> Visitor<'de> for Strings<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        while array.next_element_seed(Strings { payload: self.payload, kind: self.kind })?.is_some() {}
        Ok(())
    }
}

struct One<'p>(&'p mut Payload);

impl Visitor<'_> for One<'_> {
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
