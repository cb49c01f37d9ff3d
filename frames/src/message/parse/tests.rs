//! Tests of messages that are rebuilt from their encoded form.

use crate::message::{DeliveryHeaders, Message, MessageParts, RESERVED, RESERVED_EXTRA, is_reserved, prefix};
use crate::message::{WireError, WireErrorKind};
use crate::sockjs::Quoting;
use crate::stomp::{Command, Decoder, Headers, Limits, Version, encode};
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    frame_bytes_max: 1 << 24,
    header_count_max: 1 << 20,
    header_bytes_max: 1 << 20,
    to_bytes_max: 0,
};

/// A tail with escapes, headers of the broker, characters that are not ASCII, and a body that is not UTF-8.
const EXAMPLE: &[u8] = b"destination:/topic/a\\cb\nmessage-id:n-1\nuser-name:ann\nreply-to:/temp-queue/~1\nx\\\\:\\r\\n\n\xc3\xa9:\xc3\xa9\nseq:7\ny:\ncontent-length:4\n\n\xff\0\nb\0\n";

type Pairs<'a> = &'a [(&'a str, &'a str)];

/// The guard of a message in these tests is the number of bytes for which it was requested.
fn message(id: &str, destination: &str, headers: &Headers, extra: Pairs<'_>, body: &[u8]) -> Message<usize> {
    Message::new(MessageParts { id, destination, headers, extra, body }, |bytes| bytes)
}

fn from_wire(tail: &[u8]) -> Result<Message<usize>, WireError> {
    Message::from_wire(Bytes::copy_from_slice(tail), |bytes| bytes)
}

/// Rebuilds the message, and checks that the two messages are equal and hold equal amounts of memory.
fn assert_rebuilt(original: &Message<usize>) {
    let rebuilt = from_wire(original.encoded()).expect("an encoded message");
    assert_eq!(rebuilt.encoded(), original.encoded());
    assert_eq!(rebuilt.id(), original.id());
    assert_eq!(rebuilt.destination(), original.destination());
    assert_eq!(rebuilt.body(), original.body());
    assert_eq!(rebuilt.is_text(), original.is_text());
    let headers = |message: &Message<usize>| message.encoded().slice(message.shared.layout.headers());
    assert_eq!(headers(&rebuilt), headers(original));
    for version in Version::ALL {
        let tail = |message: &Message<usize>| message.tail(version, |_, bytes| Some(bytes)).into_owned();
        assert_eq!(tail(&rebuilt), tail(original), "{version}");
        for quoting in Quoting::ALL {
            let quoted =
                |message: &Message<usize>| message.quoted_tail(version, quoting, |_, _| None).into_owned();
            assert_eq!(quoted(&rebuilt), quoted(original), "{version} {quoting:?}");
        }
    }
    let [one, other] = [original, &rebuilt].map(|message| {
        let extra = [("dead-reason", "max:20"), ("x", "\r")];
        message.readdressed("n:2", "/queue/dead.a", &extra, |bytes| bytes)
    });
    assert_eq!(one.encoded(), other.encoded());
    assert_eq!((one.id(), one.destination()), (other.id(), other.destination()));
    assert_eq!(rebuilt.size(), original.size());
    let [held, held_before] = [&rebuilt, original].map(|message| {
        let unescaped = message.shared.unescaped.as_ref();
        let capacities = unescaped.map(|texts| (texts.0.capacity(), texts.1.capacity()));
        (message.shared.guard, message.shared.escapes, capacities)
    });
    assert_eq!(held, held_before);
}

/// Checks that `tail` is what the encoder writes for the message, and that clients of all versions can decode it.
fn assert_canonical(tail: &[u8], message: &Message<usize>) {
    assert_eq!(message.encoded(), tail);
    let mut headers = Vec::new();
    for version in Version::ALL {
        let mut wire = BytesMut::new();
        prefix(&mut wire, version, DeliveryHeaders::default());
        wire.extend_from_slice(&message.tail(version, |_, _| None));
        let mut decoder = Decoder::new(LIMITS);
        decoder.set_version(version);
        decoder.feed(&wire);
        let frame = decoder.next().expect("a valid frame").expect("a whole frame");
        assert_eq!(&frame.body[..], message.body());
        headers = frame.headers.iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    }
    assert_eq!(headers[0], ("destination".to_owned(), message.destination().to_owned()));
    assert_eq!(headers[1], ("message-id".to_owned(), message.id().to_owned()));
    let extra: Vec<_> =
        headers[2..headers.len() - 1].iter().map(|(name, value)| (&**name, &**value)).collect();
    let again =
        self::message(message.id(), message.destination(), &Headers::default(), &extra, message.body());
    assert_eq!(again.encoded(), tail);
    assert_eq!(again.shared.guard, message.shared.guard);
}

#[test]
fn example_is_valid() {
    let message = from_wire(EXAMPLE).expect("valid");
    assert_eq!((message.id(), message.destination()), ("n-1", "/topic/a:b"));
    assert_eq!(message.body(), b"\xff\0\nb");
    assert!(!message.is_text());
    assert_canonical(EXAMPLE, &message);
    assert_rebuilt(&message);
}

#[test]
fn message_uses_the_given_bytes() {
    let file = Bytes::from([b"before", EXAMPLE, b"after"].concat());
    let tail = file.slice(6..6 + EXAMPLE.len());
    let message = Message::from_wire(tail.clone(), |_| ()).expect("valid");
    assert_eq!(message.encoded().as_ptr(), tail.as_ptr());
    assert_eq!(message.tail(Version::V1_2, |_, _| None).as_ptr(), tail.as_ptr());
}

#[test]
fn guard_is_not_requested_for_invalid_bytes() {
    let result = Message::from_wire(Bytes::from_static(b"x"), |bytes| panic!("charged {bytes}"));
    assert!(result.is_err());
}

#[test]
fn every_truncation_is_rejected() {
    for end in 0..EXAMPLE.len() {
        let error = from_wire(&EXAMPLE[..end]).expect_err("truncated");
        assert!(error.offset <= end, "{end}: {error}");
        let expected = match EXAMPLE[..end].windows(2).any(|pair| pair == b"\n\n") {
            false if EXAMPLE[end] == b'\n' && EXAMPLE[..end].ends_with(b":4\n") => {
                WireErrorKind::BlankLineMissing
            }
            false => WireErrorKind::LineEndMissing,
            true if end < EXAMPLE.len() - 2 => WireErrorKind::BodyTooShort { content_length: 4 },
            true => WireErrorKind::EndMissing { content_length: 4 },
        };
        assert_eq!(error.kind, expected, "{end}");
    }
}

#[test]
fn every_change_of_one_byte_is_rejected_or_another_message() {
    let mut accepted = 0;
    let mut tail = EXAMPLE.to_vec();
    for at in 0..EXAMPLE.len() {
        for byte in 0..=u8::MAX {
            tail[at] = byte;
            match from_wire(&tail) {
                Ok(message) => {
                    assert_canonical(&tail, &message);
                    accepted += 1;
                }
                Err(error) => {
                    assert!(error.offset <= tail.len() && byte != EXAMPLE[at], "{at} {byte}: {error}")
                }
            }
        }
        tail[at] = EXAMPLE[at];
    }
    assert!(accepted > 1000, "{accepted}");
}

#[test]
fn every_removal_and_insertion_of_one_byte_is_rejected_or_another_message() {
    for at in 0..EXAMPLE.len() {
        let removed = [&EXAMPLE[..at], &EXAMPLE[at + 1..]].concat();
        let inserted =
            b"\n:\0\r\\a0\xff".iter().map(|byte| [&EXAMPLE[..at], &[*byte], &EXAMPLE[at..]].concat());
        for tail in inserted.chain([removed]) {
            if let Ok(message) = from_wire(&tail) {
                assert_canonical(&tail, &message);
            }
        }
    }
}

/// Checks the error for each input: its offset, and what is wrong.
fn assert_errors(cases: &[(&[u8], usize, WireErrorKind)]) {
    for &(tail, offset, kind) in cases {
        let error = from_wire(tail).expect_err(&tail.escape_ascii().to_string());
        assert_eq!(error, WireError { offset, kind }, "{}", tail.escape_ascii());
    }
}

#[test]
fn missing_lines_and_wrong_order_are_rejected() {
    use WireErrorKind::*;
    assert_errors(&[
        (b"", 0, LineEndMissing),
        (b"destination:/a", 14, LineEndMissing),
        (b"destination:/a\nmessage-id", 25, LineEndMissing),
        (b"destination:/a\nmessage-id:1\n", 28, LineEndMissing),
        (b"\n", 0, HeaderMissing("destination")),
        (b"message-id:1\ncontent-length:0\n\n\0\n", 0, HeaderMissing("destination")),
        (b"message-id:1\ndestination:/a\ncontent-length:0\n\n\0\n", 0, HeaderMissing("destination")),
        (b"Destination:/a\nmessage-id:1\ncontent-length:0\n\n\0\n", 0, HeaderMissing("destination")),
        (b"MESSAGE\ndestination:/a\nmessage-id:1\ncontent-length:0\n\n\0\n", 0, ColonMissing),
        (b"destination:/a\n\n\0\n", 15, HeaderMissing("message-id")),
        (b"destination:/a\ncontent-length:0\n\n\0\n", 15, HeaderMissing("message-id")),
        (b"destination:/a\nx:y\nmessage-id:1\ncontent-length:0\n\n\0\n", 15, HeaderMissing("message-id")),
        (b"destination:/a\nmessage-id:1\n\n\0\n", 28, HeaderMissing("content-length")),
        (b"destination:/a\nmessage-id:1\nx:y\n\n\0\n", 32, HeaderMissing("content-length")),
        (b"destination:/a\nmessage-id:1\nContent-Length:0\n\n\0\n", 28, ReservedHeader),
        (b"destination:/a\nmessage-id:1\ncontent-length:0\n", 45, BlankLineMissing),
        (b"destination:/a\nmessage-id:1\ncontent-length:0\n\0\n", 45, BlankLineMissing),
        (b"destination:/a\nmessage-id:1\ncontent-length:0\nx:y\n\n\0\n", 45, BlankLineMissing),
        (b"destination:/a\nmessage-id:1\ncontent-length:0\n\r\n\0\n", 45, BlankLineMissing),
    ]);
}

#[test]
fn wrong_length_and_end_of_the_body_are_rejected() {
    use WireErrorKind::*;
    let head = "destination:/a\nmessage-id:1\ncontent-length:";
    let value = head.len();
    let cases: [(&[u8], usize, WireErrorKind); 20] = [
        (b"\n\n\0\n", value, BadContentLength),
        (b"-1\n\n\0\n", value, BadContentLength),
        (b"+0\n\n\0\n", value, BadContentLength),
        (b" 0\n\n\0\n", value, BadContentLength),
        (b"0 \n\n\0\n", value, BadContentLength),
        (b"00\n\n\0\n", value, BadContentLength),
        (b"01\n\nx\0\n", value, BadContentLength),
        (b"0x0\n\n\0\n", value, BadContentLength),
        (b"18446744073709551615\n\n\0\n", value, BadContentLength),
        (b"18446744073709551616\n\n\0\n", value, BadContentLength),
        (b"18446744073709551614\n\nx\0\n", value + 25, BodyTooShort { content_length: usize::MAX - 1 }),
        (b"3\n\n\0\n", value + 5, BodyTooShort { content_length: 3 }),
        (b"2\n\n\0\n", value + 5, EndMissing { content_length: 2 }),
        (b"1\n\n\0\n", value + 4, EndMissing { content_length: 1 }),
        (b"1\n\nxy\0\n", value + 4, EndMissing { content_length: 1 }),
        (b"1\n\nx", value + 4, EndMissing { content_length: 1 }),
        (b"1\n\nx\n", value + 4, EndMissing { content_length: 1 }),
        (b"1\n\nx\0", value + 4, EndMissing { content_length: 1 }),
        (b"0\n\n\0\n\n", value + 5, TrailingBytes),
        (b"0\n\n\0\ndestination:/a\n", value + 5, TrailingBytes),
    ];
    for (rest, offset, kind) in cases {
        assert_errors(&[(&[head.as_bytes(), rest].concat(), offset, kind)]);
    }
}

#[test]
fn malformed_header_lines_are_rejected() {
    use WireErrorKind::*;
    let before = "destination:/a\nmessage-id:1\nok:1\n";
    let start = before.len();
    let cases: [(&[u8], usize, WireErrorKind); 18] = [
        (b"x\n", start, ColonMissing),
        (b":y\n", start, NameMissing),
        (b":\n", start, NameMissing),
        (b"x:y:z\n", start + 3, NotEscaped(b':')),
        (b"x::\n", start + 2, NotEscaped(b':')),
        (b"x:y\r\n", start + 3, NotEscaped(b'\r')),
        (b"x\r:y\n", start + 1, NotEscaped(b'\r')),
        (b"\r\n", start, ColonMissing),
        (b"x\0:y\n", start + 1, NulInHeaders),
        (b"x:\0y\n", start + 2, NulInHeaders),
        (b"x\n\0", start, ColonMissing),
        (b"x:\\t\n", start + 2, UndefinedEscape),
        (b"x:y\\\n", start + 3, UndefinedEscape),
        (b"x\\:c\n", start + 1, UndefinedEscape),
        (b"x\\\\\\:c\n", start + 3, UndefinedEscape),
        (b"\xff:y\n", start, NotUtf8),
        (b"x:\xc3\n", start + 2, NotUtf8),
        (b"\xc3:\xa9\n", start, NotUtf8),
    ];
    for (line, offset, kind) in cases {
        let tail = [before.as_bytes(), line, b"content-length:0\n\n\0\n"].concat();
        assert_errors(&[(&tail, offset, kind)]);
    }
    assert_errors(&[
        (b"destination:/\xff\nmessage-id:1\ncontent-length:0\n\n\0\n", 13, NotUtf8),
        (b"destination:/a:b\nmessage-id:1\ncontent-length:0\n\n\0\n", 14, NotEscaped(b':')),
        (b"destination:/a\nmessage-id:\\x\ncontent-length:0\n\n\0\n", 26, UndefinedEscape),
    ]);
}

#[test]
fn reserved_headers_are_accepted_once_if_the_broker_adds_them() {
    let before = "destination:/a\nmessage-id:1\nx:y\n";
    let tail = |lines: &str| format!("{before}{lines}content-length:0\n\n\0\n").into_bytes();
    for name in RESERVED {
        let line = format!("{name}:1\n");
        if RESERVED_EXTRA.contains(name) {
            assert!(from_wire(&tail(&line)).is_ok(), "{name}");
            let repeated = tail(&format!("{line}z:\n{line}"));
            let offset = before.len() + line.len() + "z:\n".len();
            assert_errors(&[(&repeated, offset, WireErrorKind::HeaderRepeated(name))]);
        } else if *name != "content-length" {
            assert_errors(&[(&tail(&line), before.len(), WireErrorKind::ReservedHeader)]);
        }
        let variants =
            [format!(" {name}"), name.to_uppercase(), format!("{name}\\r"), format!("\u{feff}{name}")];
        for variant in variants.into_iter().chain(name.contains('s').then(|| name.replace('s', "\u{17f}"))) {
            assert_errors(&[(&tail(&format!("{variant}:1\n")), before.len(), WireErrorKind::ReservedHeader)]);
        }
    }
    assert!(RESERVED_EXTRA.iter().all(|name| RESERVED.contains(name)));
    assert!(RESERVED_EXTRA.len() < 32, "a bit each");
}

#[test]
fn repeated_headers_of_a_program_are_accepted() {
    let extra = [("x", "1"), ("x", "2"), ("", "3"), ("X", "4")];
    assert_rebuilt(&message("n-1", "/a", &Headers::default(), &extra, b""));
}

#[test]
fn head_of_many_lines_is_rebuilt() {
    let lines = "\\r:\n".repeat(100_000);
    let tail = format!("destination:/a\nmessage-id:1\n{lines}content-length:0\n\n\0\n");
    let message = from_wire(tail.as_bytes()).expect("valid");
    assert_eq!(message.shared.guard, message.size());
}

#[test]
fn nul_is_rebuilt_as_the_space_that_is_encoded() {
    let original = message("n\0", "/a\0:", &Headers::default(), &[], b"");
    let rebuilt = from_wire(original.encoded()).expect("valid");
    assert_eq!((rebuilt.id(), rebuilt.destination()), ("n ", "/a :"));
    assert_eq!(rebuilt.shared.guard, original.shared.guard);
}

#[test]
fn errors_state_the_offset_and_contain_no_values() {
    let cases: [(&[u8], &str); 2] = [
        (
            b"destination:/secret\nx:y\n",
            "byte offset 20 of the encoded message: the header message-id is missing; expected it in this line",
        ),
        (
            b"destination:/a\nmessage-id:1\ncontent-length:7\n\nsecret\0\n",
            "byte offset 53 of the encoded message: the body does not end here; expected NUL and LF after 7 bytes, as content-length announces",
        ),
    ];
    for (tail, expected) in cases {
        assert_eq!(from_wire(tail).expect_err("malformed").to_string(), expected);
    }
}

/// Returns the headers of a SEND, as a client of `version` sends them, or created by the broker itself.
fn headers(pairs: Pairs<'_>, version: Option<Version>) -> Headers {
    let Some(version) = version else { return pairs.iter().copied().collect() };
    let mut decoder = Decoder::new(LIMITS);
    decoder.set_version(version);
    decoder.feed(&encode::frame(Command::Send, version, pairs, b""));
    decoder.next().expect("valid").expect("whole").headers
}

/// Names of headers: arbitrary ones, and spellings of reserved ones.
fn names() -> impl Strategy<Value = String> {
    let spellings = (prop::sample::select(RESERVED), 0usize..4).prop_map(|(name, spelling)| match spelling {
        0 => name.to_owned(),
        1 => name.to_uppercase(),
        2 => format!(" {name}"),
        _ => format!("{name}s"),
    });
    prop_oneof![3 => "[a-cA-C:\\\\\r\n\0 é]{0,4}", 1 => spellings]
}

fn values() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c:\\\\\r\n\0 é]{0,6}", ".{0,20}"]
}

/// Extra headers: reserved ones, each once, and others.
fn extra_headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let reserved = prop::sample::subsequence(RESERVED_EXTRA, 0..=RESERVED_EXTRA.len());
    let reserved = reserved.prop_map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>());
    let others = prop::collection::vec(names().prop_filter("reserved", |name| !is_reserved(name)), 0..4);
    let all = (reserved, others).prop_map(|(reserved, others)| [reserved, others].concat());
    let named = |names: Vec<String>| {
        let count = names.len();
        (Just(names), prop::collection::vec(values(), count))
    };
    let paired = all.prop_shuffle().prop_flat_map(named);
    paired.prop_map(|(names, values)| names.into_iter().zip(values).collect())
}

fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (&**name, &**value)).collect()
}

proptest! {
    #[test]
    fn from_wire_is_the_inverse_of_encoded(
        id in "[a-c:\\\\\r\n é]{0,6}",
        destination in prop_oneof!["/[a-c/]{0,20}", "[a-c:\\\\\r\n é]{0,6}"],
        sent in prop::collection::vec((names(), values()), 0..24),
        sent_in in prop::sample::select(vec![None, Some(Version::V1_0), Some(Version::V1_1), Some(Version::V1_2)]),
        extra in extra_headers(),
        body in prop_oneof![prop::collection::vec(any::<u8>(), 0..40), ".{0,20}".prop_map(String::into_bytes)],
    ) {
        let headers = headers(&borrowed(&sent), sent_in);
        let original = message(&id, &destination, &headers, &borrowed(&extra), &body);
        assert_rebuilt(&original);
        assert_canonical(original.encoded(), &original);
        let replacing = [("a", "1"), ("dead-reason", "x:y")];
        assert_rebuilt(&original.readdressed("n-2", "/queue/dead\n", &replacing, |bytes| bytes));
    }

    #[test]
    fn arbitrary_lines_are_rejected_or_another_message(
        lines in prop::collection::vec("[ax]{0,1}[:\\\\]{0,2}[:nrc\\\\\r\0 é]{0,3}", 0..4),
        invalid in prop::option::weighted(0.1, (any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let tail = format!("destination:/a\nmessage-id:1\n{}\ncontent-length:2\n\n\\:\0\n", lines.join("\n"));
        let mut tail = tail.into_bytes();
        if let Some((at, byte)) = invalid {
            let at = at.index(tail.len());
            tail[at] = byte;
        }
        match from_wire(&tail) {
            Ok(message) => assert_canonical(&tail, &message),
            Err(error) => prop_assert!(error.offset <= tail.len()),
        }
    }
}
