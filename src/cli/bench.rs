//! `stompbox bench`: parses the flags and runs a measurement. The flags are not options of the broker.

use super::output::write_text;
use crate::bench::{self, Ack, BODY_BYTES_MIN, BenchOutcome, BrokerUrl, Json, Login, Pace, Shape, run};
use crate::config::{count, size, time};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// The name of the command.
pub(super) const BENCH: &str = "bench";
pub(super) const ABOUT: &str = "Measures the speed of Stompbox or of another STOMP broker";
/// The environment variable with the passcode. Unlike a flag, the variable does not appear in the list of processes.
const PASSCODE: &str = "STOMPBOX_BENCH_PASSCODE";

const AFTER_HELP: &str = "\
The command checks every delivery. It measures latency from the time at which a message was due. With --rate a message is due \
at its time in the schedule, even if it was sent later. With --window the window is always full, so latency is mostly time in \
queues.\n\n\
URL: tcp://HOST:PORT, ws://HOST:PORT/PATH, or over SockJS sockjs+ws://, sockjs+xhr://, sockjs+xhr-polling://, \
sockjs+eventsource://, sockjs+htmlfile://, sockjs+jsonp://.  TIME: 500ms, 10s, 1m.  BYTES: 128, 64KiB.\n\n\
Exit code 0 means success. 1 means that the measurement could not run. 2 means that messages were lost, duplicated, reordered \
or corrupt, or that a connection failed.";

/// The defaults and the description of a load shape.
struct Row {
    shape: Shape,
    about: &'static str,
    subscribers: &'static str,
    window: &'static str,
    time: &'static str,
}

const ROWS: [Row; 4] = [
    Row {
        shape: Shape::FanOut,
        about: "Publishers send to topics. Every subscriber of a topic receives each message",
        subscribers: "100",
        window: "64",
        time: "8s",
    },
    Row {
        shape: Shape::Queue,
        about: "Publishers send to queues. One consumer of a queue receives each message",
        subscribers: "1",
        window: "256",
        time: "8s",
    },
    Row {
        shape: Shape::PingPong,
        about: "Round trips between pairs of clients. Each pair has one message in flight",
        subscribers: "1",
        window: "1",
        time: "8s",
    },
    Row {
        shape: Shape::Idle,
        about: "Many idle connections, then a few broadcasts to all of them",
        subscribers: "1000",
        window: "1",
        time: "2s",
    },
];

/// Parses the arguments after `stompbox bench`, runs the measurement and reports the result.
pub(super) fn bench(
    arguments: impl IntoIterator<Item = OsString>,
    passcode: Option<String>,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> ExitCode {
    let arguments = std::iter::once(OsString::from("stompbox bench")).chain(arguments);
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if error.use_stderr() => {
            return write_text(errors, &error.render().to_string(), ExitCode::FAILURE);
        }
        Err(error) => return write_text(out, &error.render().to_string(), ExitCode::SUCCESS),
    };
    let options = match options(&matches, passcode) {
        Ok(options) => options,
        Err(error) => return write_text(errors, &format!("error: {error}\n"), ExitCode::FAILURE),
    };
    match run(&options, out, errors) {
        BenchOutcome::Fine => ExitCode::SUCCESS,
        BenchOutcome::NotRun => ExitCode::FAILURE,
        BenchOutcome::Faulty => ExitCode::from(2),
    }
}

fn command() -> Command {
    Command::new("stompbox bench")
        .bin_name("stompbox bench")
        .about(ABOUT)
        .after_help(AFTER_HELP)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommands(ROWS.iter().map(subcommand))
}

fn subcommand(row: &Row) -> Command {
    let flag = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let command = Command::new(row.shape.name())
        .about(row.about)
        .after_help(AFTER_HELP)
        .arg(flag("url", "URL", "URL of the broker").default_value("ws://127.0.0.1:8080/ws"))
        .arg(flag("login", "NAME", "Header login of CONNECT"))
        .arg(flag("passcode", "PASSCODE", "Header passcode of CONNECT [env: STOMPBOX_BENCH_PASSCODE]"))
        .arg(flag("vhost", "NAME", "Header host of CONNECT, if it differs from the host of the URL"))
        .arg(flag("destination", "PREFIX", "Prefix of the destinations [default: unique to the run]"))
        .arg(flag("body", "BYTES", "Size of a message body, at least 40").default_value("128"))
        .arg(flag("time", "TIME", time_help(row.shape)).default_value(row.time))
        .arg(
            flag(
                "stall-timeout",
                "TIME",
                "Time without any delivery after which missing messages count as lost",
            )
            .alias("patience")
            .default_value("5s"),
        )
        .arg(
            flag(
                "json",
                "FILE",
                "Writes the result as JSON to FILE. If FILE is -, prints the JSON instead of the table",
            )
            .value_hint(ValueHint::FilePath),
        );
    match row.shape {
        Shape::FanOut => flow_flags(command, row, flag, "Number of connections that subscribe"),
        Shape::Queue => flow_flags(command, row, flag, "Number of connections that consume").arg(
            flag("ack", "MODE", "Header ack of the subscriptions")
                .value_parser(PossibleValuesParser::new(Ack::ALL.map(Ack::as_str)))
                .default_value("auto"),
        ),
        Shape::PingPong => command
            .arg(flag("pairs", "N", "Number of pairs of connections").default_value(row.subscribers))
            .arg(flag("warmup", "TIME", "Time before the measurement begins").default_value("1s")),
        Shape::Idle => command
            .arg(flag("connections", "N", "Number of connections").default_value(row.subscribers))
            .arg(flag("pid", "PID", "Process ID of the broker. The report then shows its memory (Linux)")),
    }
}

fn time_help(shape: Shape) -> &'static str {
    match shape {
        Shape::Idle => "Time for which the connections are idle before the broadcasts",
        _ => "Duration of the measurement",
    }
}

/// Adds the flags of the shapes that send messages continuously.
fn flow_flags(
    command: Command,
    row: &Row,
    flag: impl Fn(&'static str, &'static str, &'static str) -> Arg,
    subscribers: &'static str,
) -> Command {
    command
        .arg(flag("publishers", "N", "Number of connections that publish").default_value("1"))
        .arg(flag("subscribers", "N", subscribers).default_value(row.subscribers))
        .arg(
            flag("destinations", "N", "Number of destinations. The connections are distributed over them")
                .default_value("1"),
        )
        .arg(
            flag("window", "N", "Number of messages that a publisher has in flight")
                .default_value(row.window),
        )
        .arg(
            flag("rate", "N", "Messages per second of all publishers together. Replaces --window")
                .conflicts_with("window"),
        )
        .arg(flag("warmup", "TIME", "Time before the measurement begins").default_value("1s"))
        .arg(
            Arg::new("receipts")
                .long("receipts")
                .action(ArgAction::SetTrue)
                .help("Requests a receipt for each SEND"),
        )
}

/// The values of the flags of one shape.
struct Flags<'m>(&'m ArgMatches);

impl Flags<'_> {
    /// Returns the text of a flag. Returns `None` if the flag was not given or the shape does not have it.
    fn text(&self, name: &str) -> Option<&str> {
        self.0.try_get_one::<String>(name).ok().flatten().map(String::as_str)
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// Parses the value of a flag. Returns `default` if the flag has no value.
    fn parse<T>(
        &self,
        name: &str,
        default: T,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, String> {
        match self.text(name) {
            None => Ok(default),
            Some(text) => parse(text).map_err(|error| format!("--{name}: {error}")),
        }
    }

    fn number(&self, name: &str, default: usize) -> Result<usize, String> {
        self.parse(name, default, |text| count(text, 1..=1_000_000))
    }
}

fn options(matches: &ArgMatches, passcode: Option<String>) -> Result<bench::Options, String> {
    let (name, matches) = matches.subcommand().expect("clap requires a shape");
    let row = ROWS.iter().find(|row| row.shape.name() == name).expect("clap accepts no other shape");
    let flags = Flags(matches);
    let duration = |text: &str| time(text, Duration::ZERO);
    let subscribers = match row.shape {
        Shape::FanOut | Shape::Queue => "subscribers",
        Shape::PingPong => "pairs",
        Shape::Idle => "connections",
    };
    let pace = match flags.text("rate") {
        None => Pace::Window(flags.number("window", 1)?),
        Some(_) => Pace::Rate(flags.parse("rate", 1, |text| count(text, 1..=1_000_000_000))?),
    };
    let ack = Ack::ALL.into_iter().find(|ack| flags.text("ack") == Some(ack.as_str()));
    Ok(bench::Options {
        shape: row.shape,
        url: BrokerUrl::parse(flags.text("url").unwrap_or_default())
            .map_err(|error| format!("--url: {error}"))?,
        login: Login {
            login: flags.owned("login"),
            passcode: flags.owned("passcode").or(passcode),
            vhost: flags.owned("vhost"),
        },
        publishers: flags.number("publishers", 1)?,
        subscribers: flags.number(subscribers, 1)?,
        destinations: flags.number("destinations", 1)?,
        destination: flags.owned("destination"),
        body_bytes: flags
            .parse("body", BODY_BYTES_MIN, |text| size(text, BODY_BYTES_MIN as u64..=32 << 20))?,
        pace,
        warmup: flags.parse("warmup", Duration::ZERO, duration)?,
        time: flags.parse("time", Duration::ZERO, |text| time(text, Duration::from_millis(1)))?,
        stall_timeout: flags
            .parse("stall-timeout", Duration::from_secs(5), |text| time(text, Duration::from_millis(1)))?,
        ack: ack.unwrap_or(Ack::Auto),
        receipts: matches.try_get_one::<bool>("receipts").ok().flatten() == Some(&true),
        pid: flags.parse("pid", None, |text| count(text, 1..=u64::from(u32::MAX)).map(Some))?,
        json: flags.text("json").map(|path| if path == "-" { Json::Stdout } else { Json::File(path.into()) }),
        terminal: io::stderr().is_terminal(),
    })
}

/// Returns the passcode from the environment.
pub(super) fn passcode(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Option<String> {
    let (_, value) = variables.into_iter().find(|(name, _)| name == PASSCODE)?;
    value.into_string().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<bench::Options, String> {
        let arguments = ["stompbox bench"].iter().chain(arguments);
        let matches = command().try_get_matches_from(arguments).map_err(|error| error.to_string())?;
        options(&matches, Some("from the environment".to_owned()))
    }

    #[test]
    fn clap_accepts_the_definition_of_the_flags() {
        command().debug_assert();
    }

    #[test]
    fn every_shape_has_valid_defaults() {
        for row in &ROWS {
            let options = parse(&[row.shape.name()]).expect("defaults");
            assert_eq!(options.check(), Ok(()));
            assert_eq!((options.shape, options.body_bytes), (row.shape, 128));
            assert_eq!(options.url.to_string(), "ws://127.0.0.1:8080/ws");
            assert_eq!(options.subscribers.to_string(), row.subscribers);
            assert!(options.warmup + options.time <= Duration::from_secs(10));
        }
    }

    #[test]
    fn flags_are_parsed_into_options() {
        let arguments = "queue --url sockjs+xhr://h:1/ws --login a --passcode b --vhost / --publishers 2 --subscribers \
                         3 --destinations 2 --body 1KiB --rate 500 --warmup 0 --time 1m --ack client-individual \
                         --receipts --json - --destination /queue/x --patience 1s";
        let options = parse(&arguments.split_whitespace().collect::<Vec<_>>()).expect("flags");
        assert_eq!((options.publishers, options.subscribers, options.destinations), (2, 3, 2));
        assert_eq!((options.body_bytes, options.pace, options.receipts), (1024, Pace::Rate(500), true));
        assert_eq!((options.warmup, options.time), (Duration::ZERO, Duration::from_secs(60)));
        assert_eq!((options.ack, options.json), (Ack::ClientIndividual, Some(Json::Stdout)));
        assert_eq!(options.login.passcode.as_deref(), Some("b"));
        let default = parse(&["fan-out"]).expect("defaults");
        assert_eq!(default.login.passcode.as_deref(), Some("from the environment"));
        assert!(!format!("{default:?}").contains("environment"), "a passcode is never shown");
    }

    #[test]
    fn invalid_arguments_are_reported() {
        for (arguments, part) in [
            (&["fan-out", "--body", "39"][..], "--body: invalid value \"39\": expected 40 to"),
            (&["fan-out", "--time", "5"], "--time: invalid value \"5\": expected a number and its unit"),
            (&["fan-out", "--rate", "0"], "--rate: invalid value \"0\""),
            (&["fan-out", "--rate", "1", "--window", "1"], "cannot be used with"),
            (&["fan-out", "--url", "http://h/"], "--url: invalid scheme \"http\": expected one of tcp, ws"),
            (&["fan-out", "--ack", "client"], "unexpected argument"),
            (&["queue", "--ack", "none"], "client-individual"),
            (&["ping-pong", "--pairs", "0"], "--pairs: invalid value \"0\""),
            (&["idle", "--pid", "x"], "--pid: invalid value \"x\""),
            (&["fan-in"], "unrecognized subcommand"),
        ] {
            let error = parse(arguments).expect_err("an error");
            assert!(error.contains(part), "{arguments:?}: {error}");
        }
        let check = parse(&["fan-out", "--destinations", "2"]).expect("flags").check();
        assert!(
            check.expect_err("one publisher").contains("Each destination needs a publisher and a subscriber")
        );
    }
}
