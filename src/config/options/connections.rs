//! Options of connections: their number, time limits and heartbeats.

use crate::config::builders::{COUNT_MAX, MILLISECOND, ZERO, duration, number, text};
use crate::config::row::OptionRow;
use crate::config::value::{count, heart_beat, seconds, store, time};

pub(crate) const CONNECTIONS: &[OptionRow] = &[
    number(
        "connections-max",
        "16384",
        "Maximum number of open connections, including HTTP connections. The broker rejects a further connection with \
         an error that gives the reason, and closes it. If the system's limit of open files allows fewer, the broker \
         lowers the default with a warning. If you have set the option, the broker does not start. The command \
         check-config warns in both cases.",
        |c, v| store(&mut c.transport.connections_max, count(v, 1..=COUNT_MAX)),
    ),
    number(
        "connections-per-address-max",
        "0",
        "Maximum number of open connections from one IP address. The broker closes a further connection at once. 0 \
         means no separate limit.",
        |c, v| store(&mut c.transport.connections_per_address_max, count(v, 0..=COUNT_MAX)),
    ),
    duration(
        "connect-silence",
        "10s",
        "Maximum time without input before CONNECT is complete. After this time the broker closes the connection.",
        |c, v| store(&mut c.session.connect_silence, time(v, MILLISECOND)),
    ),
    duration(
        "connect-timeout",
        "60s",
        "Maximum time until CONNECT is complete, even if bytes keep arriving. After this time the broker closes the \
         connection.",
        |c, v| store(&mut c.session.connect_timeout, time(v, MILLISECOND)),
    ),
    text(
        "heart-beat",
        "MS,MS",
        "10000,10000",
        "Heartbeat intervals of the broker in milliseconds, for sending and for receiving. 0 means never. Other \
         values must be 500 or more. If a client is silent for too long (heart-beat-tolerance), the broker closes the \
         connection.",
        |c, v| store(&mut c.session.heart_beat, heart_beat(v)),
    ),
    number(
        "heart-beat-tolerance",
        "2",
        "Number of heartbeat intervals without input after which the broker closes a connection as lost. The broker \
         waits at least one second longer than one interval. Browsers run the timers of hidden tabs once a minute. \
         With heartbeats of 10 s, a tolerance of 7 keeps such tabs connected.",
        |c, v| store(&mut c.session.heart_beat_tolerance, count(v, 1..=1000)),
    ),
    duration(
        "tcp-keepalive",
        "30s",
        "Time without traffic after which the system probes whether the peer still responds. The probes detect \
         vanished clients that send no heartbeats. For some connections the time is up to a third longer, so that the \
         system does not probe all at once. Set whole seconds. 0 turns the probes off.",
        |c, v| store(&mut c.transport.tcp_keepalive, seconds(v)),
    ),
    duration(
        "tcp-user-timeout",
        "60s",
        "Maximum time for which the peer's system may leave sent bytes unacknowledged. After this time the connection \
         is closed. Set a longer time than tcp-keepalive. Otherwise one lost keepalive probe also closes the \
         connection. 0 means the system's default, which is many minutes.",
        |c, v| store(&mut c.transport.tcp_user_timeout, time(v, ZERO)),
    ),
    duration(
        "linger",
        "5s",
        "Maximum time for a peer to read the last frame (ERROR or RECEIPT). After this time the broker closes the \
         connection.",
        |c, v| store(&mut c.transport.linger, time(v, ZERO)),
    ),
];
