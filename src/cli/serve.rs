//! Runs the broker until a signal stops it. SIGHUP reloads the permission rules and the users.

use crate::config::Config;
use crate::config::{ConfigError, Loaded, Setting};
use crate::permissions::ClientGroup;
use crate::server::{Rules, Server, log_discarded_messages};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// Longest wait for blocking work of the runtime, such as resolving a name, after the broker failed to start.
const RUNTIME_STOP_TIME: Duration = Duration::from_secs(1);

/// Number of task polls after which a worker thread polls its sockets. With tokio's default of 61, a client with one
/// frame would wait for 61 polls of other tasks. Each of these polls may use up its whole budget
/// ([`crate::connection`]).
const EVENT_INTERVAL: u32 = 16;

/// Runs the broker until SIGINT or SIGTERM.
///
/// # Errors
/// Returns a text if the broker could not start. The text says why and what to do.
pub(super) fn serve(loaded: Loaded, load: impl Load) -> Result<(), String> {
    let worker_threads = loaded.config.worker_threads;
    let runtime = runtime(worker_threads).map_err(|error| format!("cannot start threads: {error}"))?;
    let ends_at = runtime.block_on(run(loaded, load));
    let now = Instant::now();
    // Shutting down the runtime counts towards `drain-time`, too.
    runtime.shutdown_timeout(
        ends_at.as_ref().map_or(RUNTIME_STOP_TIME, |ends_at| ends_at.saturating_duration_since(now)),
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

/// A function that loads the configuration again.
pub(super) trait Load: Fn() -> Result<Loaded, Vec<ConfigError>> + Send + 'static {}

impl<F: Fn() -> Result<Loaded, Vec<ConfigError>> + Send + 'static> Load for F {}

/// The options that a reload changes. All others need a restart.
const RELOADED: [&str; 2] = ["default-permissions", "permission"];

/// Runs the broker until a signal, and returns the time by which the process must have ended.
async fn run(loaded: Loaded, load: impl Load) -> Result<Instant, String> {
    // Install the signal handlers before the broker listens. A program that waits for the listeners may send a signal
    // as soon as they are open.
    let mut signals = Signals::new().map_err(|error| format!("cannot wait for signals: {error}"))?;
    let mut reload_signals =
        signal(SignalKind::hangup()).map_err(|error| format!("cannot wait for signals: {error}"))?;
    let drain_time = loaded.config.drain_time;
    log_warnings(&loaded.warnings);
    log_rules(&loaded.config);
    let server = Server::bind_checked(loaded.config.clone()).await.map_err(|error| error.to_string())?;
    announce(&server.listening());
    let rules = server.rules();
    let metrics = server.metrics();
    let reloading = tokio::spawn(async move {
        while reload_signals.recv().await.is_some() {
            reload(&rules, &loaded, load()).await;
        }
    });
    let signal_name = signals.next().await.name;
    let ends_at = Instant::now() + drain_time;
    info!(signal = signal_name, ?drain_time, "stopping. A second signal stops the broker at once.");
    tokio::spawn(async move {
        let second = signals.next().await;
        warn!(signal = second.name, "stopped at once by the second signal");
        log_discarded_messages(&metrics);
        std::process::exit(128 + second.number);
    });
    server.run(std::future::ready(())).await;
    reloading.abort();
    info!("stopped");
    Ok(ends_at)
}

/// Logs a warning for each option that was set under an earlier name.
fn log_warnings(warnings: &[ConfigError]) {
    for warning in warnings {
        warn!(%warning, "an option has been renamed");
    }
}

/// Logs the preset that applies, the rule of the demo, and the permissions that no rule grants to users.
fn log_rules(config: &Config) {
    let (preset, reason) = config.preset();
    info!(
        permissions = preset.as_str(),
        reason, "default permissions. Run stompbox check-config to see every rule."
    );
    for rule in config.permissions().describe_rules().iter().filter(|line| line.ends_with("(demo)")) {
        info!(rule, "the demo page adds a permission rule. Set demo = false to remove both.");
    }
    let missing = config.not_granted();
    if !missing.is_empty() {
        let missing = missing.join(" or ");
        match config.clients() {
            ClientGroup::Users => warn!(
                "no permission rule allows users to {missing}. Only clients with the role service can. To allow all \
                 users, add these rules to permission: \"allow send users /topic/**\", \"allow all users /queue/**\"."
            ),
            ClientGroup::Anonymous => warn!(
                "no permission rule allows anonymous clients to {missing}. Only anonymous clients can connect. To \
                 allow them, add these rules to permission: \"allow send anonymous /topic/**\", \"allow all anonymous \
                 /queue/**\"."
            ),
        }
    }
}

/// Applies the options that can change at runtime. Logs a warning for each other option that has changed. If the
/// configuration has errors, changes nothing.
async fn reload(rules: &Rules, running: &Loaded, loaded: Result<Loaded, Vec<ConfigError>>) {
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(config_errors) => {
            for error in &config_errors {
                warn!(%error, "reload failed. The previous configuration stays in effect.");
            }
            return;
        }
    };
    log_warnings(&loaded.warnings);
    // The preset and the rule of the demo also depend on options that need a restart. Keep the values with which the
    // broker was started.
    let mut config = running.config.clone();
    config.permissions = loaded.config.permissions;
    rules.set_permissions(&config);
    rules.reload_users().await;
    for option in changed(&running.settings, &loaded.settings) {
        warn!(option, "an option has changed. Restart the broker to apply the change.");
    }
    if running.config.users.users_file.is_some() {
        info!("permission rules and users file reloaded");
    } else {
        info!("permission rules reloaded");
    }
}

/// Returns the options whose values differ between the two configurations. Secrets are compared too, but never shown.
fn changed(before: &[Setting], now: &[Setting]) -> BTreeSet<&'static str> {
    let is_different = |one: &Setting, others: &[Setting]| {
        !RELOADED.contains(&one.key)
            && !others.iter().any(|other| (other.key, &other.values) == (one.key, &one.values))
    };
    let set = now.iter().filter(|setting| is_different(setting, before));
    let removed = before.iter().filter(|setting| is_different(setting, now));
    set.chain(removed).map(|setting| setting.key).collect()
}

/// Writes one line for each URL to standard output, for programs that wait until the broker listens. Ignores write
/// errors, because reading the output is optional.
fn announce(urls: &[String]) {
    let mut out = io::stdout().lock();
    for url in urls {
        info!(url, "listening");
        let _ = writeln!(out, "listening {url}");
    }
    let _ = out.flush();
}

/// The signals that stop the broker.
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
