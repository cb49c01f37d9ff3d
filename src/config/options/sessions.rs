//! Options of sessions: subscriptions, transactions and temporary queues.

use crate::config::builders::{COUNT_MAX, GIB, KIB, TIB, bytes, number};
use crate::config::row::OptionRow;
use crate::config::value::{count, size, store};

pub(crate) const SESSIONS: &[OptionRow] = &[
    number(
        "subscriptions-max",
        "1000",
        "Maximum number of subscriptions of a session. The broker rejects a further SUBSCRIBE with ERROR.",
        |c, v| store(&mut c.session.subscriptions_max, count(v, 1..=COUNT_MAX)),
    ),
    bytes(
        "subscription-bytes-max",
        "8MiB",
        "Maximum memory for the subscriptions and temporary queues of a session. Names, ids and wildcards count, too. \
         Above the limit the broker rejects SUBSCRIBE with ERROR. A thousand ordinary subscriptions take about 1 MiB. \
         Each delivery that waits for ACK counts 40 to 80 bytes. If such deliveries exceed the limit, the broker \
         closes the session as a slow consumer.",
        |c, v| store(&mut c.session.subscription_bytes_max, size(v, 16 * KIB..=GIB)),
    ),
    bytes(
        "id-bytes-max",
        "1KiB",
        "Maximum length in bytes of a name that a client chooses. Such names are id in SUBSCRIBE, transaction in \
         BEGIN, and receipt. If a name is longer, the broker rejects the frame with ERROR.",
        |c, v| store(&mut c.session.id_bytes_max, size(v, 16..=TIB)),
    ),
    number(
        "transactions-max",
        "100",
        "Maximum number of open transactions of a session. The broker rejects a further BEGIN with ERROR.",
        |c, v| store(&mut c.session.transactions_max, count(v, 0..=COUNT_MAX)),
    ),
    number(
        "transaction-frames-max",
        "10000",
        "Maximum number of frames in an open transaction. The broker rejects a further frame with ERROR.",
        |c, v| store(&mut c.session.transaction_frames_max, count(v, 1..=COUNT_MAX)),
    ),
    bytes(
        "transaction-bytes-max",
        "4MiB",
        "Maximum number of bytes in all open transactions of a session together. Above the limit the broker rejects \
         the frame with ERROR.",
        |c, v| store(&mut c.session.transaction_bytes_max, size(v, KIB..=TIB)),
    ),
    number(
        "temp-queues-max",
        "100",
        "Maximum number of temporary queues of a session. If a frame needs another one, the broker rejects the frame \
         with ERROR.",
        |c, v| store(&mut c.operations.temp_queues_max, count(v, 0..=COUNT_MAX)),
    ),
    number(
        "unsettled-max",
        "10000",
        "Maximum number of deliveries of a subscription that wait for ACK or NACK. Above the limit the broker closes \
         the session as a slow consumer.",
        |c, v| store(&mut c.session.unsettled_max, count(v, 1..=COUNT_MAX)),
    ),
];
