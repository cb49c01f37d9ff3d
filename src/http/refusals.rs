//! One line about requests that were refused, but not one for each: any page can make a browser ask.

use super::origin::Refused;
use parking_lot::Mutex;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(1);

/// What was refused and when that was last told.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    told_at: Option<Instant>,
    untold: u64,
}

impl Refusals {
    /// Logs the refusal, unless another one was logged just before.
    pub(super) fn log(&self, refused: &Refused, address: IpAddr) {
        if let Some(untold) = self.state.lock().due(Instant::now()) {
            tracing::warn!(
                refused = refused.what,
                option = refused.option,
                %address,
                others = untold,
                "refused a request (403): if it should be answered, add it to the option"
            );
        }
    }
}

impl State {
    /// How many were not told since the last line, if it is time for another one.
    fn due(&mut self, now: Instant) -> Option<u64> {
        if self.told_at.is_some_and(|told_at| now < told_at + PAUSE) {
            self.untold += 1;
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_second_tells_of_all() {
        let mut state = State::default();
        let now = Instant::now();
        assert_eq!(state.due(now), Some(0));
        assert_eq!(state.due(now), None);
        assert_eq!(state.due(now + PAUSE / 2), None);
        assert_eq!(state.due(now + PAUSE), Some(2));
        assert_eq!(state.due(now + PAUSE * 3), Some(0));
    }
}
