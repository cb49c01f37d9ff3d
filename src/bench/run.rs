//! State shared by the tasks of one measurement.

use super::options::{Options, Pace, Shape};
use super::results::delivery_stats::{DeliveryStats, Interval};
use super::traffic::stamp::Stamper;
use super::traffic::window::Window;
use parking_lot::{Mutex, MutexGuard};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The phase of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunPhase {
    /// The receivers subscribe.
    Preparing,
    /// The publishers send messages from this time on. The time is in nanoseconds since the run began.
    Running(u64),
    /// The publishers send no more messages. Messages in flight arrive.
    Draining,
    /// Deliveries are complete. The receivers send the remaining acknowledgments and return.
    Closing,
}

/// State of one measurement.
#[derive(Debug)]
pub(super) struct Run {
    epoch: Instant,
    from: AtomicU64,
    until: AtomicU64,
    pub(super) stamper: Stamper,
    pub(super) destinations: usize,
    prefix: String,
    pub(super) phase: watch::Sender<RunPhase>,
    /// Notifies publishers of an open loop that messages may be due.
    pub(super) tick: watch::Sender<()>,
    /// A window for each publisher. In an open loop the list is empty.
    pub(super) windows: Vec<Window>,
    /// Number of messages sent by each publisher.
    pub(super) sent: Vec<AtomicU64>,
    pub(super) sent_measured: AtomicU64,
    /// Number of receipts that have not arrived yet.
    pub(super) unreceipted: AtomicU64,
    /// Number of confirmed subscriptions.
    pub(super) ready: AtomicUsize,
    /// Statistics in shards, each for some of the receivers, to reduce lock contention.
    stats_shards: Vec<Mutex<DeliveryStats>>,
}

impl Run {
    /// Creates the state. `copies` contains, for each publisher, the number of deliveries that each of its messages
    /// causes.
    pub(super) fn new(options: &Options, id: u32, copies: &[usize]) -> Run {
        let shards = 4 * std::thread::available_parallelism().map_or(1, usize::from);
        let prefix = options.destination.clone().unwrap_or_else(|| match options.shape {
            Shape::Queue => format!("/queue/bench-{id:08x}"),
            _ => format!("/topic/bench-{id:08x}"),
        });
        let windows = match options.pace {
            Pace::Window(messages) => copies.iter().map(|copies| Window::new(messages, *copies)).collect(),
            Pace::Rate(_) => Vec::new(),
        };
        Run {
            epoch: Instant::now(),
            from: AtomicU64::new(u64::MAX),
            until: AtomicU64::new(u64::MAX),
            stamper: Stamper::new(id, options.body_bytes),
            destinations: options.destinations,
            prefix,
            phase: watch::Sender::new(RunPhase::Preparing),
            tick: watch::Sender::new(()),
            windows,
            sent: copies.iter().map(|_| AtomicU64::new(0)).collect(),
            sent_measured: AtomicU64::new(0),
            unreceipted: AtomicU64::new(0),
            ready: AtomicUsize::new(0),
            stats_shards: (0..shards).map(|_| Mutex::default()).collect(),
        }
    }

    /// Returns the destination with this number.
    pub(super) fn destination(&self, number: usize) -> String {
        format!("{}.{number}", self.prefix)
    }

    /// Returns the time since the run began, in nanoseconds.
    pub(super) fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    /// Returns the instant at `nanos` nanoseconds after the run began.
    pub(super) fn instant_at(&self, nanos: u64) -> Instant {
        self.epoch + Duration::from_nanos(nanos)
    }

    /// Returns the start and end of the measurement.
    pub(super) fn interval(&self) -> Interval {
        (self.from.load(Ordering::Relaxed), self.until.load(Ordering::Relaxed))
    }

    /// Sets the start and end of the measurement.
    pub(super) fn set_interval(&self, (from, until): Interval) {
        self.from.store(from, Ordering::Relaxed);
        self.until.store(until, Ordering::Relaxed);
    }

    /// Returns the statistics for deliveries to `receiver`.
    pub(super) fn stats(&self, receiver: usize) -> MutexGuard<'_, DeliveryStats> {
        self.stats_shards[receiver % self.stats_shards.len()].lock()
    }

    /// Returns the number of deliveries so far, without duplicates.
    pub(super) fn delivered(&self) -> u64 {
        self.stats_shards.iter().map(|stats| stats.lock().delivered).sum()
    }

    /// Returns the sum of all statistics.
    pub(super) fn total(&self) -> DeliveryStats {
        let mut total = DeliveryStats::default();
        self.stats_shards.iter().for_each(|stats| total.add(&stats.lock()));
        total
    }

    /// Returns the number of messages sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent.iter().map(|sent| sent.load(Ordering::Relaxed)).sum()
    }

    /// Counts another confirmed subscription.
    pub(super) fn count_subscription(&self) {
        self.ready.fetch_add(1, Ordering::Relaxed);
    }
}
