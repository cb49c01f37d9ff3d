//! `stompbox bench`: a load generator for any STOMP broker that checks every delivery.
//!
//! | shape | load |
//! |---|---|
//! | fan-out | publishers and subscribers, distributed over topics |
//! | queue | publishers and competing consumers, distributed over queues. Each message must arrive once |
//! | ping-pong | pairs of connections, each with one message in flight |
//! | idle | many idle connections, and a few broadcasts |
//!
//! A `link` carries frames over any transport. All of its code except for the sockets is sans-IO. Each connection
//! (publisher or receiver) has a task. The tasks share a `run::Run`. The `coordinator` leads them through the phases of
//! the measurement. A `results::report` contains the results.
//!
//! Memory is bounded. Publishers create bodies when they send them. The window or the socket buffers limit the messages
//! in flight. The number of recorded gaps in a sequence is limited.

mod client;
mod coordinator;
mod end;
mod error;
mod link;
mod options;
mod process;
mod progress;
pub(crate) mod results;
mod run;
pub(crate) mod shapes;
pub(crate) mod traffic;
mod url;

pub use options::{Ack, Json, Login, Options, Pace, Shape};
pub use traffic::stamp::BODY_BYTES_MIN;
pub use url::BrokerUrl;

use error::BenchError;
use link::ServerAddress;
use progress::ProgressDisplay;
use results::report::Report;
use std::io::Write;
use std::sync::Arc;

/// The outcome of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchOutcome {
    /// The measurement is complete, and every message arrived once, intact and in order.
    Fine,
    /// The measurement could not be made. The reason was written to `errors`.
    NotRun,
    /// The measurement was made, but messages were lost, duplicated, reordered or corrupt, or the broker failed.
    Faulty,
}

/// Runs a measurement. Writes the result to `out`, and progress and errors to `errors`.
pub fn run(options: &Options, out: &mut dyn Write, errors: &mut dyn Write) -> BenchOutcome {
    let measured = options.check().map_err(BenchError::Other).and_then(|()| {
        let mut progress = ProgressDisplay::new(errors, options.terminal);
        let measured = measure(options, &mut progress);
        progress.clear();
        measured
    });
    let written = measured.and_then(|report| {
        write(&report, out, errors)?;
        Ok(report)
    });
    match written {
        Ok(report) if report.is_fine() => BenchOutcome::Fine,
        Ok(_) => BenchOutcome::Faulty,
        Err(error) => {
            // Ignore write errors, such as EPIPE after the reader has closed the pipe.
            let _ = writeln!(errors, "error: {error}");
            BenchOutcome::NotRun
        }
    }
}

fn measure(options: &Options, progress: &mut ProgressDisplay<'_>) -> Result<Report, BenchError> {
    process::allow_sockets(options.connections() * options.url.transport.sockets())?;
    let system_error = |error: &dyn std::fmt::Display| BenchError::Other(format!("cannot start: {error}"));
    let runtime = runtime(options.shape).map_err(|error| system_error(&error))?;
    let id = getrandom::u32().map_err(|error| system_error(&error))?;
    let report = runtime.block_on(async {
        let target = Arc::new(ServerAddress::find(&options.url).await?);
        match options.shape {
            Shape::FanOut | Shape::Queue => {
                crate::bench::shapes::flow::run(options, &target, id, progress).await
            }
            Shape::PingPong => crate::bench::shapes::ping_pong::run(options, &target, id, progress).await,
            Shape::Idle => crate::bench::shapes::idle::run(options, &target, id, progress).await,
        }
    });
    runtime.shutdown_background();
    report
}

/// Creates the runtime of the clients.
///
/// Both ends of a ping-pong pair run on one thread. With several threads, each message would wake a sleeping thread.
/// Waking takes as long as the broker needs for a message, and the measurement would attribute this time to the broker.
fn runtime(shape: Shape) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match shape {
        Shape::PingPong => tokio::runtime::Builder::new_current_thread(),
        Shape::FanOut | Shape::Queue | Shape::Idle => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}

/// Writes the table, and the JSON if requested.
fn write(report: &Report, out: &mut dyn Write, errors: &mut dyn Write) -> Result<(), BenchError> {
    let json = || format!("{}\n", report.to_json());
    let table = crate::bench::results::table::table(report);
    let (to_out, to_errors) = match report.options.json {
        Some(Json::Stdout) => (json(), table),
        _ => (table, String::new()),
    };
    // Ignore write errors, such as EPIPE after the reader has closed the pipe.
    let _ = errors.write_all(to_errors.as_bytes()).and_then(|()| out.write_all(to_out.as_bytes()));
    let _ = out.flush();
    if let Some(Json::File(path)) = &report.options.json {
        let cannot_write =
            |error| BenchError::Other(format!("--json: cannot write {}: {error}", path.display()));
        std::fs::write(path, json()).map_err(cannot_write)?;
    }
    Ok(())
}
