//! `stompbox bench`: a load generator that checks every delivery, for any STOMP broker.
//!
//! | shape | who does what |
//! |---|---|
//! | fan-out | publishers and subscribers share out topics |
//! | queue | publishers and competing consumers share out queues; each message is to arrive once |
//! | ping-pong | pairs of connections, one message under way in each |
//! | idle | many connections that wait; a few broadcasts |
//!
//! A `link` carries frames over any transport, sans-IO but for its sockets. A task per connection, publisher or
//! receiver, works on what one `run::Run` holds, the `conductor` leads them through the phases, and a
//! `report` says what came out. Memory is bounded: bodies are made as they are sent, what is under way is bounded by
//! the window or by what the sockets take, and gaps in a sequence are remembered up to a limit.

mod client;
mod coordinator;
mod delivery_stats;
mod error;
mod flow;
mod idle;
mod link;
mod options;
mod ping_pong;
mod process;
mod progress;
mod publisher;
mod receiver;
mod report;
mod run;
mod schedule;
mod sequence;
mod stamp;
mod table;
mod url;
mod window;

pub use options::{Ack, Json, Login, Options, Pace, Shape};
pub use stamp::BODY_BYTES_MIN;
pub use url::{Transport, Url};

use error::BenchError;
use link::Target;
use progress::Progress;
use report::Report;
use std::io::Write;
use std::sync::Arc;

/// What became of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was made, and every message arrived once, whole and in order.
    Fine,
    /// It could not be made; why was written to `errors`.
    NotRun,
    /// It was made, and something was lost, duplicated, reordered or corrupt, or the broker failed meanwhile.
    Faulty,
}

/// Measures; the result goes to `out`, how it goes on to `errors`.
pub fn run(options: &Options, out: &mut dyn Write, errors: &mut dyn Write) -> Outcome {
    let measured = options.check().map_err(BenchError::Other).and_then(|()| {
        let mut progress = Progress::new(errors, options.terminal);
        let measured = measure(options, &mut progress);
        progress.clear();
        measured
    });
    let written = measured.and_then(|report| {
        write(&report, out, errors)?;
        Ok(report)
    });
    match written {
        Ok(report) if report.is_fine() => Outcome::Fine,
        Ok(_) => Outcome::Faulty,
        Err(trouble) => {
            // Who has closed the other end does not want to know.
            let _ = writeln!(errors, "error: {trouble}");
            Outcome::NotRun
        }
    }
}

fn measure(options: &Options, progress: &mut Progress<'_>) -> Result<Report, BenchError> {
    process::allow_sockets(options.connections() * options.url.transport.sockets())?;
    let unusable = |error: &dyn std::fmt::Display| BenchError::Other(format!("this machine: {error}"));
    let runtime = runtime(options.shape).map_err(|error| unusable(&error))?;
    let id = getrandom::u32().map_err(|error| unusable(&error))?;
    let report = runtime.block_on(async {
        let target = Arc::new(Target::find(&options.url).await?);
        match options.shape {
            Shape::FanOut | Shape::Queue => flow::run(options, &target, id, progress).await,
            Shape::PingPong => ping_pong::run(options, &target, id, progress).await,
            Shape::Idle => idle::run(options, &target, id, progress).await,
        }
    });
    runtime.shutdown_background();
    report
}

/// Makes the runtime of the clients.
///
/// Both ends of a pair run on one thread: with several, each message would wake a thread that sleeps, which takes as
/// long as the broker does and would count as the broker's.
fn runtime(shape: Shape) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match shape {
        Shape::PingPong => tokio::runtime::Builder::new_current_thread(),
        Shape::FanOut | Shape::Queue | Shape::Idle => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}

/// Writes the table, and JSON where it is wanted.
fn write(report: &Report, out: &mut dyn Write, errors: &mut dyn Write) -> Result<(), BenchError> {
    let json = || format!("{}\n", report.to_json());
    let table = table::table(report);
    let (to_out, to_errors) = match report.options.json {
        Some(Json::Stdout) => (json(), table),
        _ => (table, String::new()),
    };
    // Who has closed the other end does not want to know.
    let _ = errors.write_all(to_errors.as_bytes()).and_then(|()| out.write_all(to_out.as_bytes()));
    let _ = out.flush();
    if let Some(Json::File(path)) = &report.options.json {
        let wrong = |error| BenchError::Other(format!("--json: cannot write {}: {error}", path.display()));
        std::fs::write(path, json()).map_err(wrong)?;
    }
    Ok(())
}
