//! Rebuilds messages from arbitrary bytes. Checks that this does not panic, that an error is inside the bytes, and that
//! an accepted message is one that the encoder writes with exactly these bytes, and clients of every version can read.

#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use stompbox_frames::message::{DeliveryHeaders, Message, MessageParts, prefix};
use stompbox_frames::sockjs::Quoting;
use stompbox_frames::stomp::{Decoder, Frame, Headers, Limits, Version};

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    let mut charged = None;
    let message: Message = match Message::from_wire(bytes.clone(), |bytes| charged = Some(bytes)) {
        Ok(message) => message,
        Err(error) => {
            assert!(error.offset <= data.len() && charged.is_none());
            assert!(error.to_string().len() < 250);
            return;
        }
    };
    assert_eq!((message.encoded().as_ptr(), message.encoded().len()), (bytes.as_ptr(), bytes.len()));
    let frames = Version::ALL.map(|version| read(&message, version));
    for frame in &frames {
        assert_eq!(&frame.body[..], message.body());
        assert_eq!(frame.headers.len(), frames[0].headers.len());
    }
    for (version, quoting) in Version::ALL.into_iter().flat_map(|version| Quoting::ALL.map(|quoting| (version, quoting))) {
        assert!(message.quoted_tail(version, quoting, |_, _| None).is_ascii() || !data.is_ascii());
    }
    let headers: Vec<_> =
        frames[2].headers.iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let extra: Vec<_> =
        headers[2..headers.len() - 1].iter().map(|(name, value)| (&**name, &**value)).collect();
    let parts = MessageParts {
        id: message.id(),
        destination: message.destination(),
        headers: &Headers::default(),
        extra: &extra,
        body: message.body(),
    };
    let mut charged_again = 0;
    let again: Message = Message::new(parts, |bytes| charged_again = bytes);
    assert_eq!(again.encoded(), message.encoded());
    assert_eq!(charged, Some(charged_again));
});

fn read(message: &Message, version: Version) -> Frame {
    let mut wire = BytesMut::new();
    prefix(&mut wire, version, DeliveryHeaders::default());
    wire.extend_from_slice(&message.tail(version, |_, _| None));
    let limits = Limits { frame_bytes_max: 1 << 20, header_count_max: 1 << 16, header_bytes_max: 1 << 20, to_bytes_max: 0 };
    let mut decoder = Decoder::new(limits);
    decoder.set_version(version);
    decoder.feed(&wire);
    let frame = decoder.next().expect("a MESSAGE is valid in its version").expect("a MESSAGE is complete");
    assert_eq!(decoder.buffered(), 0);
    frame
}
