//! The broker's binary on its own ports, stopped when the test ends.

use super::client::{Client, Wire};
use super::http::{self, Request, Response};
use super::log::Log;
use super::{HANG_TIMEOUT, websocket};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// A broker process. Dropping the value kills the process.
pub(crate) struct Broker {
    child: Child,
    /// Lines of the process's stdout. The channel is disconnected when the process has ended.
    lines: Mutex<Receiver<String>>,
    log: Log,
    pub(crate) tcp: SocketAddr,
    pub(crate) http: SocketAddr,
    /// All addresses that the broker announces, as URLs.
    pub(crate) urls: Vec<String>,
}

/// Returns the number of lines that the broker prints about the listeners in `flags`: one for each address of `--tcp`,
/// and two for each address of `--http`.
fn extra_lines(flags: &[&str]) -> usize {
    let mut lines = 0;
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        let lines_per_address = match name {
            "--tcp" => 1,
            "--http" => 2,
            _ => continue,
        };
        let value = if value.is_empty() { flags.next().copied().unwrap_or_default() } else { value };
        lines += lines_per_address * value.split(',').count();
    }
    lines
}

impl Broker {
    /// Starts the broker with `flags` and waits until it listens.
    #[track_caller]
    pub(crate) fn start(flags: &[&str]) -> Broker {
        Broker::spawn(Command::new(env!("CARGO_BIN_EXE_stompbox")), flags)
    }

    /// Starts a shell that runs the commands `first` and then the broker.
    #[track_caller]
    pub(crate) fn start_after(first: &str, flags: &[&str]) -> Broker {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{first}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_stompbox")]);
        Broker::spawn(shell, flags)
    }

    #[track_caller]
    fn spawn(mut command: Command, flags: &[&str]) -> Broker {
        let mut child = command
            .args(["--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0"])
            .args(flags)
            // Polling clients may be slow on a busy machine. Tests of this delay override it with a flag.
            .env("STOMPBOX_SOCKJS_DISCONNECT_DELAY", "1m")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (sender, lines) = channel();
        let stdout = child.stdout.take().expect("stdout is piped");
        std::thread::spawn(move || follow(stdout, &sender));
        let log = Log::follow(child.stderr.take().expect("stderr is piped"));
        let unset = SocketAddr::from(([127, 0, 0, 1], 0));
        let urls = Vec::new();
        let mut broker = Broker { child, lines: Mutex::new(lines), log, tcp: unset, http: unset, urls };
        broker.await_listening(3 + extra_lines(flags));
        broker
    }

    #[track_caller]
    fn await_listening(&mut self, lines: usize) {
        while self.urls.len() < lines {
            let Ok(line) = self.line_within(HANG_TIMEOUT) else {
                panic!("the broker does not listen; the log is:\n{}", self.log());
            };
            let Some(url) = line.strip_prefix("listening ") else { continue };
            let (scheme, rest) = url.split_once("://").expect("the line contains a URL");
            // The URL of the WebSocket endpoint ends in a path.
            let address = rest.split('/').next().and_then(|address| address.parse().ok());
            let address = address.expect("the URL contains an address");
            match scheme {
                // The first address of each scheme belongs to the listener that every test has.
                "tcp" if self.tcp.port() == 0 => self.tcp = address,
                "http" if self.http.port() == 0 => self.http = address,
                _ => {}
            }
            self.urls.push(url.to_owned());
        }
    }

    fn line_within(&self, within: Duration) -> Result<String, RecvTimeoutError> {
        self.lines.lock().expect("no reader panics").recv_timeout(within)
    }

    /// Opens a connection and sends no frame. Over WebSocket, completes the handshake with the subprotocol `v12.stomp`.
    #[track_caller]
    pub(crate) fn open(&self, wire: Wire) -> Client {
        match wire {
            Wire::Tcp => Client::new(wire, TcpStream::connect(self.tcp).expect("the TCP port accepts")),
            Wire::WebSocket => {
                let (stream, response) = websocket::upgrade(self.http, "/ws", Some("v12.stomp"));
                assert_eq!(response.status, 101, "{response:?}");
                Client::new(wire, stream)
            }
        }
    }

    /// Opens a WebSocket with a custom handshake, and sends no frame.
    #[track_caller]
    pub(crate) fn open_websocket(&self, request: Request) -> Client {
        let request = request.header("Sec-WebSocket-Protocol", "v12.stomp");
        let (stream, response) = websocket::upgrade_by(self.http, request);
        assert_eq!(response.status, 101, "{response:?}");
        Client::new(Wire::WebSocket, stream)
    }

    /// Returns a connected client that speaks STOMP 1.2.
    #[track_caller]
    pub(crate) fn connect(&self, wire: Wire) -> Client {
        self.connect_with(wire, "1.2")
    }

    /// Returns a connected client that speaks the given version.
    #[track_caller]
    pub(crate) fn connect_with(&self, wire: Wire, version: &str) -> Client {
        let mut client = self.open(wire);
        client.send(&format!("CONNECT\naccept-version:{version}\nhost:localhost\n\n\0"));
        client.expect("CONNECTED", &[("version", version)], "");
        client
    }

    /// Sends `GET path` and returns the answer.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Response {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.http);
        http::exchange(self.http, request.as_bytes()).1
    }

    /// Returns a value of `/metrics`: the value of one series if `name` has labels (`name{label="value"}`), otherwise
    /// the sum over all labels. Returns 0 for a missing series. `name` lacks the prefix `stompbox_`.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str) -> i64 {
        let response = self.get("/metrics");
        assert_eq!(response.status, 200);
        let wanted = format!("stompbox_{name}");
        let series = response.body.lines().filter_map(|line| line.rsplit_once(' '));
        let matching = series.filter(|(series, _)| {
            *series == wanted || series.strip_prefix(&wanted).is_some_and(|rest| rest.starts_with('{'))
        });
        matching.map(|(_, value)| value.parse::<i64>().expect("a whole number")).sum()
    }

    /// Waits until a metric has this value.
    #[track_caller]
    pub(crate) fn wait_for_metric(&self, name: &str, value: i64) {
        self.wait_for_metric_where(name, |seen| seen == value);
    }

    /// Waits until `holds` returns true for the value of a metric.
    #[track_caller]
    pub(crate) fn wait_for_metric_where(&self, name: &str, holds: impl Fn(i64) -> bool) {
        let started = Instant::now();
        loop {
            let seen = self.metric(name);
            if holds(seen) {
                return;
            }
            assert!(started.elapsed() < HANG_TIMEOUT, "{name} stays at {seen}; the log is:\n{}", self.log());
            std::thread::yield_now();
        }
    }

    /// Sends requests for `/health` to the broker until this time has passed.
    #[track_caller]
    pub(crate) fn request_health_for(&self, time: Duration) {
        let started = Instant::now();
        while started.elapsed() < time {
            assert_eq!(self.get("/health").status, 200);
        }
    }

    /// Returns how often a limit was reached.
    #[track_caller]
    pub(crate) fn limit_hits(&self, option: &str) -> i64 {
        let series = format!("limit_hits_total{{limit=\"{option}\"}}");
        assert!(self.get("/metrics").body.contains(&series), "{series} must exist from the start");
        self.metric(&series)
    }

    /// Returns the lines that the broker has written to stderr so far.
    pub(crate) fn log(&self) -> String {
        self.log.so_far()
    }

    /// Waits for a line of the log for which `matches` returns true, and returns the first one.
    #[track_caller]
    pub(crate) fn log_line(&self, matches: impl Fn(&str) -> bool) -> String {
        self.log.line(matches)
    }

    /// Stops the broker, and returns everything that it has written to stderr.
    #[track_caller]
    pub(crate) fn whole_log(self) -> String {
        self.terminate();
        self.log_after_exit()
    }

    /// Waits until the broker has stopped, and returns everything that it has written to stderr.
    #[track_caller]
    pub(crate) fn log_after_exit(mut self) -> String {
        self.exit_status(HANG_TIMEOUT);
        self.log.whole()
    }

    /// Returns the process id.
    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the memory of the process that is in RAM (`VmRSS`).
    #[track_caller]
    pub(crate) fn resident_bytes(&self) -> usize {
        self.status_bytes("VmRSS:")
    }

    /// Returns the peak of the memory of the process in RAM (`VmHWM`).
    #[track_caller]
    pub(crate) fn resident_bytes_peak(&self) -> usize {
        self.status_bytes("VmHWM:")
    }

    /// Returns the amount of memory after `label` in the status of the process.
    #[track_caller]
    fn status_bytes(&self, label: &str) -> usize {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux has /proc");
        let line = status.lines().find_map(|line| line.strip_prefix(label));
        let line = line.unwrap_or_else(|| panic!("no {label} in\n{status}"));
        let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        kib * 1024
    }

    /// Sends SIGTERM to the broker.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends a signal to the broker.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a process has an id");
        kill_process(pid, signal).expect("a child process can be signalled");
    }

    /// Waits until the broker has stopped by itself, for at most `within`.
    #[track_caller]
    pub(crate) fn exit_status(&mut self, within: Duration) -> ExitStatus {
        let started = Instant::now();
        // The channel is disconnected when the process has ended.
        while self.line_within(within.saturating_sub(started.elapsed())).is_ok() {}
        assert!(started.elapsed() < within, "the broker does not stop; the log is:\n{}", self.log());
        self.child.wait().expect("a child process can be waited for")
    }

    /// Asserts that the broker accepts and serves a new client.
    #[track_caller]
    pub(crate) fn assert_serves(&self) {
        let mut client = self.connect(Wire::Tcp);
        client.expect_quiet();
        client.disconnect();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the broker's log:\n{}", self.log());
        }
    }
}

fn follow(stdout: impl Read, lines: &Sender<String>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if lines.send(line).is_err() {
            break;
        }
    }
}
