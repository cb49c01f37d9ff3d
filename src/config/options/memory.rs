//! Options of memory and of slow consumers.

use crate::config::builders::{KIB, MILLISECOND, TIB, ZERO, bytes, duration};
use crate::config::row::OptionRow;
use crate::config::value::{size, store, time};

pub(crate) const MEMORY: &[OptionRow] = &[
    bytes(
        "memory-bytes-max",
        "1GiB",
        "Maximum memory that clients can make the broker use. The limit covers outbound queues, work queues, \
         transactions, input, and subscriptions with their names. At 7/8 of the limit the broker throttles \
         publishers. At the limit the broker rejects SEND. Subscriptions and names of transactions may use a quarter \
         of the limit. Above this quarter the broker rejects SUBSCRIBE and BEGIN. Unfinished frames may use another \
         quarter. If a further frame does not fit, the broker drops stalled frames of other clients and rejects these \
         clients. If this does not free enough memory, the broker rejects the client of the further frame. HTTP \
         requests with header sections above 4 KiB may use an eighth. Above this eighth the broker rejects such \
         requests. One COMMIT may use at most half of the free memory.",
        |c, v| store(&mut c.memory_bytes_max, size(v, KIB * KIB..=TIB)),
    ),
    bytes(
        "outbound-queue-bytes-max",
        "4MiB",
        "Maximum number of bytes in the outbound queue of a connection. While the queue is more than half full, \
         publishers to this receiver wait. Above the limit the broker closes the connection as a slow consumer.",
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
        "Time within which a receiver must read some of the data that waits for it. Otherwise the broker closes its \
         connection as a slow consumer. The same time applies to unfinished frames of 4 KiB or more, and to SockJS \
         bodies. Within this time the client must send another 4 KiB. Otherwise the broker ends the connection or the \
         request.",
        |c, v| {
            store(&mut c.transport.stall_timeout, time(v, MILLISECOND))?;
            c.sockjs.body_timeout = c.transport.stall_timeout;
            Ok(())
        },
    ),
];
