//! The shape `idle`: many connections that subscribe to the same destination and receive little. Measures the broker's
//! memory for these connections, and the time in which one message reaches all of them.

use crate::bench::client::{connect, connect_all};
use crate::bench::coordinator::Coordinator;
use crate::bench::error::BenchError;
use crate::bench::link::ServerAddress;
use crate::bench::options::{Ack, Options, Pace};
use crate::bench::process::resident_bytes;
use crate::bench::progress::ProgressDisplay;
use crate::bench::results::report::{Idle, Report};
use crate::bench::run::{Run, RunPhase};
use crate::bench::traffic::publisher::Publisher;
use crate::bench::traffic::receiver::{Ledger, MessageReceiver};
use parking_lot::Mutex;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Number of broadcasts, one after the other.
const BROADCASTS: usize = 5;

/// Runs the measurement and returns its report.
pub(in crate::bench) async fn run(
    options: &Options,
    target: &Arc<ServerAddress>,
    id: u32,
    progress: &mut ProgressDisplay<'_>,
) -> Result<Report, BenchError> {
    let count = options.subscribers;
    let options = &Options { publishers: 1, destinations: 1, pace: Pace::Window(1), ..options.clone() };
    // The first connection warms up the broker and is not measured.
    let sender = connect(target, &options.login).await?;
    let resident = || options.pid.map(resident_bytes).transpose();
    let before = resident()?;
    let started = Instant::now();
    let report =
        |opened| progress.show("connecting", opened as f64 / count as f64, &format!("{opened} of {count}"));
    let links = connect_all(target, &options.login, count, report).await?;
    let connect_seconds = started.elapsed().as_secs_f64();

    let mut coordinator = Coordinator::new(options, Run::new(options, id, &[count]), progress);
    let run = coordinator.run.clone();
    for (index, link) in links.into_iter().enumerate() {
        coordinator
            .spawn(MessageReceiver::new(run.clone(), link, index, Ledger::own(1), Ack::Auto).receive());
    }
    let publisher = Publisher::new(run.clone(), sender, 0, Pace::Window(1), false);
    let times = Arc::new(Mutex::new(Vec::new()));
    coordinator.spawn(publisher.broadcast(BROADCASTS, times.clone()));
    coordinator.subscribed(count, false).await?;
    stay_idle(&mut coordinator, options.time).await;
    let after = resident()?;
    let broadcast_seconds = broadcast(&mut coordinator, &times).await;
    let expected = run.sent() * count as u64;
    let mut report = Report::new(options, coordinator, expected);
    let resident_bytes = before.zip(after);
    report.idle = Some(Idle { connections: count, connect_seconds, broadcast_seconds, resident_bytes });
    Ok(report)
}

/// Leaves the connections idle for this time.
async fn stay_idle(coordinator: &mut Coordinator<'_, '_>, time: Duration) {
    let started = Instant::now();
    coordinator
        .wait(started + time, |progress, _| {
            let fraction = started.elapsed().as_secs_f64() / time.as_secs_f64().max(1e-9);
            progress.show("idle", fraction, "");
            ControlFlow::Continue(())
        })
        .await;
}

/// Sends the broadcasts, and returns the time that each of them took, in seconds.
async fn broadcast(coordinator: &mut Coordinator<'_, '_>, times: &Mutex<Vec<f64>>) -> Vec<f64> {
    if coordinator.end.is_none() {
        let run = coordinator.run.clone();
        run.set_interval((run.now(), u64::MAX));
        run.phase.send_replace(RunPhase::Running(run.now()));
        coordinator.settle("broadcasting", |_| times.lock().len() as f64 / BROADCASTS as f64).await;
    }
    times.lock().clone()
}
