//! The head of a WebSocket frame from server to client (RFC 6455 §5.2): final, unmasked.

use bytes::BytesMut;

/// What the frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Opcode { Text, Binary, Close, Ping, Pong }

/// Appends the head of an unfragmented frame with `payload_bytes` of payload: 2, 4 or 10 octets.
pub fn head(out: &mut BytesMut, opcode: Opcode, payload_bytes: usize) { let _ = (out, opcode, payload_bytes); unimplemented!() }
