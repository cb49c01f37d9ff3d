//! The table of extension headers, which is also the source of the table in the documentation. No other file lists
//! these headers.

use super::extension::{Condition, Extension, Treatment};
use stompbox_frames::stomp::Command;

/// Every value except those that switch a boolean header off.
const IF_ON: Condition = Condition::Unless(&["false", "0", "no", "off"]);

const DURABLE: &str = "durable subscriptions are not supported. /queue/NAME stores messages while no client \
                       is subscribed. Use a separate queue for each subscriber.";
const ONE_CONSUMER: &str = "the consumers of a queue share its messages. For one consumer at a time, let \
                            only one client subscribe. For strict order, use prefetch-count:1.";
const NO_LOCAL: &str = "a session also receives its own messages. Send an id of the sender in a header of \
                        your own, and drop your own messages in the client.";
const REPLAY: &str = "a topic stores no messages for later subscribers. Use /queue/NAME, which stores \
                      messages.";
const QUEUE_LIMITS: &str = "all queues have the same limits. The operator sets queue-messages-max and \
                            queue-bytes-max.";
const DEAD_LETTERS: &str = "messages that exceed max-deliveries go to /queue/dead.NAME. Subscribe there.";
const EXPIRY: &str = "messages do not expire. Send the expiry time in a header of your own, and check it in \
                      the receivers.";
const DELAY: &str = "messages are delivered immediately. Send the message when it is due.";
const ORDER: &str = "queues are first in, first out. Use a separate queue for urgent messages.";
const GROUPS: &str = "a queue ignores the groups of its messages. Use a separate queue for each group.";
const RETAIN: &str = "topics retain no messages. Send the state again, or request it from a service under \
                      /app/.";
const LAST_VALUE: &str = "a queue keeps every message, not only the last one of each key.";
const DUPLICATES: &str = "duplicates are not detected. Send an id in a header of your own, and compare it \
                          in the receivers.";
const SENDER: &str = "Stompbox does not check this header, and any client can set any value. Use the header \
                      user-name, which clients cannot set (see show-sender).";
const STREAMS: &str = "streams are not supported. Use /topic/NAME, or /queue/NAME to store messages.";
const PRIORITIES: &str = "all consumers of a queue have the same priority.";
const ROUTING: &str = "the prefix decides: /queue/NAME is for one consumer, /topic/NAME for all subscribers.";
const BODIES: &str = "bodies are forwarded unchanged. Convert them in the client.";
const BROWSE: &str = "queues cannot be browsed. Subscribe with ack:client-individual and UNSUBSCRIBE \
                      without an ACK. The messages then return to the queue.";
const MEMORY_ONLY: &str = "queues are kept completely in memory. The operator limits them with queue-messages-max \
                     and queue-bytes-max.";
const ONE_NODE: &str = "there is only one node, which stores all queues.";
const IN_MEMORY: &str = "queues are kept in memory and are lost when the broker stops.";
const NOTHING_TO_DELETE: &str = "there are no durable subscriptions to delete.";
const FORWARDED: &str = "forwarded to receivers unchanged.";
const COUNT: &str = "the maximum number of messages of a work queue that wait for their ACK, like \
                     prefetch-count.";

macro_rules! extensions {
    ($($name:literal [$($command:ident)+] $brokers:literal $treatment:ident $condition:expr, $text:expr;)+) => {
        /// Every known extension header, with one row for each name and treatment.
        pub(super) const TABLE: &[Extension] = &[$(Extension {
            name: $name,
            commands: &[$(Command::$command),+],
            brokers: $brokers,
            treatment: Treatment::$treatment,
            condition: $condition,
            text: $text,
        }),+];
    };
}

extensions! {
    "prefetch-count" [Subscribe] "RabbitMQ" Honoured Condition::Always, "the maximum number of messages of a work queue that wait for their ACK.";
    "x-prefetch-count" [Subscribe] "RabbitMQ" Honoured Condition::Always, COUNT;
    "prefetch_count" [Subscribe] "RabbitMQ" Honoured Condition::Always, COUNT;
    "activemq.prefetchSize" [Subscribe] "ActiveMQ" Honoured Condition::Always, COUNT;
    "credit" [Subscribe] "Apollo" Honoured Condition::Always, "`COUNT` is like prefetch-count. `COUNT,BYTES` also limits the bytes that wait for their ACK. BYTES 0 means no limit in bytes. Each message counts its body, its headers and about 200 bytes.";
    "consumer-window-size" [Subscribe] "Artemis" Honoured Condition::Always, "the maximum number of bytes that wait for their ACK. 0 means one message at a time. -1 means that only the limits of the broker apply. Each message counts its body, its headers and about 200 bytes.";
    "reply-to" [Send] "RabbitMQ, ActiveMQ, Apollo" Honoured Condition::Always, "`/temp-queue/NAME` becomes an address that receivers can send to.";
    "requeue" [Nack] "RabbitMQ" Honoured Condition::Always, "`false` sends the message to the dead letter queue at once.";

    "durable" [Subscribe] "RabbitMQ" Unsupported IF_ON, DURABLE;
    "persistent" [Subscribe] "RabbitMQ, Apollo" Unsupported IF_ON, DURABLE;
    "activemq.subscriptionName" [Subscribe] "ActiveMQ, Artemis" Unsupported Condition::Always, DURABLE;
    "activemq.subcriptionName" [Subscribe] "ActiveMQ" Unsupported Condition::Always, DURABLE;
    "durable-subscription-name" [Subscribe] "Artemis" Unsupported Condition::Always, DURABLE;
    "durable-subscriber-name" [Subscribe] "Artemis" Unsupported Condition::Always, DURABLE;
    "x-queue-name" [Subscribe] "RabbitMQ" Unsupported Condition::Always, DURABLE;
    "x-queue-name" [Send] "RabbitMQ" Unsupported Condition::Always, "the destination names the queue. Send to /queue/NAME.";
    "auto-delete" [Subscribe Send] "RabbitMQ" Unsupported Condition::OfQueueUnless(&["false", "0", "no", "off"]), "a queue keeps its messages when its consumers leave. Use /temp-queue/NAME for a queue that ends with the session.";
    "exclusive" [Subscribe Send] "RabbitMQ, Apollo" Unsupported IF_ON, ONE_CONSUMER;
    "activemq.exclusive" [Subscribe] "ActiveMQ" Unsupported IF_ON, ONE_CONSUMER;
    "x-single-active-consumer" [Subscribe Send] "RabbitMQ" Unsupported IF_ON, ONE_CONSUMER;
    "no-local" [Subscribe] "ActiveMQ, Artemis" Unsupported IF_ON, NO_LOCAL;
    "activemq.noLocal" [Subscribe] "ActiveMQ, Artemis" Unsupported IF_ON, NO_LOCAL;
    "activemq.retroactive" [Subscribe] "ActiveMQ" Unsupported IF_ON, REPLAY;
    "browser" [Subscribe] "ActiveMQ, Apollo" Unsupported IF_ON, BROWSE;
    "selector" [Subscribe] "ActiveMQ, Artemis, Apollo, Spring" Unsupported Condition::Always, "messages are not filtered. Subscribe to a narrower destination.";
    "include-seq" [Subscribe] "Apollo" Unsupported Condition::Always, "messages have no sequence numbers.";
    "from-seq" [Subscribe] "Apollo" Unsupported Condition::Always, REPLAY;
    "activemq.priority" [Subscribe] "ActiveMQ" Unsupported Condition::Unless(&["0"]), PRIORITIES;
    "x-priority" [Subscribe] "RabbitMQ" Unsupported Condition::Unless(&["0"]), PRIORITIES;
    "activemq.maximumPendingMessageLimit" [Subscribe] "ActiveMQ" Unsupported Condition::Unless(&["0", "-1"]), "the broker drops no messages for a slow receiver. It closes the connection when outbound-queue-bytes-max is exceeded.";
    "subscription-type" [Subscribe] "Artemis" Unsupported Condition::OtherRouting, ROUTING;
    "destination-type" [Subscribe Send] "Artemis" Unsupported Condition::OtherRouting, ROUTING;
    "transformation" [Subscribe Send] "ActiveMQ" Unsupported Condition::Always, BODIES;
    "x-queue-type" [Subscribe Send] "RabbitMQ" Unsupported Condition::Unless(&["classic"]), "there is only one type of queue, which is kept in memory.";
    "x-queue-mode" [Subscribe Send] "RabbitMQ" Unsupported Condition::Unless(&["default"]), MEMORY_ONLY;
    "x-max-in-memory-length" [Subscribe Send] "RabbitMQ" Unsupported Condition::Always, MEMORY_ONLY;
    "x-max-in-memory-bytes" [Subscribe Send] "RabbitMQ" Unsupported Condition::Always, MEMORY_ONLY;
    "x-quorum-initial-group-size" [Subscribe Send] "RabbitMQ" Unsupported Condition::Unless(&["1"]), "queues are not replicated: there is one node.";
    "x-message-ttl" [Subscribe Send] "RabbitMQ" Unsupported Condition::Always, EXPIRY;
    "x-expires" [Subscribe Send] "RabbitMQ" Unsupported Condition::Always, "a queue exists as long as it has messages or consumers.";
    "x-max-length" [Subscribe Send] "RabbitMQ" Unsupported Condition::Always, QUEUE_LIMITS;
    "x-max-length-bytes" [Subscribe Send] "RabbitMQ" Unsupported Condition::Always, QUEUE_LIMITS;
    "x-overflow" [Subscribe Send] "RabbitMQ" Unsupported Condition::Unless(&["reject-publish"]), "a SEND to a full queue gets ERROR.";
    "x-max-priority" [Subscribe Send] "RabbitMQ" Unsupported Condition::Always, ORDER;
    "x-dead-letter-exchange" [Subscribe Send] "RabbitMQ" Unsupported Condition::Always, DEAD_LETTERS;
    "x-dead-letter-routing-key" [Subscribe Send] "RabbitMQ" Unsupported Condition::Always, DEAD_LETTERS;
    "x-dead-letter-strategy" [Subscribe Send] "RabbitMQ" Unsupported Condition::Unless(&["at-most-once"]), "a full dead letter queue drops its oldest message. Subscribe to /queue/dead.NAME in time.";
    "x-delivery-limit" [Subscribe Send] "RabbitMQ" Unsupported Condition::Always, "the limit is the same for all queues. The operator sets max-deliveries.";
    "x-max-age" [Subscribe Send] "RabbitMQ" Unsupported Condition::Always, STREAMS;
    "x-stream-max-segment-size-bytes" [Subscribe Send] "RabbitMQ" Unsupported Condition::Always, STREAMS;
    "x-stream-filter-size-bytes" [Subscribe Send] "RabbitMQ" Unsupported Condition::Always, STREAMS;
    "x-stream-offset" [Subscribe] "RabbitMQ" Unsupported Condition::Unless(&["next"]), STREAMS;
    "x-stream-filter" [Subscribe] "RabbitMQ" Unsupported Condition::Always, "messages are not filtered. Subscribe to a narrower destination.";
    "x-stream-match-unfiltered" [Subscribe] "RabbitMQ" Unsupported IF_ON, "messages are not filtered. Subscribe to a narrower destination.";
    "x-stream-filter-value" [Send] "RabbitMQ" Unsupported Condition::Always, "messages are not filtered. Send to a narrower destination.";

    "durable" [Send] "RabbitMQ" Unsupported IF_ON, IN_MEMORY;
    "expires" [Send] "ActiveMQ, Artemis, Apollo" Unsupported Condition::Unless(&["0"]), EXPIRY;
    "_AMQ_EXPIRATION" [Send] "Artemis" Unsupported Condition::Unless(&["0"]), EXPIRY;
    "JMSExpiration" [Send] "ActiveMQ, Artemis" Unsupported Condition::Unless(&["0"]), EXPIRY;
    "ttl" [Send] "Apollo" Unsupported Condition::Always, EXPIRY;
    "expiration" [Send] "RabbitMQ" Unsupported Condition::Always, EXPIRY;
    "priority" [Send] "RabbitMQ, ActiveMQ, Artemis" Unsupported Condition::Unless(&["4"]), ORDER;
    "JMSPriority" [Send] "ActiveMQ, Artemis" Unsupported Condition::Unless(&["4"]), ORDER;
    "delay" [Send] "various" Unsupported Condition::Unless(&["0"]), DELAY;
    "x-delay" [Send] "RabbitMQ" Unsupported Condition::Unless(&["0"]), DELAY;
    "AMQ_SCHEDULED_DELAY" [Send] "ActiveMQ, Artemis" Unsupported Condition::Unless(&["0"]), DELAY;
    "AMQ_SCHEDULED_TIME" [Send] "Artemis" Unsupported Condition::Unless(&["0"]), DELAY;
    "AMQ_SCHEDULED_PERIOD" [Send] "ActiveMQ" Unsupported Condition::Unless(&["0"]), DELAY;
    "AMQ_SCHEDULED_REPEAT" [Send] "ActiveMQ" Unsupported Condition::Unless(&["0"]), DELAY;
    "_AMQ_SCHED_DELIVERY" [Send] "Artemis" Unsupported Condition::Unless(&["0"]), DELAY;
    "AMQ_SCHEDULED_CRON" [Send] "ActiveMQ" Unsupported Condition::Always, DELAY;
    "JMSXGroupID" [Send] "ActiveMQ, Artemis" Unsupported Condition::Always, GROUPS;
    "_AMQ_GROUP_ID" [Send] "Artemis" Unsupported Condition::Always, GROUPS;
    "JMSXGroupSeq" [Send] "ActiveMQ, Artemis" Unsupported Condition::Unless(&["0"]), GROUPS;
    "_AMQ_GROUP_SEQUENCE" [Send] "Artemis" Unsupported Condition::Unless(&["0"]), GROUPS;
    "message_group" [Send] "Apollo" Unsupported Condition::Always, GROUPS;
    "retain" [Send] "Apollo" Unsupported IF_ON, RETAIN;
    "ActiveMQ.Retain" [Send] "ActiveMQ" Unsupported IF_ON, RETAIN;
    "_AMQ_LVQ_NAME" [Send] "Artemis" Unsupported Condition::Always, LAST_VALUE;
    "_AMQ_DUPL_ID" [Send] "Artemis" Unsupported Condition::Always, DUPLICATES;
    "user-id" [Send] "RabbitMQ" Unsupported Condition::Always, SENDER;
    "JMSXUserID" [Send] "ActiveMQ, Artemis" Unsupported Condition::Always, SENDER;
    "JMSReplyTo" [Send] "ActiveMQ, Artemis" Unsupported Condition::TempQueue, "it is forwarded unchanged. Use reply-to instead. In reply-to, Stompbox replaces /temp-queue/NAME with an address to which receivers can send.";
    "JMSDeliveryMode" [Send] "ActiveMQ, Artemis" Unsupported Condition::OfQueueUnless(&["NON_PERSISTENT", "1"]), IN_MEMORY;
    "persistent" [Send] "RabbitMQ, ActiveMQ, Artemis, Apollo" WarnOnly Condition::OfQueueUnless(&["false", "0", "no", "off"]), IN_MEMORY;

    "browser-end" [Subscribe] "Apollo" Ignored Condition::Always, "it applies only with the header browser, which is rejected.";
    "activemq.dispatchAsync" [Subscribe] "ActiveMQ" Ignored Condition::Always, "deliveries are always asynchronous.";
    "x-queue-leader-locator" [Subscribe Send] "RabbitMQ" Ignored Condition::Always, ONE_NODE;
    "x-queue-master-locator" [Subscribe Send] "RabbitMQ" Ignored Condition::Always, ONE_NODE;
    "x-cancel-on-ha-failover" [Subscribe] "RabbitMQ" Ignored Condition::Always, "there is only one node, and no failover.";
    "credit" [Ack] "Apollo" Ignored Condition::Always, "an ACK permits as many new deliveries as it settles. Set the limit with the header credit of SUBSCRIBE.";
    "durable" [Unsubscribe] "RabbitMQ" Ignored Condition::Always, NOTHING_TO_DELETE;
    "persistent" [Unsubscribe] "RabbitMQ, Apollo" Ignored Condition::Always, NOTHING_TO_DELETE;
    "auto-delete" [Unsubscribe] "RabbitMQ" Ignored Condition::Always, NOTHING_TO_DELETE;
    "activemq.subscriptionName" [Unsubscribe] "ActiveMQ, Artemis" Ignored Condition::Always, NOTHING_TO_DELETE;
    "durable-subscription-name" [Unsubscribe] "Artemis" Ignored Condition::Always, NOTHING_TO_DELETE;
    "durable-subscriber-name" [Unsubscribe] "Artemis" Ignored Condition::Always, NOTHING_TO_DELETE;
    "correlation-id" [Send] "RabbitMQ, ActiveMQ, Artemis" Ignored Condition::Always, FORWARDED;
    "content-encoding" [Send] "RabbitMQ" Ignored Condition::Always, FORWARDED;
    "type" [Send] "RabbitMQ, ActiveMQ, Artemis" Ignored Condition::Always, FORWARDED;
    "JMSCorrelationID" [Send] "ActiveMQ, Artemis" Ignored Condition::Always, FORWARDED;
    "JMSType" [Send] "ActiveMQ, Artemis" Ignored Condition::Always, FORWARDED;
    "timestamp" [Send] "RabbitMQ" Ignored Condition::Always, FORWARDED;
    "app-id" [Send] "RabbitMQ" Ignored Condition::Always, FORWARDED;
    "amqp-message-id" [Send] "RabbitMQ" Ignored Condition::Always, FORWARDED;
    "amq-msg-type" [Send] "ActiveMQ" Ignored Condition::Always, FORWARDED;
    "host" [Connect] "STOMP 1.1" Ignored Condition::Always, "any value is accepted: there are no virtual hosts.";
    "client-id" [Connect] "ActiveMQ, Artemis" Ignored Condition::Always, "it names durable subscriptions, which are rejected. Several connections may use the same value.";
    "request-id" [Connect] "ActiveMQ" Ignored Condition::Always, "CONNECTED has no response-id.";
    "endpoint-id" [Connect] "USP (TR-369)" Ignored Condition::Always, "CONNECTED has no subscribe-dest. Configure the destination in the agent.";
    "X-CSRF-TOKEN" [Connect] "Spring" Ignored Condition::Always, "the page's origin is checked instead (allowed-origins).";
}
