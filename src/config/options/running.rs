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
        "Addresses and networks of health checks, separated by commas. Examples: 127.0.0.1, 10.0.0.0/8, ::1. The \
         broker logs a login from these addresses at debug instead of info. The same level applies to the end of a \
         connection that only logs in and disconnects.",
        |c, v| store(&mut c.transport.health_check_from, Networks::parse(v)),
    ),
    duration(
        "drain-time",
        "8s",
        "Maximum duration of a stop. During this time clients receive their waiting messages. The broker closes the \
         remaining connections half a second before the end of this time. If this time is shorter than 4 s, the \
         broker closes them after 7/8 of this time. One TCP client that does not close its socket makes a stop last \
         as long as linger. Container runtimes kill a process after 10 s.",
        |c, v| store(&mut c.drain_time, time(v, ZERO)),
    ),
    OptionRow {
        key: "shutdown-error",
        value: "true|false",
        default: "false",
        help: "Sends TCP clients an ERROR with the message shutting down when the broker stops. With false the broker \
               closes the connections without an ERROR. Clients with automatic reconnection then connect again.",
        kind: ValueKind::Switch,
        set: |c, v| store(&mut c.transport.shutdown_error, switch(v)),
    },
    number("worker-threads", "0", "Number of threads that run connections. 0 means one per core.", |c, v| {
        store(&mut c.worker_threads, count(v, 0..=1024))
    }),
    text(
        "log",
        "FILTER",
        "info",
        "Filter of the log, which goes to standard error. The levels are off, error, warn, info, debug and trace. You \
         can set a level for each module, as in info,stompbox::session=debug.",
        |c, v| store(&mut c.log.filter, log_filter(v)),
    ),
    text(
        "log-format",
        "text|json",
        "text",
        "Format of the log. With text, the log has one line per event. With json, the log has one JSON object per \
         line.",
        |c, v| store(&mut c.log.format, log_format(v)),
    ),
];
