//! The handler of CONNECT, and the answer CONNECTED.

use super::access::SOFT_ERRORS;
use crate::auth::{Credentials, Principal, Secret};
use crate::rejection::Rejection;
use crate::session::action::Action;
use crate::session::errors::texts;
use crate::session::machine::Session;
use crate::session::receipts::requested;
use crate::session::state::SessionState;
use std::time::{Duration, Instant};
use stompbox_frames::stomp::{Command, Frame, HeartBeat, Version, encode};

/// Headers that may contain the name of the client program.
const AGENT_HEADERS: [&str; 2] = ["user-agent", "agent"];
/// Shortest heartbeat interval of the broker, in milliseconds. The session raises shorter configured intervals to it.
const HEART_BEAT_MIN: u32 = 500;

impl Session {
    /// Returns the negotiated maximum interval between two writes to the client. Returns `None` if the broker need not
    /// send heartbeats.
    pub fn heartbeat_interval(&self) -> Option<Duration> {
        self.timers.heartbeat_interval()
    }

    /// Handles the first frame, which must be CONNECT or STOMP.
    pub(super) fn connect(&mut self, frame: &Frame, actions: &mut Vec<Action>) -> Result<(), Rejection> {
        if !matches!(frame.command, Command::Connect | Command::Stomp) {
            return Err(Rejection::before_connect(frame.command));
        }
        let accepted = frame.header("accept-version");
        let Some(version) = Version::negotiate(accepted.as_deref()) else {
            let rejection = Rejection::no_common_version();
            let versions = Some(("version", "1.0,1.1,1.2"));
            self.write_error(requested(frame), texts(&rejection), versions, (&rejection).into(), actions);
            return Ok(());
        };
        let peer = heart_beat(frame, version)?;
        self.version = version;
        self.state = SessionState::Authenticating { peer };
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

    /// Completes the login of an authenticated client: agrees on heartbeats and sends CONNECTED.
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
        self.state = SessionState::Connected;
        self.client.set_principal(principal);
        self.timers.start_heartbeats(own, peer, self.options.heart_beat_tolerance, now);

        let own = own.to_string();
        let mut headers = vec![
            ("version", self.version.as_str()),
            ("session", self.client.id()),
            ("server", self.options.server),
        ];
        // STOMP 1.0 has no heartbeats. A 1.0 client that reads this header would wait for heartbeats in vain.
        if self.version > Version::V1_0 {
            headers.push(("heart-beat", &own));
        }
        headers.extend(self.user().filter(|name| is_literal(name)).map(|name| ("user-name", name)));
        actions.push(Action::Write(encode::frame(Command::Connected, self.version, &headers, b"")));
        actions.push(Action::Established(self.version));
    }
}

/// Removes leading spaces in version 1.0, because many 1.0 clients write `login: alice`. The decoder keeps the spaces
/// of CONNECT, because it does not know the version yet.
fn without_padding(value: &str, version: Version) -> &str {
    if version == Version::V1_0 { value.trim_start_matches(' ') } else { value }
}

/// Returns the `heart-beat` header of CONNECT. Returns 0,0 in version 1.0, which has no heartbeats.
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

/// Returns whether CONNECTED can contain the name. The encoder does not escape headers of CONNECTED.
fn is_literal(name: &str) -> bool {
    !name.contains(['\n', '\r', '\0'])
}
