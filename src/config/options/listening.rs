//! Options of listening: addresses, paths and the HTTP listener.

use crate::config::builders::{MILLISECOND, duration, number, text};
use crate::config::row::{OptionRow, ValueKind};
use crate::config::value::{count, listen, metrics_from, path, store, time};

pub(crate) const LISTENING: &[OptionRow] = &[
    OptionRow {
        key: "http",
        value: "ADDR",
        default: "127.0.0.1:8080",
        help: "Addresses for HTTP, WebSocket and SockJS: HOST:PORT, or off. To give several addresses, repeat the \
               option, separate them with commas, or use an array in the file. A host name stands for all of its \
               addresses. For port 0 the system selects a free port. [::]:PORT also accepts IPv4 clients. If you also \
               set an IPv4 address with the same port, [::]:PORT accepts only IPv6 clients.",
        kind: ValueKind::CommaList,
        set: |c, v| store(&mut c.listen_http, listen(v)),
    },
    OptionRow {
        key: "tcp",
        value: "ADDR",
        default: "127.0.0.1:61613",
        help: "Addresses for STOMP over TCP. The form is the same as for the option http.",
        kind: ValueKind::CommaList,
        set: |c, v| store(&mut c.listen_tcp, listen(v)),
    },
    text(
        "ws-path",
        "PATH",
        "/ws",
        "Path of the STOMP endpoint. WebSocket clients use this path. SockJS clients use the paths below it.",
        |c, v| store(&mut c.http.ws_path, path(v)),
    ),
    number(
        "backlog",
        "4096",
        "Maximum number of connections that the system holds until the broker accepts them. The system may apply a \
         lower limit (net.core.somaxconn). When the limit is reached, a client needs a second or more to connect.",
        |c, v| store(&mut c.transport.backlog, count(v, 1..=65_535)),
    ),
    duration(
        "http-header-timeout",
        "10s",
        "Maximum time to receive the header section of an HTTP request. After this time the broker closes the \
         connection. The broker also closes an HTTP connection that is idle for this time.",
        |c, v| store(&mut c.http.header_timeout, time(v, MILLISECOND)),
    ),
    text(
        "metrics-from",
        "loopback|any|off",
        "loopback",
        "Clients that may read /metrics. The value loopback means programs on this machine. The value any means every \
         client that can reach the HTTP address. The value off means no client.",
        |c, v| store(&mut c.http.metrics_from, metrics_from(v)),
    ),
];
