//! CONNECT and CONNECTED.

use super::access::SOFT_ERRORS;
use super::action::Action;
use super::state::State;
use super::{Rejection, Session};
use crate::users::{Credentials, Principal, Secret};
use std::time::{Duration, Instant};
use stompbox_frames::stomp::{Command, Frame, HeartBeat, Version, encode};

/// Headers in which a client may name its program.
const AGENT_HEADERS: [&str; 2] = ["user-agent", "agent"];
/// No interval of our own is shorter, in milliseconds.
const HEART_BEAT_MIN: u32 = 500;

impl Session {
    /// How often the client is sent something at least, by what was agreed at CONNECT.
    pub fn heartbeat_interval(&self) -> Option<Duration> {
        self.timers.heartbeat_interval()
    }

    /// The first frame.
    pub(super) fn connect(&mut self, frame: &Frame, actions: &mut Vec<Action>) -> Result<(), Rejection> {
        if !matches!(frame.command, Command::Connect | Command::Stomp) {
            return Err(Rejection::before_connect(frame.command));
        }
        let accepted = frame.header("accept-version");
        let version = Version::negotiate(accepted.as_deref()).ok_or_else(Rejection::no_common_version)?;
        let peer = heart_beat(frame, version)?;
        self.version = version;
        self.state = State::Authenticating { peer };
        self.soft_errors = frame.header(SOFT_ERRORS).is_some_and(|value| value.trim() == "true");
        let value = |name| frame.header(name).map(|value| without_padding(&value, version).to_owned());
        let secret = |name| value(name).map(|text| Secret::new(&text));
        actions.push(Action::Authenticate(Credentials {
            login: value("login"),
            passcode: secret("passcode"),
            authorization: secret("Authorization").or_else(|| secret("authorization")),
            ..Credentials::default()
        }));
        let agent = AGENT_HEADERS.iter().find_map(|name| frame.header(name));
        actions.extend(agent.map(|agent| Action::Agent((*agent).into())));
        Ok(())
    }

    /// The client was let in.
    pub(super) fn establish(
        &mut self,
        principal: Principal,
        peer: HeartBeat,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let own = HeartBeat {
            can: at_least_the_minimum(self.options.heart_beat.can),
            wants: at_least_the_minimum(self.options.heart_beat.wants),
        };
        self.state = State::Connected;
        self.principal = principal;
        self.timers.agree(own, peer, self.options.heart_beat_tolerance, now);

        let own = own.to_string();
        let mut headers =
            vec![("version", self.version.as_str()), ("session", &self.id), ("server", self.options.server)];
        // 1.0 has no heartbeats: a client that reads the header would wait for heartbeats that never come.
        if self.version > Version::V1_0 {
            headers.push(("heart-beat", &own));
        }
        headers.extend(self.user().filter(|name| is_literal(name)).map(|name| ("user-name", name)));
        actions.push(Action::Write(encode::frame(Command::Connected, self.version, &headers, b"")));
        actions.push(Action::Established(self.version));
    }
}

/// 1.0 clients write `login: alice`. The decoder leaves the space, for it learns the version only now.
fn without_padding(value: &str, version: Version) -> &str {
    if version == Version::V1_0 { value.trim_start_matches(' ') } else { value }
}

/// What CONNECT says of heart-beats, which 1.0 does not have.
fn heart_beat(frame: &Frame, version: Version) -> Result<HeartBeat, Rejection> {
    match frame.header("heart-beat") {
        Some(value) if version > Version::V1_0 => {
            HeartBeat::parse(&value).ok_or_else(|| Rejection::heart_beat(&value))
        }
        _ => Ok(HeartBeat::default()),
    }
}

fn at_least_the_minimum(milliseconds: u32) -> u32 {
    if milliseconds == 0 { 0 } else { milliseconds.max(HEART_BEAT_MIN) }
}

/// Whether CONNECTED, whose headers are never escaped, can carry the name.
fn is_literal(name: &str) -> bool {
    !name.contains(['\n', '\r', '\0'])
}
