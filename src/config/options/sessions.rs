//! Options of sessions: subscriptions, transactions and temporary queues.

use crate::config::builders::{COUNT_MAX, GIB, KIB, TIB, bytes, number};
use crate::config::row::OptionRow;
use crate::config::value::{count, size, store};

pub(crate) const SESSIONS: &[OptionRow] = &[
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
         ACK count 40 to 80 bytes each; if the session exceeds the limit because of them, it is closed as a \
         slow consumer.",
        |c, v| store(&mut c.session.subscription_bytes_max, size(v, 16 * KIB..=GIB)),
    ),
    bytes(
        "id-bytes-max",
        "1KiB",
        "Maximum length in bytes of a name that a client chooses: the value of id in SUBSCRIBE, of transaction in \
         BEGIN, or of receipt. A frame with a longer one gets ERROR.",
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
