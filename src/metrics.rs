//! Counters and gauges, updated by all modules and served at `/metrics`. This module depends on no other module of the
//! broker.

mod process;

use crate::rejection;
use process::Process;
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
pub use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::{counter::Counter, family::Family, info::Info};
use prometheus_client::registry::{Metric, Registry};
use std::sync::Arc;

/// Labels of `stompbox_build_info`.
const BUILD_LABELS: [(&str, &str); 1] = [("version", env!("CARGO_PKG_VERSION"))];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Limit {
    limit: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RejectingOption {
    option: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LoginResult {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Source {
    source: &'static str,
}

/// The values of the label `result` of login counters.
const LOGIN_RESULTS: [&str; 4] = ["accepted", "refused", "busy", "unavailable"];
/// The user sources that can fail to check a login.
const SOURCES: [&str; 3] = ["hook", "token", "users-file"];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Transport {
    transport: &'static str,
}

/// Defines [`Metrics`] and registers its fields from one table. The table contains the name and help text of each
/// metric.
macro_rules! metrics {
    ($($field:ident: $kind:ty = $name:literal, $help:literal;)*) => {
        /// The counters and gauges of one broker. Hot loops update them once per batch, not once per message.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            connections: Family<Transport, Gauge>,
            accepted: Family<Transport, Counter>,
            closed: Family<Reason, Counter>,
            limits: Family<Limit, Counter>,
            rejected_requests: Family<RejectingOption, Counter>,
            logins: Family<LoginResult, Counter>,
            source_errors: Family<Source, Counter>,
            $(#[doc = $help] pub $field: $kind,)*
        }

        impl Metrics {
            /// Creates the metrics, all of them 0.
            pub fn new() -> Arc<Metrics> {
                let mut registry = Registry::default();
                registry.register_collector(Box::new(Process::default()));
                let stompbox = registry.sub_registry_with_prefix("stompbox");
                let build = Info::new(BUILD_LABELS);
                stompbox.register("build", "Version of the running broker. The value is always 1", build);
                let mut families = Registration(stompbox);
                let metrics = Metrics {
                    connections: families.add("connections", "Open connections"),
                    accepted: families.add("connections_accepted", "Connections accepted"),
                    closed: families.add("connections_closed", "Connections closed"),
                    limits: families.add("limit_hits", "Times that a limit was reached, by the option that sets it"),
                    rejected_requests: families.add(
                        "requests_refused",
                        "HTTP requests rejected because of their Host or Origin header, by the option that can allow \
                         them",
                    ),
                    logins: families.add(
                        "logins",
                        "Logins by result: accepted, refused (wrong credentials), busy (too many logins are in \
                         progress or have failed), unavailable (a user source did not answer)",
                    ),
                    source_errors: families.add(
                        "auth_source_errors",
                        "Logins and renewed tokens that could not be checked because a user source failed, by source",
                    ),
                    $($field: families.add($name, $help),)*
                    registry,
                };
                LOGIN_RESULTS.iter().for_each(|result| drop(metrics.logins.get_or_create(&LoginResult { result })));
                SOURCES.iter().for_each(|source| drop(metrics.source_errors.get_or_create(&Source { source })));
                Arc::new(metrics)
            }
        }
    };
}

/// Creates metrics and adds them to a registry.
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
    frames_sent: Counter = "frames_sent",
        "Frames written to sockets: STOMP frames, heartbeats and frames of the transport";
    bytes_received: Counter = "received_bytes", "Bytes of STOMP received from clients";
    bytes_sent: Counter = "sent_bytes", "Bytes written to sockets";
    messages_published: Counter = "messages_published", "Messages routed to their destination";
    deliveries: Counter = "deliveries", "MESSAGE frames encoded for clients";
    redeliveries: Counter = "redeliveries", "Messages of work queues that were delivered again";
    dead_letters: Counter = "dead_letters", "Messages moved to a dead letter queue";
    messages_dropped: Counter = "messages_dropped",
        "Messages dropped. Their temporary queue is closed or has only text-only consumers, or a dead letter queue is \
         full or cannot be created";
    messages_skipped: Counter = "messages_skipped",
        "Broadcast messages that a subscription did not get, because they are not UTF-8 and its transport carries only \
         text";
    access_denied: Counter = "access_denied",
        "Frames that a permission rule denied, and subscriptions that a rule ended";
    subscriptions: Gauge = "subscriptions", "Open subscriptions";
    topics: Gauge = "topics", "Topics with subscribers";
    sessions: Gauge = "sessions", "Established STOMP sessions";
    user_destinations: Gauge = "user_destinations", "User destinations with subscribers";
    services: Gauge = "services", "Destinations below /app to which a service subscribes without wildcards";
    presence_topics: Gauge = "presence_topics", "Topics whose presence is watched, including /presence/users";
    presence_messages: Counter = "presence_messages",
        "Presence reports. A report counts once, however many clients receive it";
    queues: Gauge = "queues", "Work queues, including temporary queues";
    queue_messages: Gauge = "queue_messages",
        "Messages in work queues, including delivered messages that are not settled";
    queue_bytes: Gauge = "queue_bytes", "Bytes of the messages in work queues";
    outbound_queue_bytes: Gauge = "outbound_queue_bytes",
        "Bytes that wait in outbound queues, accurate to 16 KiB per connection";
    transactions: Gauge = "transactions", "Open transactions";
    memory_used_bytes: Gauge = "memory_used_bytes",
        "Bytes of memory used for clients. The limit is memory-bytes-max. Updated when metrics are read";
    subscription_memory_bytes: Gauge = "subscription_memory_bytes",
        "Part of memory_used_bytes for subscriptions and names of open transactions. The limit is a quarter of \
         memory-bytes-max. Updated when metrics are read";
    memory_limit_bytes: Gauge = "memory_limit_bytes", "The value of memory-bytes-max. Updated when metrics are read";
}

/// The values that labels can have, for [`Metrics::create_series`].
#[derive(Debug)]
pub struct Labels {
    /// The transports of connections.
    pub transports: Vec<&'static str>,
    /// The reasons for which connections close.
    pub reasons: Vec<&'static str>,
    /// The options that set a limit.
    pub limits: Vec<&'static str>,
    /// The options that can allow rejected HTTP requests.
    pub policies: Vec<&'static str>,
}

impl Metrics {
    /// Creates a series with the value 0 for every label value. Rates and alerts then need no special case for events
    /// that have not happened yet.
    pub fn create_series(&self, labels: Labels) {
        for transport in labels.transports {
            let _ = self.connections.get_or_create(&Transport { transport });
            let _ = self.accepted.get_or_create(&Transport { transport });
        }
        for reason in labels.reasons {
            let _ = self.closed.get_or_create(&Reason { reason });
        }
        for limit in labels.limits {
            let _ = self.limits.get_or_create(&Limit { limit });
        }
        for option in labels.policies {
            let _ = self.rejected_requests.get_or_create(&RejectingOption { option });
        }
    }

    /// Counts a new connection by `transport`.
    pub fn opened(&self, transport: &'static str) {
        self.connections.get_or_create(&Transport { transport }).inc();
        self.accepted.get_or_create(&Transport { transport }).inc();
    }

    /// Counts the end of a connection by `transport`, for `reason`.
    pub fn closed(&self, transport: &'static str, reason: &'static str) {
        self.connections.get_or_create(&Transport { transport }).dec();
        self.closed.get_or_create(&Reason { reason }).inc();
    }

    /// Counts a connection by `transport` that was accepted, and ended for `reason` before its session began.
    pub fn closed_before_session(&self, transport: &'static str, reason: &'static str) {
        self.accepted.get_or_create(&Transport { transport }).inc();
        self.closed.get_or_create(&Reason { reason }).inc();
    }

    /// Counts one time that the limit set by the option `limit` was reached.
    pub fn limit_hit(&self, limit: rejection::Limit) {
        self.limits.get_or_create(&Limit { limit: limit.option() }).inc();
    }

    /// Counts a login whose result is `result`, one of [`LOGIN_RESULTS`].
    pub fn login(&self, result: &'static str) {
        self.logins.get_or_create(&LoginResult { result }).inc();
    }

    /// Counts a login or a renewed token that the user source `source` could not check.
    pub fn source_failed(&self, source: &'static str) {
        self.source_errors.get_or_create(&Source { source }).inc();
    }

    /// Counts a rejected HTTP request. The option `option` can allow such requests.
    pub fn request_rejected(&self, option: &'static str) {
        self.rejected_requests.get_or_create(&RejectingOption { option }).inc();
    }

    /// Returns all metrics in the OpenMetrics text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a String does not fail");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counter_names_end_in_total_and_sizes_in_bytes() {
        let metrics = Metrics::new();
        metrics.opened("tcp");
        metrics.opened("tcp");
        metrics.closed("tcp", "peer-left");
        metrics.closed_before_session("http", "no-data");
        metrics.limit_hit(rejection::Limit::FrameBytes);
        metrics.bytes_received.inc_by(7);
        metrics.login("refused");
        let text = metrics.render();
        for line in [
            concat!("stompbox_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "stompbox_connections{transport=\"tcp\"} 1",
            "stompbox_connections_accepted_total{transport=\"tcp\"} 2",
            "stompbox_connections_closed_total{reason=\"peer-left\"} 1",
            "stompbox_connections_accepted_total{transport=\"http\"} 1",
            "stompbox_connections_closed_total{reason=\"no-data\"} 1",
            "stompbox_limit_hits_total{limit=\"frame-bytes-max\"} 1",
            "stompbox_logins_total{result=\"refused\"} 1",
            "stompbox_logins_total{result=\"accepted\"} 0",
            "stompbox_auth_source_errors_total{source=\"hook\"} 0",
            "stompbox_received_bytes_total 7",
            "stompbox_sent_bytes_total 0",
            "stompbox_queue_bytes 0",
            "# TYPE stompbox_frames_sent counter",
            "# HELP stompbox_topics Topics with subscribers.",
        ] {
            assert!(text.lines().any(|rendered| rendered == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn all_known_series_exist_before_the_first_event() {
        let metrics = Metrics::new();
        metrics.create_series(Labels {
            transports: vec!["tcp"],
            reasons: vec!["peer-left"],
            limits: vec!["frame-bytes-max"],
            policies: vec!["allowed-hosts"],
        });
        let text = metrics.render();
        for line in [
            "stompbox_connections{transport=\"tcp\"} 0",
            "stompbox_connections_accepted_total{transport=\"tcp\"} 0",
            "stompbox_connections_closed_total{reason=\"peer-left\"} 0",
            "stompbox_limit_hits_total{limit=\"frame-bytes-max\"} 0",
            "stompbox_requests_refused_total{option=\"allowed-hosts\"} 0",
        ] {
            assert!(text.lines().any(|rendered| rendered == line), "{line} is not in\n{text}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn process_metrics_have_the_usual_names() {
        let text = Metrics::new().render();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse::<f64>().expect("a number")
        };
        assert!(value("process_resident_memory_bytes") > 65_536.0);
        assert!(value("process_cpu_seconds_total") >= 0.0);
        assert!(value("process_open_fds") >= 3.0, "the standard streams");
        assert!(value("process_max_fds") >= value("process_open_fds"));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
        let age = now.as_secs_f64() - value("process_start_time_seconds");
        assert!((-2.0..86_400.0 * 30.0).contains(&age), "the process started {age} s ago");
    }
}
