//! Options of running, stopping and logging.

use super::row::{OptionRow, ValueKind};
use super::table::{NONE, number, text, timed};
use super::value::{count, log_filter, log_format, put, switch, time};
use crate::transport::Networks;

pub(super) const RUNNING: &[OptionRow] = &[
    text(
        "health-check-from",
        "NETWORKS",
        "",
        "Addresses and networks of health checks: 127.0.0.1, 10.0.0.0/8, ::1; commas between them. A login from one \
         of them is logged at debug, not at info, and so is the end of a connection that only signs in and disconnects.",
        |c, v| put(&mut c.transport.health_check_from, Networks::parse(v)),
    ),
    timed(
        "drain-time",
        "8s",
        "Longest time of a stop. Until then clients receive their waiting messages. Remaining connections are cut \
         half a second (at most an eighth of the time) before the end. One TCP client that does not close its socket \
         makes a stop last linger. Container runtimes kill a process after 10 s.",
        |c, v| put(&mut c.drain_time, time(v, NONE)),
    ),
    OptionRow {
        key: "shutdown-error",
        value: "true|false",
        default: "false",
        help: "Sends clients on TCP an ERROR with the message shutting down when the broker stops. Without it their \
               connections are closed, so that clients with automatic reconnection come back.",
        kind: ValueKind::Switch,
        set: |c, v| put(&mut c.transport.shutdown_error, switch(v)),
    },
    number("worker-threads", "0", "Threads that run connections. 0: one per core.", |c, v| {
        put(&mut c.worker_threads, count(v, 0..=1024))
    }),
    text(
        "log",
        "FILTER",
        "info",
        "What is logged, on standard error: off, error, warn, info, debug or trace, also per module: \
         info,stompbox::session=debug.",
        |c, v| put(&mut c.log.filter, log_filter(v)),
    ),
    text("log-format", "text|json", "text", "How a line of the log looks.", |c, v| {
        put(&mut c.log.format, log_format(v))
    }),
];
