//! Metrics of this process, under the names that Prometheus client libraries use.
//!
//! The values come from `/proc`. On systems other than Linux these metrics do not exist.

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use std::fmt;
use std::time::{Duration, Instant};

/// Time for which a reading is reused. Reading takes up to a millisecond if many files are open. A client may request
/// metrics without a delay between the requests.
const CACHE_DURATION: Duration = Duration::from_secs(1);

/// A collector that reads the values when metrics are rendered, at most once in [`CACHE_DURATION`].
#[derive(Debug, Default)]
pub(super) struct Process {
    last: Mutex<Option<(Instant, Option<Reading>)>>,
}

/// The values read at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reading {
    resident_bytes: u64,
    cpu_seconds: f64,
    open_files: u64,
    /// The limit of open files. `None` if there is no limit.
    open_files_max: Option<u64>,
    /// The start of the process, in seconds of Unix time.
    started_seconds: u64,
}

impl Process {
    /// Returns the last reading. If there is none, or it is older than [`CACHE_DURATION`], calls `read` first.
    fn reading(&self, now: Instant, read: impl FnOnce() -> Option<Reading>) -> Option<Reading> {
        let mut last = self.last.lock();
        match *last {
            Some((at, reading)) if now.saturating_duration_since(at) < CACHE_DURATION => reading,
            _ => last.insert((now, read())).1,
        }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(reading) = self.reading(Instant::now(), read) else { return Ok(()) };
        let mut encode_metric = |name: &str, help: &str, unit: Option<&Unit>, metric: &dyn EncodeMetric| {
            metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
        };
        let gauge = |value: u64| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        let cpu = ConstCounter::new(reading.cpu_seconds);
        encode_metric(
            "process_cpu",
            "Total user and system CPU time spent in seconds.",
            Some(&Unit::Seconds),
            &cpu,
        )?;
        let resident = gauge(reading.resident_bytes);
        encode_metric(
            "process_resident_memory",
            "Resident memory size in bytes.",
            Some(&Unit::Bytes),
            &resident,
        )?;
        encode_metric(
            "process_open_fds",
            "Number of open file descriptors.",
            None,
            &gauge(reading.open_files),
        )?;
        if let Some(max) = reading.open_files_max {
            encode_metric("process_max_fds", "Maximum number of open file descriptors.", None, &gauge(max))?;
        }
        let started = gauge(reading.started_seconds);
        encode_metric(
            "process_start_time",
            "Start time of the process since the Unix epoch in seconds.",
            Some(&Unit::Seconds),
            &started,
        )
    }
}

/// Reads the values of this process. Returns `None` if the system does not provide all of them.
#[cfg(target_os = "linux")]
fn read() -> Option<Reading> {
    use procfs::WithCurrentSystemInfo;
    use procfs::process::{LimitValue, Process};
    let process = Process::myself().ok()?;
    let stat = process.stat().ok()?;
    let ticks_per_second = procfs::ticks_per_second();
    let open_files_max = match process.limits().ok()?.max_open_files.soft_limit {
        LimitValue::Value(max) => Some(max),
        LimitValue::Unlimited => None,
    };
    Some(Reading {
        resident_bytes: stat.rss_bytes().get(),
        cpu_seconds: (stat.utime + stat.stime) as f64 / ticks_per_second as f64,
        open_files: process.fd_count().ok()? as u64,
        open_files_max,
        started_seconds: procfs::boot_time_secs().ok()? + stat.starttime / ticks_per_second,
    })
}

#[cfg(not(target_os = "linux"))]
fn read() -> Option<Reading> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_reading_is_cached_for_one_second() {
        let (process, now) = (Process::default(), Instant::now());
        let read_at = |millis, open_files| {
            let reading = Reading {
                resident_bytes: 1,
                cpu_seconds: 1.0,
                open_files,
                open_files_max: None,
                started_seconds: 1,
            };
            let read = process.reading(now + Duration::from_millis(millis), || Some(reading));
            read.map(|reading| reading.open_files)
        };
        assert_eq!(read_at(0, 1), Some(1));
        assert_eq!(read_at(999, 2), Some(1), "not read again");
        assert_eq!(read_at(1000, 3), Some(3));
        assert_eq!(read_at(1500, 4), Some(3));
    }
}
