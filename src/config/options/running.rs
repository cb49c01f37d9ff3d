//! Options of running, stopping and logging.

use crate::config::builders::{ZERO, duration, number, text};
use crate::config::row::{OptionRow, ValueKind};
use crate::config::value::{count, log_filter, log_format, store, switch, time};
use crate::networks::Networks;

pub(crate) const RUNNING: &[OptionRow] = &[
    text(
        "health-check-from",
        "NETWORKS",
        "",
        "Addresses and networks of health checks, separated by commas: 127.0.0.1, 10.0.0.0/8, ::1. A login from one \
         of them is logged at debug instead of info. So is the end of a connection that only logs in and disconnects.",
        |c, v| store(&mut c.transport.health_check_from, Networks::parse(v)),
    ),
    duration(
        "drain-time",
        "8s",
        "Maximum duration of a stop. During this time clients receive their waiting messages. Remaining connections \
         are closed half a second (at most an eighth of this time) before this time ends. A single TCP client that does \
         not close its socket makes a stop last as long as linger. Container runtimes kill a process after 10 s.",
        |c, v| store(&mut c.drain_time, time(v, ZERO)),
    ),
    OptionRow {
        key: "shutdown-error",
        value: "true|false",
        default: "false",
        help: "Sends an ERROR with the message shutting down to TCP clients when the broker stops. With false the \
               connections are closed without an ERROR, so that clients with automatic reconnection connect again.",
        kind: ValueKind::Switch,
        set: |c, v| store(&mut c.transport.shutdown_error, switch(v)),
    },
    number("worker-threads", "0", "Number of threads that run connections. 0: one per core.", |c, v| {
        store(&mut c.worker_threads, count(v, 0..=1024))
    }),
    text(
        "log",
        "FILTER",
        "info",
        "Filter of the log, which goes to standard error: off, error, warn, info, debug or trace, also per module: \
         info,stompbox::session=debug.",
        |c, v| store(&mut c.log.filter, log_filter(v)),
    ),
    text(
        "log-format",
        "text|json",
        "text",
        "Format of the log. text: one line per event. json: one JSON object per line.",
        |c, v| store(&mut c.log.format, log_format(v)),
    ),
];
