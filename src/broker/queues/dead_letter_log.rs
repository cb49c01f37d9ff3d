//! Log lines about dead letters. The log writes a report at most once per [`INTERVAL`]. A report has one line at level
//! WARN for each queue and reason. Each line has the number of messages since the last report.

use super::dead_letter::DeadLetterReason;
use crate::destination::Destination;
use crate::rejection::Limit;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Shortest time between two reports. The first report is written at once.
const INTERVAL: Duration = Duration::from_secs(10);
/// Maximum number of lines of a report that name a queue. Messages of further queues are counted together.
const QUEUES_MAX: usize = 16;

/// A counter of dead letters for the next report.
#[derive(Debug, Default)]
pub(crate) struct DeadLetterLog {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Number of messages by original queue and outcome. `None` stands for all queues that the report does not name.
    counts: BTreeMap<(Option<Arc<str>>, DeadLetterOutcome), u64>,
    /// No report is written before this time.
    quiet_until: Option<Instant>,
}

/// What happened to a message that could not stay in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DeadLetterOutcome {
    /// The message was moved to the dead letter queue.
    Moved(DeadLetterReason),
    /// The message was dropped, because its dead letter queue could not be created.
    Dropped {
        /// The limit that was reached, if there is one.
        limit: Option<Limit>,
    },
}

/// One line of a report.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    queue: Option<Arc<str>>,
    outcome: DeadLetterOutcome,
    messages: u64,
}

impl DeadLetterLog {
    /// Counts one message of the queue `origin`.
    pub(crate) fn add(&self, origin: &Destination, outcome: DeadLetterOutcome) {
        let counts = &mut self.state.lock().counts;
        let with_name = (Some(origin.text().clone()), outcome);
        let key = match counts.len() < QUEUES_MAX || counts.contains_key(&with_name) {
            true => with_name,
            false => (None, outcome),
        };
        *counts.entry(key).or_default() += 1;
    }

    /// Returns the time of the next report, or `None` if there is nothing to report.
    pub(crate) fn next(&self) -> Option<Instant> {
        let state = self.state.lock();
        state.quiet_until.filter(|_| !state.counts.is_empty())
    }

    /// Writes the report if one is due.
    pub(crate) fn write_due(&self, now: Instant) {
        write(self.take_due(now));
    }

    /// Returns the lines of the report if one is due, and starts the next report.
    fn take_due(&self, now: Instant) -> Vec<Line> {
        let mut state = self.state.lock();
        if state.counts.is_empty() || state.quiet_until.is_some_and(|until| now < until) {
            return Vec::new();
        }
        state.quiet_until = Some(now + INTERVAL);
        lines(&mut state)
    }
}

impl Drop for DeadLetterLog {
    /// Writes a last report, because the broker ends.
    fn drop(&mut self) {
        write(lines(self.state.get_mut()));
    }
}

fn lines(state: &mut State) -> Vec<Line> {
    let counts = std::mem::take(&mut state.counts).into_iter();
    counts.map(|((queue, outcome), messages)| Line { queue, outcome, messages }).collect()
}

fn write(report: Vec<Line>) {
    for Line { queue, outcome, messages } in report {
        let queue = queue.as_deref().unwrap_or("(other queues)");
        match outcome {
            DeadLetterOutcome::Moved(reason) => tracing::warn!(
                queue,
                messages,
                reason = reason.as_str(),
                "moved messages to the dead letter queue"
            ),
            DeadLetterOutcome::Dropped { limit } => {
                tracing::warn!(
                    queue,
                    messages,
                    limit = limit.map(Limit::option),
                    "dropped dead letters, because the limit does not allow their dead letter queue"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOVED: DeadLetterOutcome = DeadLetterOutcome::Moved(DeadLetterReason::MaxDeliveries);

    fn to(text: &str) -> Destination {
        Destination::parse(text, usize::MAX).expect(text)
    }

    fn report(log: &DeadLetterLog, now: Instant) -> Vec<(Option<String>, DeadLetterOutcome, u64)> {
        let lines = log.take_due(now).into_iter();
        lines.map(|line| (line.queue.map(|queue| queue.to_string()), line.outcome, line.messages)).collect()
    }

    #[test]
    fn dead_letters_are_reported_at_once_and_then_summed_up_for_ten_seconds() {
        let (log, start) = (DeadLetterLog::default(), Instant::now());
        assert_eq!((log.next(), report(&log, start)), (None, vec![]));
        log.add(&to("/queue/a"), MOVED);
        assert_eq!(report(&log, start), [(Some("/queue/a".into()), MOVED, 1)]);
        let other = DeadLetterOutcome::Moved(DeadLetterReason::Rejected);
        for _ in 0..1000 {
            log.add(&to("/queue/a"), MOVED);
            log.add(&to("/queue/a"), other);
            log.add(&to("/queue/b"), MOVED);
        }
        assert_eq!(report(&log, start + INTERVAL / 2), []);
        assert_eq!(log.next(), Some(start + INTERVAL));
        let a = Some("/queue/a".to_owned());
        let expected = [(a.clone(), MOVED, 1000), (a, other, 1000), (Some("/queue/b".into()), MOVED, 1000)];
        assert_eq!(report(&log, start + INTERVAL), expected);
        assert_eq!((log.next(), report(&log, start + 2 * INTERVAL)), (None, vec![]));
    }

    #[test]
    fn a_report_names_a_bounded_number_of_queues() {
        let (log, start) = (DeadLetterLog::default(), Instant::now());
        for number in 0..1000 {
            log.add(&to(&format!("/queue/{number:03}")), MOVED);
        }
        let report = report(&log, start);
        assert_eq!(report.len(), QUEUES_MAX + 1);
        assert_eq!(report[0], (None, MOVED, 1000 - QUEUES_MAX as u64));
    }
}
