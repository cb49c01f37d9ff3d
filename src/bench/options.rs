//! Options of a measurement.

use super::url::BrokerUrl;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Maximum number of publishers that a message body can identify.
const PUBLISHERS_MAX: usize = 60_000;

/// The shape of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Shape {
    FanOut,
    Queue,
    PingPong,
    Idle,
}

impl Shape {
    /// Returns the name of the shape, as in commands and results.
    pub fn name(self) -> &'static str {
        match self {
            Shape::FanOut => "fan-out",
            Shape::Queue => "queue",
            Shape::PingPong => "ping-pong",
            Shape::Idle => "idle",
        }
    }
}

/// The condition for a publisher to send its next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Closed loop: at most this many messages of a publisher are in flight.
    Window(usize),
    /// Open loop: all publishers together send this many messages per second, regardless of the broker.
    Rate(u32),
}

/// The `ack` header of the subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Ack {
    Auto,
    Client,
    ClientIndividual,
}

impl Ack {
    pub const ALL: [Ack; 3] = [Ack::Auto, Ack::Client, Ack::ClientIndividual];

    /// Returns the value of the `ack` header in SUBSCRIBE.
    pub fn as_str(self) -> &'static str {
        match self {
            Ack::Auto => "auto",
            Ack::Client => "client",
            Ack::ClientIndividual => "client-individual",
        }
    }
}

/// The credentials for the broker.
#[derive(Clone, Default)]
pub struct Login {
    /// The `login` header of CONNECT.
    pub login: Option<String>,
    /// The `passcode` header of CONNECT. `Debug` does not show it.
    pub passcode: Option<String>,
    /// The `host` header of CONNECT, if it differs from the host of the URL.
    pub vhost: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("login", &self.login)
            .field("vhost", &self.vhost)
            .finish_non_exhaustive()
    }
}

/// Destination of the result in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Json {
    File(PathBuf),
    /// Standard output. The table then goes to standard error.
    Stdout,
}

/// Options of a measurement. Options that do not apply to the shape are ignored.
#[derive(Clone, Debug)]
pub struct Options {
    /// The shape of the load.
    pub shape: Shape,
    /// URL of the broker.
    pub url: BrokerUrl,
    /// Credentials for the broker.
    pub login: Login,
    /// Number of connections that publish.
    pub publishers: usize,
    /// Number of connections that subscribe. For `idle`, these are all connections except one. For `ping-pong`, this is
    /// the number of pairs.
    pub subscribers: usize,
    /// Number of destinations. Publishers and subscribers are distributed over them.
    pub destinations: usize,
    /// Prefix of the destinations. `None` means a prefix that is unique to this run.
    pub destination: Option<String>,
    /// Size of a message body, in bytes.
    pub body_bytes: usize,
    /// Condition for sending the next message.
    pub pace: Pace,
    /// Duration of the warm-up before the measurement.
    pub warmup: Duration,
    /// Duration of the measurement.
    pub time: Duration,
    /// Time without any delivery after which missing messages count as lost.
    pub stall_timeout: Duration,
    /// The `ack` header of the subscriptions.
    pub ack: Ack,
    /// Whether each SEND requests a receipt.
    pub receipts: bool,
    /// Process ID of the broker. If it is set, the report contains the memory of the broker.
    pub pid: Option<u32>,
    /// Destination of the result in JSON.
    pub json: Option<Json>,
    /// Whether standard error is a terminal. A terminal shows the progress as a bar. Otherwise it is shown as lines.
    pub terminal: bool,
}

impl Options {
    /// Checks that a measurement with these options is possible.
    ///
    /// # Errors
    /// Returns a text that says what to change.
    pub fn check(&self) -> Result<(), String> {
        let (publishers, subscribers) = (self.publishers, self.subscribers);
        if publishers == 0 || subscribers == 0 || self.destinations == 0 {
            return Err("publishers, subscribers and destinations must each be at least 1".to_owned());
        }
        if publishers > PUBLISHERS_MAX {
            return Err(format!(
                "--publishers: invalid value \"{publishers}\": expected at most {PUBLISHERS_MAX}"
            ));
        }
        if self.destinations > publishers.min(subscribers) {
            return Err(format!(
                "--destinations: invalid value \"{}\": expected at most {}. Each destination needs a publisher and a \
                 subscriber",
                self.destinations,
                publishers.min(subscribers)
            ));
        }
        if matches!(self.pace, Pace::Window(0) | Pace::Rate(0)) {
            return Err("--window and --rate must be at least 1".to_owned());
        }
        Ok(())
    }

    /// Returns the total number of connections.
    pub(super) fn connections(&self) -> usize {
        match self.shape {
            Shape::FanOut | Shape::Queue => self.publishers + self.subscribers,
            Shape::PingPong => 2 * self.subscribers,
            Shape::Idle => self.subscribers + 1,
        }
    }
}
