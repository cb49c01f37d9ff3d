//! From headers and a body to octets.

use super::{Command, Version};
use bytes::{Bytes, BytesMut};

/// Appends `name:value LF`, escaped for `version` (what a version cannot carry becomes a space).
pub fn header(out: &mut BytesMut, version: Version, name: &str, value: &str) { let _ = (out, version, name, value); unimplemented!() }

/// One whole control frame, `COMMAND LF headers LF body NUL LF`. CONNECTED's headers are not escaped.
/// `content-length` is added when there is a body.
/// The trailing LF is the last octet, so that a wire with frames of its own can cut it off.
pub fn frame(command: Command, version: Version, headers: &[(&str, &str)], body: &[u8]) -> Bytes { let _ = (command, version, headers, body); unimplemented!() }
