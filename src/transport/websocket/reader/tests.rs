use super::*;

/// A masked client frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let mut octets = vec![first];
    match payload.len() {
        length @ 0..=125 => octets.push(0x80 | length as u8),
        length @ 126..=65535 => {
            octets.push(0x80 | 126);
            octets.extend((length as u16).to_be_bytes());
        }
        length => {
            octets.push(0x80 | 127);
            octets.extend((length as u64).to_be_bytes());
        }
    }
    octets.extend(mask);
    octets.extend(payload.iter().zip(mask.iter().cycle()).map(|(octet, mask)| octet ^ mask));
    octets
}

/// Whole messages and control frames, however they were cut.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
struct Heard {
    messages: Vec<(bool, Vec<u8>)>,
    open: Vec<u8>,
    pings: Vec<Vec<u8>>,
    closes: Vec<Option<u16>>,
}

fn read(octets: &[u8], size: usize) -> (Heard, Option<u16>) {
    let mut reader = Reader::new(1 << 20);
    let mut note_input = Heard::default();
    for piece in octets.chunks(size) {
        let mut piece = piece.to_vec();
        let result = reader.feed(&mut piece, &mut |event| match event {
            Event::Data { payload, text, end } => {
                note_input.open.extend(payload);
                if end {
                    note_input.messages.push((text, std::mem::take(&mut note_input.open)));
                }
            }
            Event::Ping(payload) => note_input.pings.push(payload.to_vec()),
            Event::Pong => {}
            Event::Close(code) => note_input.closes.push(code),
        });
        if let Err(violation) = result {
            return (note_input, Some(violation.code));
        }
    }
    (note_input, None)
}

#[test]
fn every_split_gives_the_same_messages() {
    let long = vec![b'x'; 70_000];
    let mut octets = Vec::new();
    octets.extend(frame(0x81, "héllo 😀".as_bytes()));
    octets.extend(frame(0x82, &[0xff, 0, 1]));
    octets.extend(frame(0x01, "fräg".as_bytes()));
    octets.extend(frame(0x89, b"in between"));
    octets.extend(frame(0x00, b""));
    octets.extend(frame(0x80, "mént".as_bytes()));
    octets.extend(frame(0x8a, b""));
    octets.extend(frame(0x81, b""));
    octets.extend(frame(0x82, &long[..300]));
    let (whole, none) = read(&octets, octets.len());
    assert_eq!(none, None);
    assert_eq!(whole.messages.len(), 5);
    assert_eq!(whole.messages[2], (true, "frägmént".as_bytes().to_vec()));
    assert_eq!(whole.pings, [b"in between".to_vec()]);
    for size in 1..octets.len() {
        assert_eq!(read(&octets, size), (whole.clone(), None), "pieces of {size}");
    }
    assert_eq!(read(&frame(0x82, &long), 1000).0.messages, [(false, long)]);
}

#[test]
fn violations_close_with_their_code() {
    let unmasked = vec![0x81, 0x01, b'a'];
    let absurd = [&[0x82u8, 0xff][..], &(1u64 << 60).to_be_bytes(), &[0; 4]].concat();
    let too_many = [frame(0x02, &vec![0; 1 << 20]), frame(0x80, b"1")].concat();
    let table: &[(&str, Vec<u8>, u16)] = &[
        ("an unmasked frame", unmasked, 1002),
        ("a reserved bit", frame(0xc1, b"a"), 1002),
        ("a reserved data opcode", frame(0x83, b"a"), 1002),
        ("a reserved control opcode", frame(0x8b, b""), 1002),
        ("a fragmented ping", frame(0x09, b""), 1002),
        ("a ping of 126 octets", frame(0x89, &[0; 126]), 1002),
        ("a continuation of nothing", frame(0x80, b"a"), 1002),
        ("a message within a message", [frame(0x01, b"a"), frame(0x81, b"b")].concat(), 1002),
        ("text that is not UTF-8", frame(0x81, b"\xff"), 1007),
        ("text that ends within a character", frame(0x81, b"\xc3"), 1007),
        ("a length of 2^60", absurd, 1009),
        ("fragments that add up", too_many, 1009),
        ("a close code of one octet", frame(0x88, b"\x03"), 1002),
        ("a close code of 1005", frame(0x88, &1005u16.to_be_bytes()), 1002),
        ("a close code of 999", frame(0x88, &999u16.to_be_bytes()), 1002),
        ("a close reason that is not UTF-8", frame(0x88, b"\x03\xe8\xff"), 1007),
    ];
    for (name, octets, code) in table {
        for size in [1, 2, 7, octets.len()] {
            assert_eq!(read(octets, size).1, Some(*code), "{name}, pieces of {size}");
        }
    }
}

#[test]
fn a_close_frame_ends_the_reading() {
    let octets = [frame(0x88, &1000u16.to_be_bytes()), frame(0x81, b"late")].concat();
    let (note_input, violation) = read(&octets, octets.len());
    assert_eq!((note_input.closes, note_input.messages, violation), (vec![Some(1000)], vec![], None));
    assert_eq!(read(&frame(0x88, b""), 1).0.closes, [None]);
}
