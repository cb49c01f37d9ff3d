//! A broker as a process of its own.

use crate::Result;
use crate::scripts::USERS;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Maximum time until the broker listens.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum time from SIGTERM until the broker has ended. After this time the broker is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(40);

pub struct Broker {
    child: Child,
    /// Lines of the process's stdout. The channel is disconnected when the process has ended.
    lines: Receiver<String>,
    pub tcp: SocketAddr,
    pub http: SocketAddr,
}

impl Broker {
    /// Starts the program and waits until it listens.
    pub fn start(program: &Path, options: &[OsString]) -> Result<Broker> {
        let mut command = Command::new(program);
        command.args(["--tcp=127.0.0.1:0", "--http=127.0.0.1:0", "--log=error"]);
        command.args(["--user=ping:x", "--user=pong:x"]);
        command.args((0..USERS).map(|number| format!("--user=f{number}:x")));
        command.args(options).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child =
            command.spawn().map_err(|error| format!("{} does not start: {error}", program.display()))?;
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(std::result::Result::ok) {
                // An error means that the receiver was dropped. The pipe must still be read, so that the broker does
                // not block.
                let _ = sender.send(line);
            }
        });
        let unset = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut broker = Broker { child, lines, tcp: unset, http: unset };
        broker.tcp = broker.address("tcp")?;
        broker.http = broker.address("http")?;
        Ok(broker)
    }

    /// Returns the address in the next line, which must announce a listener of `scheme`.
    fn address(&self, scheme: &str) -> Result<SocketAddr> {
        let line = self.lines.recv_timeout(LISTEN_TIMEOUT);
        let line = line.map_err(|_| "the broker does not listen; see its log above")?;
        let text = line.strip_prefix(&format!("listening {scheme}://"));
        let address = text.and_then(|text| text.split('/').next()?.parse().ok());
        address.ok_or_else(|| {
            format!("the broker printed {line:?}; expected \"listening {scheme}://ADDRESS:PORT\"").into()
        })
    }

    /// Returns the id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM. Returns the time until the process has ended.
    pub fn terminate(&mut self) -> Result<Duration> {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a process has an id");
        let start = Instant::now();
        kill_process(pid, Signal::TERM)?;
        loop {
            match self.lines.recv_timeout(STOP_TIMEOUT.saturating_sub(start.elapsed())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("the broker still runs {STOP_TIMEOUT:?} after SIGTERM").into());
                }
            }
        }
        self.child.wait()?;
        Ok(start.elapsed())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the CPU time that all threads of a process have used.
pub fn cpu_time(id: u32) -> Result<Duration> {
    let path = format!("/proc/{id}/task");
    let tasks =
        std::fs::read_dir(&path).map_err(|error| format!("{path}: {error}; expected a Linux /proc"))?;
    let nanos = tasks.flatten().filter_map(|task| {
        // A thread may have ended after it was listed.
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Ok(Duration::from_nanos(nanos.sum()))
}
