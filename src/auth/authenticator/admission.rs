//! Delays a login until it may be checked.

use super::login_result::Checked;
use super::pending::Pending;
use super::state::AuthenticatorState;
use crate::auth::address_limiter::AddressPermit;
use crate::auth::credentials::Credentials;
use crate::auth::throttle::{Attempt, CheckOutcome, DRAW_WINDOW, Throttle, Ticket, network};
use parking_lot::Mutex;
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, sleep_until};

/// Maximum number of concurrent checks of logins of one address. The throttle counts a wrong passcode for its address
/// only when the check is complete. This limit bounds the guesses that the throttle has not counted yet.
pub(super) const CHECKS_PER_ADDRESS: usize = 256;
/// Maximum time that a login waits for a slot. If no slot opens in this time, the login fails.
const WAIT_MAX: Duration = Duration::from_secs(15);

/// A login that may be checked. If it is dropped before it is settled, the throttle counts no wrong passcode.
pub(super) struct AdmittedLogin<'a> {
    throttle: &'a Mutex<Throttle>,
    /// `None` for a login without a passcode, which cannot be a guess.
    ticket: Option<Ticket>,
    _address_permit: Option<AddressPermit<'a>>,
    _permit: SemaphorePermit<'a>,
}

impl AdmittedLogin<'_> {
    /// Counts the result. For a wrong passcode, returns the earliest time for the answer.
    pub(super) fn settle(mut self, outcome: CheckOutcome) -> Option<Instant> {
        let ticket = self.ticket.take()?;
        self.throttle.lock().settle(&ticket, outcome, Instant::now());
        (outcome == CheckOutcome::Wrong).then_some(ticket.answer_at)
    }
}

impl Drop for AdmittedLogin<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.throttle.lock().settle(&ticket, CheckOutcome::Unknown, Instant::now());
        }
    }
}

impl AuthenticatorState {
    /// Waits until the login may be checked. A login without a passcode is not a guess and does not wait. A waiting
    /// login holds no permit. The wait ends when the last client of the login disconnects.
    ///
    /// # Errors
    /// The login must not be checked. The error is its result.
    pub(super) async fn admit(
        &self,
        credentials: &Credentials,
        pending: &mut Pending,
    ) -> Result<AdmittedLogin<'_>, Checked> {
        let throttle = &self.throttle;
        let Some((name, passcode)) = credentials.login() else {
            return Ok(AdmittedLogin {
                throttle,
                ticket: None,
                _address_permit: None,
                _permit: self.permit()?,
            });
        };
        let address = credentials.handshake.address;
        let attempt = throttle.lock().attempt(address, name, passcode);
        let (mut drawn_slot, mut deadline) = (None, None);
        loop {
            let address_permit = tokio::select! {
                address_permit = self.acquire_address_permit(address, &attempt) => address_permit,
                () = pending.abandoned() => return Err(Checked::Abandoned),
            };
            let permit = self.permit()?;
            let now = Instant::now();
            let admission = throttle.lock().admit(attempt, drawn_slot, now);
            let delayed = match admission {
                Ok(ticket) => {
                    pending.set_delayed(ticket.answer_at > now);
                    return Ok(AdmittedLogin {
                        throttle,
                        ticket: Some(ticket),
                        _address_permit: address_permit,
                        _permit: permit,
                    });
                }
                Err(delayed) => delayed,
            };
            drop((address_permit, permit));
            pending.set_delayed(true);
            let deadline = *deadline.get_or_insert(now + WAIT_MAX);
            let is_late = delayed.slot > deadline;
            let until = if is_late { deadline } else { delayed.slot.max(now) + random_delay() };
            tokio::select! {
                () = sleep_until(until) => {}
                () = pending.abandoned() => return Err(Checked::Abandoned),
            }
            if is_late {
                return Err(Checked::Throttled(delayed.reason));
            }
            drawn_slot = Some(delayed.slot);
        }
    }

    /// Waits until fewer than [`CHECKS_PER_ADDRESS`] logins of the address are being checked. A login that the throttle
    /// knows ([`Throttle::is_known`]) does not wait.
    async fn acquire_address_permit(
        &self,
        address: Option<IpAddr>,
        attempt: &Attempt,
    ) -> Option<AddressPermit<'_>> {
        let is_known = self.throttle.lock().is_known(attempt);
        match address.filter(|_| !is_known) {
            Some(address) => Some(self.address_limiter.acquire(network(address)).await),
            None => None,
        }
    }

    /// Takes one of the `auth-waiting-max` permits, without waiting for one.
    fn permit(&self) -> Result<SemaphorePermit<'_>, Checked> {
        self.permits.try_acquire().map_err(|_| Checked::TooManyLogins)
    }
}

/// Returns a random duration of at most [`DRAW_WINDOW`].
fn random_delay() -> Duration {
    let random = getrandom::u32().expect("the system has a source of randomness");
    DRAW_WINDOW.mul_f64(f64::from(random) / f64::from(u32::MAX))
}
