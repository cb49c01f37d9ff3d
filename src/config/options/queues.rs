//! Options of work queues: prefetch, limits and redelivery.

use crate::config::builders::{COUNT_MAX, KIB, TIB, ZERO, bytes, duration, number};
use crate::config::row::OptionRow;
use crate::config::value::{count, size, store, time};

pub(crate) const QUEUES: &[OptionRow] = &[
    number(
        "prefetch-count",
        "250",
        "Maximum number of unsettled messages that a consumer of a work queue holds. Further messages wait in the \
         queue. A consumer can set another limit in SUBSCRIBE.",
        |c, v| store(&mut c.session.prefetch_count, count(v, 1..=COUNT_MAX)),
    ),
    bytes(
        "prefetch-bytes",
        "1MiB",
        "Maximum size of the unsettled messages that a consumer of a work queue holds. Further messages wait in the \
         queue. Each message counts its body, its headers and about 200 bytes. A consumer always gets one message, \
         even if the message is larger than the limit.",
        |c, v| store(&mut c.session.prefetch_bytes, size(v, 1..=TIB)),
    ),
    number(
        "queues-max",
        "100000",
        "Maximum number of work queues, including dead letter queues. If a frame needs another one, the broker \
         rejects the frame with ERROR.",
        |c, v| store(&mut c.broker.queues_max, count(v, 1..=COUNT_MAX)),
    ),
    number(
        "queue-messages-max",
        "1000000",
        "Maximum number of messages in a work queue. Above the limit the broker rejects SEND with ERROR.",
        |c, v| store(&mut c.broker.queue_messages_max, count(v, 1..=COUNT_MAX)),
    ),
    bytes(
        "queue-bytes-max",
        "256MiB",
        "Maximum number of bytes in a work queue. Above the limit the broker rejects SEND with ERROR.",
        |c, v| store(&mut c.broker.queue_bytes_max, size(v, KIB..=TIB)),
    ),
    number(
        "max-deliveries",
        "20",
        "Number of failed deliveries after which a message goes to the dead letter queue /queue/dead.NAME. A delivery \
         fails if the client sends NACK. It also fails if the connection is lost while the client works on the \
         message.",
        |c, v| store(&mut c.broker.max_deliveries, count(v, 1..=COUNT_MAX)),
    ),
    duration(
        "redelivery-backoff",
        "10ms",
        "Delay before the broker delivers a message again to the consumer that had it last. The first redelivery has \
         no delay. The second redelivery has this delay. Each further redelivery has twice the previous delay.",
        |c, v| store(&mut c.broker.redelivery_backoff, time(v, ZERO)),
    ),
    duration(
        "redelivery-backoff-max",
        "250ms",
        "Maximum delay that redelivery-backoff reaches by doubling.",
        |c, v| store(&mut c.broker.redelivery_backoff_max, time(v, ZERO)),
    ),
];
