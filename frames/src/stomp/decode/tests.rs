//! Tests of the decoder with whole and split input.

use super::*;
use crate::stomp::FrameLimit;
use crate::stomp::{Command, encode};
use proptest::prelude::*;
use std::borrow::Cow;

const LIMITS: Limits =
    Limits { frame_bytes_max: 4096, header_count_max: 20, header_bytes_max: 256, to_bytes_max: 0 };

fn decoder(version: Version) -> Decoder {
    let mut decoder = Decoder::new(LIMITS);
    decoder.set_version(version);
    decoder
}

fn fed(bytes: &[u8]) -> Decoder {
    let mut decoder = decoder(Version::V1_2);
    decoder.feed(bytes);
    decoder
}

fn next_frame(decoder: &mut Decoder) -> Frame {
    decoder.next().expect("a valid frame").expect("a whole frame")
}

fn expect_no_frame(decoder: &mut Decoder) {
    assert!(decoder.next().expect("no error").is_none());
}

type DecodedFrame = (Command, Vec<(String, String)>, Vec<u8>);

fn decoded(frame: &Frame) -> DecodedFrame {
    let pairs = frame.headers.iter().map(|(name, value)| (name.into_owned(), value.into_owned()));
    (frame.command, pairs.collect(), frame.body.to_vec())
}

fn decode_all<'a>(
    version: Version,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<DecodedFrame>, Option<DecodeError>) {
    let mut decoder = decoder(version);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => frames.push(decoded(&frame)),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

#[test]
fn partial_frame_does_not_keep_the_memory_of_previous_frames() {
    let mut decoder = fed(format!("SEND\ndestination:a\n\n{}\0S", "x".repeat(2000)).as_bytes());
    let frame = next_frame(&mut decoder);
    expect_no_frame(&mut decoder);
    drop(frame.headers);
    assert!(frame.body.is_unique(), "the decoder still shares the body");
    decoder.feed(b"END\ndestination:b\n\ny\0");
    assert_eq!(next_frame(&mut decoder).body, "y");
}

#[test]
fn headers_and_body_are_slices_of_one_block() {
    let wire = b"SEND\ndestination:/a\nx:yz\n\nbody\0";
    let frame = next_frame(&mut fed(wire));
    let at = |part: &[u8]| {
        wire.windows(part.len()).position(|window| window == part).expect("the part is in the input")
    };
    let start = frame.body.as_ptr() as usize - at(b"body");
    for (name, value) in [("destination", "/a"), ("x", "yz")] {
        match frame.header(name) {
            Some(Cow::Borrowed(text)) => assert_eq!(text.as_ptr() as usize - start, at(value.as_bytes())),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn decoder_holds_no_memory_between_frames() {
    let mut decoder = decoder(Version::V1_2);
    let held = |decoder: &Decoder| (decoder.buffered(), decoder.buffer.capacity());
    for heart_beat in [&b"\n"[..], b"\r\n", b"\n\n\0\r\n"] {
        decoder.feed(heart_beat);
        assert_eq!(held(&decoder), (0, 0), "before the call of next");
        expect_no_frame(&mut decoder);
    }
    decoder.feed(b"SEND\n\n");
    expect_no_frame(&mut decoder);
    assert_eq!(decoder.buffered(), 6);
    assert!(decoder.in_progress());
    decoder.feed(b"\0\n\r\n");
    next_frame(&mut decoder);
    assert_eq!(held(&decoder), (0, 0), "without another call of next");
    assert!(!decoder.in_progress());
    expect_no_frame(&mut decoder);
    decoder.feed(b"\r");
    expect_no_frame(&mut decoder);
    assert_eq!(decoder.buffered(), 1);
    decoder.feed(b"\n");
    expect_no_frame(&mut decoder);
    assert_eq!(held(&decoder), (0, 0));
}

#[test]
fn content_length_reserves_no_memory_before_the_body_arrives() {
    let mut decoder = Decoder::new(Limits { frame_bytes_max: 1 << 30, ..LIMITS });
    decoder.feed(b"SEND\ncontent-length:1000000000\n\n");
    expect_no_frame(&mut decoder);
    assert!(decoder.buffer.capacity() < 1024, "{}", decoder.buffer.capacity());
}

#[test]
fn decoder_repeats_its_error_and_holds_no_memory() {
    let mut decoder = fed(b"SEND\n\n\0FOO\n\n\0SEND\n\n\0");
    next_frame(&mut decoder);
    let error = decoder.next().expect_err("no command");
    for _ in 0..2 {
        decoder.feed(b"SEND\n\n\0");
        assert_eq!(decoder.next().expect_err("the same error"), error);
        assert_eq!((decoder.buffered(), decoder.buffer.capacity()), (0, 0));
    }
    assert_eq!(error.to_string(), "unknown command");
}

#[test]
fn set_version_applies_to_frames_not_yet_returned() {
    let mut decoder = Decoder::new(LIMITS);
    decoder.feed(b"CONNECT\nlogin:\\x\n\n\0SEND\nx:\\x\n\n\0SEND\nx:\\c\n\n\0SEND\nx:\\r\n\n\0");
    assert_eq!(next_frame(&mut decoder).header("login").as_deref(), Some("\\x"));
    decoder.set_version(Version::V1_0);
    assert_eq!(next_frame(&mut decoder).header("x").as_deref(), Some("\\x"));
    decoder.set_version(Version::V1_1);
    assert_eq!(next_frame(&mut decoder).header("x").as_deref(), Some(":"));
    assert_eq!(decoder.next().expect_err("not in 1.1").summary, "undefined escape sequence");
}

#[test]
fn escapes_default_to_those_of_1_2() {
    let mut decoder = Decoder::new(LIMITS);
    decoder.feed(b"ERROR\nmessage:\\r\n\n\0");
    assert_eq!(next_frame(&mut decoder).header("message").as_deref(), Some("\r"));
}

#[test]
fn set_limits_applies_to_the_following_frames() {
    let mut decoder = Decoder::new(Limits { header_count_max: 1, ..LIMITS });
    decoder.feed(b"CONNECT\na:b\n\n\0SEND\na:b\nc:d\n\n\0SEND\na:b\nc:d\n\n\0");
    next_frame(&mut decoder);
    decoder.set_limits(LIMITS);
    next_frame(&mut decoder);
    decoder.set_limits(Limits { header_count_max: 1, ..LIMITS });
    let error = decoder.next().expect_err("two headers exceed the limit of one");
    assert_eq!(error.limit, Some(FrameLimit::HeaderCount));
    assert!(error.detail.contains("more than 1 header"), "{}", error.detail);
}

#[test]
fn set_limits_applies_to_a_frame_in_progress() {
    for at in 0..40 {
        let wire = b"SEND\ndestination:/a\nx:y\n\n0123456789012345\0";
        let mut decoder = decoder(Version::V1_2);
        decoder.feed(&wire[..at]);
        expect_no_frame(&mut decoder);
        decoder.set_limits(Limits {
            frame_bytes_max: 10,
            header_count_max: 0,
            header_bytes_max: 3,
            to_bytes_max: 0,
        });
        decoder.feed(&wire[at..]);
        assert!(decoder.next().expect_err("the frame exceeds a limit").limit.is_some(), "{at}");
    }
}

#[test]
fn decoder_holds_less_than_one_frame() {
    let mut decoder = decoder(Version::V1_2);
    let wire = b"SEND\ndestination:/a\n\nsome body of some length\0".repeat(50);
    for piece in wire.chunks(7) {
        decoder.feed(piece);
        while decoder.next().expect("valid").is_some() {}
        assert!(decoder.buffered() < 46);
    }
}

#[test]
fn error_carries_the_receipt_of_the_malformed_frame_if_readable() {
    let cases: [(Version, &[u8], Option<&str>); 8] = [
        (Version::V1_2, b"SEND\nreceipt:a\\cb\nreceipt:c\nx\n\n\0", Some("a:b")),
        (Version::V1_1, b"SEND\nreceipt:a\\rb\nx\n\n\0", None),
        (Version::V1_0, b"SEND\nreceipt: a\\cb\r\nx\n\n\0", Some("a\\cb")),
        (Version::V1_2, b"SEND\nx\nreceipt:1\n\n\0", Some("1")),
        (Version::V1_2, b"SEND\nx\n\nreceipt:1\n\0", None),
        (Version::V1_2, b"FOO\nreceipt:\n\n\0", Some("")),
        (Version::V1_2, b"receipt:1\n\n\0", None),
        (Version::V1_2, b"SEND\nreceipt:\xff\n\n\0", None),
    ];
    for (version, wire, expected) in cases {
        let (_, error) = decode_all(version, [wire].into_iter());
        assert_eq!(error.expect("an error").receipt.as_deref(), expected, "{}", wire.escape_ascii());
    }
}

const BODYLESS: [Command; 11] = [
    Command::Connect,
    Command::Stomp,
    Command::Subscribe,
    Command::Unsubscribe,
    Command::Ack,
    Command::Nack,
    Command::Begin,
    Command::Commit,
    Command::Abort,
    Command::Disconnect,
    Command::Receipt,
];

/// Decodes `wire` whole and at every split, in every version, and checks that all results agree.
fn decode_at_every_split(wire: &[u8]) -> (Vec<DecodedFrame>, Option<DecodeError>) {
    let whole = decode_all(Version::V1_2, [wire].into_iter());
    for version in Version::ALL {
        let seen = decode_all(version, [wire].into_iter());
        assert_eq!(seen.0, whole.0, "{version} {}", wire.escape_ascii());
        for at in 0..=wire.len() {
            let (one, two) = wire.split_at(at);
            assert_eq!(
                decode_all(version, [one, two].into_iter()),
                seen,
                "{version} {}",
                wire.escape_ascii()
            );
        }
        assert_eq!(decode_all(version, wire.chunks(1)), seen, "{version} {}", wire.escape_ascii());
    }
    whole
}

#[test]
fn content_length_of_a_bodyless_command_is_ignored_if_the_body_is_empty() {
    for command in BODYLESS {
        for length in ["0", "1", "3", "2097152", "99999999999999999999", "x", "", "-1"] {
            let wire = format!("{command}\nid:1\ncontent-length:{length}\n\n\0\nSEND\n\nhi\0");
            let (frames, error) = decode_at_every_split(wire.as_bytes());
            assert_eq!(error, None, "{wire:?}");
            let commands: Vec<_> = frames.iter().map(|(command, ..)| *command).collect();
            assert_eq!(commands, [command, Command::Send], "{wire:?}");
            assert_eq!((&*frames[0].2, &*frames[1].2), (&b""[..], &b"hi"[..]), "{wire:?}");
        }
    }
}

#[test]
fn body_of_a_bodyless_command_is_rejected_for_any_content_length() {
    for command in BODYLESS {
        for length in ["", "content-length:0\n", "content-length:3\n", "content-length:x\n"] {
            for (body, byte, found) in [
                ("abc", 0, "0x61"),
                ("\nabc", 1, "0x61"),
                ("\r\0", 0, "0x0d"),
                (" ", 0, "0x20"),
                ("\n\rx", 1, "0x0d"),
            ] {
                let head = format!("{command}\nid:1\n{length}\n");
                let (frames, error) = decode_at_every_split(format!("{head}{body}\0").as_bytes());
                let error = error.expect("a body is an error");
                assert_eq!((frames.len(), error.summary), (0, "body not allowed"), "{head}{body}");
                let position = format!("byte {} of the frame is {found}", head.len() + byte + 1);
                assert!(error.detail.contains(&position), "{position}: {}", error.detail);
            }
        }
    }
}

#[test]
fn line_ends_are_not_a_body_of_a_bodyless_command() {
    for command in BODYLESS {
        for length in ["", "content-length:0\n", "content-length:1\n", "content-length:2\n"] {
            for ends in ["\n", "\r\n", "\n\n\n", "\n\r\n\n"] {
                let wire = format!("{command}\nid:1\n{length}\n{ends}\0{ends}SEND\n\n{ends}\0");
                let (frames, error) = decode_at_every_split(wire.as_bytes());
                assert_eq!(error, None, "{wire:?}");
                assert_eq!((frames.len(), &*frames[0].2), (2, &b""[..]), "{wire:?}");
                assert_eq!(frames[1].2, ends.as_bytes(), "the body of a SEND is unchanged");
            }
        }
    }
}

#[test]
fn line_ends_without_a_nul_are_limited_by_frame_bytes_max() {
    let mut decoder = Decoder::new(Limits { frame_bytes_max: 100, ..LIMITS });
    decoder.feed(b"ACK\nid:1\n\n");
    for _ in 0..89 {
        decoder.feed(b"\n");
        expect_no_frame(&mut decoder);
    }
    decoder.feed(b"\n\n");
    assert_eq!(decoder.next().expect_err("too large").limit, Some(FrameLimit::FrameBytes));
}

#[test]
fn bodyless_frame_may_end_with_nul_after_its_headers() {
    let headers = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    };
    type Case<'a> = (&'a str, Command, &'a [(&'a str, &'a str)]);
    let cases: [Case<'_>; 7] = [
        ("DISCONNECT\n\0", Command::Disconnect, &[]),
        ("DISCONNECT\r\n\0", Command::Disconnect, &[]),
        ("DISCONNECT\nreceipt:1\n\0", Command::Disconnect, &[("receipt", "1")]),
        ("CONNECT\r\nlogin:a\r\n\0\n", Command::Connect, &[("login", "a")]),
        ("ACK\nid:1\ncontent-length:3\n\0", Command::Ack, &[("id", "1"), ("content-length", "3")]),
        ("SEND\ndestination:/a\n\0", Command::Send, &[("destination", "/a")]),
        ("SEND\nx:y\ncontent-length:0\n\0", Command::Send, &[("x", "y"), ("content-length", "0")]),
    ];
    for (wire, command, expected) in cases {
        let (frames, error) = decode_at_every_split(wire.as_bytes());
        assert_eq!((frames, error), (vec![(command, headers(expected), Vec::new())], None), "{wire:?}");
    }
}

#[test]
fn nul_elsewhere_in_the_headers_is_an_incomplete_frame() {
    for wire in [
        "DISCONNECT\0",
        "DISCONNECT\r\0",
        "DISCONNECT\nreceipt:1\0",
        "DISCONNECT\n\r\0",
        "SEND\ndestination:/a\ncontent-length:2\n\0",
    ] {
        let (frames, error) = decode_at_every_split(wire.as_bytes());
        assert_eq!((frames.len(), error.expect("an error").summary), (0, "incomplete frame"), "{wire:?}");
    }
    assert_eq!(decode_at_every_split(b"FOO\n\0").1.expect("an error").summary, "unknown command");
}

#[test]
fn error_never_shows_a_header_value() {
    let secret = "s3cret";
    for wire in [
        format!("CONNECT\nlogin:a\npasscode {secret}\n\n\0"),
        format!("CONNECT\npasscode:{secret}\rx\n\n\0"),
        format!("SEND\npasscode:{secret}\\q\n\n\0"),
        format!("CONNECT\npasscode:{}{secret}\n\n\0", "x".repeat(300)),
        format!("CONNECT\npasscode:{secret}\0"),
        format!("CONNECT\npasscode:{secret}\n\nbody\0"),
    ] {
        let (_, error) = decode_all(Version::V1_2, [wire.as_bytes()].into_iter());
        let error = error.expect("an error");
        assert!(!format!("{error:?}").contains(secret), "{error:?}");
    }
}

/// Returns a header name or value of these tests as a client of `version` receives it. Replaces characters that the
/// version cannot represent.
fn representable(version: Version, text: &str, is_name: bool) -> String {
    match version {
        Version::V1_2 => text.to_owned(),
        Version::V1_1 => text.replace('\r', " "),
        Version::V1_0 if is_name => text.replace(['\r', '\n'], " ").replace(':', "_"),
        Version::V1_0 => text.replace(['\r', '\n'], " ").trim_start_matches(' ').to_owned(),
    }
}

proptest! {
    #[test]
    fn decoding_reverses_encoding_at_every_split(
        version in prop::sample::select(&Version::ALL),
        command in prop::sample::select(&[Command::Send, Command::Message, Command::Error][..]),
        headers in prop::collection::vec(("[a-c:\\\\\r\n é]{1,4}", "[a-c:\\\\\r\n é]{0,8}"), 0..12),
        body in prop::collection::vec(any::<u8>(), 0..60),
        at in any::<prop::sample::Index>(),
    ) {
        let pairs: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let wire = encode::frame(command, version, &pairs, &body);
        let mut expected: Vec<(String, String)> = headers
            .iter()
            .map(|(name, value)| (representable(version, name, true), representable(version, value, false)))
            .collect();
        if !body.is_empty() {
            expected.push(("content-length".to_owned(), body.len().to_string()));
        }
        let (one, two) = wire.split_at(at.index(wire.len() + 1));
        let expected = (vec![(command, expected, body)], None);
        prop_assert_eq!(decode_all(version, [one, two].into_iter()), expected.clone());
        prop_assert_eq!(decode_all(version, wire.chunks(1)), expected);
    }

    #[test]
    fn arbitrary_input_decodes_equally_at_every_split(
        version in prop::sample::select(&Version::ALL),
        words in prop::collection::vec(prop::sample::select(&[
            "SEND\n", "ACK\r\n", "CONNECT\n", "x:y\n", "content-length:3\n", "content-length:x\n", "receipt:1\n",
            "DISCONNECT\n", "\n", "\r\n", "\r", "\0", "\n\0", "abc", "\\n", "\\q", ":", "a\\:b\n", "é", "receipt:\\c\r\n",
        ][..]), 0..16),
        at in any::<prop::sample::Index>(),
    ) {
        let wire = words.concat().into_bytes();
        let whole = decode_all(version, [&wire[..]].into_iter());
        let (one, two) = wire.split_at(at.index(wire.len() + 1));
        prop_assert_eq!(decode_all(version, [one, two].into_iter()), whole.clone());
        prop_assert_eq!(decode_all(version, wire.chunks(1)), whole);
    }
}
