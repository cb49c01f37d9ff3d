//! WebSocket frames as a client writes and reads them (RFC 6455 §5.2), well-formed or malformed.

use super::http::{self, Request, Response};
use std::net::{SocketAddr, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;
/// Flag of the last frame of a message.
pub(crate) const FIN: u8 = 0x80;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame from the broker.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

/// Requests an upgrade at `path` with the subprotocols `protocols`, and checks the key in the answer.
pub(crate) fn upgrade(address: SocketAddr, path: &str, protocols: Option<&str>) -> (TcpStream, Response) {
    let request = protocols
        .into_iter()
        .fold(Request::get(path), |request, offer| request.header("Sec-WebSocket-Protocol", offer));
    upgrade_by(address, request)
}

/// Does the same as [`upgrade`], with a custom request.
pub(crate) fn upgrade_by(address: SocketAddr, request: Request) -> (TcpStream, Response) {
    let request = request.headers(&[
        ("Upgrade", "websocket"),
        ("Connection", "keep-alive, Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
    ]);
    let (stream, response) = http::exchange(address, &request.encode(address));
    if response.status == 101 {
        assert_eq!(response.header("sec-websocket-accept"), Some(derive_accept_key(KEY.as_bytes()).as_str()));
        assert_eq!(response.header("upgrade").map(str::to_lowercase).as_deref(), Some("websocket"));
    }
    (stream, response)
}

/// Encodes a masked frame; `first` is the first byte: the opcode and the flags.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = head(first, payload.len() as u64, true);
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

/// Encodes the head of a frame without the bytes of the mask.
pub(crate) fn head(first: u8, length: u64, masked: bool) -> Vec<u8> {
    let bit = if masked { 0x80 } else { 0 };
    match length {
        0..126 => vec![first, bit | length as u8],
        126..0x1_0000 => [&[first, bit | 126], (length as u16).to_be_bytes().as_slice()].concat(),
        _ => [&[first, bit | 127], length.to_be_bytes().as_slice()].concat(),
    }
}

/// Returns the first frame in `bytes` and its length in bytes.
pub(crate) fn parse(bytes: &[u8]) -> Option<(Received, usize)> {
    let [first, second, rest @ ..] = bytes else { return None };
    assert_eq!(first & 0xF0, FIN, "a message must be one frame without extension bits");
    assert_eq!(second & 0x80, 0, "a server must not mask");
    let (wide, length) = match second & 0x7F {
        126 => (2, u64::from(u16::from_be_bytes(rest.get(..2)?.try_into().ok()?))),
        127 => (8, u64::from_be_bytes(rest.get(..8)?.try_into().ok()?)),
        short => (0, u64::from(short)),
    };
    let end = wide + usize::try_from(length).expect("a length that fits into memory");
    let payload = rest.get(wide..end)?.to_vec();
    Some((Received { opcode: first & 0x0F, payload }, 2 + end))
}
