//! The command line: exit code and output for given arguments.

use crate::support::{Broker, Wire};
use rustix::process::{Resource, getrlimit};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory that is deleted when dropped.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Directory(path)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).expect("a file");
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs the command in `directory`, with only `variables` as its environment. Returns the exit code, standard output
/// and standard error.
fn run(
    directory: &Directory,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> (Option<i32>, String, String) {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_stompbox"))
        .current_dir(&directory.0)
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("the command runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn check_config_prints_non_default_settings_without_secrets() {
    let directory = Directory::new("check-config-valid");
    directory.write(
        "stompbox.toml",
        "# the broker of the shop\ntcp = \"0.0.0.0:61613\"\nuser = [\"alice:open-sesame\"]\nmax-deliveries = 5\n\
         frame-bytes-max = \"2MiB\"\n",
    );
    let arguments = ["check-config", "--config", "stompbox.toml", "--max-deliveries", "7"];
    let (code, out, errors) = run(&directory, &arguments, &[("STOMPBOX_HTTP", "off")]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let (settings, rules) = out.split_once("\n\n").expect("settings, then permissions");
    assert!(rules.contains("Preset safe, because other machines can connect."), "{rules}");
    assert!(rules.lines().all(|line| line.starts_with("# ")), "the output is still TOML: {rules}");
    assert_eq!(
        settings,
        "configuration is valid\n\
         http = \"off\"  # STOMPBOX_HTTP\n\
         tcp = \"0.0.0.0:61613\"  # stompbox.toml:2\n\
         user = [\"alice:***\"]  # stompbox.toml:3\n\
         max-deliveries = 7  # --max-deliveries"
    );
}

#[test]
fn check_config_prints_every_error_and_exits_with_2() {
    let directory = Directory::new("check-config-errors");
    directory
        .write("a.toml", "tcp = \"off\"\nhttp = \"off\"\nframe-byte-max = 1\nuser = [\"open-sesame\"]\n");
    let variables = [("STOMPBOX_CONFIG", "a.toml"), ("STOMPBOX_LINGR", "1s")];
    let (code, out, errors) = run(&directory, &["check-config", "--backlog=many"], &variables);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(
        errors,
        "error: a.toml:1: key \"tcp\": tcp and http are both off, so no client can connect. Set an address \
         for one of them\n\
         error: a.toml:3: key \"frame-byte-max\": unknown key. Did you mean \"frame-bytes-max\"?\n\
         error: a.toml:4: key \"user\": invalid value (not shown): expected NAME:PASSCODE. Both parts \
         must be set, and must not contain control characters\n\
         error: environment variable STOMPBOX_LINGR: unknown variable. Did you mean STOMPBOX_LINGER?\n\
         error: --backlog: invalid value \"many\": expected a whole number from 1 to 65535\n\
         5 configuration errors\n"
    );
}

#[test]
fn the_output_of_check_config_is_a_valid_configuration_file() {
    let directory = Directory::new("check-config-round-trip");
    let arguments = ["check-config", "--tcp=[::1]:0", "--ws-path=/a~b", "--allow-anonymous", "--linger=0"];
    let (code, printed, _) = run(&directory, &arguments, &[]);
    assert_eq!(code, Some(0));
    let file = printed.strip_prefix("configuration is valid\n").expect("the first line");
    directory.write("again.toml", file);
    let (code, again, errors) = run(&directory, &["check-config", "--config=again.toml"], &[]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let settings =
        |text: &str| text.lines().map(|line| line.split("  #").next().map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(settings(&again), settings(&printed));
}

#[test]
fn the_broker_does_not_start_with_configuration_errors() {
    let directory = Directory::new("no-start");
    let (code, out, errors) = run(&directory, &["--http", "0.0.0.0:0"], &[]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(errors.starts_with("error: --http: 0.0.0.0:0 can be reached from other machines"), "{errors}");
    let (code, _, errors) = run(&directory, &["--config", "nowhere.toml"], &[]);
    assert_eq!(code, Some(2));
    assert!(errors.starts_with("error: --config: cannot read nowhere.toml: "), "{errors}");
}

#[test]
fn an_explicit_connections_max_above_the_limit_of_open_files_is_rejected() {
    let directory = Directory::new("open-files");
    let (code, out, errors) = run(&directory, &["--connections-max", "4294967295", "--log", "off"], &[]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(errors.starts_with("error: connections-max is 4294967295, but the limit of "), "{errors}");
    assert!(errors.contains("reserves 256 files for itself"), "{errors}");
}

#[test]
fn the_error_for_a_port_in_use_names_the_option_to_change() {
    let directory = Directory::new("port-in-use");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address");
    let option = format!("--tcp={address}");
    let (code, out, errors) = run(&directory, &[&option, "--http=off", "--log=off"], &[]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    let start = format!("error: cannot listen on {address} (option tcp): another program uses this port,");
    assert!(errors.starts_with(&start), "{errors}");
    assert!(errors.contains("for example --tcp 127.0.0.1:"), "{errors}");
}

#[test]
fn the_error_for_a_missing_address_names_the_option_to_change() {
    let directory = Directory::new("no-such-address");
    // An address for documentation (RFC 5737), which no machine has.
    let arguments = ["--http=192.0.2.1:8080", "--tcp=off", "--allow-anonymous", "--log=off"];
    let (code, _, errors) = run(&directory, &arguments, &[]);
    assert_eq!(code, Some(1));
    assert!(
        errors.starts_with("error: cannot listen on 192.0.2.1:8080 (option http): this machine has no such"),
        "{errors}"
    );
    assert!(errors.contains("--http 0.0.0.0:8080"), "{errors}");
}

#[test]
fn startup_warns_if_no_rule_lets_users_send_or_use_queues() {
    let broker = Broker::start(&["--default-permissions=safe", "--user=alice:a"]);
    let line = broker.log_line(|line| line.contains("no permission rule allows users to"));
    assert!(
        line.contains(" WARN ")
            && line.contains(
                "send to /topic (except to /topic/chat.**) or send to /queue or subscribe to /queue"
            ),
        "{line}"
    );
    assert!(line.contains("add these rules to permission:"), "{line}");
    assert!(
        line.contains("allow send users /topic/**") && line.contains("allow all users /queue/**"),
        "{line}"
    );
    let rules = ["--permission=allow send users /topic/**", "--permission=allow all users /queue/**"];
    let granted = Broker::start(&[&["--default-permissions=safe", "--user=alice:a"][..], &rules].concat());
    assert!(!granted.whole_log().contains("no permission rule allows"));
    // Rules for users have no effect if no source of users is configured.
    let anonymous = Broker::start(&[&["--default-permissions=safe"][..], &rules].concat());
    let line = anonymous.log_line(|line| line.contains("no permission rule allows anonymous clients to"));
    assert!(
        line.contains("allow send anonymous /topic/**") && line.contains("allow all anonymous /queue/**"),
        "{line}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn the_limit_of_open_files_is_raised_to_the_hard_limit_and_logged() {
    let broker = Broker::start_after("ulimit -Sn 256", &[]);
    let hard = getrlimit(Resource::Nofile).maximum.map_or("unlimited".to_string(), |most| most.to_string());
    let line = broker.log_line(|line| line.contains("limit of open files"));
    assert!(line.contains(" before=256 "), "{line}");
    assert!(
        hard == "unlimited" || line.ends_with(&format!(" now={hard}")),
        "{line}; the hard limit is {hard}"
    );
    let limits =
        std::fs::read_to_string(format!("/proc/{}/limits", broker.process_id())).expect("Linux has /proc");
    let limits =
        limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("the limit is listed");
    let limits: Vec<_> = limits.split_whitespace().collect();
    assert_eq!(limits[..2], [hard.as_str(), hard.as_str()], "the soft and the hard limit");
    broker.assert_serves();
}

#[test]
fn the_default_connections_max_is_lowered_to_fit_the_limit_of_open_files() {
    let broker = Broker::start_after("ulimit -n 262", &[]);
    let line = broker.log_line(|line| line.contains("connections-max is lowered"));
    assert!(line.contains("from 16384 to 6:") && line.contains("open_files=262"), "{line}");
    assert!(line.contains("reserves 256 files for itself"), "{line}");
    let clients: Vec<_> = (0..6).map(|_| broker.connect(Wire::Tcp)).collect();
    let mut rejected = broker.open(Wire::Tcp);
    assert!(rejected.expect_error(&[]).text().contains("connections-max"));
    let line = broker.log_line(|line| line.contains("rejected a client"));
    assert!(line.contains(" WARN ") && line.contains("limit=\"connections-max\""), "{line}");
    drop(clients);
    broker.wait_for_metric("connections", 0);
    broker.assert_serves();
}

#[test]
fn version_and_help_are_shown() {
    let directory = Directory::new("help");
    let (code, out, _) = run(&directory, &["--version"], &[]);
    assert_eq!((code, out.as_str()), (Some(0), concat!("stompbox ", env!("CARGO_PKG_VERSION"), "\n")));
    let (code, out, errors) = run(&directory, &["--help"], &[]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(out.contains("--tcp <ADDR>") && out.contains("check-config"), "{out}");
}

#[test]
fn short_help_is_short_and_long_help_has_every_option() {
    let directory = Directory::new("short-help");
    let (code, short, errors) = run(&directory, &["-h"], &[]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(short.lines().count() <= 25, "{short}");
    assert!(short.contains("stompbox --help"), "{short}");
    let (_, long, _) = run(&directory, &["--help"], &[]);
    assert!(long.lines().count() > 200 && long.contains("--queues-max"), "{long}");
}
