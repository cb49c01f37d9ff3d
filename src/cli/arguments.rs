//! Command-line arguments. The flags are generated from the table of options.

use super::{bench, passwd};
use crate::config::{ConfigEntry, ConfigSource, OptionRow, ValueKind, suggestion, table};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};
use std::ffi::OsString;

const CHECK_CONFIG: &str = "check-config";
/// The options that most operators need, with a short description. The short help (`-h`) shows only these. `--help`
/// shows all options with their full help.
const BASICS: [(&str, &str); 7] = [
    ("http", "HTTP and WebSocket: HOST:PORT or off"),
    ("tcp", "STOMP over TCP: HOST:PORT or off"),
    ("allowed-origins", "Web pages of other hosts that may connect"),
    ("users-file", "File of users, created by stompbox passwd"),
    ("user", "A user. Repeat the option for each user"),
    ("permission", "Permission rule, for example \"allow send users /topic/**\""),
    ("log", "off, error, warn, info, debug or trace"),
];

/// The parsed arguments of `stompbox`.
#[derive(Debug)]
pub(super) struct Arguments {
    /// Whether to check the configuration only, without starting the broker.
    pub(super) check_config: bool,
    /// The path of the configuration file.
    pub(super) config: Option<String>,
    /// The options that were given as flags.
    pub(super) flags: Vec<ConfigEntry>,
}

/// The result of parsing the arguments.
#[derive(Debug)]
pub(super) enum Parsed {
    /// The arguments are valid.
    Arguments(Arguments),
    /// The arguments request this text: help or version.
    Show(String),
    /// The arguments are invalid. The text is the error.
    Invalid(String),
}

/// Parses the arguments. The first one is the name of the command itself.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Parsed {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let is_short = arguments.iter().any(|argument| argument == "-h");
    match command(is_short).try_get_matches_from(&arguments) {
        Ok(matches) => match matches.subcommand_name() {
            Some(own) if own != CHECK_CONFIG => Parsed::Invalid(format!(
                "error: the command {own} accepts no options of the broker. Remove the options before it: stompbox {own} …\n"
            )),
            _ => Parsed::Arguments(from_matches(&matches)),
        },
        Err(error) if error.use_stderr() => Parsed::Invalid(explain(&error, &arguments)),
        Err(error) => Parsed::Show(error.render().to_string()),
    }
}

/// Returns the definition of the command. With `is_short`, the help has one line for each option in [`BASICS`] and no
/// headings.
fn command(is_short: bool) -> Command {
    let check = Command::new(CHECK_CONFIG).about("Checks the configuration without starting the broker");
    Command::new("stompbox")
        .version(env!("CARGO_PKG_VERSION"))
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .after_help("stompbox --help describes every option.")
        .after_long_help(
            "You can also set every option in the environment or in the file. In the environment, --frame-bytes-max \
             2MiB is STOMPBOX_FRAME_BYTES_MAX=2MiB. In the file, it is frame-bytes-max = \"2MiB\". An option that you can \
             repeat is a list in the file: user = [\"NAME:PASSCODE\"]. Flags override the environment. The environment \
             overrides the file.\n\nBYTES: 65536, 64KiB, 2MiB, 1GiB. TIME: 500ms, 10s, 1m, 2h.",
        )
        .disable_help_subcommand(true)
        .next_line_help(!is_short)
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_hint(ValueHint::FilePath)
                .global(true)
                .help("A TOML file of options")
                .long_help("A TOML file of options [env: STOMPBOX_CONFIG]"),
        )
        .args(table::GROUPS.iter().flat_map(|group| {
            let heading = (!is_short).then_some(group.heading);
            group.rows.iter().map(move |row| flag(row, heading))
        }))
        .args(table::RENAMED.iter().filter_map(|(earlier, present)| {
            let row = table::find(present)?;
            Some(Arg::new(*earlier).long(*earlier).value_name(row.value).global(true).hide(true))
        }))
        .subcommand(check)
        // These commands are listed for the help only. They have flags of their own and do not accept those of the
        // broker.
        .subcommand(Command::new(passwd::PASSWD).about(passwd::ABOUT))
        .subcommand(Command::new(bench::BENCH).about(bench::ABOUT))
}

fn flag(row: &'static OptionRow, heading: Option<&'static str>) -> Arg {
    let basic = BASICS.iter().find(|(key, _)| *key == row.key);
    let arg = Arg::new(row.key)
        .long(row.key)
        .value_name(row.value)
        .help_heading(heading)
        .global(true)
        .allow_hyphen_values(false)
        .hide_possible_values(true)
        .hide_short_help(basic.is_none())
        .help(basic.map_or("", |(_, short_help)| short_help));
    let with_default = || format!("{} [default: {}]", row.help, row.default);
    match row.kind {
        ValueKind::Text if row.default.is_empty() => arg.long_help(row.help),
        ValueKind::Text | ValueKind::Number => arg.long_help(with_default()),
        ValueKind::Switch => {
            arg.num_args(0..=1).require_equals(true).default_missing_value("true").long_help(with_default())
        }
        ValueKind::CommaList => arg.action(ArgAction::Append).long_help(with_default()),
        ValueKind::Secret => arg.long_help(row.help),
        ValueKind::Secrets { .. } | ValueKind::List { .. } => {
            arg.action(ArgAction::Append).long_help(row.full_help().into_owned())
        }
    }
}

fn from_matches(matches: &ArgMatches) -> Arguments {
    let text = |key: &str| -> Option<Vec<String>> {
        matches.get_many::<String>(key).map(|values| values.cloned().collect())
    };
    let entry = |row: &'static OptionRow| {
        Some(ConfigEntry { row, texts: text(row.key)?, source: ConfigSource::Flag, earlier_name: None })
    };
    let renamed_entry = |(earlier, present): &(&'static str, &str)| {
        let (row, texts) = (table::find(present)?, text(earlier)?);
        Some(ConfigEntry { row, texts, source: ConfigSource::Flag, earlier_name: Some(*earlier) })
    };
    Arguments {
        check_config: matches.subcommand_name() == Some(CHECK_CONFIG),
        config: matches.get_one::<String>("config").cloned(),
        flags: table::rows()
            .filter_map(entry)
            .chain(table::RENAMED.iter().filter_map(renamed_entry))
            .collect(),
    }
}

/// Returns the error text of clap, or a text of its own for an unexpected argument. The latter does not show an
/// argument that follows an option, because such an argument may be a passcode.
fn explain(error: &clap::Error, arguments: &[OsString]) -> String {
    let unexpected = match (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidSubcommand)) {
        (Some(ContextValue::String(arg)), _) if error.kind() == ErrorKind::UnknownArgument => arg,
        (_, Some(ContextValue::String(arg))) => arg,
        _ => return error.render().to_string(),
    };
    let keys = || table::rows().map(|row| row.key).chain(["config", "help", "version"]);
    let text = match unexpected.strip_prefix("--") {
        Some(flag) => {
            let flag = flag.split('=').next().unwrap_or_default();
            match suggestion(flag, keys()) {
                Some(similar) => format!("--{flag}: unknown option. Did you mean --{similar}?"),
                None => format!("--{flag}: unknown option. Run stompbox --help to list all options"),
            }
        }
        None => match suggestion(unexpected, [CHECK_CONFIG, passwd::PASSWD, bench::BENCH]) {
            Some(similar) => format!("{unexpected}: unknown command. Did you mean {similar}?"),
            None => explain_unexpected(unexpected, arguments),
        },
    };
    format!("error: {text}\n")
}

/// Explains an argument that is neither an option, nor the value of one, nor a command.
fn explain_unexpected(unexpected: &str, arguments: &[OsString]) -> String {
    let at = arguments.iter().skip(1).position(|argument| argument == unexpected).map_or(0, |at| at + 1);
    let before = arguments[..at].last().and_then(|argument| argument.to_str()).unwrap_or_default();
    let switch = table::rows()
        .find(|row| matches!(row.kind, ValueKind::Switch) && before.strip_prefix("--") == Some(row.key));
    if let (Some(row), "true" | "false") = (switch, unexpected) {
        return format!(
            "{before} {unexpected}: a true/false option takes its value after =. Write {before}={unexpected}",
            before = format!("--{}", row.key)
        );
    }
    let commands = format!("The commands are {CHECK_CONFIG}, {} and {}", passwd::PASSWD, bench::BENCH);
    if at == 1 {
        return format!("{unexpected}: unknown command. {commands}. Without a command the broker starts");
    }
    format!("argument {at} (not shown) is neither an option nor the value of one. {commands}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Parsed {
        super::parse(["stompbox"].iter().chain(arguments).map(OsString::from))
    }

    fn arguments(list: &[&str]) -> Arguments {
        match parse(list) {
            Parsed::Arguments(arguments) => arguments,
            other => panic!("{list:?}: {other:?}"),
        }
    }

    fn error_of(list: &[&str]) -> String {
        match parse(list) {
            Parsed::Invalid(text) => text,
            other => panic!("{list:?}: {other:?}"),
        }
    }

    #[test]
    fn clap_accepts_the_definition_of_the_flags() {
        command(false).debug_assert();
        command(true).debug_assert();
    }

    #[test]
    fn every_option_is_a_flag_before_and_after_the_command() {
        for row in table::rows() {
            let flag = format!("--{}=true", row.key);
            for list in [&[flag.as_str()][..], &["check-config", &flag], &[&flag, "check-config"]] {
                let arguments = arguments(list);
                let flags: Vec<_> =
                    arguments.flags.iter().map(|entry| (entry.row.key, &entry.texts[..])).collect();
                assert_eq!(flags, [(row.key, &["true".to_owned()][..])], "{list:?}");
                assert_eq!(arguments.check_config, list.len() == 2);
            }
        }
        assert_eq!(arguments(&["check-config", "--config", "a.toml"]).config.as_deref(), Some("a.toml"));
    }

    #[test]
    fn switches_need_no_value_and_lists_may_be_repeated() {
        let list = [
            "--allow-anonymous",
            "--user",
            "a:1",
            "--user",
            "b:2",
            "--tcp",
            "c:3",
            "--tcp",
            "d:4",
            "check-config",
        ];
        let arguments = arguments(&list);
        let flags: Vec<_> =
            arguments.flags.iter().map(|entry| (entry.row.key, entry.texts.join(" "))).collect();
        let expected = [("tcp", "c:3 d:4"), ("user", "a:1 b:2"), ("allow-anonymous", "true")];
        assert_eq!(flags, expected.map(|(key, texts)| (key, texts.to_owned())));
    }

    #[test]
    fn errors_for_invalid_arguments_show_no_secrets() {
        for (list, text) in [
            (
                &["--frame-byte-max", "1"][..],
                "error: --frame-byte-max: unknown option. Did you mean --frame-bytes-max?\n",
            ),
            (&["--usr=alice:sesame"], "error: --usr: unknown option. Did you mean --user?\n"),
            (&["--colour"], "error: --colour: unknown option. Run stompbox --help to list all options\n"),
            (&["chek-config"], "error: chek-config: unknown command. Did you mean check-config?\n"),
            (
                &["--tcp", "off", "bench"],
                "error: the command bench accepts no options of the broker. Remove the options before it: stompbox bench …\n",
            ),
            (
                &["--tcp", "off", "passwd"],
                "error: the command passwd accepts no options of the broker. Remove the options before it: stompbox passwd …\n",
            ),
            (
                &["--user", "alice:a", "bob:sesame"],
                "error: argument 3 (not shown) is neither an option nor the value of one. The commands are check-config, passwd and bench\n",
            ),
            (
                &["serve"],
                "error: serve: unknown command. The commands are check-config, passwd and bench. Without a command the broker starts\n",
            ),
            (
                &["--demo", "--trailing-lf", "false"],
                "error: --trailing-lf false: a true/false option takes its value after =. Write --trailing-lf=false\n",
            ),
            (
                &["--strict-headers", "true"],
                "error: --strict-headers true: a true/false option takes its value after =. Write --strict-headers=true\n",
            ),
            (
                &["check-config", "bob:sesame"],
                "error: argument 2 (not shown) is neither an option nor the value of one. The commands are check-config, passwd and bench\n",
            ),
        ] {
            assert_eq!(error_of(list), text, "{list:?}");
        }
        assert!(error_of(&["--tcp"]).contains("--tcp <ADDR>"));
        assert!(error_of(&["--ws-path", "/a", "--ws-path", "/b"]).contains("cannot be used multiple times"));
    }

    #[test]
    fn short_help_fits_a_small_terminal_and_points_to_the_full_help() {
        let narrow = command(true).term_width(80).render_help().to_string();
        assert!(narrow.lines().count() <= 25, "{narrow}");
        for list in [&["-h"][..], &["--tcp", "off", "-h"]] {
            let Parsed::Show(help) = parse(list) else { panic!("no help") };
            assert!(help.lines().count() <= 25, "{help}");
            assert!(help.lines().all(|line| line.len() <= 100), "{help}");
            for (key, short_help) in BASICS {
                assert!(
                    help.lines().any(
                        |line| line.contains(&format!("--{key} ")) || line.contains(&format!("--{key}["))
                    ),
                    "{key}: {help}"
                );
                assert!(help.contains(short_help), "{short_help}: {help}");
            }
            assert!(help.contains("stompbox --help") && !help.contains("--queues-max"), "{help}");
        }
    }

    #[test]
    fn earlier_names_are_flags_that_no_help_lists() {
        let flags = arguments(&["--burst-patience=2s", "--permissions", "open"]).flags;
        let entries: Vec<_> =
            flags.iter().map(|entry| (entry.row.key, entry.texts.concat(), entry.earlier_name)).collect();
        assert_eq!(
            entries,
            [
                ("slow-consumer-grace", "2s".to_owned(), Some("burst-patience")),
                ("default-permissions", "open".to_owned(), Some("permissions")),
            ]
        );
        let help = command(false).render_long_help().to_string();
        for (earlier, _) in table::RENAMED {
            assert!(!help.contains(&format!("--{earlier} ")), "{earlier}");
        }
    }

    #[test]
    fn help_lists_every_option_under_its_heading() {
        let Parsed::Show(help) = parse(&["--help"]) else { panic!("no help") };
        for group in table::GROUPS {
            let at = help.find(&format!("\n{}:\n", group.heading)).expect(group.heading);
            for row in group.rows {
                assert!(help[at..].contains(&format!("--{}", row.key)), "{}", row.key);
            }
        }
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains("[default: 127.0.0.1:61613]") && help.contains("STOMPBOX_CONFIG"), "{help}");
    }
}
