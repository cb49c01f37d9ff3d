//! WebSocket frames as a client writes and reads them (RFC 6455 §5.2), well-formed or not.

use super::http::{self, Request, Response};
use std::net::{SocketAddr, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;
/// The bit of a message's last frame.
pub(crate) const FIN: u8 = 0x80;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// One frame from the broker.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

/// Asks for an upgrade at `path`, offering `protocols`, and checks the answer's key.
pub(crate) fn upgrade(address: SocketAddr, path: &str, protocols: Option<&str>) -> (TcpStream, Response) {
    let request = protocols
        .into_iter()
        .fold(Request::get(path), |request, offer| request.header("Sec-WebSocket-Protocol", offer));
    upgrade_by(address, request)
}

/// The same with a request that has headers of its own.
pub(crate) fn upgrade_by(address: SocketAddr, request: Request) -> (TcpStream, Response) {
    let request = request.headers(&[
        ("Upgrade", "websocket"),
        ("Connection", "keep-alive, Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
    ]);
    let (stream, response) = http::exchange(address, &request.octets(address));
    if response.status == 101 {
        assert_eq!(response.header("sec-websocket-accept"), Some(derive_accept_key(KEY.as_bytes()).as_str()));
        assert_eq!(response.header("upgrade").map(str::to_lowercase).as_deref(), Some("websocket"));
    }
    (stream, response)
}

/// A masked frame; `first` is the opcode and the bits beside it.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = head(first, payload.len() as u64, true);
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(octet, mask)| octet ^ mask));
    out
}

/// A frame's head without the mask's octets.
pub(crate) fn head(first: u8, length: u64, masked: bool) -> Vec<u8> {
    let bit = if masked { 0x80 } else { 0 };
    match length {
        0..126 => vec![first, bit | length as u8],
        126..0x1_0000 => [&[first, bit | 126], (length as u16).to_be_bytes().as_slice()].concat(),
        _ => [&[first, bit | 127], length.to_be_bytes().as_slice()].concat(),
    }
}

/// The first frame in `octets` and how many octets it takes.
pub(crate) fn parse(octets: &[u8]) -> Option<(Received, usize)> {
    let [first, second, rest @ ..] = octets else { return None };
    assert_eq!(first & 0xF0, FIN, "one frame a message, no extension bits");
    assert_eq!(second & 0x80, 0, "a server does not mask");
    let (wide, length) = match second & 0x7F {
        126 => (2, u64::from(u16::from_be_bytes(rest.get(..2)?.try_into().ok()?))),
        127 => (8, u64::from_be_bytes(rest.get(..8)?.try_into().ok()?)),
        short => (0, u64::from(short)),
    };
    let end = wide + usize::try_from(length).expect("a length that fits into memory");
    let payload = rest.get(wide..end)?.to_vec();
    Some((Received { opcode: first & 0x0F, payload }, 2 + end))
}
