//! Encodes an arbitrary frame and decodes it again. Checks that only those characters change that the version cannot
//! represent.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use stompbox_frames::stomp::{Command, Decoder, Limits, Version, encode};

#[derive(Arbitrary, Debug)]
struct Input {
    command: u8,
    version: u8,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

const COMMANDS: [Command; 15] = [
    Command::Connect,
    Command::Stomp,
    Command::Send,
    Command::Subscribe,
    Command::Unsubscribe,
    Command::Ack,
    Command::Nack,
    Command::Begin,
    Command::Commit,
    Command::Abort,
    Command::Disconnect,
    Command::Connected,
    Command::Message,
    Command::Receipt,
    Command::Error,
];

fuzz_target!(|input: Input| {
    let command = COMMANDS[usize::from(input.command) % COMMANDS.len()];
    let version = Version::ALL[usize::from(input.version) % 3];
    let body = if command.may_have_body() { &input.body[..] } else { &[] };
    let headers: Vec<_> = input.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    let bytes = encode::frame(command, version, &headers, body);

    let mut decoder = Decoder::new(Limits { frame_bytes_max: 1 << 20, header_count_max: 1 << 16, header_bytes_max: 1 << 20, to_bytes_max: 0 });
    decoder.set_version(version);
    decoder.feed(&bytes);
    let frame = decoder.next().expect("an encoded frame is valid").expect("an encoded frame is complete");
    assert!(decoder.next().expect("no error after the frame").is_none());
    assert_eq!(decoder.buffered(), 0);

    let literal = version == Version::V1_0 || command.is_literal();
    let representable = |text: &str, is_name: bool| {
        let mut text = text.replace('\0', " ");
        if literal || version == Version::V1_1 {
            text = text.replace('\r', " ");
        }
        if literal {
            text = text.replace('\n', " ");
        }
        if literal && is_name {
            text = text.replace(':', "_");
        }
        if is_name && text.is_empty() {
            text = "_".to_owned();
        }
        if version == Version::V1_0 && !is_name {
            text = text.trim_start_matches(' ').to_owned();
        }
        text
    };
    let mut expected: Vec<(String, String)> = headers
        .iter()
        .filter(|(name, _)| *name != "content-length")
        .map(|(name, value)| (representable(name, true), representable(value, false)))
        .collect();
    if !body.is_empty() {
        expected.push(("content-length".to_owned(), body.len().to_string()));
    }
    let got: Vec<_> = frame.headers.iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    assert_eq!((frame.command, got, &frame.body[..]), (command, expected, body));
});
