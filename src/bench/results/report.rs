//! The results of a measurement.

use super::delivery_stats::DeliveryStats;
use crate::bench::coordinator::Coordinator;
use crate::bench::end::End;
use crate::bench::options::{Options, Pace, Shape};
use serde_json::{Map, Value, json};
use std::sync::atomic::Ordering::Relaxed;

/// Reported quantiles of the latency: name in JSON, name in the table, quantile.
pub(in crate::bench) const QUANTILES: [(&str, &str, f64); 4] =
    [("p50", "p50", 0.5), ("p90", "p90", 0.9), ("p99", "p99", 0.99), ("p99_9", "p99.9", 0.999)];

/// The results of a measurement.
#[derive(Clone, Debug)]
pub(in crate::bench) struct Report {
    pub(in crate::bench) options: Options,
    /// Duration of the measurement, in seconds.
    pub(in crate::bench) seconds: f64,
    /// Number of messages sent during the measurement (`published`), and in total (`sent`).
    pub(in crate::bench) published: u64,
    pub(in crate::bench) sent: u64,
    pub(in crate::bench) stats: DeliveryStats,
    /// Number of deliveries that all sent messages must cause.
    pub(in crate::bench) expected: u64,
    pub(in crate::bench) unreceipted: u64,
    /// CPU time of this process during the measurement, in seconds.
    pub(in crate::bench) cpu_seconds: f64,
    pub(in crate::bench) idle: Option<Idle>,
    pub(in crate::bench) end: Option<End>,
}

impl Report {
    /// Creates the report of a finished measurement.
    pub(in crate::bench) fn new(
        options: &Options,
        coordinator: Coordinator<'_, '_>,
        expected: u64,
    ) -> Report {
        coordinator.progress.clear();
        let run = &coordinator.run;
        Report {
            options: options.clone(),
            seconds: coordinator.seconds,
            published: run.sent_measured.load(Relaxed),
            sent: run.sent(),
            stats: run.total(),
            expected,
            unreceipted: run.unreceipted.load(Relaxed),
            cpu_seconds: coordinator.cpu.as_secs_f64(),
            idle: None,
            end: coordinator.end.clone(),
        }
    }

    /// Returns the number of missing deliveries.
    pub(in crate::bench) fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.stats.delivered)
    }

    /// Returns whether every message arrived once, intact and in order, and nothing failed.
    pub(in crate::bench) fn is_fine(&self) -> bool {
        let DeliveryStats { duplicated, reordered, corrupt, .. } = self.stats;
        let faults = self.lost() + duplicated + reordered + corrupt + self.unreceipted;
        faults == 0 && !matches!(self.end, Some(End::Failed(_)))
    }

    /// Returns `count` per second of the measurement.
    pub(in crate::bench) fn rate(&self, count: u64) -> f64 {
        if self.seconds > 0.0 { count as f64 / self.seconds } else { 0.0 }
    }

    /// Returns the delivered body bytes per second, in MB/s.
    pub(in crate::bench) fn megabytes_per_second(&self) -> f64 {
        self.rate(self.stats.measured) * self.options.body_bytes as f64 / 1e6
    }

    /// Returns the CPU time of this process per delivery, in microseconds. It includes the cost of publishing.
    pub(in crate::bench) fn cpu_microseconds(&self) -> f64 {
        if self.stats.measured == 0 { 0.0 } else { self.cpu_seconds * 1e6 / self.stats.measured as f64 }
    }

    /// Returns the average number of cores that this process kept busy.
    pub(in crate::bench) fn cpu_cores(&self) -> f64 {
        if self.seconds > 0.0 { self.cpu_seconds / self.seconds } else { 0.0 }
    }

    /// Returns a quantile of the latency, in microseconds.
    pub(in crate::bench) fn latency(&self, quantile: f64) -> f64 {
        self.stats.latency.value_at_quantile(quantile) as f64 / 1e3
    }

    /// Returns the results as one JSON object. Names end with their unit.
    pub(in crate::bench) fn to_json(&self) -> Value {
        let options = &self.options;
        let (window, rate) = match options.pace {
            Pace::Window(window) => (json!(window), Value::Null),
            Pace::Rate(rate) => (Value::Null, json!(rate)),
        };
        let mut all = object(json!({
            "shape": options.shape.name(),
            "url": options.url.to_string(),
            "publishers": options.publishers,
            "subscribers": options.subscribers,
            "destinations": options.destinations,
            "body_bytes": options.body_bytes,
            "window_messages": window,
            "rate_messages_per_second": rate,
            "ack": options.ack.as_str(),
            "receipts": options.receipts,
            "warmup_seconds": options.warmup.as_secs_f64(),
            "published": self.sent,
            "delivered": self.stats.delivered,
            "lost": self.lost(),
            "duplicated": self.stats.duplicated,
            "reordered": self.stats.reordered,
            "corrupt": self.stats.corrupt,
            "foreign": self.stats.foreign,
            "receipts_missing": self.unreceipted,
            "interrupted": self.end == Some(End::Interrupted),
            "failure": match &self.end { Some(End::Failed(error)) => json!(error), _ => Value::Null },
            "fine": self.is_fine(),
        }));
        for (name, _, quantile) in QUANTILES {
            all.insert(format!("latency_{name}_microseconds"), json!(self.latency(quantile)));
        }
        all.insert("latency_max_microseconds".to_owned(), json!(self.stats.latency.max() as f64 / 1e3));
        all.insert("latency_mean_microseconds".to_owned(), json!(self.stats.latency.mean() / 1e3));
        all.extend(match &self.idle {
            Some(idle) => idle_to_json(idle),
            None => self.rates_to_json(),
        });
        Value::Object(all)
    }

    fn rates_to_json(&self) -> Map<String, Value> {
        object(json!({
            "measured_seconds": self.seconds,
            "published_per_second": self.rate(self.published),
            "delivered_per_second": self.rate(self.stats.measured),
            "delivered_megabytes_per_second": self.megabytes_per_second(),
            "own_cpu_microseconds_per_delivery": self.cpu_microseconds(),
            "own_cpu_cores": self.cpu_cores(),
        }))
    }
}

/// The results that only the shape `idle` has.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::bench) struct Idle {
    pub(in crate::bench) connections: usize,
    /// Time from the first connect to the last CONNECTED, in seconds.
    pub(in crate::bench) connect_seconds: f64,
    /// Time from a SEND to the last of its deliveries, in seconds, for each broadcast.
    pub(in crate::bench) broadcast_seconds: Vec<f64>,
    /// Resident memory of the broker in bytes, before the connections are opened and while they are open.
    pub(in crate::bench) resident_bytes: Option<(u64, u64)>,
}

impl Idle {
    /// Returns the number of connections opened per second.
    pub(in crate::bench) fn connects_per_second(&self) -> f64 {
        self.connections as f64 / self.connect_seconds.max(1e-9)
    }

    /// Returns the increase of the broker's memory per connection, in bytes.
    pub(in crate::bench) fn bytes_per_connection(&self) -> Option<f64> {
        let (before, after) = self.resident_bytes?;
        Some((after as f64 - before as f64) / self.connections as f64)
    }
}

fn idle_to_json(idle: &Idle) -> Map<String, Value> {
    let milliseconds: Vec<_> = idle.broadcast_seconds.iter().map(|seconds| seconds * 1e3).collect();
    object(json!({
        "connections": idle.connections,
        "connect_seconds": idle.connect_seconds,
        "connects_per_second": idle.connects_per_second(),
        "broadcast_milliseconds": milliseconds,
        "broker_resident_bytes_before": idle.resident_bytes.map(|(before, _)| before),
        "broker_resident_bytes": idle.resident_bytes.map(|(_, after)| after),
        "broker_resident_bytes_per_connection": idle.bytes_per_connection(),
    }))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Returns the label for the deliveries of a shape.
pub(in crate::bench) fn deliveries(shape: Shape) -> &'static str {
    match shape {
        Shape::PingPong => "round trips",
        _ => "delivered",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bench::options::{Ack, Login};
    use crate::bench::traffic::sequence::Arrival;
    use crate::bench::traffic::stamp::Stamp;
    use crate::bench::url::BrokerUrl;
    use std::time::Duration;

    /// Returns a report of ten messages, sent and delivered in two seconds, with latencies from 100 us to 1 ms.
    pub(in crate::bench) fn report(shape: Shape) -> Report {
        let mut stats = DeliveryStats::default();
        for number in 0..10 {
            let stamp = Stamp { publisher: 0, number, due: 0 };
            stats.record(&stamp, Arrival::InOrder, (number + 1) * 100_000, (0, 2_000_000_000));
        }
        let options = Options {
            shape,
            url: BrokerUrl::parse("tcp://127.0.0.1:61613").expect("a URL"),
            login: Login::default(),
            publishers: 1,
            subscribers: 1,
            destinations: 1,
            destination: None,
            body_bytes: 100,
            pace: Pace::Window(64),
            warmup: Duration::from_secs(1),
            time: Duration::from_secs(2),
            stall_timeout: Duration::from_secs(5),
            ack: Ack::Auto,
            receipts: false,
            pid: None,
            json: None,
            terminal: false,
        };
        Report {
            options,
            seconds: 2.0,
            published: 10,
            sent: 10,
            stats,
            expected: 10,
            unreceipted: 0,
            cpu_seconds: 0.001,
            idle: None,
            end: None,
        }
    }

    #[test]
    fn json_has_stable_names_and_correct_values() {
        let value = report(Shape::FanOut).to_json();
        assert_eq!((&value["shape"], &value["url"]), (&json!("fan-out"), &json!("tcp://127.0.0.1:61613")));
        assert_eq!(
            (&value["window_messages"], &value["rate_messages_per_second"]),
            (&json!(64), &Value::Null)
        );
        assert_eq!(
            (&value["delivered_per_second"], &value["delivered_megabytes_per_second"]),
            (&json!(5.0), &json!(0.0005))
        );
        assert_eq!(
            (&value["own_cpu_microseconds_per_delivery"], &value["own_cpu_cores"]),
            (&json!(100.0), &json!(0.0005))
        );
        let p50 = value["latency_p50_microseconds"].as_f64().expect("a number");
        assert!((499.0..501.0).contains(&p50), "{p50}");
        assert_eq!(
            (&value["lost"], &value["fine"], &value["failure"]),
            (&json!(0), &json!(true), &Value::Null)
        );
        assert!(value.get("connects_per_second").is_none());
    }

    #[test]
    fn json_of_idle_has_connections_and_memory() {
        let mut report = report(Shape::Idle);
        let resident_bytes = Some((1 << 20, 3 << 20));
        report.idle = Some(Idle {
            connections: 1024,
            connect_seconds: 0.5,
            broadcast_seconds: vec![0.25, 0.125],
            resident_bytes,
        });
        let value = report.to_json();
        assert_eq!(value["connects_per_second"], json!(2048.0));
        assert_eq!(value["broadcast_milliseconds"], json!([250.0, 125.0]));
        assert_eq!(value["broker_resident_bytes_per_connection"], json!(2048.0));
        assert!(value.get("delivered_per_second").is_none());
    }

    #[test]
    fn every_fault_makes_the_report_not_fine() {
        let faulty: [fn(&mut Report); 6] = [
            |report| report.expected = 11,
            |report| report.stats.duplicated = 1,
            |report| report.stats.reordered = 1,
            |report| report.stats.corrupt = 1,
            |report| report.unreceipted = 1,
            |report| report.end = Some(End::Failed("a cause".to_owned())),
        ];
        assert!(report(Shape::FanOut).is_fine());
        for (index, add_fault) in faulty.iter().enumerate() {
            let mut report = report(Shape::FanOut);
            add_fault(&mut report);
            assert!(!report.is_fine() && report.to_json()["fine"] == json!(false), "{index}");
        }
        let mut report = report(Shape::FanOut);
        report.end = Some(End::Interrupted);
        report.stats.foreign = 1;
        assert!(report.is_fine(), "an interrupt and foreign messages are not faults of the broker");
    }
}
