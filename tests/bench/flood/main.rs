//! Measures round trips of two clients while other clients flood the broker with frames.
//!
//! `cargo bench --bench flood` builds the broker and prints one line for each run. `web/docs/performance.md` explains
//! the columns. `cargo bench --bench flood -- --help` lists the options. Linux only, because CPU time comes from
//! `/proc`.

#![allow(missing_docs, unreachable_pub)]

mod broker;
mod flooder;
mod flooding;
mod options;
mod pair;
mod scripts;

use broker::Broker;
use flooder::Flooder;
use flooding::Flooding;
use options::{Options, Setting};
use pair::{Pair, Trips};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Time after the beginning of the flood in which round trips are not counted.
const WARM_UP: Duration = Duration::from_millis(300);

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os()) {
        Ok(options) => options,
        Err(error) => {
            // An error means that stdout is closed.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flood: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures every combination of the options. Stops without an error when stdout is closed.
fn run(options: &Options) -> Result<()> {
    let mut table = Table::open(options)?;
    let mut has_reader = table.print(&head())?;
    for setting in options.settings() {
        let (mut p99_max, mut stop_max) = (Duration::ZERO, Duration::ZERO);
        for run in 1..=options.runs {
            if !has_reader {
                return Ok(());
            }
            let context = |error| format!("{setting}, run {run}: {error}");
            let measured = measure(options, setting, false).map_err(context)?;
            let control =
                if options.control { Some(measure(options, setting, true).map_err(context)?) } else { None };
            p99_max = p99_max.max(measured.trips.time(0.99));
            stop_max = stop_max.max(measured.stop);
            has_reader = table.print(&line(options, setting, run, &measured, control.as_ref()))?;
        }
        if options.runs > 1 && has_reader {
            let worst = format!("p99 {:.3} ms, SIGTERM {:.2} s", millis(p99_max), stop_max.as_secs_f64());
            let (label, runs) = (&options.label, options.runs);
            has_reader = table.print(&format!("{label:<9} {setting}     worst of {runs}: {worst}"))?;
        }
    }
    Ok(())
}

// ---- one measurement ----

struct Measured {
    trips: Trips,
    frames_per_second: f64,
    bytes_per_second: f64,
    /// Time from SIGTERM until the flooded broker has ended.
    stop: Duration,
}

/// Starts a broker, connects the pair to it, floods it, measures, and stops it. If `is_control` is true, floods a
/// second broker instead.
fn measure(options: &Options, setting: Setting, is_control: bool) -> Result<Measured> {
    let mut broker = Broker::start(&options.broker, &options.broker_options)?;
    let mut other =
        if is_control { Some(Broker::start(&options.broker, &options.broker_options)?) } else { None };
    let mut pair = Pair::connect(&broker)?;
    let target = other.as_ref().unwrap_or(&broker);
    let clients = (0..setting.flooders)
        .map(|number| Flooder::connect(target, setting.transport, setting.flood, number))
        .collect::<Result<_>>()?;
    let flooding = Flooding::start(clients)?;
    pair.measure(WARM_UP, broker.id())?;
    let before = flooding.total();
    let trips = pair.measure(options.time, broker.id())?;
    let total = flooding.total();
    if total.disconnected > 0 {
        eprintln!(
            "flood: {setting}: the broker closed {} of {} flooders",
            total.disconnected, setting.flooders
        );
    }
    drop(pair);
    flooding.expect_stop();
    let stop = match &mut other {
        Some(other) => other.terminate()?,
        None => broker.terminate()?,
    };
    flooding.stop()?;
    let seconds = trips.measured.as_secs_f64();
    let rate = |before: u64, after: u64| (after - before) as f64 / seconds;
    let frames_per_second = rate(before.frames, total.frames);
    let bytes_per_second = rate(before.bytes, total.bytes);
    Ok(Measured { trips, frames_per_second, bytes_per_second, stop })
}

// ---- the table ----

/// The output: stdout, and the file of `--out`.
struct Table {
    out: Option<File>,
}

impl Table {
    fn open(options: &Options) -> Result<Table> {
        let open = |path: &std::path::PathBuf| {
            let file = File::options().create(true).append(true).open(path);
            file.map_err(|error| format!("--out {}: {error}", path.display()))
        };
        Ok(Table { out: options.out.as_ref().map(open).transpose()? })
    }

    /// Prints a line. Returns whether stdout is still open.
    fn print(&mut self, line: &str) -> Result<bool> {
        if let Some(out) = &mut self.out {
            writeln!(out, "{line}").map_err(|error| format!("--out: {error}"))?;
        }
        match writeln!(std::io::stdout(), "{line}") {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(format!("stdout: {error}").into()),
        }
    }
}

fn head() -> String {
    format!(
        "{:<9} {:<9} {:<6} {:>3} {:>3} | {:>9} {:>9} {:>9} {:>6} {:>9} | {:>9} {:>9} | {:>11} {:>9} | {:>6}",
        "label",
        "flood",
        "wire",
        "n",
        "run",
        "p50 ms",
        "p99 ms",
        "max ms",
        "trips",
        "cpu99 ms",
        "ctl50 ms",
        "ctl99 ms",
        "frames/s",
        "kB/s",
        "TERM s"
    )
}

fn line(
    options: &Options,
    setting: Setting,
    run: usize,
    measured: &Measured,
    control: Option<&Measured>,
) -> String {
    let trips = &measured.trips;
    let control = |q| control.map_or("-".into(), |control| format!("{:.3}", millis(control.trips.time(q))));
    format!(
        "{:<9} {setting} {run:>3} | {:>9.3} {:>9.3} {:>9.3} {:>6} {:>9.3} | {:>9} {:>9} | {:>11.0} {:>9.0} | {:>6.2}",
        options.label,
        millis(trips.time(0.5)),
        millis(trips.time(0.99)),
        millis(trips.time(1.0)),
        trips.count(),
        millis(trips.cpu(0.99)),
        control(0.5),
        control(0.99),
        measured.frames_per_second,
        measured.bytes_per_second / 1e3,
        measured.stop.as_secs_f64()
    )
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
