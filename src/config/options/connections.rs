//! Options of connections: their number, time limits and heartbeats.

use crate::config::builders::{COUNT_MAX, MILLISECOND, ZERO, duration, number, text};
use crate::config::row::OptionRow;
use crate::config::value::{count, heart_beat, seconds, store, time};

pub(crate) const CONNECTIONS: &[OptionRow] = &[
    number(
        "connections-max",
        "16384",
        "Maximum number of open connections, including HTTP connections. A further connection gets an error with the \
         reason and is closed. If the system's limit of open files allows fewer, the broker lowers the default \
         with a warning; with an explicit value it does not start. check-config warns in both cases.",
        |c, v| store(&mut c.transport.connections_max, count(v, 1..=COUNT_MAX)),
    ),
    number(
        "connections-per-address-max",
        "0",
        "Maximum number of open connections from one IP address; a further connection is closed at once. 0: no \
         separate limit.",
        |c, v| store(&mut c.transport.connections_per_address_max, count(v, 0..=COUNT_MAX)),
    ),
    duration(
        "connect-silence",
        "10s",
        "Maximum time without input before CONNECT is complete; then the connection is closed.",
        |c, v| store(&mut c.session.connect_silence, time(v, MILLISECOND)),
    ),
    duration(
        "connect-timeout",
        "60s",
        "Maximum time until CONNECT is complete, even while bytes keep arriving; then the connection is closed.",
        |c, v| store(&mut c.session.connect_timeout, time(v, MILLISECOND)),
    ),
    text(
        "heart-beat",
        "MS,MS",
        "10000,10000",
        "Heartbeat intervals of the broker in milliseconds: how often it can send, and how often it wants to receive \
         from a client. 0: never; other values are 500 or more. A client that is silent for too long is closed: see \
         heart-beat-tolerance.",
        |c, v| store(&mut c.session.heart_beat, heart_beat(v)),
    ),
    number(
        "heart-beat-tolerance",
        "2",
        "Number of heartbeat intervals without input after which the broker closes a client as lost. The broker waits \
         at least one second more than one interval. Browsers run the timers of hidden tabs once a minute: 7 keeps \
         such tabs connected with heartbeats of 10 s.",
        |c, v| store(&mut c.session.heart_beat_tolerance, count(v, 1..=1000)),
    ),
    duration(
        "tcp-keepalive",
        "30s",
        "Time without traffic after which the system probes whether the peer still responds. This detects vanished \
         clients that send no heartbeats. The time is up to a third longer for some connections, so that not all are \
         probed at once. Whole seconds; 0: off.",
        |c, v| store(&mut c.transport.tcp_keepalive, seconds(v)),
    ),
    duration(
        "tcp-user-timeout",
        "60s",
        "Maximum time for which sent bytes may stay unacknowledged by the peer's system; then the connection is \
         closed. Set it longer than tcp-keepalive: otherwise one lost keepalive probe also closes the connection. 0: \
         the system's default (many minutes).",
        |c, v| store(&mut c.transport.tcp_user_timeout, time(v, ZERO)),
    ),
    duration(
        "linger",
        "5s",
        "Maximum time for a peer to read the last frame (ERROR, a RECEIPT) before its connection is closed.",
        |c, v| store(&mut c.transport.linger, time(v, ZERO)),
    ),
];
