//! The shapes `fan-out` and `queue`: publishers and subscribers, distributed over destinations.

use crate::bench::client::connect_all;
use crate::bench::coordinator::Coordinator;
use crate::bench::error::BenchError;
use crate::bench::link::ServerAddress;
use crate::bench::options::{Ack, Options, Shape};
use crate::bench::progress::ProgressDisplay;
use crate::bench::results::report::Report;
use crate::bench::run::Run;
use crate::bench::traffic::publisher::Publisher;
use crate::bench::traffic::receiver::{Ledger, MessageReceiver, SharedSequences};
use crate::bench::traffic::sequence::Sequence;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Runs the measurement and returns its report.
pub(in crate::bench) async fn run(
    options: &Options,
    target: &Arc<ServerAddress>,
    id: u32,
    progress: &mut ProgressDisplay<'_>,
) -> Result<Report, BenchError> {
    let (publishers, subscribers) = (options.publishers, options.subscribers);
    let connections = options.connections();
    let report = |count| {
        progress.show("connecting", count as f64 / connections as f64, &format!("{count} of {connections}"))
    };
    let mut links = connect_all(target, &options.login, connections, report).await?;

    let copies: Vec<_> = (0..publishers).map(|publisher| copies(options, publisher)).collect();
    let mut coordinator = Coordinator::new(options, Run::new(options, id, &copies), progress);
    let run = coordinator.run.clone();
    let ledgers = Ledgers::new(options);
    let ack = if options.shape == Shape::Queue { options.ack } else { Ack::Auto };
    for (index, link) in links.drain(..subscribers).enumerate() {
        coordinator.spawn(MessageReceiver::new(run.clone(), link, index, ledgers.of(index), ack).receive());
    }
    let is_queue = options.shape == Shape::Queue;
    for (index, link) in links.into_iter().enumerate() {
        let publisher = Publisher::new(run.clone(), link, index, options.pace, options.receipts);
        coordinator.spawn(publisher.publish(index < options.destinations && !is_queue));
    }
    coordinator.subscribed(subscribers, is_queue).await?;
    let expected = move |run: &Run| {
        run.sent.iter().zip(&copies).map(|(sent, copies)| sent.load(Relaxed) * *copies as u64).sum()
    };
    coordinator.measure(options, &expected).await;
    if ack != Ack::Auto && coordinator.end.is_none() {
        coordinator.close(subscribers).await;
    }
    let expected = expected(&run);
    Ok(Report::new(options, coordinator, expected))
}

/// Returns the number of deliveries that each message of the publisher causes.
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
    groups: Vec<SharedSequences>,
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
