//! Runs the broker until it is asked to stop. SIGHUP has it read its rules and its users anew.

use crate::config::Config;
use crate::config::{ConfigError, Loaded, Setting};
use crate::server::{Rules, Server, log_discarded};
use crate::users::permissions::Group;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// Longest wait for the runtime's blocking work, such as resolving a name, when the broker could not start.
const RUNTIME_STOP: Duration = Duration::from_secs(1);

/// Polls of tasks after which a worker thread polls its sockets. With tokio's default of 61, a client with one frame
/// would wait for that many polls of others, each of which may take a whole share ([`crate::transport`]).
const EVENT_INTERVAL: u32 = 16;

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// It could not start; the text is for the operator.
pub(super) fn serve(loaded: Loaded, load: impl Load) -> Result<(), String> {
    let worker_threads = loaded.config.worker_threads;
    let runtime = runtime(worker_threads).map_err(|error| format!("cannot start threads: {error}"))?;
    let ends_at = runtime.block_on(run(loaded, load));
    let now = Instant::now();
    // The whole stop takes at most the drain time.
    runtime.shutdown_timeout(
        ends_at.as_ref().map_or(RUNTIME_STOP, |ends_at| ends_at.saturating_duration_since(now)),
    );
    ends_at.map(|_| ())
}

fn runtime(worker_threads: usize) -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    if worker_threads > 0 {
        builder.worker_threads(worker_threads);
    }
    builder.thread_name("stompbox").event_interval(EVENT_INTERVAL).enable_all().build()
}

/// Reads the configuration once more.
pub(super) trait Load: Fn() -> Result<Loaded, Vec<ConfigError>> + Send + 'static {}

impl<F: Fn() -> Result<Loaded, Vec<ConfigError>> + Send + 'static> Load for F {}

/// What a reload changes; all else needs a restart.
const RELOADED: [&str; 2] = ["permissions", "permission"];

/// Serves until a signal, and returns the time by which the process must have ended.
async fn run(loaded: Loaded, load: impl Load) -> Result<Instant, String> {
    // Before anybody can know that we listen, so that no signal finds us unprepared.
    let mut signals = Signals::new().map_err(|error| format!("cannot wait for signals: {error}"))?;
    let mut reload_signals =
        signal(SignalKind::hangup()).map_err(|error| format!("cannot wait for signals: {error}"))?;
    let drain_time = loaded.config.drain_time;
    log_rules(&loaded.config);
    let server = Server::bind(loaded.config.clone()).await.map_err(|error| error.to_string())?;
    announce(&server.listening());
    let rules = server.rules();
    let metrics = server.metrics();
    let reloading = tokio::spawn(async move {
        while reload_signals.recv().await.is_some() {
            reload(&rules, &loaded, load()).await;
        }
    });
    let name = signals.next().await.name;
    let ends_at = Instant::now() + drain_time;
    info!(signal = name, ?drain_time, "stopping; a second signal stops at once");
    tokio::spawn(async move {
        let again = signals.next().await;
        warn!(signal = again.name, "stopped at once by the second signal");
        log_discarded(&metrics);
        std::process::exit(128 + again.number);
    });
    server.run(std::future::ready(())).await;
    reloading.abort();
    info!("stopped");
    Ok(ends_at)
}

/// By which rules clients are judged: where nobody wrote one, it is said what holds.
fn log_rules(config: &Config) {
    let (preset, reason) = config.preset();
    info!(permissions = preset.as_str(), reason, "what users may do; stompbox check-config shows every rule");
    for rule in config.permissions().lines().iter().filter(|line| line.ends_with("(demo)")) {
        info!(rule, "the demo page brings a rule; demo = false takes both away");
    }
    let missing = config.not_granted();
    if !missing.is_empty() {
        let missing = missing.join(" or ");
        match config.clients() {
            Group::Users => warn!(
                "no rule lets users {missing}; only clients with the role service can. To let all users do it, add to \
                 permission: \"allow send users /topic/**\", \"allow all users /queue/**\""
            ),
            Group::Anonymous => warn!(
                "no rule lets anonymous clients {missing}, and no other clients are let in. To let them do it, add to \
                 permission: \"allow send anonymous /topic/**\", \"allow all anonymous /queue/**\""
            ),
        }
    }
}

/// Takes what can be taken while running, and says what cannot. With a mistake everything stays as it is.
async fn reload(rules: &Rules, running: &Loaded, loaded: Result<Loaded, Vec<ConfigError>>) {
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            for mistake in &mistakes {
                warn!(%mistake, "the configuration is not read anew");
            }
            return;
        }
    };
    // What needs a restart does not change what follows from it for the rules: which preset holds, whether there is a demo.
    let mut config = running.config.clone();
    config.users.permissions = loaded.config.users.permissions;
    rules.permit(config.permissions());
    rules.reload_users().await;
    for option in changed(&running.settings, &loaded.settings) {
        warn!(option, "an option has changed and needs a restart");
    }
    if running.config.users.users_file.is_some() {
        info!("rules and the users file are read again");
    } else {
        info!("rules are read again");
    }
}

/// Returns the options whose values differ between the two configurations. Secrets are compared too, but never shown.
fn changed(before: &[Setting], now: &[Setting]) -> BTreeSet<&'static str> {
    let differs = |one: &Setting, others: &[Setting]| {
        !RELOADED.contains(&one.key)
            && !others.iter().any(|other| (other.key, &other.values) == (one.key, &one.values))
    };
    let given = now.iter().filter(|setting| differs(setting, before));
    let left_out = before.iter().filter(|setting| differs(setting, now));
    given.chain(left_out).map(|setting| setting.key).collect()
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

struct ReceivedSignal {
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

    async fn next(&mut self) -> ReceivedSignal {
        tokio::select! {
            _ = self.interrupt.recv() => ReceivedSignal { name: "SIGINT", number: SignalKind::interrupt().as_raw_value() },
            _ = self.terminate.recv() => ReceivedSignal { name: "SIGTERM", number: SignalKind::terminate().as_raw_value() },
        }
    }
}
