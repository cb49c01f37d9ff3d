//! The command line: parses the arguments, loads the configuration, runs the broker and returns the exit code.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | the broker has stopped after a signal, or the configuration is valid |
//! | 1 | the broker could not start, or could not continue |
//! | 2 | the arguments or the configuration are invalid. Each error is written to standard error |
//! | 128 + n | a second signal n came while the broker was stopping |
//!
//! `stompbox bench` and `stompbox passwd` have other exit codes:
//!
//! | exit code | `stompbox bench` | `stompbox passwd` |
//! |---|---|---|
//! | 0 | success | success |
//! | 1 | the measurement could not run | the file or the user is missing, or the file is invalid |
//! | 2 | messages did not arrive as expected | the arguments or the passcode are invalid |

mod arguments;
mod bench;
mod check_config;
mod logging;
mod open_files;
mod output;
mod passwd;
mod serve;

use crate::config::{self, ConfigError, Loaded};
use arguments::{Arguments, Parsed};
use output::write_text;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// Runs the command line with the arguments and the environment of this process.
pub fn main() -> ExitCode {
    run(std::env::args_os(), std::env::vars_os(), &mut io::stdout(), &mut io::stderr())
}

fn run(
    arguments: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments.get(1).is_some_and(|first| first == bench::BENCH) {
        return bench::bench(arguments.into_iter().skip(2), bench::passcode(variables), out, errors);
    }
    if arguments.get(1).is_some_and(|first| first == passwd::PASSWD) {
        return passwd::passwd(arguments.into_iter().skip(2), &mut passwd::ask, out, errors);
    }
    let arguments = match arguments::parse(arguments) {
        Parsed::Arguments(arguments) => arguments,
        Parsed::Show(text) => return write_text(out, &text, ExitCode::SUCCESS),
        Parsed::Invalid(text) => return write_text(errors, &text, ExitCode::from(2)),
    };
    let Arguments { check_config, config, flags } = arguments;
    let variables: Vec<_> = variables.into_iter().collect();
    let load = move || config::load(config.as_deref(), variables.clone(), flags.clone());
    match load() {
        Err(config_errors) => write_text(errors, &list(&config_errors), ExitCode::from(2)),
        Ok(loaded) if check_config => {
            for warning in &loaded.warnings {
                write_text(errors, &format!("warning: {warning}\n"), ExitCode::SUCCESS);
            }
            if let Some(warning) = open_files::warning(&loaded) {
                write_text(errors, &format!("warning: {warning}\n"), ExitCode::SUCCESS);
            }
            write_text(out, &check_config::report(&loaded), ExitCode::SUCCESS)
        }
        Ok(loaded) => start(loaded, load, errors),
    }
}

/// Starts logging and runs the broker. `load` loads the configuration again for a reload.
fn start(
    mut loaded: Loaded,
    load: impl Fn() -> Result<Loaded, Vec<ConfigError>> + Send + 'static,
    errors: &mut dyn Write,
) -> ExitCode {
    logging::start(&loaded.config.log);
    if let Err(error) = open_files::prepare(&mut loaded) {
        return write_text(errors, &format!("error: {error}\n"), ExitCode::from(2));
    }
    match serve::serve(loaded, load) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => write_text(errors, &format!("error: {error}\n"), ExitCode::FAILURE),
    }
}

/// Returns one line for each configuration error, and their number if there are several.
fn list(config_errors: &[ConfigError]) -> String {
    let mut text: String = config_errors.iter().map(|error| format!("error: {error}\n")).collect();
    if config_errors.len() > 1 {
        text.push_str(&format!("{} configuration errors\n", config_errors.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a command that does not start the broker, and returns its exit code, standard output and standard error.
    fn command(arguments: &[&str], variables: &[(&str, &str)]) -> (ExitCode, String, String) {
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let arguments = ["stompbox"].iter().chain(arguments).map(OsString::from);
        let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let code = run(arguments, variables, &mut out, &mut errors);
        (code, String::from_utf8(out).expect("UTF-8"), String::from_utf8(errors).expect("UTF-8"))
    }

    #[test]
    fn valid_configuration_is_shown_without_defaults_and_secrets() {
        let arguments = ["check-config", "--tcp", "0.0.0.0:1", "--user=alice:sesame", "--backlog", "4096"];
        let (code, out, errors) = command(&arguments, &[("STOMPBOX_LINGER", "1s")]);
        assert_eq!(code, ExitCode::SUCCESS, "{errors}");
        assert_eq!(
            out,
            "configuration is valid\n\
             tcp = \"0.0.0.0:1\"  # --tcp\n\
             user = [\"alice:***\"]  # --user\n\
             linger = \"1s\"  # STOMPBOX_LINGER\n\n\
             # Permission rules. The first rule that matches decides.\n\
             # Preset safe, because other machines can connect.\n\
             # allow send anyone /topic/chat.** (demo)\n\
             # allow subscribe anyone /topic/** (preset safe)\n\
             # allow subscribe anyone /presence/topic/** (preset safe)\n\
             # allow all anyone /user/queue/** (preset safe)\n\
             # allow all anyone /user/topic/** (preset safe)\n\
             # allow send anyone /app/** (preset safe)\n\
             # allow send users /user/*/queue/** (preset safe)\n"
        );
        assert_eq!(errors, "");
    }

    #[test]
    fn all_configuration_errors_are_reported() {
        let arguments = ["check-config", "--tcp", "off", "--http", "off", "--linger", "5"];
        let (code, out, errors) = command(&arguments, &[("STOMPBOX_BACKLGO", "1")]);
        assert_eq!((code, out.as_str()), (ExitCode::from(2), ""));
        assert_eq!(
            errors,
            "error: environment variable STOMPBOX_BACKLGO: unknown variable. Did you mean STOMPBOX_BACKLOG?\n\
             error: --linger: invalid value \"5\": expected a number and its unit such as 500ms, 10s, 1m or 2h\n\
             error: --tcp: tcp and http are both off, so no client can connect. Set an address for one of them\n\
             3 configuration errors\n"
        );
    }

    #[test]
    fn broker_does_not_start_with_a_configuration_error() {
        let (code, _, errors) = command(&["--tcp", "0.0.0.0:0"], &[]);
        assert_eq!(code, ExitCode::from(2));
        assert!(errors.starts_with("error: --tcp: 0.0.0.0:0 can be reached from other machines"), "{errors}");
        assert!(errors.contains("user (NAME:PASSCODE)") && errors.contains("allow-anonymous"), "{errors}");
    }

    #[test]
    fn version_and_help_go_to_standard_output() {
        let (code, out, errors) = command(&["--version"], &[]);
        assert_eq!((code, errors.as_str()), (ExitCode::SUCCESS, ""));
        assert_eq!(out, concat!("stompbox ", env!("CARGO_PKG_VERSION"), "\n"));
        let (code, out, _) = command(&["--help"], &[("STOMPBOX_TCP", "wrong")]);
        assert_eq!(code, ExitCode::SUCCESS);
        assert!(out.contains("Usage: stompbox [OPTIONS]"), "{out}");
    }
}
