//! The results as a table for human readers.

use super::number::number;
use super::report::{QUANTILES, Report, deliveries};
use crate::bench::end::End;
use crate::bench::options::{Options, Pace, Shape};
use hdrhistogram::Histogram;
use std::fmt::Write;

const BAR_WIDTH: usize = 40;

/// Formats all results of a measurement as text.
pub(in crate::bench) fn table(report: &Report) -> String {
    let options = &report.options;
    let mut text = format!("{} over {}\n{}\n", options.shape.name(), options.url, load(options));
    match &report.end {
        Some(End::Interrupted) => text.push_str("ended early: interrupted\n"),
        Some(End::Failed(error)) => text.push_str(&format!("ended early: {error}\n")),
        None => {}
    }
    text.push('\n');
    match report.idle {
        Some(_) => idle(report, &mut text),
        None => rates(report, &mut text),
    }
    faults(report, &mut text);
    latency(report, &mut text);
    text
}

/// Describes the load in a sentence.
fn load(options: &Options) -> String {
    let Options { publishers, subscribers, destinations, body_bytes, .. } = *options;
    let bodies = format!("bodies of {} bytes", number(body_bytes as f64));
    let pace = match options.pace {
        Pace::Window(window) => format!("closed loop with a window of {}", number(window as f64)),
        Pace::Rate(rate) => format!("open loop with {} messages/s", number(f64::from(rate))),
    };
    let receipts = if options.receipts { ", with receipts" } else { "" };
    let ack = options.ack.as_str();
    match options.shape {
        Shape::Idle => format!("{} with {bodies}", plural(subscribers, "connection")),
        Shape::PingPong => format!("{}, {bodies}", plural(subscribers, "pair")),
        Shape::FanOut => format!(
            "{}, {}, {}, {bodies}, {pace}{receipts}",
            plural(publishers, "publisher"),
            plural(subscribers, "subscriber"),
            plural(destinations, "destination")
        ),
        Shape::Queue => format!(
            "{}, {} (ack {ack}), {}, {bodies}, {pace}{receipts}",
            plural(publishers, "publisher"),
            plural(subscribers, "consumer"),
            plural(destinations, "queue")
        ),
    }
}

fn rates(report: &Report, text: &mut String) {
    let seconds =
        format!("{:.1} s after {:.1} s of warm-up", report.seconds, report.options.warmup.as_secs_f64());
    row(text, "measured", &seconds);
    row(text, "published", &format!("{} messages/s", number(report.rate(report.published))));
    let (rate, bytes) = (number(report.rate(report.stats.measured)), report.megabytes_per_second());
    row(text, deliveries(report.options.shape), &format!("{rate} /s, {bytes:.1} MB/s"));
    let (each, cores) = (report.cpu_microseconds(), report.cpu_cores());
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    row(text, "own CPU", &format!("{each:.2} us per delivery, {cores:.2} of {available} cores"));
}

fn idle(report: &Report, text: &mut String) {
    let Some(idle) = &report.idle else { return };
    row(
        text,
        "connected",
        &format!("{} /s, in {:.2} s", number(idle.connects_per_second()), idle.connect_seconds),
    );
    let times: Vec<_> = idle.broadcast_seconds.iter().map(|seconds| time(seconds * 1e6)).collect();
    row(text, "broadcasts", &format!("{} each to all", times.join(", ")));
    if let (Some((_, resident)), Some(each)) = (idle.resident_bytes, idle.bytes_per_connection()) {
        let (mebibytes, kibibytes) = (resident as f64 / f64::from(1 << 20), each / 1024.0);
        row(text, "broker", &format!("{mebibytes:.1} MiB resident, {kibibytes:.2} KiB per connection"));
    }
}

fn faults(report: &Report, text: &mut String) {
    let stats = &report.stats;
    let mut counts = format!(
        "{} lost, {} duplicated, {} reordered, {} corrupt",
        count(report.lost()),
        count(stats.duplicated),
        count(stats.reordered),
        count(stats.corrupt)
    );
    if report.options.receipts {
        write!(counts, ", {} receipts missing", count(report.unreceipted))
            .expect("writing to a String does not fail");
    }
    if stats.foreign > 0 {
        write!(counts, "; {} from other senders", count(stats.foreign))
            .expect("writing to a String does not fail");
    }
    row(text, "of all", &format!("{} deliveries: {counts}", count(report.expected)));
}

fn latency(report: &Report, text: &mut String) {
    let histogram = &report.stats.latency;
    if histogram.is_empty() {
        return;
    }
    let quantiles = QUANTILES.map(|(_, name, quantile)| format!("{name} {}", time(report.latency(quantile))));
    let max = time(histogram.max() as f64 / 1e3);
    row(text, "latency", &format!("{}, max {max}", quantiles.join(", ")));
    text.push('\n');
    text.push_str(&bars(histogram));
}

fn row(text: &mut String, name: &str, value: &str) {
    text.push_str(&format!("{name:<12}{value}\n"));
}

/// Formats a histogram with a line for each doubling of the latency (in nanoseconds), from the shortest to the longest.
fn bars(histogram: &Histogram<u64>) -> String {
    let doubling = |nanos: u64| (nanos as f64 / 1e3).log2().floor() as i32;
    let (first, last) = (doubling(histogram.min().max(1)), doubling(histogram.max().max(1)));
    let mut counts = vec![0; (last - first + 1) as usize];
    for step in histogram.iter_recorded() {
        let at = (doubling(step.value_iterated_to()) - first).clamp(0, last - first);
        counts[at as usize] += step.count_since_last_iteration();
    }
    let highest = counts.iter().copied().max().unwrap_or(0).max(1);
    let mut text = String::new();
    for (doubling, count) in (first..).zip(counts) {
        let width = (count * BAR_WIDTH as u64).div_ceil(highest) as usize;
        let share = 100.0 * count as f64 / histogram.len() as f64;
        let (from, to) = (time(f64::from(doubling).exp2()), time(f64::from(doubling + 1).exp2()));
        text.push_str(&format!("{from:>8} - {to:<8}|{:<BAR_WIDTH$}|{share:6.2} %\n", "#".repeat(width)));
    }
    text
}

/// Formats a time in microseconds, with a suitable unit.
fn time(microseconds: f64) -> String {
    let (value, unit) = match microseconds {
        us if us < 999.5 => (us, "us"),
        us if us < 999_500.0 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    };
    let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.digits$} {unit}")
}

fn plural(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", number(count as f64), if count == 1 { "" } else { "s" })
}

fn count(count: u64) -> String {
    number(count as f64)
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn table_shows_all_results() {
        let text = table(&report(Shape::FanOut));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let expected = format!(
            "fan-out over tcp://127.0.0.1:61613\n\
             1 publisher, 1 subscriber, 1 destination, bodies of 100 bytes, closed loop with a window of 64\n\n\
             measured    2.0 s after 1.0 s of warm-up\n\
             published   5 messages/s\n\
             delivered   5 /s, 0.0 MB/s\n\
             own CPU     100.00 us per delivery, 0.00 of {cores} cores\n\
             of all      10 deliveries: 0 lost, 0 duplicated, 0 reordered, 0 corrupt\n\
             latency     p50 500 us, p90 900 us, p99 1.00 ms, p99.9 1.00 ms, max 1.00 ms\n\n"
        );
        assert!(text.starts_with(&expected), "{text}");
    }

    #[test]
    fn histogram_has_a_bar_for_each_doubling() {
        let mut histogram = Histogram::new(3).expect("three digits");
        histogram.record_n(100_000, 6).expect("within the bounds");
        histogram.record_n(600_000, 3).expect("within the bounds");
        let bars = bars(&histogram);
        let lines: Vec<_> = bars.lines().collect();
        assert_eq!(lines.len(), 4, "{bars}");
        assert_eq!(lines[0], format!(" 64.0 us - 128 us  |{}| 66.67 %", "#".repeat(40)));
        assert_eq!(lines[1], format!("  128 us - 256 us  |{}|  0.00 %", " ".repeat(40)));
        assert_eq!(lines[3], format!("  512 us - 1.02 ms |{:<40}| 33.33 %", "#".repeat(20)));
    }

    #[test]
    fn times_are_formatted_readably() {
        for (value, text) in [
            (0.5, "0.50 us"),
            (9.999, "10.0 us"),
            (99.97, "100 us"),
            (999.7, "1.00 ms"),
            (12_345.0, "12.3 ms"),
            (999_600.0, "1.00 s"),
            (61e6, "61.0 s"),
        ] {
            assert_eq!(time(value), text);
        }
    }

    #[test]
    fn early_end_is_reported() {
        let mut report = report(Shape::PingPong);
        report.end = Some(End::Failed("the broker closed the connection".to_owned()));
        let text = table(&report);
        assert!(text.contains("\nended early: the broker closed the connection\n"), "{text}");
        assert!(text.contains("\nround trips 5 /s"), "{text}");
    }
}
