//! Logging to standard error. Standard output contains only the lines that programs read.

use crate::config::{LogFormat, LogOptions};
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;

/// Starts logging for the whole process.
pub(super) fn start(options: &LogOptions) {
    let filter =
        EnvFilter::builder().parse(&options.filter).expect("the configuration accepts only valid filters");
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // An error means that the process already has a global subscriber. The log then goes to this subscriber.
    let _ = match options.format {
        LogFormat::Text => log.with_ansi(wants_colour()).try_init(),
        // One flat JSON object per line, which log collectors can index without configuration.
        LogFormat::Json => log.json().flatten_event(true).with_ansi(false).try_init(),
    };
}

/// Returns whether to colour the log. Standard error must be a terminal, and `NO_COLOR` must not be set
/// (<https://no-color.org>).
fn wants_colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
