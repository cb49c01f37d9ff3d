//! Options of listening: addresses, paths and the HTTP listener.

use crate::config::builders::{MILLISECOND, duration, number, text};
use crate::config::row::{OptionRow, ValueKind};
use crate::config::value::{count, listen, metrics_from, path, store, time};

pub(crate) const LISTENING: &[OptionRow] = &[
    OptionRow {
        key: "http",
        value: "ADDR",
        default: "127.0.0.1:8080",
        help: "Addresses for HTTP, which also serves WebSocket and SockJS: HOST:PORT, or off. To give several, repeat \
               the option, separate them with commas, or use an array in the file. A name stands for all of its \
               addresses; port 0 selects any free port. [::]:PORT also accepts IPv4 clients, unless an IPv4 address \
               with the same port is also given.",
        kind: ValueKind::CommaList,
        set: |c, v| store(&mut c.listen_http, listen(v)),
    },
    OptionRow {
        key: "tcp",
        value: "ADDR",
        default: "127.0.0.1:61613",
        help: "Addresses for STOMP over TCP, in the same form as for the option http.",
        kind: ValueKind::CommaList,
        set: |c, v| store(&mut c.listen_tcp, listen(v)),
    },
    text(
        "ws-path",
        "PATH",
        "/ws",
        "Path of the STOMP endpoint: WebSocket at the path itself, SockJS below it.",
        |c, v| store(&mut c.http.ws_path, path(v)),
    ),
    number(
        "backlog",
        "4096",
        "Maximum number of connections that the system holds until the broker accepts them. The system may hold fewer \
         (net.core.somaxconn). When no more fit, connecting takes a second or more.",
        |c, v| store(&mut c.transport.backlog, count(v, 1..=65_535)),
    ),
    duration(
        "http-header-timeout",
        "10s",
        "Maximum time to receive the header section of an HTTP request; then the connection is closed. An idle HTTP \
         connection is closed after the same time.",
        |c, v| store(&mut c.http.header_timeout, time(v, MILLISECOND)),
    ),
    text(
        "metrics-from",
        "loopback|any|off",
        "loopback",
        "Clients that may read /metrics. loopback: programs on this machine. any: every client that can reach the \
         HTTP address. off: none.",
        |c, v| store(&mut c.http.metrics_from, metrics_from(v)),
    ),
];
