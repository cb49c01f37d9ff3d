//! Options of frames: limits on their size and rate, and how they are checked and terminated.

use crate::config::builders::boolean;
use crate::config::builders::{COUNT_MAX, GIB, KIB, TIB, bytes, number};
use crate::config::row::OptionRow;
use crate::config::value::{count, size, store, switch};

/// Maximum number of bytes that one byte of a frame takes in JSON (`\u0000`).
const JSON_FACTOR: usize = 6;

pub(crate) const FRAMES: &[OptionRow] = &[
    bytes(
        "frame-bytes-max",
        "2MiB",
        "Maximum size of a frame. The broker rejects a larger frame with ERROR.",
        |c, v| store(&mut c.transport.limits.frame_bytes_max, size(v, KIB..=GIB)),
    ),
    bytes(
        "connect-frame-bytes-max",
        "64KiB",
        "Maximum size of a frame before the client has logged in. The broker rejects a larger frame with ERROR.",
        |c, v| {
            store(&mut c.transport.connect_limits.frame_bytes_max, size(v, KIB..=GIB))?;
            c.sockjs.unauthenticated_send_bytes_max =
                c.transport.connect_limits.frame_bytes_max * JSON_FACTOR;
            Ok(())
        },
    ),
    number(
        "header-count-max",
        "100",
        "Maximum number of header lines of a frame. If a frame has more lines, the broker rejects the frame with \
         ERROR.",
        |c, v| {
            store(&mut c.transport.limits.header_count_max, count(v, 10..=65_535))?;
            c.transport.connect_limits.header_count_max = c.transport.limits.header_count_max;
            Ok(())
        },
    ),
    bytes(
        "header-bytes-max",
        "16KiB",
        "Maximum size of one header line. If a line is longer, the broker rejects the frame with ERROR.",
        |c, v| {
            store(&mut c.transport.limits.header_bytes_max, size(v, 256..=GIB))?;
            c.transport.connect_limits.header_bytes_max = c.transport.limits.header_bytes_max;
            c.operations.header_bytes_max = c.transport.limits.header_bytes_max;
            Ok(())
        },
    ),
    bytes(
        "to-bytes-max",
        "256KiB",
        "Maximum size of the header to, which lists the recipients of a SEND to /users/. If the header is longer, the \
         broker rejects the SEND with ERROR.",
        |c, v| {
            store(&mut c.operations.to_bytes_max, size(v, 256..=GIB))?;
            c.transport.limits.to_bytes_max = c.operations.to_bytes_max;
            Ok(())
        },
    ),
    number(
        "to-names-max",
        "10000",
        "Maximum number of names in the header to. If the header has more names, the broker rejects the SEND with \
         ERROR.",
        |c, v| store(&mut c.operations.to_names_max, count(v, 1..=COUNT_MAX)),
    ),
    bytes(
        "ws-message-bytes-max",
        "16MiB",
        "Maximum size of a WebSocket message from a client. A message may contain many frames. The broker rejects a \
         larger message with ERROR.",
        |c, v| store(&mut c.sockjs.ws_message_bytes_max, size(v, KIB..=TIB).map(|bytes| bytes as u64)),
    ),
    bytes(
        "destination-bytes-max",
        "1024",
        "Maximum size of a destination. If a destination is longer, the broker rejects the frame with ERROR.",
        |c, v| store(&mut c.operations.destination_bytes_max, size(v, 16..=64 * KIB)),
    ),
    number(
        "frames-per-second-max",
        "0",
        "Maximum average number of frames per second from one connection. If a client sends more, the broker rejects \
         the frame with ERROR. 0 means no limit.",
        |c, v| store(&mut c.session.frames_per_second_max, count(v, 0..=COUNT_MAX)),
    ),
    boolean(
        "strict-headers",
        "false",
        "Rejects a SEND with ERROR if a header requests a feature that Stompbox does not have. Examples are expires, \
         priority and delay. See the documentation on compatibility. With false the broker ignores such a header and \
         logs a warning. The broker always accepts persistent:true, because many clients send it by default.",
        |c, v| store(&mut c.session.strict_headers, switch(v)),
    ),
    boolean(
        "trailing-lf",
        "true",
        "Sends an LF after the NUL of each frame over TCP. Set false for clients that read the LF as the start of a \
         frame. WebSocket and SockJS frames never have the LF.",
        |c, v| store(&mut c.transport.trailing_lf, switch(v)),
    ),
];
