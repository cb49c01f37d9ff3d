//! Encodes an arbitrary SEND as a MESSAGE and rebuilds the message from its encoded form. Checks that both messages are
//! equal in everything that clients receive, and hold equal amounts of memory.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use stompbox_frames::message::{Message, MessageParts, RESERVED_EXTRA, is_reserved};
use stompbox_frames::sockjs::Quoting;
use stompbox_frames::stomp::{Decoder, Frame, Limits, Version};

#[derive(Arbitrary, Debug)]
struct Input {
    /// The header block of the SEND, as received.
    block: Vec<u8>,
    sent_in: u8,
    id: String,
    destination: String,
    /// For each name in `RESERVED_EXTRA`, the value of the header, if the broker adds it.
    reserved_extra: Vec<Option<String>>,
    extra: Vec<(String, String)>,
    body: Vec<u8>,
}

fuzz_target!(|input: Input| {
    let mut wire = b"SEND\n".to_vec();
    wire.extend_from_slice(&input.block);
    wire.extend_from_slice(b"\n\n\0");
    let Some(send) = read(&wire, Version::ALL[usize::from(input.sent_in) % 3]) else { return };
    let reserved = RESERVED_EXTRA.iter().zip(&input.reserved_extra);
    let reserved = reserved.filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    let others = input.extra.iter().map(|(name, value)| (&**name, &**value));
    let extra: Vec<_> = reserved.chain(others.filter(|(name, _)| !is_reserved(name))).collect();
    // A header cannot represent NUL.
    let [id, destination] = [&input.id, &input.destination].map(|text| text.replace('\0', " "));
    let parts =
        MessageParts { id: &id, destination: &destination, headers: &send.headers, extra: &extra, body: &input.body };
    let mut charged = 0;
    let original: Message = Message::new(parts, |bytes| charged = bytes);
    check(&original, charged);
    let dead = original.readdressed(&destination, &id, &extra, |bytes| charged = bytes);
    check(&dead, charged);
});

fn check(original: &Message, charged: usize) {
    let mut charged_again = 0;
    let rebuilt: Message =
        Message::from_wire(original.encoded().clone(), |bytes| charged_again = bytes).expect("an encoded message");
    assert_eq!(charged, charged_again);
    assert_eq!(rebuilt.encoded(), original.encoded());
    assert_eq!((rebuilt.id(), rebuilt.destination()), (original.id(), original.destination()));
    assert_eq!((rebuilt.body(), rebuilt.is_text()), (original.body(), original.is_text()));
    for version in Version::ALL {
        assert_eq!(rebuilt.tail(version, |_, _| None), original.tail(version, |_, _| None));
        for quoting in Quoting::ALL {
            let [one, other] = [&rebuilt, original].map(|message| message.quoted_tail(version, quoting, |_, _| None));
            assert_eq!(one, other);
        }
    }
    let [one, other] = [&rebuilt, original].map(|message| message.readdressed("n:2", "/b", &[("x", "\r")], |_| ()));
    assert_eq!(one.encoded(), other.encoded());
}

fn read(wire: &[u8], version: Version) -> Option<Frame> {
    let mut decoder =
        Decoder::new(Limits { frame_bytes_max: 1 << 20, header_count_max: 1 << 16, header_bytes_max: 1 << 20, to_bytes_max: 0 });
    decoder.set_version(version);
    decoder.feed(wire);
    decoder.next().ok().flatten()
}
