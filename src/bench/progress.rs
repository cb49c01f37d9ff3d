//! What is shown while it runs: a bar on a terminal, a line now and then elsewhere.

use std::io::Write;
use std::time::{Duration, Instant};

const BAR_WIDTH: usize = 30;
const LINE_EVERY: Duration = Duration::from_secs(2);
const BAR_EVERY: Duration = Duration::from_millis(100);

/// Shows how far a measurement is.
pub(super) struct Progress<'w> {
    to: &'w mut dyn Write,
    is_terminal: bool,
    shown: Option<Instant>,
}

impl<'w> Progress<'w> {
    pub(super) fn new(to: &'w mut dyn Write, is_terminal: bool) -> Progress<'w> {
        let shown = (!is_terminal).then(Instant::now);
        Progress { to, is_terminal, shown }
    }

    /// `fraction` of `what` is done, from 0 to 1. Who has closed the other end does not want to know.
    pub(super) fn show(&mut self, what: &str, fraction: f64, detail: &str) {
        let every = if self.is_terminal { BAR_EVERY } else { LINE_EVERY };
        let now = Instant::now();
        if self.shown.is_some_and(|shown| now - shown < every) {
            return;
        }
        self.shown = Some(now);
        let line = line(what, fraction, detail);
        let _ = match self.is_terminal {
            true => write!(self.to, "\r\x1b[K{}", line).and_then(|()| self.to.flush()),
            false => writeln!(self.to, "{what} {:3.0} %  {detail}", fraction * 100.0),
        };
    }

    /// Takes the bar away.
    pub(super) fn clear(&mut self) {
        if self.is_terminal && self.shown.take().is_some() {
            let _ = write!(self.to, "\r\x1b[K").and_then(|()| self.to.flush());
        }
    }
}

fn line(what: &str, fraction: f64, detail: &str) -> String {
    let full = (fraction.clamp(0.0, 1.0) * BAR_WIDTH as f64).round() as usize;
    format!("{what:<10} [{}{}] {detail}", "#".repeat(full), "-".repeat(BAR_WIDTH - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_it_should_be() {
        for (fraction, full) in [(-1.0, 0), (0.0, 0), (0.5, 15), (1.0, 30), (7.0, 30), (f64::NAN, 0)] {
            assert_eq!(line("x", fraction, "").matches('#').count(), full, "{fraction}");
        }
    }

    #[test]
    fn a_pipe_gets_whole_lines_and_not_many() {
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out, false);
        progress.show("connecting", 0.5, "what is over soon is not told");
        progress.shown = None;
        for _ in 0..100 {
            progress.show("measuring", 0.25, "12 msg/s");
        }
        progress.clear();
        assert_eq!(String::from_utf8_lossy(&out), "measuring  25 %  12 msg/s\n");
    }

    #[test]
    fn a_terminal_gets_a_line_that_is_taken_away() {
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out, true);
        progress.show("measuring", 1.0, "12 msg/s");
        progress.clear();
        progress.clear();
        let expected = format!("\r\x1b[Kmeasuring  [{}] 12 msg/s\r\x1b[K", "#".repeat(30));
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}
