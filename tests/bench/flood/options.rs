//! The options of the command line.

use crate::scripts::Flood;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Transport of the flooders.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Transport {
    Tcp,
    WebSocket,
    SockJs,
}

impl Transport {
    const ALL: [(&str, Transport); 3] =
        [("tcp", Transport::Tcp), ("ws", Transport::WebSocket), ("sockjs", Transport::SockJs)];
}

/// The parameters of one row of the table.
#[derive(Clone, Copy)]
pub struct Setting {
    pub flood: Flood,
    pub transport: Transport,
    pub flooders: usize,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name_of = |transport| Transport::ALL.iter().find(|(_, other)| *other == transport);
        let transport = name_of(self.transport).map_or("", |(name, _)| name);
        write!(f, "{:<9} {transport:<6} {:>3}", self.flood.name(), self.flooders)
    }
}

pub struct Options {
    pub broker: PathBuf,
    pub runs: usize,
    pub time: Duration,
    pub control: bool,
    pub label: String,
    pub out: Option<PathBuf>,
    pub broker_options: Vec<OsString>,
    flooders: Vec<usize>,
    transports: Vec<Transport>,
    floods: Vec<Flood>,
}

impl Options {
    pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Options, clap::Error> {
        let mut matches = command().try_get_matches_from(arguments)?;
        Ok(Options {
            broker: one(&mut matches, "broker"),
            runs: one::<u32>(&mut matches, "runs") as usize,
            time: Duration::from_secs(one(&mut matches, "seconds")),
            control: matches.get_flag("control"),
            label: one(&mut matches, "label"),
            out: matches.remove_one("out"),
            broker_options: all(&mut matches, "broker-options"),
            flooders: all::<u32>(&mut matches, "flooders").into_iter().map(|count| count as usize).collect(),
            transports: all(&mut matches, "transport"),
            floods: all(&mut matches, "floods"),
        })
    }

    /// Returns the settings in the order of the table.
    pub fn settings(&self) -> impl Iterator<Item = Setting> {
        self.transports.iter().flat_map(move |&transport| {
            self.flooders.iter().flat_map(move |&flooders| {
                self.floods.iter().map(move |&flood| Setting { flood, transport, flooders })
            })
        })
    }
}

/// Takes the value of an argument that has a default.
fn one<T: Clone + Send + Sync + 'static>(matches: &mut ArgMatches, name: &str) -> T {
    matches.remove_one(name).expect("the argument has a default")
}

fn all<T: Clone + Send + Sync + 'static>(matches: &mut ArgMatches, name: &str) -> Vec<T> {
    matches.remove_many(name).map(Iterator::collect).unwrap_or_default()
}

fn command() -> Command {
    let list = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("LIST").value_delimiter(',').help(help)
    };
    let count = || value_parser!(u32).range(1..=10_000);
    let transports = PossibleValuesParser::new(Transport::ALL.map(|(name, _)| name)).map(|given| {
        let found = Transport::ALL.iter().find(|(name, _)| *name == given);
        found.expect("the parser knows the same names").1
    });
    let floods = PossibleValuesParser::new(Flood::ALL.map(Flood::name)).map(|given| {
        let found = Flood::ALL.into_iter().find(|flood| flood.name() == given);
        found.expect("the parser knows the same names")
    });
    Command::new("flood")
        .about("Measures round trips of two clients while other clients flood the broker with frames")
        .arg(broker())
        .arg(list("flooders", "Numbers of flooders").value_parser(count()).default_value("2,8,64"))
        .arg(list("transport", "Transports of the flooders").value_parser(transports).default_value("tcp"))
        .arg(
            list("floods", "Kinds of floods. By default, all kinds run")
                .value_parser(floods)
                .hide_default_value(true)
                .default_values(Flood::ALL.map(Flood::name)),
        )
        .arg(
            Arg::new("runs")
                .long("runs")
                .value_name("N")
                .value_parser(count())
                .default_value("1")
                .help("Number of runs of each row. After several runs, the worst result is printed"),
        )
        .arg(
            Arg::new("seconds")
                .long("seconds")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..=3600))
                .default_value("3")
                .help("Time in seconds for which round trips are measured in each run"),
        )
        .arg(
            Arg::new("control")
                .long("control")
                .action(ArgAction::SetTrue)
                .help("Measures each run a second time with the flood on another broker"),
        )
        .arg(label())
        .arg(
            Arg::new("out")
                .long("out")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("File to which the table is appended, in addition to stdout"),
        )
        // `cargo bench` adds this argument.
        .arg(Arg::new("bench").long("bench").action(ArgAction::SetTrue).hide(true))
        .arg(
            Arg::new("broker-options")
                .last(true)
                .num_args(0..)
                .value_name("BROKER OPTION")
                .value_parser(value_parser!(OsString))
                .help("Further options of the broker"),
        )
}

fn broker() -> Arg {
    Arg::new("broker")
        .long("broker")
        .value_name("PATH")
        .value_parser(value_parser!(PathBuf))
        .default_value(env!("CARGO_BIN_EXE_stompbox"))
        .hide_default_value(true)
        .help("Program to measure. By default, the broker that was built with this benchmark")
}

fn label() -> Arg {
    Arg::new("label")
        .long("label")
        .value_name("TEXT")
        .default_value("stompbox")
        .help("First column of the table, which distinguishes brokers")
}
