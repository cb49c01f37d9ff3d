//! Options of frames: limits on their size and rate, and how they are checked and terminated.

use super::access::boolean;
use super::row::OptionRow;
use super::table::{GIB, HUGE, KIB, MANY, bytes, number};
use super::value::{count, put, size, switch};

/// Largest number of JSON bytes for one byte of a frame (`\u0000`).
const JSON_FACTOR: usize = 6;

pub(super) const FRAMES: &[OptionRow] = &[
    bytes("frame-bytes-max", "2MiB", "Size of a frame; a larger one gets ERROR.", |c, v| {
        put(&mut c.transport.limits.frame_bytes_max, size(v, KIB..=GIB))
    }),
    bytes(
        "connect-frame-bytes-max",
        "64KiB",
        "Size of a frame before the client is signed in; a larger one gets ERROR.",
        |c, v| {
            put(&mut c.transport.connect_limits.frame_bytes_max, size(v, KIB..=GIB))?;
            c.sockjs.unauthenticated_send_bytes_max =
                c.transport.connect_limits.frame_bytes_max * JSON_FACTOR;
            Ok(())
        },
    ),
    number("header-count-max", "100", "Header lines of a frame; with more it gets ERROR.", |c, v| {
        put(&mut c.transport.limits.header_count_max, count(v, 10..=65_535))?;
        c.transport.connect_limits.header_count_max = c.transport.limits.header_count_max;
        Ok(())
    }),
    bytes(
        "header-bytes-max",
        "16KiB",
        "Size of one header line; a frame with a longer one gets ERROR.",
        |c, v| {
            put(&mut c.transport.limits.header_bytes_max, size(v, 256..=GIB))?;
            c.transport.connect_limits.header_bytes_max = c.transport.limits.header_bytes_max;
            c.session.header_bytes_max = c.transport.limits.header_bytes_max;
            Ok(())
        },
    ),
    bytes(
        "to-bytes-max",
        "256KiB",
        "Size of the header to, which lists the users that a SEND to /users/ is for; a longer one gets ERROR.",
        |c, v| {
            put(&mut c.session.to_bytes_max, size(v, 256..=GIB))?;
            c.transport.limits.to_bytes_max = c.session.to_bytes_max;
            Ok(())
        },
    ),
    number("to-names-max", "10000", "Names in it; with more a SEND gets ERROR.", |c, v| {
        put(&mut c.session.to_names_max, count(v, 1..=MANY))
    }),
    bytes(
        "ws-message-bytes-max",
        "16MiB",
        "Size of a WebSocket message from a client, which may hold many frames; a larger one gets ERROR.",
        |c, v| put(&mut c.sockjs.ws_message_bytes_max, size(v, KIB..=HUGE).map(|octets| octets as u64)),
    ),
    bytes("destination-bytes-max", "1024", "Size of a destination; a longer one gets ERROR.", |c, v| {
        put(&mut c.session.destination_bytes_max, size(v, 16..=64 * KIB))
    }),
    number(
        "frames-per-second-max",
        "0",
        "Frames a second from one connection, averaged; with more it gets ERROR. 0: no limit.",
        |c, v| put(&mut c.session.frames_per_second_max, count(v, 0..=MANY)),
    ),
    boolean(
        "strict-headers",
        "false",
        "A SEND whose headers ask for features that Stompbox does not have (expires, priority, delay: see Headers of \
         other brokers) gets ERROR. With false such a header is ignored, with a WARN in the log. \
         persistent:true is never refused: many clients send it by habit.",
        |c, v| put(&mut c.session.strict_headers, switch(v)),
    ),
    boolean(
        "trailing-lf",
        "true",
        "Whether a LF follows the NUL of each frame over TCP. Set it to false for clients that take the LF for the \
         start of a frame. WebSocket and SockJS never have it.",
        |c, v| put(&mut c.transport.trailing_lf, switch(v)),
    ),
];
