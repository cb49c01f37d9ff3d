//! The shape `ping-pong`: pairs of connections with one message in flight. One end of a pair returns each message that
//! the other end sends.

use crate::bench::client::{connect_all, send_head, subscribe};
use crate::bench::coordinator::Coordinator;
use crate::bench::error::BenchError;
use crate::bench::link::{Link, ServerAddress};
use crate::bench::options::{Ack, Options, Pace};
use crate::bench::progress::ProgressDisplay;
use crate::bench::results::report::Report;
use crate::bench::run::{Run, RunPhase};
use crate::bench::traffic::sequence::Sequence;
use crate::bench::traffic::stamp::{Stamp, StampError};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use stompbox_frames::stomp::{Command, Frame};

/// Runs the measurement and returns its report.
pub(in crate::bench) async fn run(
    options: &Options,
    target: &Arc<ServerAddress>,
    id: u32,
    progress: &mut ProgressDisplay<'_>,
) -> Result<Report, BenchError> {
    let pairs = options.subscribers;
    let connections = options.connections();
    let report = |count| {
        progress.show("connecting", count as f64 / connections as f64, &format!("{count} of {connections}"))
    };
    let mut links = connect_all(target, &options.login, connections, report).await?;
    let options = &Options { pace: Pace::Window(1), ..options.clone() };
    let mut coordinator = Coordinator::new(options, Run::new(options, id, &vec![1; pairs]), progress);
    let run = coordinator.run.clone();
    for (index, link) in links.drain(..pairs).enumerate() {
        coordinator.spawn(Echo::new(&run, link, index).return_messages());
    }
    for (index, link) in links.into_iter().enumerate() {
        coordinator.spawn(Pinger::new(&run, link, index).ping());
    }
    coordinator.subscribed(connections, true).await?;
    coordinator.measure(options, Run::sent).await;
    let expected = run.sent();
    Ok(Report::new(options, coordinator, expected))
}

/// One end of a pair: subscribes to one destination and sends to another.
struct PairEnd {
    run: Arc<Run>,
    link: Link,
    index: usize,
    head: Vec<u8>,
    is_ready: bool,
}

impl PairEnd {
    /// Creates an end of a pair. Destination 2n takes the pings of pair n. Destination 2n + 1 takes its pongs.
    fn new(
        run: &Arc<Run>,
        mut link: Link,
        index: usize,
        receive_offset: usize,
        send_offset: usize,
    ) -> PairEnd {
        link.queue(&subscribe(&run.destination(2 * index + receive_offset), Ack::Auto));
        let head = send_head(&run.destination(2 * index + send_offset), run.stamper.bytes());
        PairEnd { run: run.clone(), link, index, head, is_ready: false }
    }

    fn send(&mut self, body: &[u8]) {
        let frame = [&self.head[..], b"\n", body, b"\0"].concat();
        self.link.queue(&frame);
    }

    /// Returns the next message that has arrived.
    fn next(&mut self) -> Result<Option<Frame>, BenchError> {
        while let Some(frame) = self.link.next()? {
            if frame.command == Command::Message {
                return Ok(Some(frame));
            }
            if !std::mem::replace(&mut self.is_ready, true) {
                self.run.count_subscription();
            }
        }
        Ok(None)
    }
}

/// The end that returns messages.
struct Echo(PairEnd);

impl Echo {
    fn new(run: &Arc<Run>, link: Link, index: usize) -> Echo {
        Echo(PairEnd::new(run, link, index, 0, 1))
    }

    async fn return_messages(mut self) -> Result<(), BenchError> {
        loop {
            self.0.link.progress().await?;
            while let Some(frame) = self.0.next()? {
                self.0.send(&frame.body);
            }
        }
    }
}

/// The end that sends messages and records those that return.
struct Pinger {
    end: PairEnd,
    sequence: Sequence,
    next: u64,
}

impl Pinger {
    fn new(run: &Arc<Run>, link: Link, index: usize) -> Pinger {
        Pinger { end: PairEnd::new(run, link, index, 1, 0), sequence: Sequence::default(), next: 0 }
    }

    async fn ping(mut self) -> Result<(), BenchError> {
        let run = self.end.run.clone();
        let mut phase = run.phase.subscribe();
        loop {
            let is_running = matches!(*phase.borrow_and_update(), RunPhase::Running(_));
            if is_running && run.windows[self.end.index].try_take(self.next) {
                self.send_next();
            }
            tokio::select! {
                result = self.end.link.progress() => result?,
                _ = phase.changed() => {}
            }
            while let Some(frame) = self.end.next()? {
                self.receive(&frame);
            }
        }
    }

    fn send_next(&mut self) {
        let run = self.end.run.clone();
        let (now, (from, until)) = (run.now(), run.interval());
        let mut body = Vec::new();
        let stamp = Stamp { publisher: self.end.index as u16, number: self.next, due: now };
        run.stamper.write(&stamp, &mut body);
        self.end.send(&body);
        self.next += 1;
        run.sent[self.end.index].store(self.next, Relaxed);
        run.sent_measured.fetch_add(u64::from(from <= now && now < until), Relaxed);
    }

    fn receive(&mut self, frame: &Frame) {
        let (run, index) = (&self.end.run, self.end.index);
        let mut stats = run.stats(index);
        match run.stamper.read(&frame.body) {
            Ok(stamp) if usize::from(stamp.publisher) == index => {
                let arrival = self.sequence.arrive(stamp.number);
                if stats.record(&stamp, arrival, run.now(), run.interval()) {
                    run.windows[index].record_deliveries(stamp.number, 1);
                }
            }
            Ok(_) | Err(StampError::Corrupt) => stats.corrupt += 1,
            Err(StampError::Foreign) => stats.foreign += 1,
        }
    }
}
