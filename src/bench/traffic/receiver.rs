//! A connection that subscribes to a destination and checks every message that it receives.

use super::sequence::{Arrival, Sequence};
use super::stamp::{PROBE, Stamp, StampError};
use crate::bench::client::{acknowledge, subscribe};
use crate::bench::error::BenchError;
use crate::bench::link::Link;
use crate::bench::options::Ack;
use crate::bench::results::delivery_stats::{DeliveryStats, Interval};
use crate::bench::run::{Run, RunPhase};
use parking_lot::Mutex;
use std::sync::Arc;
use stompbox_frames::stomp::Command;

/// Sequences that the competing consumers of a destination share, one for each publisher.
pub(in crate::bench) type SharedSequences = Arc<Mutex<Vec<Sequence>>>;

/// Records which messages have arrived, with a sequence for each publisher of the destination.
pub(in crate::bench) enum Ledger {
    /// This receiver gets all messages.
    Own(Vec<Sequence>),
    /// Each message arrives at one receiver of the group. The numbers that a single receiver gets must increase.
    Shared { group: SharedSequences, next: Vec<u64> },
}

impl Ledger {
    pub(in crate::bench) fn own(publishers: usize) -> Ledger {
        Ledger::Own((0..publishers).map(|_| Sequence::default()).collect())
    }

    pub(in crate::bench) fn shared(group: SharedSequences) -> Ledger {
        let publishers = group.lock().len();
        Ledger::Shared { group, next: vec![0; publishers] }
    }

    /// Records the arrival of a message. Returns `None` if the publisher belongs to another destination.
    pub(in crate::bench) fn arrive(&mut self, publisher: usize, number: u64) -> Option<Arrival> {
        match self {
            Ledger::Own(sequences) => Some(sequences.get_mut(publisher)?.arrive(number)),
            Ledger::Shared { group, next } => {
                let arrival = group.lock().get_mut(publisher)?.arrive(number);
                let next = next.get_mut(publisher)?;
                let is_late = number < *next;
                *next = (*next).max(number + 1);
                Some(match (arrival, is_late) {
                    (Arrival::Again, _) => Arrival::Again,
                    (_, true) => Arrival::Late,
                    (_, false) => Arrival::InOrder,
                })
            }
        }
    }
}

/// A subscriber or consumer.
pub(in crate::bench) struct MessageReceiver {
    run: Arc<Run>,
    link: Link,
    index: usize,
    ledger: Ledger,
    ack: Ack,
    is_ready: bool,
    unreported: Unreported,
}

/// First deliveries that are not reported to the publisher's window yet. All of them belong to one group of messages.
#[derive(Clone, Copy, Default)]
struct Unreported {
    publisher: usize,
    group: u64,
    count: u64,
}

impl MessageReceiver {
    /// Creates the receiver with number `index`, which also determines its destination.
    pub(in crate::bench) fn new(
        run: Arc<Run>,
        mut link: Link,
        index: usize,
        ledger: Ledger,
        ack: Ack,
    ) -> MessageReceiver {
        link.queue(&subscribe(&run.destination(index % run.destinations), ack));
        MessageReceiver { run, link, index, ledger, ack, is_ready: false, unreported: Unreported::default() }
    }

    /// Receives until the task is aborted. A receiver that acknowledges messages returns when all of them are
    /// acknowledged.
    pub(in crate::bench) async fn receive(mut self) -> Result<(), BenchError> {
        if self.ack == Ack::Auto {
            loop {
                self.link.progress().await?;
                self.process_input()?;
            }
        }
        let mut phase = self.run.phase.subscribe();
        loop {
            tokio::select! {
                result = self.link.progress() => result?,
                _ = phase.changed() => {}
            }
            self.process_input()?;
            if *phase.borrow() == RunPhase::Closing && self.link.is_flushed() {
                return Ok(());
            }
        }
    }

    /// Processes everything that has arrived.
    fn process_input(&mut self) -> Result<(), BenchError> {
        let run = self.run.clone();
        let (now, interval) = (run.now(), run.interval());
        let mut stats = run.stats(self.index);
        let mut last = None;
        while let Some(frame) = self.link.next()? {
            if frame.command != Command::Message {
                self.confirm();
                continue;
            }
            match run.stamper.read(&frame.body) {
                Ok(stamp) if stamp.publisher == PROBE => self.confirm(),
                Ok(stamp) => self.arrive(&stamp, &mut stats, now, interval),
                Err(StampError::Foreign) => stats.foreign += 1,
                Err(StampError::Corrupt) => stats.corrupt += 1,
            }
            match self.ack {
                Ack::Auto => {}
                Ack::Client => last = Some(frame),
                Ack::ClientIndividual => self.link.queue(&acknowledge(&frame)),
            }
        }
        drop(stats);
        if let Some(last) = last {
            self.link.queue(&acknowledge(&last));
        }
        self.notify_window();
        Ok(())
    }

    fn arrive(&mut self, stamp: &Stamp, stats: &mut DeliveryStats, now: u64, interval: Interval) {
        let (publisher, destinations) = (usize::from(stamp.publisher), self.run.destinations);
        let is_ours = publisher % destinations == self.index % destinations;
        let arrival = self.ledger.arrive(publisher / destinations, stamp.number).filter(|_| is_ours);
        match arrival {
            None => stats.corrupt += 1,
            Some(arrival) if stats.record(stamp, arrival, now, interval) => {
                self.count_for_window(stamp);
            }
            Some(_) => {}
        }
    }

    /// Counts a first delivery for the window of its publisher.
    fn count_for_window(&mut self, stamp: &Stamp) {
        let publisher = usize::from(stamp.publisher);
        let Some(window) = self.run.windows.get(publisher) else { return };
        let group = window.group_of(stamp.number);
        if (publisher, group) != (self.unreported.publisher, self.unreported.group) {
            self.notify_window();
            self.unreported = Unreported { publisher, group, count: 0 };
        }
        self.unreported.count += 1;
    }

    fn notify_window(&mut self) {
        let Unreported { publisher, group, count } = self.unreported;
        if count > 0 {
            self.run.windows[publisher].record_deliveries(group, count);
            self.unreported.count = 0;
        }
    }

    /// Records that the subscription is confirmed, by a receipt or a first message.
    fn confirm(&mut self) {
        if !std::mem::replace(&mut self.is_ready, true) {
            self.run.count_subscription();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn competing_consumers_share_arrivals_and_keep_their_own_order() {
        let group: SharedSequences = Arc::new(Mutex::new(vec![Sequence::default(), Sequence::default()]));
        let (mut one, mut two) = (Ledger::shared(group.clone()), Ledger::shared(group));
        assert_eq!(two.arrive(0, 1), Some(Arrival::InOrder));
        assert_eq!(
            one.arrive(0, 0),
            Some(Arrival::InOrder),
            "messages of another consumer do not count for the order"
        );
        assert_eq!(one.arrive(0, 1), Some(Arrival::Again), "two consumers received the message");
        assert_eq!(two.arrive(0, 3), Some(Arrival::InOrder));
        assert_eq!(two.arrive(0, 2), Some(Arrival::Late), "one consumer received the message out of order");
        assert_eq!(two.arrive(1, 0), Some(Arrival::InOrder));
        assert_eq!(two.arrive(2, 0), None, "publisher 2 does not send to this destination");
    }
}
