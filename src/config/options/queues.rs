//! Options of work queues: prefetch, limits and redelivery.

use crate::config::builders::{COUNT_MAX, KIB, TIB, ZERO, bytes, duration, number};
use crate::config::row::OptionRow;
use crate::config::value::{count, size, store, time};

pub(crate) const QUEUES: &[OptionRow] = &[
    number(
        "prefetch-count",
        "250",
        "Maximum number of unsettled messages that a consumer of a work queue holds, unless its SUBSCRIBE sets \
         another limit. Further messages wait in the queue.",
        |c, v| store(&mut c.session.prefetch_count, count(v, 1..=COUNT_MAX)),
    ),
    bytes(
        "prefetch-bytes",
        "1MiB",
        "Maximum size of the unsettled messages that a consumer of a work queue holds. Each message counts its body, \
         its headers and about 200 bytes. A consumer always gets one message, however large; further messages wait in \
         the queue.",
        |c, v| store(&mut c.transport.prefetch_bytes, size(v, 1..=TIB)),
    ),
    number(
        "queues-max",
        "100000",
        "Maximum number of work queues, including dead letter queues; a frame that needs another one gets ERROR.",
        |c, v| store(&mut c.broker.queues_max, count(v, 1..=COUNT_MAX)),
    ),
    number(
        "queue-messages-max",
        "1000000",
        "Maximum number of messages in a work queue; a SEND above it gets ERROR.",
        |c, v| store(&mut c.broker.queue_messages_max, count(v, 1..=COUNT_MAX)),
    ),
    bytes(
        "queue-bytes-max",
        "256MiB",
        "Maximum number of bytes in a work queue; a SEND above it gets ERROR.",
        |c, v| store(&mut c.broker.queue_bytes_max, size(v, KIB..=TIB)),
    ),
    number(
        "max-deliveries",
        "20",
        "Number of failed deliveries of a message after which it goes to the dead letter queue /queue/dead.NAME. A \
         delivery fails by NACK, or if the connection is lost while the client works on the message.",
        |c, v| store(&mut c.broker.max_deliveries, count(v, 1..=COUNT_MAX)),
    ),
    duration(
        "redelivery-backoff",
        "10ms",
        "Delay before a message is delivered again to the consumer that had it last. The first redelivery has no \
         delay, the second has this delay, and each further one has twice the previous delay.",
        |c, v| store(&mut c.broker.redelivery_backoff, time(v, ZERO)),
    ),
    duration(
        "redelivery-backoff-max",
        "250ms",
        "Maximum delay that redelivery-backoff reaches by doubling.",
        |c, v| store(&mut c.broker.redelivery_backoff_max, time(v, ZERO)),
    ),
];
