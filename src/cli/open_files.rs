//! The system's limit of open files. Every connection needs one.

use crate::config::Loaded;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

/// Number of open files that are not available for connections with a permit. They are reserved for standard streams,
/// listeners, files of the runtime, and connections that the broker rejects. They include 64 spare sockets for
/// `/health` and `/metrics`, and a margin.
const RESERVED: u64 = 256;

/// Raises the limit of open files to its maximum. If `connections-max` was not set, lowers it to the number of
/// connections that this limit allows.
///
/// # Errors
/// Returns a text if `connections-max` was set and exceeds the limit of open files. Also returns a text if the limit
/// leaves no file for connections.
pub(super) fn prepare(loaded: &mut Loaded) -> Result<(), String> {
    let open_files = raise();
    let explicit = loaded.is_explicit("connections-max");
    let requested = loaded.config.transport.connections_max;
    let allowed = fit(requested, explicit, open_files)?;
    if allowed < requested {
        warn!(open_files, connections_max = allowed, "{}", lowered_text(requested, allowed));
    }
    loaded.config.transport.connections_max = allowed;
    Ok(())
}

/// Returns the warning or error that [`prepare`] would report with the limits of this process. Changes nothing.
pub(super) fn warning(loaded: &Loaded) -> Option<String> {
    // The start of the broker raises the limit to its maximum, so the maximum counts here.
    let open_files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    predict_warning(
        loaded.config.transport.connections_max,
        loaded.is_explicit("connections-max"),
        open_files,
    )
}

/// Returns the warning of `check-config`, if `open_files` are too few for `requested` connections.
fn predict_warning(requested: usize, explicit: bool, open_files: u64) -> Option<String> {
    match fit(requested, explicit, open_files) {
        Ok(allowed) if allowed < requested => Some(format!("at start, {}", lowered_text(requested, allowed))),
        Ok(_) => None,
        Err(error) => Some(format!("the broker will not start with the limits of this shell: {error}")),
    }
}

/// Returns the text of the warning that `connections-max` is lowered.
fn lowered_text(requested: usize, allowed: usize) -> String {
    format!(
        "connections-max is lowered from {requested} to {allowed}: the limit of open files is too low. The broker \
         reserves {RESERVED} files for itself. Raise the limit with ulimit -n or LimitNOFILE= in a systemd unit."
    )
}

/// Raises the limit and returns it. `u64::MAX` means no limit.
fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    if let Err(error) = raised {
        warn!(%error, "cannot raise the limit of open files");
    }
    let now = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    info!(before = current.unwrap_or(u64::MAX), now, "limit of open files");
    now
}

/// Returns the number of connections that the limit of open files allows, at most `requested`. Returns an error if
/// `requested` was set explicitly and does not fit, or if no connection fits.
fn fit(requested: usize, explicit: bool, open_files: u64) -> Result<usize, String> {
    let available = usize::try_from(open_files.saturating_sub(RESERVED)).unwrap_or(usize::MAX);
    match (requested <= available, explicit) {
        (true, _) => Ok(requested),
        (false, false) if available > 0 => Ok(available),
        (false, _) if available == 0 => Err(format!(
            "the limit of open files is {open_files}, but the broker needs {RESERVED} files for itself. Raise the \
             limit above {RESERVED} with ulimit -n or LimitNOFILE= in a systemd unit"
        )),
        (false, _) => Err(format!(
            "connections-max is {requested}, but the limit of {open_files} open files leaves {available} for \
             connections. The broker reserves {RESERVED} files for itself. Lower connections-max, or raise the limit \
             with ulimit -n or LimitNOFILE= in a systemd unit"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_max_is_lowered_or_rejected_if_open_files_are_too_few() {
        for (requested, explicit, open_files, expected) in [
            (10_000, false, u64::MAX, Some(10_000)),
            (10_000, true, 10_256, Some(10_000)),
            (10_000, false, 10_255, Some(9_999)),
            (10_000, true, 10_255, None),
            (10_000, false, 1024, Some(768)),
            (10_000, false, 256, None),
            (10_000, false, 0, None),
        ] {
            let allowed = fit(requested, explicit, open_files);
            assert_eq!(allowed.as_ref().ok().copied(), expected, "{allowed:?}");
        }
        assert_eq!(
            fit(2000, true, 1024).expect_err("too many"),
            "connections-max is 2000, but the limit of 1024 open files leaves 768 for connections. The broker reserves \
             256 files for itself. Lower connections-max, or raise the limit with ulimit -n or LimitNOFILE= in a \
             systemd unit"
        );
    }

    #[test]
    fn check_config_reports_too_few_open_files_as_a_start_would() {
        for (requested, explicit, open_files, expected) in [
            (10_000, true, 10_256, None),
            (10_000, false, 10_255, Some("at start, connections-max is lowered from 10000 to 9999: ")),
            (
                10_000,
                true,
                10_255,
                Some("the broker will not start with the limits of this shell: connections-max is"),
            ),
            (
                10_000,
                false,
                256,
                Some(
                    "the broker will not start with the limits of this shell: the limit of open files is 256",
                ),
            ),
        ] {
            let warning = predict_warning(requested, explicit, open_files);
            let is_expected = match (&warning, expected) {
                (Some(warning), Some(expected)) => warning.starts_with(expected),
                (warning, expected) => warning.is_none() && expected.is_none(),
            };
            assert!(is_expected, "{warning:?}");
        }
    }

    #[test]
    fn error_for_too_few_open_files_names_the_reserve_and_not_connections_max() {
        for (explicit, open_files) in [(false, 256), (true, 256), (true, 100), (false, 0)] {
            assert_eq!(
                fit(2000, explicit, open_files).expect_err("too few"),
                format!(
                    "the limit of open files is {open_files}, but the broker needs 256 files for itself. Raise the \
                     limit above 256 with ulimit -n or LimitNOFILE= in a systemd unit"
                )
            );
        }
    }
}
