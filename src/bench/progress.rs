//! Progress display: a bar on a terminal, otherwise a line every few seconds.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::Write;
use std::time::{Duration, Instant};

const LINE_INTERVAL: Duration = Duration::from_secs(2);
/// Maximum number of times per second that the bar is drawn.
const BAR_RATE: u8 = 10;
/// Length of the bar in steps. Each character shows several steps.
const STEPS: u64 = 3000;
const TEMPLATE: &str = "{prefix:10} [{bar:30}] {msg}";

/// Shows the progress of a measurement.
pub(super) struct ProgressDisplay<'w> {
    lines_to: &'w mut dyn Write,
    shown_at: Instant,
    /// The bar. `None` means that lines are written.
    bar: Option<ProgressBar>,
}

impl<'w> ProgressDisplay<'w> {
    /// Shows a bar on standard error if `is_terminal`. Otherwise writes lines to `lines_to`.
    pub(super) fn new(lines_to: &'w mut dyn Write, is_terminal: bool) -> ProgressDisplay<'w> {
        let target = is_terminal.then(|| ProgressDrawTarget::stderr_with_hz(BAR_RATE));
        ProgressDisplay::with_target(lines_to, target)
    }

    fn with_target(lines_to: &'w mut dyn Write, target: Option<ProgressDrawTarget>) -> ProgressDisplay<'w> {
        let style = || ProgressStyle::with_template(TEMPLATE).expect("a valid template").progress_chars("#-");
        let bar = |target| ProgressBar::with_draw_target(Some(STEPS), target).with_style(style());
        ProgressDisplay { lines_to, shown_at: Instant::now(), bar: target.map(bar) }
    }

    /// Shows that `fraction` of `what` is done, from 0 to 1. Ignores write errors, such as EPIPE.
    pub(super) fn show(&mut self, what: &str, fraction: f64, detail: &str) {
        if let Some(bar) = &self.bar {
            bar.set_prefix(what.to_owned());
            bar.set_message(detail.to_owned());
            bar.set_position((fraction.clamp(0.0, 1.0) * STEPS as f64) as u64);
        } else if self.shown_at.elapsed() >= LINE_INTERVAL {
            self.shown_at = Instant::now();
            let _ = writeln!(self.lines_to, "{what} {:3.0} %  {detail}", fraction * 100.0);
        }
    }

    /// Removes the bar from the terminal.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::InMemoryTerm;

    /// Returns what a terminal shows after each of these steps.
    fn shown(steps: impl FnOnce(&mut ProgressDisplay<'_>, &mut dyn FnMut())) -> Vec<String> {
        let (terminal, mut shown, mut lines) = (InMemoryTerm::new(5, 80), Vec::new(), Vec::new());
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let mut progress = ProgressDisplay::with_target(&mut lines, Some(target));
        steps(&mut progress, &mut || shown.push(terminal.contents()));
        assert!(lines.is_empty(), "a terminal gets no lines");
        shown
    }

    #[test]
    fn bar_length_is_proportional_to_the_fraction() {
        for (fraction, full) in [(-1.0, 0), (0.0, 0), (0.5, 15), (1.0, 30), (7.0, 30), (f64::NAN, 0)] {
            let shown = shown(|progress, look| {
                progress.show("x", fraction, "");
                look();
            });
            assert_eq!(shown[0].matches('#').count(), full, "{fraction}");
        }
    }

    #[test]
    fn pipe_receives_few_whole_lines() {
        let mut out = Vec::new();
        let mut progress = ProgressDisplay::new(&mut out, false);
        progress.show("connecting", 0.5, "phases that end soon are not shown");
        progress.shown_at -= LINE_INTERVAL;
        for _ in 0..100 {
            progress.show("measuring", 0.25, "12 msg/s");
        }
        progress.clear();
        assert_eq!(String::from_utf8_lossy(&out), "measuring  25 %  12 msg/s\n");
    }

    #[test]
    fn terminal_line_is_erased_at_the_end() {
        let shown = shown(|progress, look| {
            progress.show("measuring", 1.0, "12 msg/s");
            look();
            progress.clear();
            look();
            progress.clear();
            look();
        });
        assert_eq!(shown, [&format!("measuring  [{}] 12 msg/s", "#".repeat(30)), "", ""]);
    }
}
