//! Encodes frames and header lines.

use super::command::Command;
use super::escape::{self, Dialect, HeaderPart};
use super::version::Version;
use bytes::{BufMut, Bytes, BytesMut};

/// Appends the header line `name:value LF` with the escapes of `version` (STOMP 1.2, section "Value Encoding"). A
/// character that the version cannot represent becomes a space. In STOMP 1.0, a colon in a name becomes an underscore.
/// An empty name, which no version allows, also becomes an underscore.
pub fn header(out: &mut BytesMut, version: Version, name: &str, value: &str) {
    line(out, Dialect::of(version, false), name, value);
}

/// Encodes a whole frame: `COMMAND LF headers LF body NUL LF`. Does not escape the headers of CONNECT, STOMP and
/// CONNECTED. Drops a `content-length` in `headers`. If the body is not empty, adds the header `content-length`. A
/// transport with its own framing can cut off the last byte, which is the LF after the NUL.
pub fn frame(command: Command, version: Version, headers: &[(&str, &str)], body: &[u8]) -> Bytes {
    let dialect = Dialect::of(version, command.is_literal());
    let lines = headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>();
    let mut out = BytesMut::with_capacity(command.as_str().len() + lines + body.len() + 40);
    out.extend_from_slice(command.as_str().as_bytes());
    out.extend_from_slice(b"\n");
    for (name, value) in headers.iter().filter(|(name, _)| *name != "content-length") {
        line(&mut out, dialect, name, value);
    }
    if !body.is_empty() {
        out.extend_from_slice(b"content-length:");
        decimal(&mut out, body.len());
        out.extend_from_slice(b"\n");
    }
    out.extend_from_slice(b"\n");
    out.extend_from_slice(body);
    out.extend_from_slice(END);
    out.freeze()
}

/// The end of a frame: NUL and LF.
pub(crate) const END: &[u8] = b"\0\n";

pub(crate) fn line(out: &mut impl BufMut, dialect: Dialect, name: &str, value: &str) {
    escape::put(out, dialect, HeaderPart::Name, if name.is_empty() { "_" } else { name });
    out.put_slice(b":");
    escape::put(out, dialect, HeaderPart::Value, value);
    out.put_slice(b"\n");
}

/// Appends a header line whose name needs no escape. `name` includes the colon.
#[inline]
pub(crate) fn value_line(out: &mut BytesMut, version: Version, name: &'static str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    escape::put(out, Dialect::of(version, false), HeaderPart::Value, value);
    out.extend_from_slice(b"\n");
}

/// Returns the number of bytes that [`line()`] would append.
pub(crate) fn line_length(dialect: Dialect, name: &str, value: &str) -> usize {
    escape::length(dialect, HeaderPart::Name, name).max(1)
        + escape::length(dialect, HeaderPart::Value, value)
        + 2
}

pub(crate) fn decimal(out: &mut impl BufMut, number: usize) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.put_slice(&digits[at..]);
}

/// Returns the number of bytes that [`decimal`] would append.
pub(crate) fn decimal_length(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_is_command_headers_blank_line_body_nul_and_lf() {
        type Pairs<'a> = &'a [(&'a str, &'a str)];
        type Case<'a> = (Command, Version, Pairs<'a>, &'a [u8], &'a [u8]);
        let cases: [Case<'_>; 8] = [
            (Command::Receipt, Version::V1_2, &[("receipt-id", "1")], b"", b"RECEIPT\nreceipt-id:1\n\n\0\n"),
            (
                Command::Receipt,
                Version::V1_2,
                &[("receipt-id", "a:b\r")],
                b"",
                b"RECEIPT\nreceipt-id:a\\cb\\r\n\n\0\n",
            ),
            (
                Command::Receipt,
                Version::V1_1,
                &[("receipt-id", "a:b\r")],
                b"",
                b"RECEIPT\nreceipt-id:a\\cb \n\n\0\n",
            ),
            (
                Command::Receipt,
                Version::V1_0,
                &[("receipt-id", "a:b\r")],
                b"",
                b"RECEIPT\nreceipt-id:a:b \n\n\0\n",
            ),
            (
                Command::Error,
                Version::V1_2,
                &[("message", "no")],
                b"why",
                b"ERROR\nmessage:no\ncontent-length:3\n\nwhy\0\n",
            ),
            (
                Command::Error,
                Version::V1_2,
                &[("content-length", "9")],
                b"why",
                b"ERROR\ncontent-length:3\n\nwhy\0\n",
            ),
            (
                Command::Connected,
                Version::V1_2,
                &[("server", "a:\\\n")],
                b"",
                b"CONNECTED\nserver:a:\\ \n\n\0\n",
            ),
            (Command::Send, Version::V1_2, &[("", "")], b"", b"SEND\n_:\n\n\0\n"),
        ];
        for (command, version, headers, body, expected) in cases {
            let got = frame(command, version, headers, body);
            assert_eq!(got, expected, "{} is not {}", got.escape_ascii(), expected.escape_ascii());
        }
    }

    #[test]
    fn line_length_equals_the_written_length() {
        for number in [0, 1, 9, 10, 99, 100, 12345, usize::MAX] {
            let mut out = BytesMut::new();
            decimal(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
            assert_eq!(decimal_length(number), out.len());
        }
        for (name, value) in [("a", "b"), ("", ""), ("a:\n", "\\\r\0")] {
            for dialect in [Dialect::Literal, Dialect::V1_1, Dialect::V1_2] {
                let mut out = BytesMut::new();
                line(&mut out, dialect, name, value);
                assert_eq!(line_length(dialect, name, value), out.len(), "{name:?} {value:?}");
            }
        }
    }
}
