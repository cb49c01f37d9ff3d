//! Counts the instructions that each frame and each message takes, under valgrind:
//! `cargo bench -p stompbox-frames`. The command needs valgrind and `gungraun-runner`.

#![allow(missing_docs, unreachable_pub)]

use bytes::{Bytes, BytesMut};
use gungraun::{library_benchmark, library_benchmark_group, main};
use std::hint::black_box;
use stompbox_frames::message::{DeliveryHeaders, Message, MessageParts, WireError, prefix};
use stompbox_frames::sockjs::payload::{Payload, PayloadError, array};
use stompbox_frames::sockjs::{Quoting, quote};
use stompbox_frames::stomp::{Command, Decoder, Frame, Headers, Limits, Version, encode};

const LIMITS: Limits =
    Limits { frame_bytes_max: 1 << 20, header_count_max: 100, header_bytes_max: 8192, to_bytes_max: 0 };

const HEADERS: [(&str, &str); 5] = [
    ("destination", "/topic/prices.eur.usd"),
    ("content-type", "application/json"),
    ("receipt", "message-1234"),
    ("correlation-id", "7d9f1f1e-5a8b-4a54"),
    ("priority", "4"),
];

/// Returns a SEND with five headers, `content-length` and a body of 256 bytes.
fn send() -> Vec<u8> {
    encode::frame(Command::Send, Version::V1_2, &HEADERS, &[b'x'; 256]).to_vec()
}

/// Returns a decoder that has decoded a frame before, so that the benchmark does not include one-time setup.
fn decoder() -> Decoder {
    let mut decoder = Decoder::new(LIMITS);
    decoder.set_version(Version::V1_2);
    decoder.feed(&send());
    while let Ok(Some(frame)) = decoder.next() {
        black_box(frame);
    }
    decoder
}

fn one_send() -> (Decoder, Vec<u8>) {
    (decoder(), send())
}

fn sixteen_acks() -> (Decoder, Vec<u8>) {
    (decoder(), encode::frame(Command::Ack, Version::V1_2, &[("id", "n-1-1234")], b"").repeat(16))
}

#[library_benchmark]
#[bench::send_of_6_headers_and_256_bytes(setup = one_send)]
#[bench::acks_16_in_one_feed(setup = sixteen_acks)]
fn decode((mut decoder, input): (Decoder, Vec<u8>)) -> (Decoder, Option<Frame>) {
    decoder.feed(black_box(&input));
    let mut last = None;
    while let Ok(Some(frame)) = decoder.next() {
        last = Some(frame);
    }
    (decoder, last)
}

// RECEIPT is the control frame that the broker sends most often.
#[library_benchmark]
#[bench::receipt(&[("receipt-id", "message-1234"), ("delivered-sessions", "2")])]
#[bench::receipt_with_escapes(&[("receipt-id", "message:1234")])]
fn encode_frame(headers: &[(&str, &str)]) -> Bytes {
    encode::frame(Command::Receipt, Version::V1_2, black_box(headers), b"")
}

fn headers() -> (Headers, Vec<u8>) {
    let (mut decoder, input) = one_send();
    decoder.feed(&input);
    let frame = decoder.next().ok().flatten().expect("a frame");
    let sent = (frame.headers, frame.body.to_vec());
    // Encode one message first, so that the benchmark does not include one-time setup.
    drop(black_box(message(&sent)));
    sent
}

fn headers_with_escapes() -> (Headers, Vec<u8>) {
    let headers = [("a:b", "12:00:00\n"), ("path", "c:\\x\\y\r"), ("content-type", "text/plain"), ("x", "y")];
    (headers.into_iter().collect(), vec![b'x'; 256])
}

fn message((headers, body): &(Headers, Vec<u8>)) -> Message {
    let parts =
        MessageParts { id: "n-1-1234", destination: "/topic/prices.eur.usd", headers, extra: &[], body };
    Message::new(parts, |_| ())
}

#[library_benchmark]
#[bench::of_6_headers_and_256_bytes(setup = headers)]
#[bench::with_escapes(setup = headers_with_escapes)]
fn message_new(sent: (Headers, Vec<u8>)) -> (Message, (Headers, Vec<u8>)) {
    (message(black_box(&sent)), sent)
}

fn encoded() -> Bytes {
    rebuilt_once(message(&headers()).encoded())
}

fn encoded_with_escapes() -> Bytes {
    rebuilt_once(message(&headers_with_escapes()).encoded())
}

/// Returns `tail` after one message has been rebuilt from it, so that the benchmark does not include one-time setup.
fn rebuilt_once(tail: &Bytes) -> Bytes {
    let message: Result<Message, _> = Message::from_wire(tail.clone(), |_| ());
    assert!(black_box(message).is_ok());
    tail.clone()
}

#[library_benchmark]
#[bench::of_6_headers_and_256_bytes(setup = encoded)]
#[bench::with_escapes(setup = encoded_with_escapes)]
fn message_from_wire(tail: Bytes) -> Result<Message, WireError> {
    Message::from_wire(black_box(tail), |_| ())
}

fn message_with_escapes() -> Message {
    message(&headers_with_escapes())
}

#[library_benchmark]
#[bench::v1_1_with_escapes(setup = message_with_escapes)]
fn tail(message: Message) -> Message {
    black_box(message.tail(Version::V1_1, |_, _| None));
    message
}

fn buffer() -> BytesMut {
    BytesMut::with_capacity(4096)
}

#[library_benchmark]
#[bench::subscription(DeliveryHeaders { subscription: Some("sub-0"), ack: None, count: 1 }, buffer())]
#[bench::subscription_and_ack(DeliveryHeaders { subscription: Some("sub-0"), ack: Some("n-1-1234"), count: 1 }, buffer())]
fn prefix_1_2(delivery: DeliveryHeaders<'_>, mut out: BytesMut) -> BytesMut {
    prefix(&mut out, black_box(Version::V1_2), black_box(delivery));
    out
}

/// Returns a tail of 256 bytes as browsers typically receive it, with few headers and a JSON body.
fn text() -> (Vec<u8>, BytesMut) {
    let headers = [("content-type", "application/json")].into_iter().collect();
    let body = r#"{"symbol":"EUR/USD","bid":1.0843,"ask":1.0845}"#.repeat(3);
    let message = |body: &str| -> Message {
        let parts = MessageParts {
            id: "n-1-1234",
            destination: "/topic/prices.eur.usd",
            headers: &headers,
            extra: &[],
            body: body.as_bytes(),
        };
        Message::new(parts, |_| ())
    };
    let missing = 256 - message(&body).tail(Version::V1_2, |_, _| None).len();
    (message(&(body + &" ".repeat(missing))).tail(Version::V1_2, |_, _| None).to_vec(), buffer())
}

/// Returns 256 bytes of text without characters to escape.
fn plain_text() -> (Vec<u8>, BytesMut) {
    (vec![b'x'; 256], buffer())
}

#[library_benchmark]
#[bench::plain(Quoting::Plain, text())]
#[bench::json_percent(Quoting::JsonPercent, text())]
#[bench::json_twice(Quoting::JsonTwice, text())]
#[bench::plain_without_escapes(Quoting::Plain, plain_text())]
fn quote_256_bytes(quoting: Quoting, (text, mut out): (Vec<u8>, BytesMut)) -> (Vec<u8>, BytesMut) {
    quote(black_box(quoting), black_box(&text), &mut out);
    (text, out)
}

/// Returns a payload of one string: a SEND of 256 bytes.
fn body() -> Vec<u8> {
    let mut out = BytesMut::from("[\"");
    let frame = encode::frame(Command::Send, Version::V1_2, &HEADERS[..1], &[b'x'; 195]);
    assert_eq!(frame.len(), 256);
    quote(Quoting::Plain, &frame, &mut out);
    out.extend_from_slice(b"\"]");
    out.to_vec()
}

#[library_benchmark]
#[bench::of_256_bytes(setup = body)]
fn payload(body: Vec<u8>) -> (Vec<u8>, Result<Payload, PayloadError>) {
    let payload = array(black_box(&body));
    (body, payload)
}

library_benchmark_group!(
    name = frames,
    benchmarks =
        [decode, encode_frame, message_new, message_from_wire, tail, prefix_1_2, quote_256_bytes, payload]
);
main!(library_benchmark_groups = frames);
