//! What is to be measured.

use super::url::Url;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Publishers that a body can tell apart.
const PUBLISHERS_MAX: usize = 60_000;

/// What the load looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Shape {
    FanOut,
    Queue,
    PingPong,
    Idle,
}

impl Shape {
    /// Its name as a command and in results.
    pub fn name(self) -> &'static str {
        match self {
            Shape::FanOut => "fan-out",
            Shape::Queue => "queue",
            Shape::PingPong => "ping-pong",
            Shape::Idle => "idle",
        }
    }
}

/// What makes a publisher send the next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Closed loop: at most so many messages of a publisher are under way.
    Window(usize),
    /// Open loop: so many messages a second by all publishers together, whatever the broker does.
    Rate(u32),
}

/// The `ack` of the subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Ack {
    Auto,
    Client,
    ClientIndividual,
}

impl Ack {
    /// Every mode.
    pub const ALL: [Ack; 3] = [Ack::Auto, Ack::Client, Ack::ClientIndividual];

    /// As it stands in SUBSCRIBE.
    pub fn as_str(self) -> &'static str {
        match self {
            Ack::Auto => "auto",
            Ack::Client => "client",
            Ack::ClientIndividual => "client-individual",
        }
    }
}

/// Who one is to the broker.
#[derive(Clone, Default)]
pub struct Login {
    /// `login` of CONNECT.
    pub login: Option<String>,
    /// `passcode` of CONNECT; never shown.
    pub passcode: Option<String>,
    /// `host` of CONNECT where it is not the URL's.
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

/// Where the result goes as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Json {
    File(PathBuf),
    /// In place of the table, which then goes to standard error.
    Stdout,
}

/// A measurement. What a shape has no use for is ignored.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the load looks like.
    pub shape: Shape,
    /// The broker.
    pub url: Url,
    /// Who one is there.
    pub login: Login,
    /// Connections that publish.
    pub publishers: usize,
    /// Connections that subscribe; `idle`: all but one; `ping-pong`: pairs.
    pub subscribers: usize,
    /// Destinations that publishers and subscribers share out.
    pub destinations: usize,
    /// What destinations begin with; `None`: something new.
    pub destination: Option<String>,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// When messages are sent.
    pub pace: Pace,
    /// How long before measuring begins.
    pub warmup: Duration,
    /// How long is measured.
    pub time: Duration,
    /// How long nothing may arrive before what is missing is lost.
    pub patience: Duration,
    /// The `ack` of the subscriptions.
    pub ack: Ack,
    /// Whether each SEND asks for a receipt.
    pub receipts: bool,
    /// The broker's process, whose memory is read.
    pub pid: Option<u32>,
    /// Where the result goes as JSON.
    pub json: Option<Json>,
    /// Whether standard error is a terminal, on which a bar can move.
    pub terminal: bool,
}

impl Options {
    /// What cannot be measured.
    ///
    /// # Errors
    /// What to change.
    pub fn check(&self) -> Result<(), String> {
        let (publishers, subscribers) = (self.publishers, self.subscribers);
        if publishers == 0 || subscribers == 0 || self.destinations == 0 {
            return Err(
                "there must be at least one of each: publishers, subscribers, destinations".to_owned()
            );
        }
        if publishers > PUBLISHERS_MAX {
            return Err(format!("--publishers: {PUBLISHERS_MAX} at most"));
        }
        if self.destinations > publishers.min(subscribers) {
            return Err(format!(
                "--destinations: invalid value \"{}\": each needs a publisher and a subscriber, and there are {publishers} and \
                 {subscribers}",
                self.destinations
            ));
        }
        if matches!(self.pace, Pace::Window(0) | Pace::Rate(0)) {
            return Err("--window and --rate begin with 1".to_owned());
        }
        Ok(())
    }

    /// Connections in all.
    pub(super) fn connections(&self) -> usize {
        match self.shape {
            Shape::FanOut | Shape::Queue => self.publishers + self.subscribers,
            Shape::PingPong => 2 * self.subscribers,
            Shape::Idle => self.subscribers + 1,
        }
    }
}
