//! Authentication of the client: logins, token renewals, and new checks of its access when rules or users change.
//!
//! The connection handles no frames while an authentication is pending.

use super::state::Connection;
use super::state::login::AuthenticationKind;
use crate::auth::{Cause, LoginError, Principal};
use crate::outbound_queue::Label;
use crate::session::Action;
use crate::wire::Wire;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// Logs that the client has signed in, at the given level. This is a macro, because `tracing` needs a constant level.
macro_rules! log_signed_in {
    ($level:ident, $connection:expr, $agent:expr) => {
        tracing::$level!(
            user = $connection.session.user(),
            source = $connection.session.principal().source,
            address = %$connection.peer.address,
            transport = $connection.io.wire.name(),
            agent = $agent,
            session = $connection.session.id(),
            "signed in"
        )
    };
}

impl<W: Wire> Connection<W> {
    /// Starts the authentication or token renewal that the session requests.
    pub(super) fn authenticate(&mut self, action: Action) {
        let authenticator = self.context.authenticator.clone();
        match action {
            Action::Authenticate(credentials) => {
                self.login.start(credentials, authenticator);
                self.notify_input_ended();
            }
            Action::Agent(agent) => self.login.set_agent(&agent),
            Action::Renew { credentials, receipt } => {
                self.login.start_renewal(credentials, receipt, authenticator);
            }
            _ => {}
        }
    }

    /// Tells the pending login if the client's input has ended. If the throttle delays the login, the login then fails
    /// at once. This releases the connection permit.
    pub(super) fn notify_input_ended(&self) {
        if self.io.input_ended.is_some() {
            self.login.end_input();
        }
    }

    /// Handles the result of the pending authentication if it is available. Returns whether it was available.
    pub(super) fn poll_authentication(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Poll::Ready((result, kind)) = self.login.poll_result(cx) else { return false };
        if let Err(login_error) = &result {
            self.log_failed_login(login_error, now);
        }
        let mut actions = Vec::new();
        match kind {
            AuthenticationKind::Renewal(receipt) => {
                self.session.token_renewed(result, receipt, &mut actions);
                self.execute(actions, now);
            }
            AuthenticationKind::Login { agent, .. } => {
                self.context.metrics.login(login_label(&result));
                let (permissions, access_version) = self.context.permissions();
                self.login.access_version = access_version;
                self.session.authenticated(result, permissions, now, &mut actions);
                self.execute(actions, now);
                if self.login.established {
                    self.log_signed_in(agent.as_deref());
                }
            }
        }
        true
    }

    /// Logs at info that the client has signed in. For an address in `health-check-from`, logs at debug.
    fn log_signed_in(&self, agent: Option<&str>) {
        if self.context.is_health_check(self.peer.address) {
            log_signed_in!(debug, self, agent);
        } else {
            log_signed_in!(info, self, agent);
        }
    }

    /// Logs a failed login or token check. A source that cannot be reached causes a separate warning. If a client fails
    /// again and again, the log shows its first failures and the number of the others ([`super::log::logins`]).
    fn log_failed_login(&mut self, login_error: &LoginError, now: Instant) {
        let (reason, address, log) =
            (login_error.reason.as_str(), self.peer.address, &self.context.login_log);
        let is_logged = match login_error.cause {
            Cause::Source(source) => {
                self.context.metrics.source_failed(source);
                let logins = log.record_unavailable(source, now);
                if let Some(logins) = logins {
                    tracing::warn!(source, reason, logins, "logins cannot be checked");
                }
                tracing::debug!(reason, %address, "{}", login_error.rejection.summary);
                logins.is_some()
            }
            Cause::Credentials | Cause::Busy => {
                let is_logged = log.record_failure(address, now);
                if is_logged {
                    tracing::info!(reason, %address, "{}", login_error.rejection.summary);
                } else {
                    tracing::debug!(reason, %address, "{}", login_error.rejection.summary);
                }
                is_logged
            }
        };
        self.login.failure_suppressed = !is_logged;
    }

    /// Labels the outbound queue with the names of the session and its user, and registers the session as online.
    pub(super) fn register_online(&mut self, now: Instant) {
        let principal = self.session.principal();
        self.outbound_queue
            .set_label(Arc::new(Label { session: self.session.id().into(), user: principal.name.clone() }));
        self.executor.registration = Some(self.context.broker.register_session(&self.outbound_queue, now));
    }

    /// Ends the session if the client's token has expired. If the rules or users have changed since the last check,
    /// applies the current rules and the user's current account.
    pub(super) fn recheck_access(&mut self, now: Instant) {
        if !self.login.established || self.ending.is_some() {
            return;
        }
        let mut actions = Vec::new();
        if self.session.is_expired(now) {
            self.session.expire(now, &mut actions);
        } else if self.login.access_version != self.context.access_version() {
            let (permissions, access_version) = self.context.permissions();
            self.login.access_version = access_version;
            let principal = self.context.authenticator.refresh(self.session.principal());
            if principal.as_ref() != Some(self.session.principal()) {
                self.session.update_principal(principal, &mut actions);
            }
            self.session.set_permissions(permissions, &mut actions);
        } else {
            return;
        }
        self.execute(actions, now);
    }
}

/// Returns the value of the metrics label for the result of a login.
fn login_label(result: &Result<Principal, LoginError>) -> &'static str {
    match result.as_ref().map_err(|login_error| login_error.cause) {
        Ok(_) => "accepted",
        Err(Cause::Credentials) => "refused",
        Err(Cause::Busy) => "busy",
        Err(Cause::Source(_)) => "unavailable",
    }
}
