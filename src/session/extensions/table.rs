//! The table of extension headers. It is the only place that lists them, and the source of the table in the
//! documentation.

use super::{Condition, Extension, Treatment};
use stompbox_frames::stomp::Command;

/// Every value except those that turn a boolean header off.
const IF_ON: Condition = Condition::Unless(&["false", "0", "no", "off"]);

const DURABLE: &str = "durable subscriptions are not available. Messages are kept in /queue/NAME while no client is \
                       subscribed: send to a queue of the subscriber's own.";
const ONE_CONSUMER: &str = "all consumers of a queue take turns. For one consumer at a time let only one client \
                            subscribe; for strict order use prefetch-count:1.";
const NO_LOCAL: &str = "a session receives its own messages, too. Put an id of the sender into a header of your own \
                        and drop what you sent.";
const REPLAY: &str = "a topic keeps no messages for later subscribers. Use /queue/NAME, which does.";
const QUEUE_LIMITS: &str = "limits are the same for all queues. The operator sets queue-messages-max and \
                            queue-bytes-max.";
const DEAD_LETTERS: &str = "what max-deliveries gives up goes to /queue/dead.NAME. Subscribe there.";
const EXPIRY: &str =
    "messages do not expire. Put the time into a header of your own and let receivers check it.";
const DELAY: &str = "messages are delivered at once. Send the message when it is due.";
const ORDER: &str = "queues are first in, first out. Use a queue of its own for what is urgent.";
const GROUPS: &str = "consumers take turns whatever the group is. Use a queue for each group.";
const RETAIN: &str = "topics remember no message. Send the state again, or ask a service under /app/ for it.";
const LAST_VALUE: &str = "a queue keeps every message, not the last one of each key.";
const DUPLICATES: &str = "duplicates are not looked for. Let receivers compare an id of your own.";
const SENDER: &str = "Stompbox does not check it, and any client can send any value. The header user-name, which no \
                      client can set, says who the sender is (see show-sender).";
const STREAMS: &str = "there are no streams. Use /topic/NAME, or /queue/NAME to keep messages.";
const PRIORITIES: &str = "all consumers of a queue take equal turns.";
const ROUTING: &str = "the prefix decides: /queue/NAME is for one consumer, /topic/NAME for all subscribers.";
const BODIES: &str = "bodies are passed on as they are. Convert them in the client.";
const BROWSE: &str = "queues cannot be looked at without taking from them. Subscribe with ack:client-individual and \
                      UNSUBSCRIBE without an ACK: the messages go back to the queue.";
const WHOLE: &str = "queues are kept in memory as a whole. The operator bounds them by queue-messages-max and \
                     queue-bytes-max.";
const ONE_NODE: &str = "there is one node, which holds all queues.";
const IN_MEMORY: &str = "queues are kept in memory and do not outlive the broker.";
const NOTHING_TO_DELETE: &str = "there is no durable subscription that could be deleted.";
const PASSED_ON: &str = "passed on to receivers as it is.";
const COUNT: &str = "how many messages of a work queue may wait for their ACK, as prefetch-count.";

macro_rules! extensions {
    ($($name:literal [$($command:ident)+] $from:literal $does:ident $asks:expr, $text:expr;)+) => {
        /// Every known extension header, with one row for each name and treatment.
        pub(super) const TABLE: &[Extension] = &[$(Extension {
            name: $name,
            commands: &[$(Command::$command),+],
            from: $from,
            does: Treatment::$does,
            asks: $asks,
            text: $text,
        }),+];
    };
}

extensions! {
    "prefetch-count" [Subscribe] "RabbitMQ" Honoured Condition::Always, "how many messages of a work queue may wait for their ACK.";
    "x-prefetch-count" [Subscribe] "RabbitMQ" Honoured Condition::Always, COUNT;
    "prefetch_count" [Subscribe] "RabbitMQ" Honoured Condition::Always, COUNT;
    "activemq.prefetchSize" [Subscribe] "ActiveMQ" Honoured Condition::Always, COUNT;
    "credit" [Subscribe] "Apollo" Honoured Condition::Always, "`COUNT` as prefetch-count; `COUNT,BYTES` also bounds the bytes that wait for their ACK, unless BYTES is 0. Each message counts its body, its headers and about 200 bytes.";
    "consumer-window-size" [Subscribe] "Artemis" Honoured Condition::Always, "bytes that may wait for their ACK; 0: one message at a time; -1: as much as the broker allows. Each message counts its body, its headers and about 200 bytes.";
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
    "auto-delete" [Subscribe Send] "RabbitMQ" Unsupported Condition::OfQueueUnless(&["false", "0", "no", "off"]), "a queue is kept with its messages when its consumers leave. Use /temp-queue/NAME for one that ends with the session.";
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
    "activemq.maximumPendingMessageLimit" [Subscribe] "ActiveMQ" Unsupported Condition::Unless(&["0", "-1"]), "no message is dropped for a slow receiver: it is closed beyond outbound-queue-bytes-max.";
    "subscription-type" [Subscribe] "Artemis" Unsupported Condition::OtherRouting, ROUTING;
    "destination-type" [Subscribe Send] "Artemis" Unsupported Condition::OtherRouting, ROUTING;
    "transformation" [Subscribe Send] "ActiveMQ" Unsupported Condition::Always, BODIES;
    "x-queue-type" [Subscribe Send] "RabbitMQ" Unsupported Condition::Unless(&["classic"]), "there is one type of queue, which is kept in memory.";
    "x-queue-mode" [Subscribe Send] "RabbitMQ" Unsupported Condition::Unless(&["default"]), WHOLE;
    "x-max-in-memory-length" [Subscribe Send] "RabbitMQ" Unsupported Condition::Always, WHOLE;
    "x-max-in-memory-bytes" [Subscribe Send] "RabbitMQ" Unsupported Condition::Always, WHOLE;
    "x-quorum-initial-group-size" [Subscribe Send] "RabbitMQ" Unsupported Condition::Unless(&["1"]), "queues are not replicated: there is one node.";
    "x-message-ttl" [Subscribe Send] "RabbitMQ" Unsupported Condition::Always, EXPIRY;
    "x-expires" [Subscribe Send] "RabbitMQ" Unsupported Condition::Always, "a queue lives as long as it has messages or consumers.";
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
    "JMSReplyTo" [Send] "ActiveMQ, Artemis" Unsupported Condition::TempQueue, "it is passed on as it is. Use reply-to: there, /temp-queue/NAME becomes an address that receivers can send to.";
    "JMSDeliveryMode" [Send] "ActiveMQ, Artemis" Unsupported Condition::OfQueueUnless(&["NON_PERSISTENT", "1"]), IN_MEMORY;
    "persistent" [Send] "RabbitMQ, ActiveMQ, Artemis, Apollo" Habit Condition::OfQueueUnless(&["false", "0", "no", "off"]), IN_MEMORY;

    "browser-end" [Subscribe] "Apollo" Ignored Condition::Always, "it changes browser, which is refused.";
    "activemq.dispatchAsync" [Subscribe] "ActiveMQ" Ignored Condition::Always, "deliveries are always asynchronous.";
    "x-queue-leader-locator" [Subscribe Send] "RabbitMQ" Ignored Condition::Always, ONE_NODE;
    "x-queue-master-locator" [Subscribe Send] "RabbitMQ" Ignored Condition::Always, ONE_NODE;
    "x-cancel-on-ha-failover" [Subscribe] "RabbitMQ" Ignored Condition::Always, "there is one node, and no failover.";
    "credit" [Ack] "Apollo" Ignored Condition::Always, "an ACK makes room for as many deliveries as it settles. The header of SUBSCRIBE says how many may wait.";
    "durable" [Unsubscribe] "RabbitMQ" Ignored Condition::Always, NOTHING_TO_DELETE;
    "persistent" [Unsubscribe] "RabbitMQ, Apollo" Ignored Condition::Always, NOTHING_TO_DELETE;
    "auto-delete" [Unsubscribe] "RabbitMQ" Ignored Condition::Always, NOTHING_TO_DELETE;
    "activemq.subscriptionName" [Unsubscribe] "ActiveMQ, Artemis" Ignored Condition::Always, NOTHING_TO_DELETE;
    "durable-subscription-name" [Unsubscribe] "Artemis" Ignored Condition::Always, NOTHING_TO_DELETE;
    "durable-subscriber-name" [Unsubscribe] "Artemis" Ignored Condition::Always, NOTHING_TO_DELETE;
    "correlation-id" [Send] "RabbitMQ, ActiveMQ, Artemis" Ignored Condition::Always, PASSED_ON;
    "content-encoding" [Send] "RabbitMQ" Ignored Condition::Always, PASSED_ON;
    "type" [Send] "RabbitMQ, ActiveMQ, Artemis" Ignored Condition::Always, PASSED_ON;
    "JMSCorrelationID" [Send] "ActiveMQ, Artemis" Ignored Condition::Always, PASSED_ON;
    "JMSType" [Send] "ActiveMQ, Artemis" Ignored Condition::Always, PASSED_ON;
    "timestamp" [Send] "RabbitMQ" Ignored Condition::Always, PASSED_ON;
    "app-id" [Send] "RabbitMQ" Ignored Condition::Always, PASSED_ON;
    "amqp-message-id" [Send] "RabbitMQ" Ignored Condition::Always, PASSED_ON;
    "amq-msg-type" [Send] "ActiveMQ" Ignored Condition::Always, PASSED_ON;
    "host" [Connect] "STOMP 1.1" Ignored Condition::Always, "any value will do: there are no virtual hosts.";
    "client-id" [Connect] "ActiveMQ, Artemis" Ignored Condition::Always, "it names durable subscriptions, which are refused. Several connections may have the same one.";
    "request-id" [Connect] "ActiveMQ" Ignored Condition::Always, "CONNECTED has no response-id.";
    "endpoint-id" [Connect] "USP (TR-369)" Ignored Condition::Always, "CONNECTED has no subscribe-dest: configure the agent's own.";
    "X-CSRF-TOKEN" [Connect] "Spring" Ignored Condition::Always, "the page's origin is checked instead (allowed-origins).";
}
