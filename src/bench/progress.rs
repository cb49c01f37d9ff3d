//! Progress display: a bar on a terminal, otherwise a line every few seconds.

use std::io::Write;
use std::time::{Duration, Instant};

const BAR_WIDTH: usize = 30;
const LINE_INTERVAL: Duration = Duration::from_secs(2);
const BAR_INTERVAL: Duration = Duration::from_millis(100);

/// Shows the progress of a measurement.
pub(super) struct Progress<'w> {
    to: &'w mut dyn Write,
    is_terminal: bool,
    shown_at: Option<Instant>,
}

impl<'w> Progress<'w> {
    pub(super) fn new(to: &'w mut dyn Write, is_terminal: bool) -> Progress<'w> {
        let shown_at = (!is_terminal).then(Instant::now);
        Progress { to, is_terminal, shown_at }
    }

    /// Shows that `fraction` of `what` is done, from 0 to 1. Ignores write errors, such as EPIPE.
    pub(super) fn show(&mut self, what: &str, fraction: f64, detail: &str) {
        let interval = if self.is_terminal { BAR_INTERVAL } else { LINE_INTERVAL };
        let now = Instant::now();
        if self.shown_at.is_some_and(|shown_at| now - shown_at < interval) {
            return;
        }
        self.shown_at = Some(now);
        let line = line(what, fraction, detail);
        let _ = match self.is_terminal {
            true => write!(self.to, "\r\x1b[K{}", line).and_then(|()| self.to.flush()),
            false => writeln!(self.to, "{what} {:3.0} %  {detail}", fraction * 100.0),
        };
    }

    /// Removes the bar.
    pub(super) fn clear(&mut self) {
        if self.is_terminal && self.shown_at.take().is_some() {
            let _ = write!(self.to, "\r\x1b[K").and_then(|()| self.to.flush());
        }
    }
}

fn line(what: &str, fraction: f64, detail: &str) -> String {
    let filled = (fraction.clamp(0.0, 1.0) * BAR_WIDTH as f64).round() as usize;
    format!("{what:<10} [{}{}] {detail}", "#".repeat(filled), "-".repeat(BAR_WIDTH - filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bar_length_is_proportional_to_the_fraction() {
        for (fraction, full) in [(-1.0, 0), (0.0, 0), (0.5, 15), (1.0, 30), (7.0, 30), (f64::NAN, 0)] {
            assert_eq!(line("x", fraction, "").matches('#').count(), full, "{fraction}");
        }
    }

    #[test]
    fn pipe_receives_few_whole_lines() {
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out, false);
        progress.show("connecting", 0.5, "phases that end soon are not shown");
        progress.shown_at = None;
        for _ in 0..100 {
            progress.show("measuring", 0.25, "12 msg/s");
        }
        progress.clear();
        assert_eq!(String::from_utf8_lossy(&out), "measuring  25 %  12 msg/s\n");
    }

    #[test]
    fn terminal_line_is_erased_at_the_end() {
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out, true);
        progress.show("measuring", 1.0, "12 msg/s");
        progress.clear();
        progress.clear();
        let expected = format!("\r\x1b[Kmeasuring  [{}] 12 msg/s\r\x1b[K", "#".repeat(30));
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}
