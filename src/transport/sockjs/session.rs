//! The life of one SockJS session over HTTP, sans-IO: who may attach, when a heart-beat is due, when it is over.
//!
//! ```text
//!            attach                      close                     deadline
//!    New ───────────> Open: receiver ─────────────> Closing ──────────────────> Gone
//!                      |  ^   |                        ^  attach: the same close frame again,
//!      response ended  v  |   | receiver aborted       |  and the time starts anew
//!                  Open: waiting ── deadline ──────────┼──────────────────────> Gone
//!                             |        close ──────────┘                          ^
//!                             └───────────────────────────────────────────────────┘
//! ```
//!
//! A *receiver* is a response through which messages go to the client; there is at most one. Sending does not
//! touch the time that a session waits for a receiver.

use std::time::{Duration, Instant};

/// The delays of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delays {
    /// A receiver that was sent nothing for so long is sent a heart-beat; zero: never.
    pub heartbeat: Duration,
    /// A session without a receiver is over after this.
    pub disconnect: Duration,
}

/// The last words of a session: code and reason of its close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// The code.
    pub code: u16,
    /// The reason.
    pub reason: &'static str,
}

/// What a second receiver is told.
pub const ANOTHER: CloseFrame = CloseFrame { code: 2010, reason: "Another connection still open" };
/// What a client is told whose session ended without a word of the application.
pub const INTERRUPTED: CloseFrame = CloseFrame { code: 1002, reason: "Connection interrupted" };

/// What a new receiver is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attached {
    /// The first of its session: it is sent the open frame first.
    First,
    /// The receiver of the session from now on.
    Next,
    /// Not a receiver: it is sent this close frame and ends.
    Refused(CloseFrame),
}

/// How a receiver ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detached {
    /// The response is complete: a poll has its answer, a stream reached its limit.
    Complete,
    /// The client cut it off.
    Aborted,
}

/// What is to be done at a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The receiver is to be sent a heart-beat.
    Heartbeat,
    /// The session is gone.
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

/// One SockJS session over HTTP.
#[derive(Debug)]
pub struct Session {
    state: State,
    delays: Delays,
}

/// An application that sends something as often needs no heart-beats of SockJS's.
const HEARTBEAT_INTERVAL_MAX: Duration = Duration::from_secs(25);

/// Whether the application's own heart-beats are.
pub fn replaces_heartbeats(beats: Option<Duration>) -> bool {
    beats.is_some_and(|every| every <= HEARTBEAT_INTERVAL_MAX)
}

impl Session {
    /// A session that nobody has attached to.
    pub fn new(delays: Delays) -> Session {
        Session { state: State::New, delays }
    }

    /// A receiver asks for messages.
    pub fn attach(&mut self, now: Instant) -> Attached {
        let attached = match &mut self.state {
            State::New => Attached::First,
            State::Waiting { .. } => Attached::Next,
            State::Attached { .. } => return Attached::Refused(ANOTHER),
            State::Closing { close, since } => {
                *since = now;
                return Attached::Refused(*close);
            }
            State::Gone => return Attached::Refused(INTERRUPTED),
        };
        self.state = State::Attached { wrote_at: now };
        attached
    }

    /// From now on the application has its own.
    pub fn disable_heartbeats(&mut self) {
        self.delays.heartbeat = Duration::ZERO;
    }

    /// The receiver was sent something.
    pub fn note_output(&mut self, now: Instant) {
        if let State::Attached { wrote_at } = &mut self.state {
            *wrote_at = now;
        }
    }

    /// The receiver ends.
    pub fn detach(&mut self, how: Detached, now: Instant) {
        if let State::Attached { .. } = self.state {
            self.state = match how {
                Detached::Complete => State::Waiting { since: now },
                Detached::Aborted => State::Gone,
            };
        }
    }

    /// What the last receiver was given is still on its way, or has just arrived: the client cannot have asked again.
    pub fn delay(&mut self, now: Instant) {
        if let State::Waiting { since } = &mut self.state {
            *since = now;
        }
    }

    /// The application ends the session; only the first call counts. Whether there is a receiver to be told, which
    /// is none any more then.
    pub fn close(&mut self, close: CloseFrame, now: Instant) -> bool {
        let had_receiver = self.is_attached();
        if self.is_live() {
            self.state = State::Closing { close, since: now };
        }
        had_receiver
    }

    /// When [`Session::expire`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Attached { wrote_at } if !self.delays.heartbeat.is_zero() => {
                Some(wrote_at + self.delays.heartbeat)
            }
            State::Waiting { since } | State::Closing { since, .. } => Some(since + self.delays.disconnect),
            State::New | State::Attached { .. } | State::Gone => None,
        }
    }

    /// What is due by `now`.
    pub fn expire(&mut self, now: Instant) -> Option<Due> {
        self.deadline().filter(|deadline| *deadline <= now)?;
        if let State::Attached { wrote_at } = &mut self.state {
            *wrote_at = now;
            return Some(Due::Heartbeat);
        }
        self.state = State::Gone;
        Some(Due::Gone)
    }

    /// Whether there is a receiver.
    pub fn is_attached(&self) -> bool {
        matches!(self.state, State::Attached { .. })
    }

    /// Whether messages still travel.
    pub fn is_live(&self) -> bool {
        matches!(self.state, State::New | State::Attached { .. } | State::Waiting { .. })
    }

    /// Whether nobody can reach it any more.
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

    fn begun() -> (Session, Instant) {
        (Session::new(DELAYS), Instant::now())
    }

    #[test]
    fn the_first_receiver_opens_and_the_next_one_goes_on() {
        let (mut session, now) = begun();
        assert_eq!(session.attach(now), Attached::First);
        session.detach(Detached::Complete, now);
        assert_eq!(session.attach(now), Attached::Next);
    }

    #[test]
    fn a_second_receiver_is_refused_and_the_first_one_stays() {
        let (mut session, now) = begun();
        session.attach(now);
        assert_eq!(session.attach(now), Attached::Refused(ANOTHER));
        assert!(session.is_attached());
    }

    #[test]
    fn a_heart_beat_is_due_after_25_s_in_which_nothing_was_written() {
        let (mut session, now) = begun();
        session.attach(now);
        session.note_output(now + seconds(10));
        assert_eq!(session.deadline(), Some(now + seconds(35)));
        assert_eq!(session.expire(now + seconds(34)), None);
        assert_eq!(session.expire(now + seconds(35)), Some(Due::Heartbeat));
        assert_eq!(session.expire(now + seconds(36)), None, "once");
        assert_eq!(session.expire(now + seconds(60)), Some(Due::Heartbeat), "and again");
    }

    #[test]
    fn without_a_heart_beat_delay_there_are_none() {
        let mut session = Session::new(Delays { heartbeat: Duration::ZERO, ..DELAYS });
        session.attach(Instant::now());
        assert_eq!(session.deadline(), None);
    }

    #[test]
    fn a_session_without_a_receiver_is_gone_after_5_s() {
        let (mut session, now) = begun();
        session.attach(now);
        session.detach(Detached::Complete, now + seconds(1));
        assert_eq!(session.expire(now + seconds(5)), None);
        assert_eq!(session.expire(now + seconds(6)), Some(Due::Gone));
        assert!(session.is_gone() && !session.is_live());
    }

    #[test]
    fn the_expiry_waits_for_a_response_that_is_on_its_way() {
        let (mut session, now) = begun();
        session.attach(now);
        session.detach(Detached::Complete, now);
        session.delay(now + seconds(4));
        assert_eq!(session.expire(now + seconds(8)), None);
        assert_eq!(session.expire(now + seconds(9)), Some(Due::Gone));
        session.delay(now + seconds(10));
        assert!(session.is_gone(), "what is gone stays so");
    }

    #[test]
    fn attaching_in_time_cancels_the_expiry() {
        let (mut session, now) = begun();
        session.attach(now);
        session.detach(Detached::Complete, now);
        session.attach(now + seconds(4));
        assert_eq!(session.expire(now + seconds(6)), None);
        assert!(session.is_attached());
    }

    #[test]
    fn an_aborted_receiver_ends_the_session_without_grace() {
        let (mut session, now) = begun();
        session.attach(now);
        session.detach(Detached::Aborted, now);
        assert!(session.is_gone());
        assert_eq!(session.attach(now), Attached::Refused(INTERRUPTED));
    }

    #[test]
    fn every_receiver_of_a_closing_session_gets_the_applications_close_frame() {
        let (mut session, now) = begun();
        session.attach(now);
        assert!(session.close(GO_AWAY, now), "the receiver is told");
        assert!(!session.close(ANOTHER, now), "only the first close counts");
        for poll in [1, 4, 8] {
            assert_eq!(session.attach(now + seconds(poll)), Attached::Refused(GO_AWAY), "never 2010");
        }
        assert_eq!(session.expire(now + seconds(12)), None, "each poll starts the time anew");
        assert_eq!(session.expire(now + seconds(13)), Some(Due::Gone));
    }

    #[test]
    fn what_ends_of_a_session_that_has_ended_changes_nothing() {
        let (mut session, now) = begun();
        session.attach(now);
        session.close(GO_AWAY, now);
        session.detach(Detached::Aborted, now);
        session.note_output(now);
        assert_eq!(session.attach(now), Attached::Refused(GO_AWAY));
        session.expire(now + seconds(5));
        assert!(!session.close(ANOTHER, now) && session.is_gone());
        assert_eq!(session.deadline(), None);
    }

    proptest! {
        /// Against the rules said another way: when the session must be gone, and when there is a receiver.
        #[test]
        fn it_is_gone_exactly_when_the_rules_say(steps in prop::collection::vec((0u8..6, 0u64..7), 1..60)) {
            let (mut session, mut now) = begun();
            let (mut receiver, mut alone_since, mut closed, mut gone) = (false, None, false, false);
            for (step, wait) in steps {
                now += seconds(wait);
                if alone_since.is_some_and(|since| now >= since + DELAYS.disconnect) {
                    (gone, alone_since) = (true, None);
                }
                while session.deadline().is_some_and(|deadline| deadline <= now) {
                    session.expire(now);
                }
                match step {
                    0 | 1 => {
                        let attached = session.attach(now);
                        let expected = !receiver && !closed && !gone;
                        prop_assert_eq!(!matches!(attached, Attached::Refused(_)), expected);
                        if expected {
                            (receiver, alone_since) = (true, None);
                        } else if closed && !gone {
                            alone_since = Some(now);
                        }
                    }
                    2 if receiver => {
                        session.detach(Detached::Complete, now);
                        (receiver, alone_since) = (false, Some(now));
                    }
                    3 if receiver => {
                        session.detach(Detached::Aborted, now);
                        (receiver, gone) = (false, true);
                    }
                    4 => {
                        prop_assert_eq!(session.close(GO_AWAY, now), receiver);
                        if !gone && !closed {
                            (closed, receiver, alone_since) = (true, false, Some(now));
                        }
                    }
                    _ => session.note_output(now),
                }
                prop_assert_eq!(session.is_attached(), receiver);
                prop_assert_eq!(session.is_gone(), gone);
                prop_assert_eq!(session.is_live(), !gone && !closed);
            }
        }
    }
}
