use super::*;

/// Returns a frame with a mask, as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | length as u8),
        length @ 126..=65535 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The messages and control frames that a reader has passed on. Fragments of a message are joined.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
struct ReadEvents {
    messages: Vec<(bool, Vec<u8>)>,
    open: Vec<u8>,
    pings: Vec<Vec<u8>>,
    closes: Vec<Option<u16>>,
}

fn read(bytes: &[u8], size: usize) -> (ReadEvents, Option<u16>) {
    let mut reader = Reader::new(1 << 20);
    let mut events = ReadEvents::default();
    for piece in bytes.chunks(size) {
        let mut piece = piece.to_vec();
        let result = reader.feed(&mut piece, &mut |event| match event {
            Event::Data { payload, text, end } => {
                events.open.extend(payload);
                if end {
                    events.messages.push((text, std::mem::take(&mut events.open)));
                }
            }
            Event::Ping(payload) => events.pings.push(payload.to_vec()),
            Event::Pong => {}
            Event::Close(code) => events.closes.push(code),
        });
        if let Err(violation) = result {
            return (events, Some(violation.code));
        }
    }
    (events, None)
}

#[test]
fn messages_are_the_same_at_every_split() {
    let long = vec![b'x'; 70_000];
    let mut bytes = Vec::new();
    bytes.extend(frame(0x81, "héllo 😀".as_bytes()));
    bytes.extend(frame(0x82, &[0xff, 0, 1]));
    bytes.extend(frame(0x01, "fräg".as_bytes()));
    bytes.extend(frame(0x89, b"in between"));
    bytes.extend(frame(0x00, b""));
    bytes.extend(frame(0x80, "mént".as_bytes()));
    bytes.extend(frame(0x8a, b""));
    bytes.extend(frame(0x81, b""));
    bytes.extend(frame(0x82, &long[..300]));
    let (whole, none) = read(&bytes, bytes.len());
    assert_eq!(none, None);
    assert_eq!(whole.messages.len(), 5);
    assert_eq!(whole.messages[2], (true, "frägmént".as_bytes().to_vec()));
    assert_eq!(whole.pings, [b"in between".to_vec()]);
    for size in 1..bytes.len() {
        assert_eq!(read(&bytes, size), (whole.clone(), None), "pieces of {size}");
    }
    assert_eq!(read(&frame(0x82, &long), 1000).0.messages, [(false, long)]);
}

#[test]
fn protocol_violation_closes_with_the_matching_code() {
    let unmasked = vec![0x81, 0x01, b'a'];
    let huge = [&[0x82u8, 0xff][..], &(1u64 << 60).to_be_bytes(), &[0; 4]].concat();
    let too_many = [frame(0x02, &vec![0; 1 << 20]), frame(0x80, b"1")].concat();
    let table: &[(&str, Vec<u8>, u16)] = &[
        ("an unmasked frame", unmasked, 1002),
        ("a reserved bit", frame(0xc1, b"a"), 1002),
        ("a reserved data opcode", frame(0x83, b"a"), 1002),
        ("a reserved control opcode", frame(0x8b, b""), 1002),
        ("a fragmented ping", frame(0x09, b""), 1002),
        ("a ping of 126 bytes", frame(0x89, &[0; 126]), 1002),
        ("a continuation without a first fragment", frame(0x80, b"a"), 1002),
        ("a message within a message", [frame(0x01, b"a"), frame(0x81, b"b")].concat(), 1002),
        ("text that is not UTF-8", frame(0x81, b"\xff"), 1007),
        ("text that ends within a character", frame(0x81, b"\xc3"), 1007),
        ("a length of 2^60", huge, 1009),
        ("fragments that add up", too_many, 1009),
        ("a close code of one byte", frame(0x88, b"\x03"), 1002),
        ("a close code of 1005", frame(0x88, &1005u16.to_be_bytes()), 1002),
        ("a close code of 999", frame(0x88, &999u16.to_be_bytes()), 1002),
        ("a close reason that is not UTF-8", frame(0x88, b"\x03\xe8\xff"), 1007),
    ];
    for (name, bytes, code) in table {
        for size in [1, 2, 7, bytes.len()] {
            assert_eq!(read(bytes, size).1, Some(*code), "{name}, pieces of {size}");
        }
    }
}

#[test]
fn close_frame_stops_the_reader() {
    let bytes = [frame(0x88, &1000u16.to_be_bytes()), frame(0x81, b"late")].concat();
    let (events, violation) = read(&bytes, bytes.len());
    assert_eq!((events.closes, events.messages, violation), (vec![Some(1000)], vec![], None));
    assert_eq!(read(&frame(0x88, b""), 1).0.closes, [None]);
}
