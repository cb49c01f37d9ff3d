//! The header of an unfragmented, unmasked WebSocket frame from a server (RFC 6455, section 5.2).

use bytes::{BufMut, BytesMut};

/// The type of a frame (RFC 6455, section 11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// A message of UTF-8 text.
    Text,
    /// A message of bytes.
    Binary,
    /// The first step of closing the connection, with an optional code and reason.
    Close,
    /// A request for a pong with the same payload.
    Ping,
    /// The answer to a ping.
    Pong,
}

const FINAL: u8 = 0x80;
/// The largest length that the second byte can contain. Its values 126 and 127 mean that the length follows in 2 or 8
/// bytes.
const SHORT_MAX: usize = 125;

/// The length of the longest header, in bytes.
pub const HEAD_BYTES_MAX: usize = 10;

/// Appends the header of an unfragmented frame with `payload_bytes` bytes of payload. The header takes 2, 4 or 10
/// bytes.
pub fn head(out: &mut BytesMut, opcode: Opcode, payload_bytes: usize) {
    out.put_u8(FINAL | opcode.wire());
    if payload_bytes <= SHORT_MAX {
        out.put_u8(payload_bytes as u8);
    } else if let Ok(length) = u16::try_from(payload_bytes) {
        out.put_u8(126);
        out.put_u16(length);
    } else {
        out.put_u8(127);
        out.put_u64(payload_bytes as u64);
    }
}

impl Opcode {
    fn wire(self) -> u8 {
        match self {
            Opcode::Text => 0x1,
            Opcode::Binary => 0x2,
            Opcode::Close => 0x8,
            Opcode::Ping => 0x9,
            Opcode::Pong => 0xA,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_uses_the_shortest_encoding() {
        let cases: [(Opcode, usize, &[u8]); 11] = [
            (Opcode::Text, 0, &[0x81, 0]),
            (Opcode::Text, 5, &[0x81, 5]),
            (Opcode::Binary, 125, &[0x82, 125]),
            (Opcode::Binary, 126, &[0x82, 126, 0, 126]),
            (Opcode::Text, 256, &[0x81, 126, 1, 0]),
            (Opcode::Text, 65535, &[0x81, 126, 0xFF, 0xFF]),
            (Opcode::Text, 65536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            (Opcode::Binary, 0x1_0203_0405, &[0x82, 127, 0, 0, 0, 1, 2, 3, 4, 5]),
            (Opcode::Close, 2, &[0x88, 2]),
            (Opcode::Ping, 0, &[0x89, 0]),
            (Opcode::Pong, 4, &[0x8A, 4]),
        ];
        for (opcode, payload, expected) in cases {
            let mut out = BytesMut::new();
            head(&mut out, opcode, payload);
            assert_eq!(out, expected, "{opcode:?} {payload}");
        }
    }
}
