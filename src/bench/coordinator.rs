//! Leads a measurement through its phases, and monitors its tasks.

use super::end::End;
use super::error::BenchError;
use super::options::{Options, Pace};
use super::process::cpu_time;
use super::progress::ProgressDisplay;
use super::results::delivery_stats::Interval;
use super::results::number::number;
use super::run::{Run, RunPhase};
use std::future::Future;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// Interval at which progress is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);
/// Maximum time until all subscriptions are confirmed.
const SUBSCRIBE_TIME_MAX: Duration = Duration::from_secs(20);
/// Maximum time to wait for receipts of subscriptions that get no probes. Some brokers send no receipts.
const RECEIPT_TIME_MAX: Duration = Duration::from_secs(2);
/// Minimum interval at which the publishers of an open loop are woken.
const TICK_MIN: Duration = Duration::from_micros(100);

/// Coordinates the tasks of one measurement.
pub(super) struct Coordinator<'a, 'w> {
    pub(super) run: Arc<Run>,
    pub(super) tasks: JoinSet<Result<(), BenchError>>,
    pub(super) progress: &'a mut ProgressDisplay<'w>,
    pub(super) end: Option<End>,
    pub(super) cpu: Duration,
    pub(super) seconds: f64,
    stall_timeout: Duration,
}

impl<'a, 'w> Coordinator<'a, 'w> {
    pub(super) fn new(
        options: &Options,
        run: Run,
        progress: &'a mut ProgressDisplay<'w>,
    ) -> Coordinator<'a, 'w> {
        Coordinator {
            run: Arc::new(run),
            tasks: JoinSet::new(),
            progress,
            end: None,
            cpu: Duration::ZERO,
            seconds: 0.0,
            stall_timeout: options.stall_timeout,
        }
    }

    /// Spawns a task of the measurement.
    pub(super) fn spawn(&mut self, task: impl Future<Output = Result<(), BenchError>> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Waits until `count` subscriptions are confirmed. With `may_be_silent` a timeout is not an error, because these
    /// subscriptions get no probes and some brokers send no receipts.
    pub(super) async fn subscribed(&mut self, count: usize, may_be_silent: bool) -> Result<(), BenchError> {
        let run = self.run.clone();
        let time = if may_be_silent { RECEIPT_TIME_MAX } else { SUBSCRIBE_TIME_MAX };
        let deadline = Instant::now() + time;
        let is_complete = |run: &Run| run.ready.load(Relaxed) >= count;
        self.wait(deadline, |progress, run| {
            let ready = run.ready.load(Relaxed);
            progress.show("subscribing", ready as f64 / count as f64, &format!("{ready} of {count}"));
            if is_complete(run) { ControlFlow::Break(None) } else { ControlFlow::Continue(()) }
        })
        .await;
        match self.end.take() {
            Some(End::Failed(error)) => Err(BenchError::Other(error)),
            Some(End::Interrupted) => {
                Err(BenchError::Other("interrupted before the measurement began".to_owned()))
            }
            None if is_complete(&run) || may_be_silent => Ok(()),
            None => Err(BenchError::TimedOut(
                format!("only {} of {count} subscriptions were confirmed", run.ready.load(Relaxed)),
                time.as_secs(),
            )),
        }
    }

    /// Lets the publishers send, and measures. `expected` returns the number of deliveries that the sent messages must
    /// cause.
    pub(super) async fn measure(&mut self, options: &Options, expected: impl Fn(&Run) -> u64) {
        let run = self.run.clone();
        let start = run.now();
        let from = start + options.warmup.as_nanos() as u64;
        let until = from + options.time.as_nanos() as u64;
        run.set_interval((from, until));
        let _ticker = Ticker::start(&run, options.pace);
        run.phase.send_replace(RunPhase::Running(start));
        if !self.run_phase("warming up", (start, from), &expected).await {
            run.set_interval((run.now(), until));
        }
        let cpu = cpu_time();
        if self.end.is_none() {
            self.run_phase("measuring", (from, until), &expected).await;
        }
        let from = run.interval().0;
        let stopped = run.now().min(until);
        run.set_interval((from, stopped));
        self.cpu = cpu_time() - cpu;
        self.seconds = stopped.saturating_sub(from) as f64 / 1e9;
        run.phase.send_replace(RunPhase::Draining);
        // After a failure, the remaining messages will not arrive. After an interruption, they may.
        if !matches!(self.end, Some(End::Failed(_))) {
            let fraction = |run: &Run| {
                let missing = run.unreceipted.load(Relaxed);
                run.delivered() as f64 / (expected(run) + missing).max(1) as f64
            };
            self.settle("draining", fraction).await;
        }
    }

    /// Waits until `count` receivers have acknowledged everything, so that no message returns to its queue.
    pub(super) async fn close(&mut self, count: usize) {
        self.run.phase.send_replace(RunPhase::Closing);
        let all = async {
            for _ in 0..count {
                // A failure at this point has no consequence.
                let _ = self.tasks.join_next().await;
            }
        };
        // The measurement is complete, whether or not the broker accepts the remaining acknowledgments.
        let _ = tokio::time::timeout(self.stall_timeout, all).await;
    }

    /// Waits until the end of a phase, and shows how much of it has passed. The times are in nanoseconds since the run
    /// began. Returns `false` if the measurement ends early.
    async fn run_phase(
        &mut self,
        name: &str,
        (from, until): Interval,
        expected: impl Fn(&Run) -> u64,
    ) -> bool {
        let mut stall_detector = StallDetector::new(&self.run, self.stall_timeout);
        self.wait(self.run.instant_at(until), |progress, run| {
            let is_stalled = stall_detector.is_stalled(run, expected(run));
            let fraction = run.now().saturating_sub(from) as f64 / (until - from).max(1) as f64;
            progress.show(name, fraction, &stall_detector.rate(run));
            match is_stalled {
                true => ControlFlow::Break(Some(stall_detector.error_text())),
                false => ControlFlow::Continue(()),
            }
        })
        .await;
        self.end.is_none()
    }

    /// Waits until `fraction` returns 1 or deliveries stall.
    pub(super) async fn settle(&mut self, name: &str, fraction: impl Fn(&Run) -> f64) {
        let mut stall_detector = StallDetector::new(&self.run, self.stall_timeout);
        let far_future = Instant::now() + Duration::from_secs(24 * 3600);
        self.wait(far_future, |progress, run| {
            let fraction = fraction(run);
            progress.show(name, fraction, "");
            if fraction >= 1.0 || stall_detector.is_stalled(run, u64::MAX) {
                ControlFlow::Break(None)
            } else {
                ControlFlow::Continue(())
            }
        })
        .await;
    }

    /// Calls `check` repeatedly until `until`. Ends earlier if `check` breaks, if a task fails, or if the user
    /// interrupts. `check` breaks with a text if the measurement has failed.
    pub(super) async fn wait(
        &mut self,
        until: Instant,
        mut check: impl FnMut(&mut ProgressDisplay<'_>, &Run) -> ControlFlow<Option<String>>,
    ) {
        let mut checks = tokio::time::interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until.into()) => return,
                _ = checks.tick() => {
                    if let ControlFlow::Break(failed) = check(self.progress, &self.run) {
                        self.end = self.end.take().or(failed.map(End::Failed));
                        return;
                    }
                }
                Some(joined) = self.tasks.join_next() => {
                    let error = match joined {
                        Ok(Ok(())) => continue,
                        Ok(Err(error)) => error.to_string(),
                        Err(error) => error.to_string(),
                    };
                    self.end = Some(End::Failed(error));
                    return;
                }
                _ = tokio::signal::ctrl_c() => {
                    self.end = Some(End::Interrupted);
                    return;
                }
            }
        }
    }
}

/// Detects that deliveries have stalled.
struct StallDetector {
    timeout: Duration,
    last: u64,
    /// Time of the last delivery.
    last_delivery: Instant,
    /// Number of deliveries and time at which the rate was last computed.
    rate_base: (u64, Instant),
    rate: String,
}

impl StallDetector {
    fn new(run: &Run, timeout: Duration) -> StallDetector {
        let (last, now) = (run.delivered(), Instant::now());
        StallDetector { timeout, last, last_delivery: now, rate_base: (last, now), rate: String::new() }
    }

    /// Returns whether too much time has passed without a delivery, while fewer than `expected` have arrived.
    fn is_stalled(&mut self, run: &Run, expected: u64) -> bool {
        let delivered = run.delivered();
        if delivered != self.last || delivered >= expected {
            (self.last, self.last_delivery) = (delivered, Instant::now());
        }
        self.last_delivery.elapsed() > self.timeout
    }

    fn error_text(&self) -> String {
        format!("nothing was delivered for {} s, but messages were in flight", self.timeout.as_secs_f64())
    }

    /// Returns the recent rate of deliveries per second, as text.
    fn rate(&mut self, run: &Run) -> String {
        let elapsed = self.rate_base.1.elapsed().as_secs_f64();
        if elapsed > 0.5 {
            let delivered = run.delivered();
            self.rate = format!("{} delivered/s", number((delivered - self.rate_base.0) as f64 / elapsed));
            self.rate_base = (delivered, Instant::now());
        }
        self.rate.clone()
    }
}

/// Wakes the publishers of an open loop from a thread of its own. The timers of the runtime have a resolution of one
/// millisecond, and the measured latency would include this delay.
struct Ticker(Option<(Arc<AtomicBool>, JoinHandle<()>)>);

impl Ticker {
    fn start(run: &Arc<Run>, pace: Pace) -> Ticker {
        let Pace::Rate(rate) = pace else { return Ticker(None) };
        let (stop, run) = (Arc::new(AtomicBool::new(false)), run.clone());
        let interval = TICK_MIN.max(Duration::from_secs(1) / rate.max(1));
        let stopped = stop.clone();
        let start = Instant::now();
        let thread = std::thread::spawn(move || {
            for tick in 1.. {
                let next = start + interval.saturating_mul(tick);
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
                if stopped.load(Relaxed) {
                    return;
                }
                run.tick.send_replace(());
            }
        });
        Ticker(Some((stop, thread)))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            stop.store(true, Relaxed);
            // The thread returns no result.
            let _ = thread.join();
        }
    }
}
