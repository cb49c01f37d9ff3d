//! Timers of a session: connect timeouts, heartbeats, and the rate limit of frames.

use super::options::Options;
use std::time::{Duration, Instant};
use stompbox_frames::stomp::HeartBeat;

/// The times of the last input and output, and the times after which the session must act.
#[derive(Debug)]
pub(super) struct Timers {
    started: Instant,
    /// Time of the last input.
    last_input: Instant,
    /// Time of the last output.
    last_output: Instant,
    /// Time without output after which the session sends a heartbeat. `None` if it sends none.
    send_after: Option<Duration>,
    /// Time without input after which the peer counts as lost. `None` if the peer sends no heartbeats.
    lost_after: Option<Duration>,
}

/// A heartbeat event that is due in a connected session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeartbeatEvent {
    /// The peer was silent for too long and counts as lost.
    Lost,
    /// The session must send a heartbeat.
    Send,
}

/// The timeout that expired before CONNECT was complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeoutOption {
    /// `connect-silence`: no byte was received for that time.
    Silence,
    /// `connect-timeout`: the total time is over.
    Timeout,
}

impl Timers {
    /// Starts the connect timeouts of a new connection.
    pub(super) fn new(now: Instant) -> Timers {
        Timers { started: now, last_input: now, last_output: now, send_after: None, lost_after: None }
    }

    pub(super) fn note_input(&mut self, now: Instant) {
        self.last_input = self.last_input.max(now);
    }

    pub(super) fn note_output(&mut self, now: Instant) {
        self.last_output = self.last_output.max(now);
    }

    /// Starts the heartbeats when the session sends CONNECTED. Their intervals follow from the `heart-beat` headers of
    /// both sides.
    pub(super) fn start_heartbeats(&mut self, own: HeartBeat, peer: HeartBeat, tolerance: u32, now: Instant) {
        self.note_input(now);
        self.note_output(now);
        self.send_after = interval(own.sends_to(peer)).map(|every| every * 4 / 5);
        self.lost_after = interval(peer.sends_to(own)).map(|every| lost_after(every, tolerance));
    }

    /// Returns the agreed interval of the broker's heartbeats. The session sends each heartbeat after 4/5 of the
    /// interval.
    pub(super) fn heartbeat_interval(&self) -> Option<Duration> {
        self.send_after.map(|after| after * 5 / 4)
    }

    /// Returns the time at which a session without CONNECT times out.
    pub(super) fn connect_deadline(&self, options: &Options) -> Option<Instant> {
        earliest(self.silence_ends(options), self.started.checked_add(options.connect_timeout))
    }

    /// Returns the expired timeout of a session without CONNECT. Returns `None` if no timeout has expired.
    pub(super) fn expired_timeout(&self, options: &Options, now: Instant) -> Option<TimeoutOption> {
        if is_due(self.started.checked_add(options.connect_timeout), now) {
            return Some(TimeoutOption::Timeout);
        }
        is_due(self.silence_ends(options), now).then_some(TimeoutOption::Silence)
    }

    fn silence_ends(&self, options: &Options) -> Option<Instant> {
        self.last_input.checked_add(options.connect_silence)
    }

    /// Returns the time of the next heartbeat event: a heartbeat to send, or the loss of the peer.
    pub(super) fn heartbeat_deadline(&self) -> Option<Instant> {
        earliest(self.send_due(), self.loss_due())
    }

    /// Returns the heartbeat event that is due. For [`HeartbeatEvent::Send`], records output at `now`.
    pub(super) fn poll_heartbeat(&mut self, now: Instant) -> Option<HeartbeatEvent> {
        if is_due(self.loss_due(), now) {
            return Some(HeartbeatEvent::Lost);
        }
        is_due(self.send_due(), now).then(|| {
            self.note_output(now);
            HeartbeatEvent::Send
        })
    }

    fn send_due(&self) -> Option<Instant> {
        self.last_output.checked_add(self.send_after?)
    }

    fn loss_due(&self) -> Option<Instant> {
        self.last_input.checked_add(self.lost_after?)
    }
}

fn interval(milliseconds: u32) -> Option<Duration> {
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds.into()))
}

/// Returns `tolerance` times the agreed interval, but at least one second more than the interval. A short delay in a
/// busy network then does not count as loss.
fn lost_after(interval: Duration, tolerance: u32) -> Duration {
    interval.saturating_mul(tolerance).max(interval + Duration::from_secs(1))
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}

fn is_due(due: Option<Instant>, now: Instant) -> bool {
    due.is_some_and(|due| due <= now)
}

/// A token bucket with the frames of one second. Its state is the time at which the bucket is full again.
#[derive(Debug, Default)]
pub(super) struct RateLimiter {
    full_at: Option<Instant>,
}

impl RateLimiter {
    /// Counts a frame. Returns whether the frame exceeds the rate. 0 means no limit.
    pub(super) fn exceeded(&mut self, per_second: u32, now: Instant) -> bool {
        const BURST: Duration = Duration::from_secs(1);
        if per_second == 0 {
            return false;
        }
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + BURST / per_second;
        if full_at - now > BURST {
            return true;
        }
        self.full_at = Some(full_at);
        false
    }
}
