//! Counters and gauges, kept by every room and read by `/metrics`; knows nobody.

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info};
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// Labels of `stompbox_build_info`.
const BUILD: [(&str, &str); 1] = [("version", env!("CARGO_PKG_VERSION"))];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Limit {
    limit: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Policy {
    option: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Transport {
    transport: &'static str,
}

/// What the broker has done and what it holds. Hot loops add once a batch, not once a message.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    connections: Family<Transport, Gauge>,
    accepted: Family<Transport, Counter>,
    closed: Family<Reason, Counter>,
    limits: Family<Limit, Counter>,
    refused: Family<Policy, Counter>,
    /// Frames received from clients.
    pub frames_received: Counter,
    /// Frames handed to sockets: STOMP's, heart-beats, and a wire's own.
    pub frames_sent: Counter,
    /// Octets received from clients, as STOMP sees them.
    pub bytes_received: Counter,
    /// Octets handed to sockets.
    pub bytes_sent: Counter,
    /// Messages routed (a SEND, a committed SEND or an embedding program's publish).
    pub messages_published: Counter,
    /// MESSAGE frames taken out of outboxes to be written.
    pub deliveries: Counter,
    /// Messages given to a work queue's consumer once more.
    pub redeliveries: Counter,
    /// Messages moved to a dead letter queue.
    pub dead_letters: Counter,
    /// Messages that nobody could take: a temporary queue that is gone, a full dead letter queue.
    pub messages_dropped: Counter,
    /// Broadcasts that a subscription did not get because its transport carries text only.
    pub messages_skipped: Counter,
    /// Live subscriptions.
    pub subscriptions: Gauge,
    /// Topics with subscribers.
    pub topics: Gauge,
    /// Work queues, temporary ones included.
    pub queues: Gauge,
    /// Messages in work queues, given out and not settled included.
    pub queue_messages: Gauge,
    /// Their octets.
    pub queue_bytes: Gauge,
    /// Octets waiting in outboxes, as the receivers will get them (to within 16 KiB per outbox).
    pub outbox_bytes: Gauge,
    /// Open transactions.
    pub transactions: Gauge,
    /// Octets charged to the broker-wide budget; set when it is asked for.
    pub budget_bytes: Gauge,
    /// The budget's limit; set when it is asked for.
    pub budget_bytes_max: Gauge,
}

impl Metrics {
    /// All zero.
    pub fn new() -> Arc<Metrics> {
        let mut registry = Registry::with_prefix("stompbox");
        macro_rules! register {
            ($kind:ty, $name:literal, $help:literal) => {{
                let metric = <$kind>::default();
                registry.register($name, $help, metric.clone());
                metric
            }};
        }
        registry.register("build", "The running version, always 1", Info::new(BUILD));
        let connections = register!(Family<Transport, Gauge>, "connections", "Open connections");
        let accepted = register!(Family<Transport, Counter>, "connections_accepted", "Connections accepted");
        let closed = register!(Family<Reason, Counter>, "connections_closed", "Connections closed");
        let limits = register!(Family<Limit, Counter>, "limit_hits", "Times a limit was met, by its option");
        let refused = register!(
            Family<Policy, Counter>,
            "requests_refused",
            "HTTP requests refused for where their page came from, by the option that would allow them"
        );
        Arc::new(Metrics {
            refused,
            connections,
            accepted,
            closed,
            limits,
            frames_received: register!(Counter, "frames_received", "STOMP frames received from clients"),
            frames_sent: register!(Counter, "frames_sent", "Frames handed to sockets"),
            bytes_received: register!(Counter, "received_bytes", "STOMP octets received from clients"),
            bytes_sent: register!(Counter, "sent_bytes", "Octets handed to sockets"),
            messages_published: register!(
                Counter,
                "messages_published",
                "Messages routed to their destination"
            ),
            deliveries: register!(Counter, "deliveries", "MESSAGE frames on their way to sockets"),
            redeliveries: register!(
                Counter,
                "redeliveries",
                "Messages given to a work queue's consumer once more"
            ),
            dead_letters: register!(Counter, "dead_letters", "Messages moved to a dead letter queue"),
            messages_dropped: register!(
                Counter,
                "messages_dropped",
                "Messages dropped because their temporary queue was gone or their dead letter queue full"
            ),
            messages_skipped: register!(
                Counter,
                "messages_skipped",
                "Broadcasts that were not UTF-8 and passed over a subscription whose transport carries text only"
            ),
            subscriptions: register!(Gauge, "subscriptions", "Live subscriptions"),
            topics: register!(Gauge, "topics", "Topics with subscribers"),
            queues: register!(Gauge, "queues", "Work queues, temporary ones included"),
            queue_messages: register!(
                Gauge,
                "queue_messages",
                "Messages in work queues, those given to consumers and not settled included"
            ),
            queue_bytes: register!(Gauge, "queue_bytes", "Octets of the messages in work queues"),
            outbox_bytes: register!(
                Gauge,
                "outbox_bytes",
                "Octets waiting for receivers, to within 16 KiB for each"
            ),
            transactions: register!(Gauge, "transactions", "Open transactions"),
            budget_bytes: register!(
                Gauge,
                "budget_bytes",
                "Octets in outboxes, work queues and transactions, which memory-bytes-max limits"
            ),
            budget_bytes_max: register!(Gauge, "budget_limit_bytes", "The value of memory-bytes-max"),
            registry,
        })
    }

    /// A connection has come by `transport`.
    pub fn opened(&self, transport: &'static str) {
        self.connections.get_or_create(&Transport { transport }).inc();
        self.accepted.get_or_create(&Transport { transport }).inc();
    }

    /// A connection by `transport` has ended for `reason`.
    pub fn closed(&self, transport: &'static str, reason: &'static str) {
        self.connections.get_or_create(&Transport { transport }).dec();
        self.closed.get_or_create(&Reason { reason }).inc();
    }

    /// The limit of the option `limit` was met.
    pub fn limit_hit(&self, limit: &'static str) {
        self.limits.get_or_create(&Limit { limit }).inc();
    }

    /// A request was refused that the option `option` would allow.
    pub fn refused(&self, option: &'static str) {
        self.refused.get_or_create(&Policy { option }).inc();
    }

    /// Everything in the OpenMetrics text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes every write");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_end_in_total_and_octets_in_bytes() {
        let metrics = Metrics::new();
        metrics.opened("tcp");
        metrics.opened("tcp");
        metrics.closed("tcp", "peer-left");
        metrics.limit_hit("frame-bytes-max");
        metrics.bytes_received.inc_by(7);
        let text = metrics.render();
        for line in [
            concat!("stompbox_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "stompbox_connections{transport=\"tcp\"} 1",
            "stompbox_connections_accepted_total{transport=\"tcp\"} 2",
            "stompbox_connections_closed_total{reason=\"peer-left\"} 1",
            "stompbox_limit_hits_total{limit=\"frame-bytes-max\"} 1",
            "stompbox_received_bytes_total 7",
            "stompbox_sent_bytes_total 0",
            "stompbox_queue_bytes 0",
            "# TYPE stompbox_frames_sent counter",
            "# HELP stompbox_topics Topics with subscribers.",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
