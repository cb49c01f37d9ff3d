//! Options of memory and of slow consumers.

use crate::config::builders::{KIB, MILLISECOND, TIB, ZERO, bytes, duration};
use crate::config::row::OptionRow;
use crate::config::value::{size, store, time};

pub(crate) const MEMORY: &[OptionRow] = &[
    bytes(
        "memory-bytes-max",
        "1GiB",
        "Maximum memory that clients can make the broker use: outbound queues, work queues, transactions, input, and \
         subscriptions with their names. At 7/8 of the limit publishers are throttled; at the limit SEND is rejected. \
         Subscriptions and names of transactions may use a quarter of it; above that SUBSCRIBE and BEGIN are \
         rejected. Unfinished frames may use another quarter. If a further frame does not fit, the broker drops \
         stalled frames of other clients and rejects these clients; if that does not free enough memory, it rejects \
         the client of the further frame. HTTP requests with header sections above 4 KiB may use an eighth; above \
         that they are rejected. One COMMIT may use at most half of the memory that is free.",
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
