//! Delays a login until it may be checked.

use super::answer::Checked;
use super::pending::Pending;
use super::{Credentials, Shared};
use crate::users::gate::Pass;
use crate::users::throttle::{Attempt, DRAW, Outcome, Throttle, Ticket, network};
use parking_lot::Mutex;
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, sleep_until};

/// Maximum number of logins of one address that are checked at the same time, before their results are known.
pub(super) const CHECKS_PER_ADDRESS: usize = 256;
/// Maximum time that a login waits for a slot. Slots that open later are not waited for.
const WAIT_MAX: Duration = Duration::from_secs(15);

/// A login that may be checked. If it is dropped before it is settled, it is not counted.
pub(super) struct AdmittedLogin<'a> {
    throttle: &'a Mutex<Throttle>,
    /// `None` for a login without a passcode, which cannot be a guess.
    ticket: Option<Ticket>,
    _pass: Option<Pass<'a>>,
    _permit: SemaphorePermit<'a>,
}

impl AdmittedLogin<'_> {
    /// Counts the result. For a wrong passcode, returns the time before which the refusal must not be sent.
    pub(super) fn settle(mut self, outcome: Outcome) -> Option<Instant> {
        let ticket = self.ticket.take()?;
        self.throttle.lock().settle(&ticket, outcome, Instant::now());
        (outcome == Outcome::Wrong).then_some(ticket.answer_at)
    }
}

impl Drop for AdmittedLogin<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.throttle.lock().settle(&ticket, Outcome::Unknown, Instant::now());
        }
    }
}

impl Shared {
    /// Waits until the login may be checked. A login without a passcode cannot be a guess and does not wait. While a
    /// login waits it holds no permit, and it is abandoned when its last client disconnects.
    ///
    /// # Errors
    /// The login must not be checked; the value is its result.
    pub(super) async fn turn(
        &self,
        credentials: &Credentials,
        pending: &mut Pending,
    ) -> Result<AdmittedLogin<'_>, Checked> {
        let throttle = &self.throttle;
        let Some((name, passcode)) = credentials.login() else {
            return Ok(AdmittedLogin { throttle, ticket: None, _pass: None, _permit: self.permit()? });
        };
        let address = credentials.handshake.address;
        let attempt = throttle.lock().attempt(address, name, passcode);
        let (mut drawn, mut deadline) = (None, None);
        loop {
            let pass = tokio::select! {
                pass = self.pass(address, &attempt) => pass,
                () = pending.abandoned() => return Err(Checked::Abandoned),
            };
            let permit = self.permit()?;
            let now = Instant::now();
            let entered = throttle.lock().enter(attempt, drawn, now);
            let held = match entered {
                Ok(ticket) => {
                    pending.set_held_back(ticket.answer_at > now);
                    return Ok(AdmittedLogin {
                        throttle,
                        ticket: Some(ticket),
                        _pass: pass,
                        _permit: permit,
                    });
                }
                Err(held) => held,
            };
            drop((pass, permit));
            pending.set_held_back(true);
            let deadline = *deadline.get_or_insert(now + WAIT_MAX);
            let is_late = held.slot > deadline;
            let until = if is_late { deadline } else { held.slot.max(now) + random_delay() };
            tokio::select! {
                () = sleep_until(until) => {}
                () = pending.abandoned() => return Err(Checked::Abandoned),
            }
            if is_late {
                return Err(Checked::Throttled(held.reason));
            }
            drawn = Some(held.slot);
        }
    }

    /// Waits until fewer than [`CHECKS_PER_ADDRESS`] logins of the address are being checked. A known login does not
    /// wait.
    async fn pass(&self, address: Option<IpAddr>, attempt: &Attempt) -> Option<Pass<'_>> {
        let is_known = self.throttle.lock().is_known(attempt);
        match address.filter(|_| !is_known) {
            Some(address) => Some(self.gates.pass(network(address)).await),
            None => None,
        }
    }

    /// Takes one of the `auth-waiting-max` permits, if one is free.
    fn permit(&self) -> Result<SemaphorePermit<'_>, Checked> {
        self.permits.try_acquire().map_err(|_| Checked::TooManyLogins)
    }
}

/// Returns a random duration of at most [`DRAW`].
fn random_delay() -> Duration {
    let random = getrandom::u32().expect("the system has a source of randomness");
    DRAW.mul_f64(f64::from(random) / f64::from(u32::MAX))
}
