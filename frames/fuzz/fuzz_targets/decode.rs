//! Decodes arbitrary bytes in one of the versions, split at arbitrary positions. Checks that decoding does not panic
//! and never buffers more than one frame. Checks that it returns the same frames or the same error for every split.
//!
//! The last four bytes of the input select the version, the limits and the splits, so that each file of the corpus
//! can be a seed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stompbox_frames::stomp::{Command, DecodeError, Decoder, Limits, Version};

type Seen = (Vec<(Command, Vec<(String, String)>, Vec<u8>)>, Option<DecodeError>);

fuzz_target!(|data: &[u8]| {
    let Some((bytes, choice)) = data.split_last_chunk::<4>() else { return };
    let version = Version::ALL[usize::from(choice[0]) % 3];
    let limits = Limits {
        frame_bytes_max: [1, 20, 60, 512, 4096][usize::from(choice[1]) % 5],
        header_count_max: [0, 2, 8, 100][usize::from(choice[1] / 5) % 4],
        header_bytes_max: [0, 10, 64, 1024][usize::from(choice[1] / 20) % 4],
        to_bytes_max: [0, 32][usize::from(choice[1] / 80) % 2],
    };
    let mut random = u32::from_le_bytes(*choice) | 1;
    let mut piece = || {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        1 + (random >> 8) as usize % (1 + usize::from(choice[2]))
    };
    let whole = decode(bytes, version, limits, || usize::MAX);
    assert_eq!(whole, decode(bytes, version, limits, || 1));
    assert_eq!(whole, decode(bytes, version, limits, &mut piece));
});

fn decode(bytes: &[u8], version: Version, limits: Limits, mut piece: impl FnMut() -> usize) -> Seen {
    let mut decoder = Decoder::new(limits);
    decoder.set_version(version);
    let mut frames = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(piece().min(rest.len()));
        rest = later;
        decoder.feed(now);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => {
                    let headers: Vec<_> =
                        frame.headers.iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
                    for (name, _) in &headers {
                        let first = headers.iter().find(|(other, _)| other == name).map(|(_, value)| value);
                        assert_eq!(frame.header(name).as_deref(), first.map(String::as_str));
                    }
                    assert_eq!(frame.headers.len(), headers.len());
                    assert!(headers.len() <= limits.header_count_max);
                    assert!(frame.body.len() < limits.frame_bytes_max);
                    frames.push((frame.command, headers, frame.body.to_vec()));
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.buffered(), 0);
                    decoder.feed(b"SEND\n\n\0");
                    assert_eq!(decoder.next().err(), Some(error.clone()));
                    assert!(!error.summary.contains([':', '\\', '\n', '\r']));
                    return (frames, Some(error));
                }
            }
        }
        assert!(decoder.buffered() <= limits.frame_bytes_max);
    }
    (frames, None)
}
