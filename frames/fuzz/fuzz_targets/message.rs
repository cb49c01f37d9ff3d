//! Encodes an arbitrary SEND as a MESSAGE. Checks that clients of every version receive the same body, and no
//! reserved header that the sender set.

#![no_main]

use arbitrary::Arbitrary;
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use stompbox_frames::message::{DeliveryHeaders, Message, MessageParts, is_reserved, is_same_name, prefix};
use stompbox_frames::stomp::{Decoder, Frame, Limits, Version};

#[derive(Arbitrary, Debug)]
struct Input {
    /// The header block of the SEND, as received.
    block: Vec<u8>,
    sent_in: u8,
    destination: String,
    extra: Vec<(String, String)>,
    body: Vec<u8>,
    subscription: Option<String>,
    ack: Option<String>,
    count: u32,
}

fuzz_target!(|input: Input| {
    let mut wire = b"SEND\n".to_vec();
    wire.extend_from_slice(&input.block);
    wire.extend_from_slice(b"\n\n\0");
    let Some(send) = read(&wire, Version::ALL[usize::from(input.sent_in) % 3]) else { return };
    let extra: Vec<_> = input
        .extra
        .iter()
        .filter(|(name, _)| !is_reserved(name))
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let parts = MessageParts {
        id: "n-1",
        destination: &input.destination,
        headers: &send.headers,
        extra: &extra,
        body: &input.body,
    };
    let mut reported = 0;
    let message: Message = Message::new(parts, |bytes| reported = bytes);
    assert_eq!(reported, message.size());
    assert_eq!(message.destination(), input.destination);
    assert_eq!(message.is_text(), std::str::from_utf8(&message.tail(Version::V1_2, |_, _| None)).is_ok());
    let dead = message.readdressed("n-2", "/queue/dead.a", &extra, |_| ());
    for version in Version::ALL {
        check(&input, &message, "n-1", version);
        check(&input, &dead, "n-2", version);
    }
});

fn check(input: &Input, message: &Message, id: &str, version: Version) {
    let delivery =
        DeliveryHeaders { subscription: input.subscription.as_deref(), ack: input.ack.as_deref(), count: input.count };
    let mut wire = BytesMut::new();
    prefix(&mut wire, version, delivery);
    wire.extend_from_slice(&message.tail(version, |_, _| None));
    let frame = read(&wire, version).expect("a MESSAGE is valid in its version");
    assert_eq!(frame.body, input.body);
    assert_eq!(message.body(), input.body);
    assert_eq!(frame.header("message-id").as_deref(), Some(id));
    assert_eq!(frame.header("content-length").as_deref(), Some(&*input.body.len().to_string()));
    for (name, _) in frame.headers.iter() {
        if is_reserved(&name) {
            let times = frame.headers.iter().filter(|(other, _)| is_same_name(other, &name)).count();
            let own = match &*name {
                "destination" | "message-id" | "content-length" => true,
                "subscription" => delivery.subscription.is_some(),
                "ack" => delivery.ack.is_some(),
                "redelivered" | "delivery-count" => delivery.count >= 2,
                _ => false,
            };
            assert!(own && times == 1, "{name} {times} times in {version}");
        }
    }
}

fn read(wire: &[u8], version: Version) -> Option<Frame> {
    let mut decoder =
        Decoder::new(Limits { frame_bytes_max: 1 << 20, header_count_max: 1 << 16, header_bytes_max: 1 << 20, to_bytes_max: 0 });
    decoder.set_version(version);
    decoder.feed(wire);
    decoder.next().ok().flatten()
}
