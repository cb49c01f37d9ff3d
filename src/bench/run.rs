//! What the tasks of one measurement share.

use super::delivery_stats::{DeliveryStats, Interval};
use super::options::{Options, Pace, Shape};
use super::stamp::Stamper;
use super::window::Window;
use parking_lot::{Mutex, MutexGuard};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How far a measurement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Subscriptions are being made.
    Preparing,
    /// Messages are sent, from this time on (nanoseconds since the run began).
    Running(u64),
    /// No more are sent.
    Draining,
    /// Everything has arrived that will: who has to acknowledge does, and leaves.
    Closing,
}

/// One measurement.
#[derive(Debug)]
pub(super) struct Run {
    epoch: Instant,
    from: AtomicU64,
    until: AtomicU64,
    pub(super) stamper: Stamper,
    pub(super) destinations: usize,
    prefix: String,
    pub(super) phase: watch::Sender<Phase>,
    /// Changes when open loops may have something to send.
    pub(super) tick: watch::Sender<()>,
    /// A window per publisher; none in an open loop.
    pub(super) windows: Vec<Window>,
    /// Messages sent, per publisher.
    pub(super) sent: Vec<AtomicU64>,
    pub(super) sent_measured: AtomicU64,
    /// Receipts that are missing.
    pub(super) unreceipted: AtomicU64,
    /// Subscriptions known to be there.
    pub(super) ready: AtomicUsize,
    /// Shared out among the receivers, so that they seldom meet.
    tallies: Vec<Mutex<DeliveryStats>>,
}

impl Run {
    /// `copies`: deliveries of each publisher's messages.
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
            phase: watch::Sender::new(Phase::Preparing),
            tick: watch::Sender::new(()),
            windows,
            sent: copies.iter().map(|_| AtomicU64::new(0)).collect(),
            sent_measured: AtomicU64::new(0),
            unreceipted: AtomicU64::new(0),
            ready: AtomicUsize::new(0),
            tallies: (0..shards).map(|_| Mutex::default()).collect(),
        }
    }

    /// The destination with this number.
    pub(super) fn destination(&self, number: usize) -> String {
        format!("{}.{number}", self.prefix)
    }

    /// Nanoseconds since the run began.
    pub(super) fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    /// The moment with this number of nanoseconds.
    pub(super) fn moment(&self, nanos: u64) -> Instant {
        self.epoch + Duration::from_nanos(nanos)
    }

    /// From when to when is measured.
    pub(super) fn interval(&self) -> Interval {
        (self.from.load(Ordering::Relaxed), self.until.load(Ordering::Relaxed))
    }

    /// Sets from when to when is measured.
    pub(super) fn set_interval(&self, (from, until): Interval) {
        self.from.store(from, Ordering::Relaxed);
        self.until.store(until, Ordering::Relaxed);
    }

    /// The counts that a receiver adds to.
    pub(super) fn tally(&self, receiver: usize) -> MutexGuard<'_, DeliveryStats> {
        self.tallies[receiver % self.tallies.len()].lock()
    }

    /// First deliveries so far.
    pub(super) fn delivered(&self) -> u64 {
        self.tallies.iter().map(|tally| tally.lock().delivered).sum()
    }

    /// All counts together.
    pub(super) fn total(&self) -> DeliveryStats {
        let mut total = DeliveryStats::default();
        self.tallies.iter().for_each(|tally| total.add(&tally.lock()));
        total
    }

    /// Messages sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent.iter().map(|sent| sent.load(Ordering::Relaxed)).sum()
    }

    /// Another subscription is known to be there.
    pub(super) fn is_ready(&self) {
        self.ready.fetch_add(1, Ordering::Relaxed);
    }
}
