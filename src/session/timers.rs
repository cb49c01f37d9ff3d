//! What is due when: connect timeouts, heart-beats, and the rate of frames.

use super::Options;
use std::time::{Duration, Instant};
use stompbox_frames::stomp::HeartBeat;

/// When something last happened, and how long that may be ago.
#[derive(Debug)]
pub(super) struct Timers {
    started: Instant,
    last_input: Instant,
    last_output: Instant,
    /// Idle time after which something is sent; `None`: never.
    beat_after: Option<Duration>,
    /// Silence after which the peer counts as lost; `None`: never.
    lost_after: Option<Duration>,
}

/// What a connected session has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeartbeatEvent {
    /// The peer is lost.
    Lost,
    /// Something must be sent.
    Send,
}

/// The option that a session awaiting CONNECT ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeoutOption {
    /// `connect-silence`
    Silence,
    /// `connect-timeout`
    Timeout,
}

impl Timers {
    /// The connection begins.
    pub(super) fn new(now: Instant) -> Timers {
        Timers { started: now, last_input: now, last_output: now, beat_after: None, lost_after: None }
    }

    pub(super) fn note_input(&mut self, now: Instant) {
        self.last_input = self.last_input.max(now);
    }

    pub(super) fn note_output(&mut self, now: Instant) {
        self.last_output = self.last_output.max(now);
    }

    /// CONNECTED leaves: heart-beats begin, as both sides' `heart-beat` headers say.
    pub(super) fn agree(&mut self, own: HeartBeat, peer: HeartBeat, tolerance: u32, now: Instant) {
        self.note_input(now);
        self.note_output(now);
        self.beat_after = interval(own.sends_to(peer)).map(|every| every * 4 / 5);
        self.lost_after = interval(peer.sends_to(own)).map(|every| lost_after(every, tolerance));
    }

    /// How often something goes to the peer at least.
    pub(super) fn heartbeat_interval(&self) -> Option<Duration> {
        self.beat_after.map(|after| after * 5 / 4)
    }

    /// When a session awaiting CONNECT is late.
    pub(super) fn connect_deadline(&self, options: &Options) -> Option<Instant> {
        earliest(self.silence_ends(options), self.started.checked_add(options.connect_timeout))
    }

    /// Whether a session awaiting CONNECT is late.
    pub(super) fn late(&self, options: &Options, now: Instant) -> Option<TimeoutOption> {
        if is_due(self.started.checked_add(options.connect_timeout), now) {
            return Some(TimeoutOption::Timeout);
        }
        is_due(self.silence_ends(options), now).then_some(TimeoutOption::Silence)
    }

    fn silence_ends(&self, options: &Options) -> Option<Instant> {
        self.last_input.checked_add(options.connect_silence)
    }

    /// When a heart-beat is due or missing.
    pub(super) fn beat_deadline(&self) -> Option<Instant> {
        earliest(self.beat_due(), self.loss_due())
    }

    /// Which of the two it is; a heart-beat counts as written once it was asked for here.
    pub(super) fn beat(&mut self, now: Instant) -> Option<HeartbeatEvent> {
        if is_due(self.loss_due(), now) {
            return Some(HeartbeatEvent::Lost);
        }
        is_due(self.beat_due(), now).then(|| {
            self.note_output(now);
            HeartbeatEvent::Send
        })
    }

    fn beat_due(&self) -> Option<Instant> {
        self.last_output.checked_add(self.beat_after?)
    }

    fn loss_due(&self) -> Option<Instant> {
        self.last_input.checked_add(self.lost_after?)
    }
}

fn interval(milliseconds: u32) -> Option<Duration> {
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds.into()))
}

/// Returns `tolerance` times the agreed interval, and at least one second more than it, so that a busy network does not
/// count as loss.
fn lost_after(interval: Duration, tolerance: u32) -> Duration {
    interval.saturating_mul(tolerance).max(interval + Duration::from_secs(1))
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}

fn is_due(due: Option<Instant>, now: Instant) -> bool {
    due.is_some_and(|due| due <= now)
}

/// A bucket of one second's worth of frames that fills as time goes by, kept as the moment at which it is full.
#[derive(Debug, Default)]
pub(super) struct Rate {
    full_at: Option<Instant>,
}

impl Rate {
    /// A frame has come; whether it was one too many. `per_second` 0: never.
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
