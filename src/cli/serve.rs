//! Runs the broker until it is asked to stop.

use crate::config::Config;
use crate::server::Server;
use std::io::{self, Write};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// How long the runtime may still be busy (resolving a name, say) when everything else is over.
const RUNTIME_STOP: Duration = Duration::from_secs(1);

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// It could not start; the text is for the operator.
pub(super) fn serve(config: Config) -> Result<(), String> {
    let runtime = runtime(config.worker_threads).map_err(|error| format!("cannot start threads: {error}"))?;
    let result = runtime.block_on(run(config));
    runtime.shutdown_timeout(RUNTIME_STOP);
    result
}

fn runtime(worker_threads: usize) -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    if worker_threads > 0 {
        builder.worker_threads(worker_threads);
    }
    builder.thread_name("stompbox").enable_all().build()
}

async fn run(config: Config) -> Result<(), String> {
    // Before anybody can know that we listen, so that no signal finds us unprepared.
    let mut signals = Signals::new().map_err(|error| format!("cannot wait for signals: {error}"))?;
    let drain_time = config.drain_time;
    let server = Server::bind(config).await.map_err(|error| error.to_string())?;
    announce(&server.listening());
    let stop = async move {
        let name = signals.next().await.name;
        info!(signal = name, ?drain_time, "stopping; a second signal stops at once");
        tokio::spawn(async move {
            let again = signals.next().await;
            warn!(signal = again.name, "stopped at once");
            std::process::exit(128 + again.number);
        });
    };
    server.run(stop).await;
    info!("stopped");
    Ok(())
}

/// One line for each listener on standard output, for programs that wait for it. Nobody needs to read it.
fn announce(urls: &[String]) {
    let mut out = io::stdout().lock();
    for url in urls {
        info!(url, "listening");
        let _ = writeln!(out, "listening {url}");
    }
    let _ = out.flush();
}

/// The signals that mean "stop".
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

struct Caught {
    name: &'static str,
    number: i32,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Caught {
        tokio::select! {
            _ = self.interrupt.recv() => Caught { name: "SIGINT", number: SignalKind::interrupt().as_raw_value() },
            _ = self.terminate.recv() => Caught { name: "SIGTERM", number: SignalKind::terminate().as_raw_value() },
        }
    }
}
