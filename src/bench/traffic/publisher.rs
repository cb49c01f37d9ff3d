//! A connection that publishes as fast as its window or its schedule allows.

use super::schedule::Schedule;
use super::stamp::{PROBE, Stamp};
use crate::bench::client::send_head;
use crate::bench::error::BenchError;
use crate::bench::link::Link;
use crate::bench::options::Pace;
use crate::bench::run::{Run, RunPhase};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use stompbox_frames::stomp::Command;
use tokio::time::timeout;

/// Interval between probes while subscriptions are not confirmed yet.
const PROBE_INTERVAL: Duration = Duration::from_millis(100);

/// A connection that publishes.
pub(in crate::bench) struct Publisher {
    run: Arc<Run>,
    link: Link,
    index: usize,
    pace: Pace,
    wants_receipts: bool,
    head: Vec<u8>,
    frame: Vec<u8>,
    next: u64,
    receipts: u64,
}

impl Publisher {
    pub(in crate::bench) fn new(
        run: Arc<Run>,
        link: Link,
        index: usize,
        pace: Pace,
        wants_receipts: bool,
    ) -> Publisher {
        let destination = run.destination(index % run.destinations);
        let head = send_head(&destination, run.stamper.bytes());
        Publisher { run, link, index, pace, wants_receipts, head, frame: Vec::new(), next: 0, receipts: 0 }
    }

    /// Publishes until the task is aborted. If `probes`, first sends probes until the measurement starts.
    pub(in crate::bench) async fn publish(mut self, probes: bool) -> Result<(), BenchError> {
        let start = self.prepare(probes).await?;
        let (run, index) = (self.run.clone(), self.index);
        let schedule = match self.pace {
            Pace::Rate(rate) => Some(Schedule::new(start, rate, index, run.sent.len())),
            Pace::Window(_) => None,
        };
        let (mut phase, mut tick) = (run.phase.subscribe(), run.tick.subscribe());
        loop {
            if matches!(*phase.borrow_and_update(), RunPhase::Running(_)) {
                self.send_due(schedule.as_ref());
            }
            let may_send = async {
                match run.windows.get(index) {
                    Some(window) => window.freed().await,
                    // The sender of `tick` is part of `run`, so this task keeps it alive.
                    None => drop(tick.changed().await),
                }
            };
            tokio::select! {
                result = self.link.progress() => result?,
                () = may_send => {}
                _ = phase.changed() => {}
            }
            self.take_receipts()?;
        }
    }

    /// Publishes `rounds` messages, each after the previous message has reached all receivers. Appends the seconds that
    /// each message took to `times`.
    pub(in crate::bench) async fn broadcast(
        mut self,
        rounds: usize,
        times: Arc<Mutex<Vec<f64>>>,
    ) -> Result<(), BenchError> {
        self.prepare(true).await?;
        let run = self.run.clone();
        for _ in 0..rounds {
            self.send_due(None);
            let sent = run.now();
            let freed = run.windows[self.index].freed();
            tokio::pin!(freed);
            loop {
                tokio::select! {
                    result = self.link.progress() => result?,
                    () = &mut freed => break,
                }
                self.take_receipts()?;
            }
            times.lock().push((run.now() - sent) as f64 / 1e9);
        }
        loop {
            self.link.progress().await?;
            self.take_receipts()?;
        }
    }

    /// Waits for the start, and returns its time in nanoseconds since the run began.
    async fn prepare(&mut self, probes: bool) -> Result<u64, BenchError> {
        let mut phase = self.run.phase.subscribe();
        loop {
            if let RunPhase::Running(start) = *phase.borrow_and_update() {
                return Ok(start);
            }
            if probes && self.link.is_flushed() {
                self.queue_message(&Stamp { publisher: PROBE, number: 0, due: self.run.now() }, None);
            }
            let changed = async {
                loop {
                    tokio::select! {
                        result = self.link.progress() => result?,
                        _ = phase.changed() => return Ok::<_, BenchError>(()),
                    }
                }
            };
            if let Ok(changed) = timeout(PROBE_INTERVAL, changed).await {
                changed?;
            }
        }
    }

    /// Queues the messages that may be sent now.
    fn send_due(&mut self, schedule: Option<&Schedule>) {
        let run = self.run.clone();
        let (from, until) = run.interval();
        while self.link.has_room() {
            let now = run.now();
            let due = match (schedule, self.pace) {
                (Some(schedule), _) => Some(schedule.due(self.next)).filter(|due| *due <= now),
                (None, Pace::Window(window)) if self.is_receipted(window) => {
                    run.windows[self.index].try_take(self.next).then_some(now)
                }
                (None, _) => None,
            };
            let Some(due) = due else { return };
            let stamp = Stamp { publisher: self.index as u16, number: self.next, due };
            self.queue_message(&stamp, self.wants_receipts.then_some(self.next));
            self.next += 1;
            run.sent[self.index].store(self.next, Relaxed);
            run.sent_measured.fetch_add(u64::from(from <= now && now < until), Relaxed);
            run.unreceipted.fetch_add(u64::from(self.wants_receipts), Relaxed);
        }
    }

    /// Returns whether the window allows another message without a receipt.
    fn is_receipted(&self, window: usize) -> bool {
        !self.wants_receipts || self.next - self.receipts < window as u64
    }

    fn queue_message(&mut self, stamp: &Stamp, receipt: Option<u64>) {
        self.frame.clear();
        self.frame.extend_from_slice(&self.head);
        if let Some(receipt) = receipt {
            self.frame.extend_from_slice(format!("receipt:{receipt}\n").as_bytes());
        }
        self.frame.push(b'\n');
        self.run.stamper.write(stamp, &mut self.frame);
        self.frame.push(0);
        self.link.queue(&self.frame);
    }

    fn take_receipts(&mut self) -> Result<(), BenchError> {
        while let Some(frame) = self.link.next()? {
            if frame.command == Command::Receipt {
                self.receipts += 1;
                self.run.unreceipted.fetch_sub(1, Relaxed);
            }
        }
        Ok(())
    }
}
