//! The table of options: the only definition of each option, its default and its help. Some groups are in modules of
//! their own, such as `web` and `sockjs`.

use super::Config;
use super::access::ACCESS;
use super::frames::FRAMES;
use super::login::LOGIN;
use super::presence::PRESENCE;
use super::row::variable;
use super::row::{Group, OptionRow, ValueKind};
use super::running::RUNNING;
use super::sockjs::SOCKJS;
use super::token::TOKEN;
use super::value::{count, heart_beat, listen, metrics_from, path, put, seconds, size, switch, time, user};
use super::web::WEB;
use std::time::Duration;

type Set = fn(&mut Config, &str) -> Result<(), String>;

pub(super) const NONE: Duration = Duration::ZERO;
pub(super) const TICK: Duration = Duration::from_millis(1);
pub(super) const MANY: u64 = u32::MAX as u64;
pub(super) const KIB: u64 = 1 << 10;
pub(super) const GIB: u64 = 1 << 30;
pub(super) const HUGE: u64 = 1 << 40;

/// All options, in groups with headings.
pub const GROUPS: &[Group] = &[
    Group { heading: "Listening", rows: LISTENING },
    Group { heading: "Browsers and proxies", rows: WEB },
    Group { heading: "Users", rows: USERS },
    Group { heading: "Tokens, and a service that is asked", rows: TOKEN },
    Group { heading: "Logins", rows: LOGIN },
    Group { heading: "What users may do, and what the handshake says of them", rows: ACCESS },
    Group { heading: "Connections", rows: CONNECTIONS },
    Group { heading: "SockJS", rows: SOCKJS },
    Group { heading: "Frames", rows: FRAMES },
    Group { heading: "Sessions", rows: SESSIONS },
    Group { heading: "Work queues", rows: QUEUES },
    Group { heading: "Presence", rows: PRESENCE },
    Group { heading: "Memory and slow receivers", rows: MEMORY },
    Group { heading: "Running and logging", rows: RUNNING },
];

/// Returns all options in the order of the table.
pub fn rows() -> impl Iterator<Item = &'static OptionRow> {
    GROUPS.iter().flat_map(|group| group.rows)
}

/// Earlier names of options: the earlier name and the present one. The earlier names are accepted with a warning.
pub const RENAMED: [(&str, &str); 3] = [
    ("outbox-bytes-max", "outbound-queue-bytes-max"),
    ("burst-patience", "slow-consumer-grace"),
    ("permissions", "default-permissions"),
];

/// Returns the option that had the given key earlier, and that key.
pub(super) fn find_renamed(key: &str) -> Option<(&'static OptionRow, &'static str)> {
    let (earlier, present) = RENAMED.iter().find(|(earlier, _)| *earlier == key)?;
    Some((find(present)?, earlier))
}

/// Returns the option with the given key.
pub fn find(key: &str) -> Option<&'static OptionRow> {
    rows().find(|row| row.key == key)
}

/// Returns the option whose environment variable had the given name earlier, and its earlier key.
pub(super) fn find_renamed_variable(name: &str) -> Option<(&'static OptionRow, &'static str)> {
    RENAMED.iter().find_map(|(earlier, _)| find_renamed(earlier).filter(|_| variable(earlier) == name))
}

/// Returns the option with the given environment variable.
pub(super) fn find_variable(name: &str) -> Option<&'static OptionRow> {
    rows().find(|row| variable(row.key) == name)
}

pub(super) const fn text(
    key: &'static str,
    value: &'static str,
    default: &'static str,
    help: &'static str,
    set: Set,
) -> OptionRow {
    OptionRow { key, value, default, help, kind: ValueKind::Text, set }
}

pub(super) const fn bytes(
    key: &'static str,
    default: &'static str,
    help: &'static str,
    set: Set,
) -> OptionRow {
    OptionRow { key, value: "BYTES", default, help, kind: ValueKind::Number, set }
}

pub(super) const fn number(
    key: &'static str,
    default: &'static str,
    help: &'static str,
    set: Set,
) -> OptionRow {
    OptionRow { key, value: "N", default, help, kind: ValueKind::Number, set }
}

pub(super) const fn timed(
    key: &'static str,
    default: &'static str,
    help: &'static str,
    set: Set,
) -> OptionRow {
    OptionRow { key, value: "TIME", default, help, kind: ValueKind::Number, set }
}

const LISTENING: &[OptionRow] = &[
    OptionRow {
        key: "http",
        value: "ADDR",
        default: "127.0.0.1:8080",
        help: "Addresses for HTTP, and so for WebSocket and SockJS: HOST:PORT, or off. May be given several times, \
               with commas, or in the file as an array. A name means all of its addresses, port 0 any free port. \
               [::]:PORT takes IPv4 clients as well, unless an IPv4 address with the same port is also given.",
        kind: ValueKind::Texts,
        set: |c, v| put(&mut c.listen_http, listen(v)),
    },
    OptionRow {
        key: "tcp",
        value: "ADDR",
        default: "127.0.0.1:61613",
        help: "Addresses for STOMP over TCP, in the form of the option http.",
        kind: ValueKind::Texts,
        set: |c, v| put(&mut c.listen_tcp, listen(v)),
    },
    text(
        "ws-path",
        "PATH",
        "/ws",
        "Path of the endpoint: WebSocket at the path itself, SockJS below it.",
        |c, v| put(&mut c.http.ws_path, path(v)),
    ),
    number(
        "backlog",
        "4096",
        "Connections that the system holds until they are accepted. The system may hold fewer (net.core.somaxconn); \
         beyond it, connecting takes a second or more.",
        |c, v| put(&mut c.transport.backlog, count(v, 1..=65_535)),
    ),
    timed(
        "http-header-timeout",
        "10s",
        "Time for the head of an HTTP request; then the connection is closed. An idle connection is kept as long.",
        |c, v| put(&mut c.http.header_timeout, time(v, TICK)),
    ),
    text(
        "metrics-from",
        "loopback|any|off",
        "loopback",
        "Who may read /metrics: programs on this machine, anybody who reaches the HTTP address, or nobody.",
        |c, v| put(&mut c.http.metrics_from, metrics_from(v)),
    ),
];

const USERS: &[OptionRow] = &[
    OptionRow {
        key: "user",
        value: "NAME:PASSCODE",
        default: "",
        help: "A user who may connect; give it once for each. With any user, CONNECT needs a login (see \
               allow-anonymous). Without any source of users, every client is let in and its login is ignored. Other users \
               of this machine can see flags: the file is a better place. In the environment commas separate users, so a \
               passcode with a comma belongs in the file, too.",
        kind: ValueKind::Secrets { clear: |c| c.users.static_users.clear() },
        set: |c, v| {
            let (name, passcode) = user(v)?;
            if c.users.static_users.iter().any(|(other, _)| *other == name) {
                return Err(format!("{name:?} is given twice; expected each name once"));
            }
            c.users.static_users.push((name, passcode));
            Ok(())
        },
    },
    OptionRow {
        key: "allow-anonymous",
        value: "true|false",
        default: "false",
        help: "Lets clients in that send no login; a wrong login is refused all the same. Needed to listen beyond this \
               machine without any user.",
        kind: ValueKind::Switch,
        set: |c, v| put(&mut c.users.allow_anonymous, switch(v)),
    },
    text(
        "users-file",
        "FILE",
        "",
        "A file of users with hashes of their passcodes, made and changed by stompbox passwd. It is read again within \
         a second of its change; while the new content is invalid, the users read before stay in force.",
        |c, v| {
            c.users.users_file = Some(v).filter(|path| !path.is_empty()).map(Into::into);
            Ok(())
        },
    ),
];

const CONNECTIONS: &[OptionRow] = &[
    number(
        "connections-max",
        "16384",
        "Open connections, those that speak HTTP included; further ones are told why and closed. It is lowered, with a \
         warning, to what the system's limit of open files allows; set explicitly above that, the broker does not \
         start. check-config warns about both.",
        |c, v| put(&mut c.transport.connections_max, count(v, 1..=MANY)),
    ),
    number(
        "connections-per-address-max",
        "0",
        "Open connections from one IP address; further ones are closed at once. 0: no limit of its own.",
        |c, v| put(&mut c.transport.connections_per_address_max, count(v, 0..=MANY)),
    ),
    timed(
        "connect-silence",
        "10s",
        "Longest silence before CONNECT is complete; then the connection is closed.",
        |c, v| put(&mut c.session.connect_silence, time(v, TICK)),
    ),
    timed(
        "connect-timeout",
        "60s",
        "Time for CONNECT in all, however steadily octets come; then the connection is closed.",
        |c, v| put(&mut c.session.connect_timeout, time(v, TICK)),
    ),
    text(
        "heart-beat",
        "MS,MS",
        "10000,10000",
        "The broker's own heart-beat in milliseconds: how often it can send, how often it wants to hear from a client. \
         0 is never, other values are 500 or more. A client that is silent for too long is closed: see \
         heart-beat-tolerance.",
        |c, v| put(&mut c.session.heart_beat, heart_beat(v)),
    ),
    number(
        "heart-beat-tolerance",
        "2",
        "Number of silent heartbeat intervals after which a client is closed as lost; at least one interval and a \
         second. Browsers run the timers of hidden tabs once a minute: 7 keeps such tabs connected at heartbeats of \
         10 s.",
        |c, v| put(&mut c.session.heart_beat_tolerance, count(v, 1..=1000)),
    ),
    timed(
        "tcp-keepalive",
        "30s",
        "Time without traffic after which the system probes whether the peer is there: how vanished clients without \
         heart-beats are found. Up to a third longer for some, so that not all are probed at once. Whole seconds; 0: off.",
        |c, v| put(&mut c.transport.tcp_keepalive, seconds(v)),
    ),
    timed(
        "tcp-user-timeout",
        "60s",
        "Time for which sent octets may stay unacknowledged by the peer's system; then the connection is closed. One lost \
         probe of tcp-keepalive ends it, too, if this is not longer. 0: the system's own (many minutes).",
        |c, v| put(&mut c.transport.tcp_user_timeout, time(v, NONE)),
    ),
    timed(
        "linger",
        "5s",
        "Time for a peer to read the last frame (ERROR, a RECEIPT) before its connection is closed.",
        |c, v| put(&mut c.transport.linger, time(v, NONE)),
    ),
];

const SESSIONS: &[OptionRow] = &[
    number("subscriptions-max", "1000", "Subscriptions of a session; one more gets ERROR.", |c, v| {
        put(&mut c.session.subscriptions_max, count(v, 1..=MANY))
    }),
    bytes(
        "subscription-bytes-max",
        "8MiB",
        "Memory of the subscriptions and temporary queues of a session, names, ids and wildcards included; beyond it \
         SUBSCRIBE gets ERROR. A thousand ordinary subscriptions take about 1 MiB. Deliveries that wait for ACK \
         count 40 to 80 bytes each; a session that exceeds the limit by them is closed as a slow consumer.",
        |c, v| put(&mut c.session.subscription_bytes_max, size(v, 16 * KIB..=GIB)),
    ),
    bytes(
        "id-bytes-max",
        "1KiB",
        "Length limit in bytes of a name that a client chooses: the headers id of SUBSCRIBE, transaction of BEGIN, \
         and receipt. A longer one gets ERROR.",
        |c, v| put(&mut c.session.id_bytes_max, size(v, 16..=HUGE)),
    ),
    number("transactions-max", "100", "Open transactions of a session; one more gets ERROR.", |c, v| {
        put(&mut c.session.transactions_max, count(v, 0..=MANY))
    }),
    number(
        "transaction-frames-max",
        "10000",
        "Frames in an open transaction; one more gets ERROR.",
        |c, v| put(&mut c.session.transaction_frames_max, count(v, 1..=MANY)),
    ),
    bytes(
        "transaction-bytes-max",
        "4MiB",
        "Octets in all open transactions of a session; with more it gets ERROR.",
        |c, v| put(&mut c.session.transaction_bytes_max, size(v, KIB..=HUGE)),
    ),
    number("temp-queues-max", "100", "Temporary queues of a session; one more gets ERROR.", |c, v| {
        put(&mut c.session.temp_queues_max, count(v, 0..=MANY))
    }),
    number(
        "unsettled-max",
        "10000",
        "Deliveries of a subscription that wait for ACK or NACK; with more the session is closed as a slow consumer.",
        |c, v| put(&mut c.session.unsettled_max, count(v, 1..=MANY)),
    ),
];

const QUEUES: &[OptionRow] = &[
    number(
        "prefetch-count",
        "250",
        "Messages given to a work queue's consumer and not settled, unless its SUBSCRIBE says otherwise; further ones \
         wait in the queue.",
        |c, v| put(&mut c.session.prefetch_count, count(v, 1..=MANY)),
    ),
    bytes(
        "prefetch-bytes",
        "1MiB",
        "Bytes of these messages: each message counts its body, its headers and about 200 bytes. One message is always \
         given, however large; further ones wait in the queue.",
        |c, v| put(&mut c.transport.prefetch_bytes, size(v, 1..=HUGE)),
    ),
    number(
        "queues-max",
        "100000",
        "Work queues, dead letter queues included; a frame that needs one more gets ERROR.",
        |c, v| put(&mut c.broker.queues_max, count(v, 1..=MANY)),
    ),
    number(
        "queue-messages-max",
        "1000000",
        "Messages in a work queue; a SEND beyond it gets ERROR.",
        |c, v| put(&mut c.broker.queue_messages_max, count(v, 1..=MANY)),
    ),
    bytes("queue-bytes-max", "256MiB", "Octets in a work queue; a SEND beyond it gets ERROR.", |c, v| {
        put(&mut c.broker.queue_bytes_max, size(v, KIB..=HUGE))
    }),
    number(
        "max-deliveries",
        "20",
        "Failed deliveries of one message (NACK, or a connection that is lost while the client works on it), after which it \
         goes to /queue/dead.NAME.",
        |c, v| put(&mut c.broker.max_deliveries, count(v, 1..=MANY)),
    ),
    timed(
        "redelivery-backoff",
        "10ms",
        "Wait before a message goes again to the consumer that had it last: nothing the first time, then this, then \
         twice as long each time.",
        |c, v| put(&mut c.broker.redelivery_backoff, time(v, NONE)),
    ),
    timed("redelivery-backoff-max", "250ms", "The longest such wait.", |c, v| {
        put(&mut c.broker.redelivery_backoff_max, time(v, NONE))
    }),
];

const MEMORY: &[OptionRow] = &[
    bytes(
        "memory-bytes-max",
        "1GiB",
        "Bytes that clients make the broker hold: outbound queues, work queues, transactions, input, and subscriptions \
         with their names. Publishers are throttled from seven eighths on; at the limit SEND is rejected. \
         Subscriptions and names of transactions may use a quarter of it; beyond that SUBSCRIBE and BEGIN are \
         rejected. Unfinished frames may use another quarter; if a frame does not fit, frames that have stalled are \
         dropped, and without any the client gets an ERROR. HTTP requests with heads above 4 KiB may use an eighth; \
         beyond that they are rejected. A COMMIT may add half of what is left.",
        |c, v| put(&mut c.memory_bytes_max, size(v, KIB * KIB..=HUGE)),
    ),
    bytes(
        "outbound-queue-bytes-max",
        "4MiB",
        "Octets waiting for one receiver. Publishers wait for a receiver above half of it; beyond it the receiver is \
         closed as a slow consumer.",
        |c, v| put(&mut c.outbound_queue.outbound_queue_bytes_max, size(v, 2 * KIB..=HUGE)),
    ),
    timed(
        "slow-consumer-grace",
        "1s",
        "How long publishers wait for a receiver above half of its outbox.",
        |c, v| put(&mut c.outbound_queue.slow_consumer_grace, time(v, NONE)),
    ),
    timed(
        "stall-timeout",
        "10s",
        "Time in which a receiver must read some of the data that waits for it; otherwise it is closed as a slow \
         consumer. Also the time in which a client must send 4 KiB more of an unfinished frame of 4 KiB or more, or of \
         a SockJS body; otherwise the connection or request ends.",
        |c, v| {
            put(&mut c.transport.stall_timeout, time(v, TICK))?;
            c.sockjs.body_timeout = c.transport.stall_timeout;
            Ok(())
        },
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_default_is_valid() {
        for row in rows().filter(|row| !row.is_list()) {
            assert_eq!(row.apply(&mut Config::blank(), row.default), Ok(()), "{}", row.key);
        }
    }

    #[test]
    fn every_row_changes_the_configuration() {
        for row in rows() {
            let mut config = Config::default();
            let other = match (row.key, row.value) {
                ("tcp-keepalive", _) => "7s",
                ("allowed-origins", _) => "https://seven.example",
                ("allowed-hosts", _) => "seven.example",
                ("trusted-proxies", _) => "7.7.7.7",
                ("demo" | "jwt-require-exp" | "trailing-lf", _) => "false",
                ("default-permissions", _) => "safe",
                ("permission", _) => "allow send anyone /topic/seven",
                (_, "NETWORKS") => "7.7.7.7",
                (_, "ADDR") => "127.0.0.1:7",
                (_, "PATH") => "/seven",
                (_, "NAME:PASSCODE") => "seven:7",
                (_, "NAME") => "x-seven",
                (_, "FILE" | "FILE|URL") => "/seven",
                (_, "CLAIM" | "TEXT") => "seven",
                (_, "SECRET") => "seven-seven-seven-seven-seven-seven",
                (_, "URL") => "http://127.0.0.1:7/",
                ("user-names", _) => "any",
                ("auth-order", _) => "user,users-file",
                (_, "true|false") => "true",
                (_, "MS,MS") => "7000,0",
                (_, "TIME") => "7777ms",
                (_, "BYTES") => "7777777",
                (_, "N") => "777",
                (_, "loopback|any|off") => "any",
                ("sockjs-client-url", _) => "/seven.js",
                ("sockjs-transports", _) => "xhr-polling",
                ("sockjs-identity-cookies", _) => "seven",
                (_, "FILTER") => "warn",
                (_, "text|json") => "json",
                (key, value) => panic!("{key}: the test has no value for {value}"),
            };
            let other = if row.key == "destination-bytes-max" { "777" } else { other };
            row.apply(&mut config, other).expect(row.key);
            assert_ne!(format!("{config:?}"), format!("{:?}", Config::default()), "{}", row.key);
        }
    }

    #[test]
    fn keys_are_kebab_case_and_unique() {
        let mut seen = HashSet::new();
        for row in rows() {
            assert!(row.key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", row.key);
            assert!(seen.insert(row.key), "{} twice", row.key);
            assert!(row.help.ends_with('.') && row.help.len() > 20, "{}", row.key);
            assert_eq!(find_variable(&row.variable()).map(|row| row.key), Some(row.key));
        }
        assert_eq!(
            find("frame-bytes-max").map(OptionRow::variable).as_deref(),
            Some("STOMPBOX_FRAME_BYTES_MAX")
        );
    }

    #[test]
    fn repeated_user_is_rejected() {
        let mut config = Config::default();
        let row = find("user").expect("a row");
        row.apply(&mut config, "alice:one").expect("a user");
        assert_eq!(
            row.apply(&mut config, "alice:two"),
            Err("\"alice\" is given twice; expected each name once".to_owned())
        );
    }
}
