//! The table of options: the only definition of each option, its default and its help. Some groups are in modules of
//! their own, such as `web` and `sockjs`.

use super::Config;
use super::access::ACCESS;
use super::frames::FRAMES;
use super::login::LOGIN;
use super::presence::PRESENCE;
use super::queues::QUEUES;
use super::row::variable;
use super::row::{Group, OptionRow, ValueKind};
use super::running::RUNNING;
use super::sockjs::SOCKJS;
use super::token::TOKEN;
use super::value::{count, heart_beat, listen, metrics_from, path, seconds, size, store, switch, time, user};
use super::web::WEB;
use std::time::Duration;

type Setter = fn(&mut Config, &str) -> Result<(), String>;

pub(super) const ZERO: Duration = Duration::ZERO;
pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const COUNT_MAX: u64 = u32::MAX as u64;
pub(super) const KIB: u64 = 1 << 10;
pub(super) const GIB: u64 = 1 << 30;
pub(super) const TIB: u64 = 1 << 40;

/// All options, in groups with headings.
pub const GROUPS: &[Group] = &[
    Group { heading: "Listening", rows: LISTENING },
    Group { heading: "Browsers and reverse proxies", rows: WEB },
    Group { heading: "Users", rows: USERS },
    Group { heading: "Tokens and authentication hook", rows: TOKEN },
    Group { heading: "Logins", rows: LOGIN },
    Group { heading: "Permissions and identity from the handshake", rows: ACCESS },
    Group { heading: "Connections", rows: CONNECTIONS },
    Group { heading: "SockJS", rows: SOCKJS },
    Group { heading: "Frames", rows: FRAMES },
    Group { heading: "Sessions", rows: SESSIONS },
    Group { heading: "Work queues", rows: QUEUES },
    Group { heading: "Presence", rows: PRESENCE },
    Group { heading: "Memory and slow consumers", rows: MEMORY },
    Group { heading: "Operation and logging", rows: RUNNING },
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
    set: Setter,
) -> OptionRow {
    OptionRow { key, value, default, help, kind: ValueKind::Text, set }
}

pub(super) const fn bytes(
    key: &'static str,
    default: &'static str,
    help: &'static str,
    set: Setter,
) -> OptionRow {
    OptionRow { key, value: "BYTES", default, help, kind: ValueKind::Number, set }
}

pub(super) const fn number(
    key: &'static str,
    default: &'static str,
    help: &'static str,
    set: Setter,
) -> OptionRow {
    OptionRow { key, value: "N", default, help, kind: ValueKind::Number, set }
}

pub(super) const fn duration(
    key: &'static str,
    default: &'static str,
    help: &'static str,
    set: Setter,
) -> OptionRow {
    OptionRow { key, value: "TIME", default, help, kind: ValueKind::Number, set }
}

const LISTENING: &[OptionRow] = &[
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

const USERS: &[OptionRow] = &[
    OptionRow {
        key: "user",
        value: "NAME:PASSCODE",
        default: "",
        help: "A user who may connect; repeat the option for each user. If any user is configured, CONNECT requires a \
               login (see allow-anonymous). Without any source of users, every client is accepted and its login is \
               ignored. Other users of this machine can see flags, so the file is a better place. In the environment \
               commas separate users, so a passcode with a comma must be set in the file.",
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
        help: "Accepts clients that send no login; an incorrect login still fails. Required to listen on addresses \
               that other machines can reach, unless a source of users is configured.",
        kind: ValueKind::Switch,
        set: |c, v| store(&mut c.users.allow_anonymous, switch(v)),
    },
    text(
        "users-file",
        "FILE",
        "",
        "File of users with hashes of their passcodes; stompbox passwd creates and changes it. The broker reads it \
         again within a second of a change. While the new content is invalid, the previous users stay in effect.",
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
        "Maximum number of open connections, including HTTP connections. A further connection gets an error with the \
         reason and is closed. If the system's limit of open files allows fewer, the broker lowers the value with a \
         warning; if the option is set explicitly, the broker does not start. check-config warns in both cases.",
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

const SESSIONS: &[OptionRow] = &[
    number(
        "subscriptions-max",
        "1000",
        "Maximum number of subscriptions of a session; a further SUBSCRIBE gets ERROR.",
        |c, v| store(&mut c.session.subscriptions_max, count(v, 1..=COUNT_MAX)),
    ),
    bytes(
        "subscription-bytes-max",
        "8MiB",
        "Maximum memory for the subscriptions and temporary queues of a session, including names, ids and wildcards; \
         above it SUBSCRIBE gets ERROR. A thousand ordinary subscriptions take about 1 MiB. Deliveries that wait for \
         ACK count 40 to 80 bytes each; a session that exceeds the limit by them is closed as a slow consumer.",
        |c, v| store(&mut c.session.subscription_bytes_max, size(v, 16 * KIB..=GIB)),
    ),
    bytes(
        "id-bytes-max",
        "1KiB",
        "Maximum length in bytes of a name that a client chooses: the headers id of SUBSCRIBE, transaction of BEGIN, \
         and receipt. A frame with a longer one gets ERROR.",
        |c, v| store(&mut c.session.id_bytes_max, size(v, 16..=TIB)),
    ),
    number(
        "transactions-max",
        "100",
        "Maximum number of open transactions of a session; a further BEGIN gets ERROR.",
        |c, v| store(&mut c.session.transactions_max, count(v, 0..=COUNT_MAX)),
    ),
    number(
        "transaction-frames-max",
        "10000",
        "Maximum number of frames in an open transaction; a further frame gets ERROR.",
        |c, v| store(&mut c.session.transaction_frames_max, count(v, 1..=COUNT_MAX)),
    ),
    bytes(
        "transaction-bytes-max",
        "4MiB",
        "Maximum number of bytes in all open transactions of a session together; a frame above it gets ERROR.",
        |c, v| store(&mut c.session.transaction_bytes_max, size(v, KIB..=TIB)),
    ),
    number(
        "temp-queues-max",
        "100",
        "Maximum number of temporary queues of a session; a frame that needs another one gets ERROR.",
        |c, v| store(&mut c.session.temp_queues_max, count(v, 0..=COUNT_MAX)),
    ),
    number(
        "unsettled-max",
        "10000",
        "Maximum number of deliveries of a subscription that wait for ACK or NACK; above it the session is closed as \
         a slow consumer.",
        |c, v| store(&mut c.session.unsettled_max, count(v, 1..=COUNT_MAX)),
    ),
];

const MEMORY: &[OptionRow] = &[
    bytes(
        "memory-bytes-max",
        "1GiB",
        "Maximum memory that clients can make the broker use: outbound queues, work queues, transactions, input, and \
         subscriptions with their names. At 7/8 of the limit publishers are throttled; at the limit SEND is rejected. \
         Subscriptions and names of transactions may use a quarter of it; above that SUBSCRIBE and BEGIN are \
         rejected. Unfinished frames may use another quarter; if a frame does not fit, frames that have stalled are \
         dropped, and if there are none, the client gets ERROR. HTTP requests with header sections above 4 KiB may \
         use an eighth; above that they are rejected. A COMMIT may add half of the memory that is left.",
        |c, v| store(&mut c.memory_bytes_max, size(v, KIB * KIB..=TIB)),
    ),
    bytes(
        "outbound-queue-bytes-max",
        "4MiB",
        "Maximum number of bytes in the outbound queue of a connection. While it is more than half full, publishers \
         to this receiver wait; above the limit the receiver is closed as a slow consumer.",
        |c, v| store(&mut c.outbound_queue.outbound_queue_bytes_max, size(v, 2 * KIB..=TIB)),
    ),
    duration(
        "slow-consumer-grace",
        "1s",
        "Maximum time for which publishers wait for a receiver whose outbound queue is more than half full.",
        |c, v| store(&mut c.outbound_queue.slow_consumer_grace, time(v, ZERO)),
    ),
    duration(
        "stall-timeout",
        "10s",
        "Time within which a receiver must read some of the data that waits for it; otherwise it is closed as a slow \
         consumer. Also the time within which a client must send another 4 KiB of an unfinished frame of 4 KiB or \
         more, or of a SockJS body; otherwise the connection or request ends.",
        |c, v| {
            store(&mut c.transport.stall_timeout, time(v, MILLISECOND))?;
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
            assert!(seen.insert(row.key), "{} is in the table twice", row.key);
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
        let row = find("user").expect("an option");
        row.apply(&mut config, "alice:one").expect("a user");
        assert_eq!(
            row.apply(&mut config, "alice:two"),
            Err("\"alice\" is given twice; expected each name once".to_owned())
        );
    }
}
