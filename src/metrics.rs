//! Counters and gauges, kept by every room and read by `/metrics`; knows nobody.

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
pub use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::{counter::Counter, family::Family, info::Info};
use prometheus_client::registry::{Metric, Registry};
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

/// The struct and its registration from one table, so that what a metric is called and means is written once.
macro_rules! metrics {
    ($($field:ident: $kind:ty = $name:literal, $help:literal;)*) => {
        /// What the broker has done and what it holds. Hot loops add once a batch, not once a message.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            connections: Family<Transport, Gauge>,
            accepted: Family<Transport, Counter>,
            closed: Family<Reason, Counter>,
            limits: Family<Limit, Counter>,
            refused: Family<Policy, Counter>,
            $(#[doc = $help] pub $field: $kind,)*
        }

        impl Metrics {
            /// All zero.
            pub fn new() -> Arc<Metrics> {
                let mut registry = Registry::with_prefix("stompbox");
                registry.register("build", "The running version, always 1", Info::new(BUILD));
                let mut families = Registration(&mut registry);
                Arc::new(Metrics {
                    connections: families.add("connections", "Open connections"),
                    accepted: families.add("connections_accepted", "Connections accepted"),
                    closed: families.add("connections_closed", "Connections closed"),
                    limits: families.add("limit_hits", "Times a limit was met, by its option"),
                    refused: families.add(
                        "requests_refused",
                        "HTTP requests refused for where their page came from, by the option that would allow them",
                    ),
                    $($field: families.add($name, $help),)*
                    registry,
                })
            }
        }
    };
}

/// Enters metrics as they are made.
struct Registration<'a>(&'a mut Registry);

impl Registration<'_> {
    fn add<M: Metric + Clone + Default>(&mut self, name: &'static str, help: &'static str) -> M {
        let metric = M::default();
        self.0.register(name, help, metric.clone());
        metric
    }
}

metrics! {
    frames_received: Counter = "frames_received", "STOMP frames received from clients";
    frames_sent: Counter = "frames_sent", "Frames handed to sockets: STOMP's, heart-beats, and a wire's own";
    bytes_received: Counter = "received_bytes", "STOMP octets received from clients";
    bytes_sent: Counter = "sent_bytes", "Octets handed to sockets";
    messages_published: Counter = "messages_published", "Messages routed to their destination";
    deliveries: Counter = "deliveries", "MESSAGE frames on their way to sockets";
    redeliveries: Counter = "redeliveries", "Messages given to a work queue's consumer once more";
    dead_letters: Counter = "dead_letters", "Messages moved to a dead letter queue";
    messages_dropped: Counter = "messages_dropped",
        "Messages that nobody could take: a temporary queue that is gone or whose consumers take text only, a full dead letter queue";
    messages_skipped: Counter = "messages_skipped",
        "Broadcasts that were not UTF-8 and passed over a subscription whose transport carries text only";
    access_denied: Counter = "access_denied", "Frames refused by a rule, and subscriptions ended by one";
    subscriptions: Gauge = "subscriptions", "Live subscriptions";
    topics: Gauge = "topics", "Topics with subscribers";
    sessions: Gauge = "sessions", "Sessions that are online: connected and let in";
    user_destinations: Gauge = "user_destinations", "Destinations of users with subscribers";
    services: Gauge = "services", "Destinations below /app to which a service subscribes by name";
    presence_rooms: Gauge = "presence_rooms", "Topics whose presence is watched, /presence/users included";
    presence_messages: Counter = "presence_messages",
        "Messages about presence that were encoded, each for all who watch";
    queues: Gauge = "queues", "Work queues, temporary ones included";
    queue_messages: Gauge = "queue_messages",
        "Messages in work queues, those given to consumers and not settled included";
    queue_bytes: Gauge = "queue_bytes", "Octets of the messages in work queues";
    outbox_bytes: Gauge = "outbox_bytes", "Octets waiting for receivers, to within 16 KiB for each";
    transactions: Gauge = "transactions", "Open transactions";
    budget_bytes: Gauge = "budget_bytes",
        "Octets in outboxes, work queues and transactions, which memory-bytes-max limits; set when it is asked for";
    budget_bytes_max: Gauge = "budget_limit_bytes", "The value of memory-bytes-max; set when it is asked for";
}

impl Metrics {
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
