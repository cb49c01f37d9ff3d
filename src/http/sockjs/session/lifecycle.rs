//! The lifetime of a SockJS session over HTTP, without I/O. This module decides whether a receiver may attach, when a
//! heartbeat is due, and when the session ends.
//!
//! ```text
//!          attach                   close                 deadline
//!    New ──────────> Attached ────────────────> Closing ────────────> Gone
//!                     │  ^  │                      ^                   ^
//!     response ended  │  │  └── receiver aborted ──┼───────────────────┤
//!                     v  │ attach                  │                   │
//!                    Waiting ─────── close ────────┘                   │
//!                       └───────────────── deadline ───────────────────┘
//! ```
//!
//! A *receiver* is a response that carries messages to the client. A session has at most one. A session that never had
//! a receiver can be closed, too. If a request tries to attach to a closing session, it gets the close frame again, and
//! the deadline restarts. Sending requests do not change how long a session waits for a receiver.

use std::time::{Duration, Instant};

/// The timeouts of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delays {
    /// Time without output after which the session sends a heartbeat to its receiver. Zero disables heartbeats.
    pub heartbeat: Duration,
    /// Time after which a session without a receiver ends.
    pub disconnect: Duration,
}

/// Code and reason of the close frame that ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// The close code, which is for programs.
    pub code: u16,
    /// The reason, which is for people.
    pub reason: &'static str,
}

/// The close frame for a second receiver.
pub const ALREADY_ATTACHED: CloseFrame = CloseFrame { code: 2010, reason: "Another connection still open" };
/// The close frame for a session that ended without a close frame of the application.
pub const INTERRUPTED: CloseFrame = CloseFrame { code: 1002, reason: "Connection interrupted" };

/// The outcome of an attempt to attach a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachOutcome {
    /// The receiver is the first one of its session. The caller must send it the open frame first.
    First,
    /// The receiver is attached and is not the first one.
    Next,
    /// The receiver is not attached. The caller must send it this close frame. The receiver then ends.
    Rejected(CloseFrame),
}

/// The way in which a receiver ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detached {
    /// The response is complete: a polling request has its answer, or a stream has reached its maximum size.
    Complete,
    /// The client disconnected before the response was complete.
    Aborted,
}

/// The action that is due at a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Send a heartbeat to the receiver.
    Heartbeat,
    /// Remove the session, because its time is over.
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Attached { wrote_at: Instant },
    Waiting { since: Instant },
    Closing { close: CloseFrame, since: Instant },
    Gone,
}

/// The state of one SockJS session over HTTP.
#[derive(Debug)]
pub struct SessionLifecycle {
    state: State,
    delays: Delays,
}

/// Maximum interval of the application's heartbeats at which SockJS heartbeats are unnecessary.
const HEARTBEAT_INTERVAL_MAX: Duration = Duration::from_secs(25);

/// Returns whether the application's own heartbeats make those of SockJS unnecessary. The application sends one in
/// every `heartbeat_interval`.
pub fn replaces_heartbeats(heartbeat_interval: Option<Duration>) -> bool {
    heartbeat_interval.is_some_and(|interval| interval <= HEARTBEAT_INTERVAL_MAX)
}

impl SessionLifecycle {
    /// Creates a session without a receiver.
    pub fn new(delays: Delays) -> SessionLifecycle {
        SessionLifecycle { state: State::New, delays }
    }

    /// Attaches a receiver. Rejects it if the session already has one, is closing, or is gone.
    pub fn attach(&mut self, now: Instant) -> AttachOutcome {
        let attached = match &mut self.state {
            State::New => AttachOutcome::First,
            State::Waiting { .. } => AttachOutcome::Next,
            State::Attached { .. } => return AttachOutcome::Rejected(ALREADY_ATTACHED),
            State::Closing { close, since } => {
                *since = now;
                return AttachOutcome::Rejected(*close);
            }
            State::Gone => return AttachOutcome::Rejected(INTERRUPTED),
        };
        self.state = State::Attached { wrote_at: now };
        attached
    }

    /// Disables SockJS heartbeats, because the application sends its own.
    pub fn disable_heartbeats(&mut self) {
        self.delays.heartbeat = Duration::ZERO;
    }

    /// Records that something was sent to the receiver.
    pub fn record_output(&mut self, now: Instant) {
        if let State::Attached { wrote_at } = &mut self.state {
            *wrote_at = now;
        }
    }

    /// Detaches the receiver. The session then waits for the next one, or is gone if the client has disconnected.
    pub fn detach(&mut self, how: Detached, now: Instant) {
        if let State::Attached { .. } = self.state {
            self.state = match how {
                Detached::Complete => State::Waiting { since: now },
                Detached::Aborted => State::Gone,
            };
        }
    }

    /// Restarts the time for which the session waits for a receiver. The caller does this while the last response is on
    /// its way or has just arrived. The client cannot have sent its next request yet.
    pub fn restart_disconnect_delay(&mut self, now: Instant) {
        if let State::Waiting { since } = &mut self.state {
            *since = now;
        }
    }

    /// Closes the session for the application. Calls after the first one have no effect. Returns whether a receiver was
    /// attached. The caller must send it the close frame. The receiver no longer counts as attached.
    pub fn close(&mut self, close: CloseFrame, now: Instant) -> bool {
        let had_receiver = self.is_attached();
        if self.is_live() {
            self.state = State::Closing { close, since: now };
        }
        had_receiver
    }

    /// Returns the time at which [`SessionLifecycle::expire`] must be called.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Attached { wrote_at } if !self.delays.heartbeat.is_zero() => {
                Some(wrote_at + self.delays.heartbeat)
            }
            State::Waiting { since } | State::Closing { since, .. } => Some(since + self.delays.disconnect),
            State::New | State::Attached { .. } | State::Gone => None,
        }
    }

    /// Returns the action that is due at `now`, and updates the state. Returns `None` if no action is due.
    pub fn expire(&mut self, now: Instant) -> Option<Due> {
        self.deadline().filter(|deadline| *deadline <= now)?;
        if let State::Attached { wrote_at } = &mut self.state {
            *wrote_at = now;
            return Some(Due::Heartbeat);
        }
        self.state = State::Gone;
        Some(Due::Gone)
    }

    /// Returns whether a receiver is attached.
    pub fn is_attached(&self) -> bool {
        matches!(self.state, State::Attached { .. })
    }

    /// Returns whether the session still transmits messages.
    pub fn is_live(&self) -> bool {
        matches!(self.state, State::New | State::Attached { .. } | State::Waiting { .. })
    }

    /// Returns whether the session has ended for good. Requests can no longer reach it.
    pub fn is_gone(&self) -> bool {
        self.state == State::Gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DELAYS: Delays = Delays { heartbeat: Duration::from_secs(25), disconnect: Duration::from_secs(5) };
    const GO_AWAY: CloseFrame = CloseFrame { code: 3000, reason: "Go away!" };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn new_session() -> (SessionLifecycle, Instant) {
        (SessionLifecycle::new(DELAYS), Instant::now())
    }

    #[test]
    fn first_receiver_opens_the_session_and_the_next_one_continues_it() {
        let (mut session, now) = new_session();
        assert_eq!(session.attach(now), AttachOutcome::First);
        session.detach(Detached::Complete, now);
        assert_eq!(session.attach(now), AttachOutcome::Next);
    }

    #[test]
    fn second_receiver_is_rejected_and_the_first_one_stays() {
        let (mut session, now) = new_session();
        session.attach(now);
        assert_eq!(session.attach(now), AttachOutcome::Rejected(ALREADY_ATTACHED));
        assert!(session.is_attached());
    }

    #[test]
    fn heartbeat_is_due_25_s_after_the_last_output() {
        let (mut session, now) = new_session();
        session.attach(now);
        session.record_output(now + seconds(10));
        assert_eq!(session.deadline(), Some(now + seconds(35)));
        assert_eq!(session.expire(now + seconds(34)), None);
        assert_eq!(session.expire(now + seconds(35)), Some(Due::Heartbeat));
        assert_eq!(session.expire(now + seconds(36)), None, "once");
        assert_eq!(session.expire(now + seconds(60)), Some(Due::Heartbeat), "the next heartbeat is due");
    }

    #[test]
    fn zero_heartbeat_delay_disables_heartbeats() {
        let mut session = SessionLifecycle::new(Delays { heartbeat: Duration::ZERO, ..DELAYS });
        session.attach(Instant::now());
        assert_eq!(session.deadline(), None);
    }

    #[test]
    fn session_without_a_receiver_is_removed_after_5_s() {
        let (mut session, now) = new_session();
        session.attach(now);
        session.detach(Detached::Complete, now + seconds(1));
        assert_eq!(session.expire(now + seconds(5)), None);
        assert_eq!(session.expire(now + seconds(6)), Some(Due::Gone));
        assert!(session.is_gone() && !session.is_live());
    }

    #[test]
    fn expiry_is_delayed_while_a_response_is_in_flight() {
        let (mut session, now) = new_session();
        session.attach(now);
        session.detach(Detached::Complete, now);
        session.restart_disconnect_delay(now + seconds(4));
        assert_eq!(session.expire(now + seconds(8)), None);
        assert_eq!(session.expire(now + seconds(9)), Some(Due::Gone));
        session.restart_disconnect_delay(now + seconds(10));
        assert!(session.is_gone(), "a removed session stays removed");
    }

    #[test]
    fn attaching_before_the_deadline_cancels_the_expiry() {
        let (mut session, now) = new_session();
        session.attach(now);
        session.detach(Detached::Complete, now);
        session.attach(now + seconds(4));
        assert_eq!(session.expire(now + seconds(6)), None);
        assert!(session.is_attached());
    }

    #[test]
    fn aborted_receiver_ends_the_session_at_once() {
        let (mut session, now) = new_session();
        session.attach(now);
        session.detach(Detached::Aborted, now);
        assert!(session.is_gone());
        assert_eq!(session.attach(now), AttachOutcome::Rejected(INTERRUPTED));
    }

    #[test]
    fn every_receiver_of_a_closing_session_gets_the_applications_close_frame() {
        let (mut session, now) = new_session();
        session.attach(now);
        assert!(session.close(GO_AWAY, now), "a receiver is attached and gets the close frame");
        assert!(!session.close(ALREADY_ATTACHED, now), "only the first close counts");
        for poll in [1, 4, 8] {
            assert_eq!(session.attach(now + seconds(poll)), AttachOutcome::Rejected(GO_AWAY), "never 2010");
        }
        assert_eq!(session.expire(now + seconds(12)), None, "each poll restarts the timeout");
        assert_eq!(session.expire(now + seconds(13)), Some(Due::Gone));
    }

    #[test]
    fn events_after_the_end_of_a_session_have_no_effect() {
        let (mut session, now) = new_session();
        session.attach(now);
        session.close(GO_AWAY, now);
        session.detach(Detached::Aborted, now);
        session.record_output(now);
        assert_eq!(session.attach(now), AttachOutcome::Rejected(GO_AWAY));
        session.expire(now + seconds(5));
        assert!(!session.close(ALREADY_ATTACHED, now) && session.is_gone());
        assert_eq!(session.deadline(), None);
    }

    proptest! {
        /// Compares the session with a model that predicts when it is removed and when it has a receiver.
        #[test]
        fn session_is_removed_as_the_model_predicts(steps in prop::collection::vec((0u8..6, 0u64..7), 1..60)) {
            let (mut session, mut now) = new_session();
            let (mut receiver, mut detached_since, mut closed, mut gone) = (false, None, false, false);
            for (step, wait) in steps {
                now += seconds(wait);
                if detached_since.is_some_and(|since| now >= since + DELAYS.disconnect) {
                    (gone, detached_since) = (true, None);
                }
                while session.deadline().is_some_and(|deadline| deadline <= now) {
                    session.expire(now);
                }
                match step {
                    0 | 1 => {
                        let attached = session.attach(now);
                        let expected = !receiver && !closed && !gone;
                        prop_assert_eq!(!matches!(attached, AttachOutcome::Rejected(_)), expected);
                        if expected {
                            (receiver, detached_since) = (true, None);
                        } else if closed && !gone {
                            detached_since = Some(now);
                        }
                    }
                    2 if receiver => {
                        session.detach(Detached::Complete, now);
                        (receiver, detached_since) = (false, Some(now));
                    }
                    3 if receiver => {
                        session.detach(Detached::Aborted, now);
                        (receiver, gone) = (false, true);
                    }
                    4 => {
                        prop_assert_eq!(session.close(GO_AWAY, now), receiver);
                        if !gone && !closed {
                            (closed, receiver, detached_since) = (true, false, Some(now));
                        }
                    }
                    _ => session.record_output(now),
                }
                prop_assert_eq!(session.is_attached(), receiver);
                prop_assert_eq!(session.is_gone(), gone);
                prop_assert_eq!(session.is_live(), !gone && !closed);
            }
        }
    }
}
