//! The shapes `fan-out` and `queue`: publishers and subscribers, distributed over destinations.

use super::client::connect_all;
use super::coordinator::Coordinator;
use super::error::BenchError;
use super::link::ServerAddress;
use super::options::{Ack, Options, Shape};
use super::progress::Progress;
use super::publisher::Publisher;
use super::receiver::{Group, Ledger, Receiver};
use super::report::Report;
use super::run::Run;
use super::sequence::Sequence;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Runs the measurement.
pub(super) async fn run(
    options: &Options,
    target: &Arc<ServerAddress>,
    id: u32,
    progress: &mut Progress<'_>,
) -> Result<Report, BenchError> {
    let (publishers, subscribers) = (options.publishers, options.subscribers);
    let connections = options.connections();
    let tell = |count| {
        progress.show("connecting", count as f64 / connections as f64, &format!("{count} of {connections}"))
    };
    let mut links = connect_all(target, &options.login, connections, tell).await?;

    let copies: Vec<_> = (0..publishers).map(|publisher| copies(options, publisher)).collect();
    let mut conductor = Coordinator::new(options, Run::new(options, id, &copies), progress);
    let run = conductor.run.clone();
    let ledgers = Ledgers::new(options);
    let ack = if options.shape == Shape::Queue { options.ack } else { Ack::Auto };
    for (index, link) in links.drain(..subscribers).enumerate() {
        conductor.spawn(Receiver::new(run.clone(), link, index, ledgers.of(index), ack).receive());
    }
    let competes = options.shape == Shape::Queue;
    for (index, link) in links.into_iter().enumerate() {
        let publisher = Publisher::new(run.clone(), link, index, options.pace, options.receipts);
        conductor.spawn(publisher.publish(index < options.destinations && !competes));
    }
    conductor.subscribed(subscribers, competes).await?;
    let expected = move |run: &Run| {
        run.sent.iter().zip(&copies).map(|(sent, copies)| sent.load(Relaxed) * *copies as u64).sum()
    };
    conductor.measure(options, &expected).await;
    if ack != Ack::Auto && conductor.end.is_none() {
        conductor.close(subscribers).await;
    }
    let expected = expected(&run);
    Ok(Report::new(options, conductor, expected))
}

/// Returns the number of deliveries of each message of a publisher.
fn copies(options: &Options, publisher: usize) -> usize {
    let destination = publisher % options.destinations;
    match options.shape {
        Shape::Queue => 1,
        _ => (options.subscribers - destination).div_ceil(options.destinations),
    }
}

/// Creates the ledgers of the receivers.
struct Ledgers {
    destinations: usize,
    publishers: usize,
    groups: Vec<Group>,
}

impl Ledgers {
    fn new(options: &Options) -> Ledgers {
        let Options { destinations, publishers, .. } = *options;
        let group = |destination| {
            let sequences =
                (0..Ledgers::publishers(publishers, destinations, destination)).map(|_| Sequence::default());
            Arc::new(Mutex::new(sequences.collect::<Vec<_>>()))
        };
        let groups = if options.shape == Shape::Queue { destinations } else { 0 };
        Ledgers { destinations, publishers, groups: (0..groups).map(group).collect() }
    }

    fn publishers(publishers: usize, destinations: usize, destination: usize) -> usize {
        (publishers - destination).div_ceil(destinations)
    }

    fn of(&self, receiver: usize) -> Ledger {
        let destination = receiver % self.destinations;
        match self.groups.get(destination) {
            Some(group) => Ledger::shared(group.clone()),
            None => Ledger::own(Ledgers::publishers(self.publishers, self.destinations, destination)),
        }
    }
}
