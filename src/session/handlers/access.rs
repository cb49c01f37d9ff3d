//! Permission checks of a session, renewal of its token, and non-fatal errors.
//!
//! A rejected frame ends the session, as STOMP requires. A client can send `soft-errors:true` on CONNECT. A rejected
//! SEND, SUBSCRIBE, UNSUBSCRIBE, ACK or NACK then leaves the session open. The client gets the text of the ERROR as a
//! MESSAGE of `/user/queue/errors`.

use crate::auth::{Credentials, LoginError, Principal, Secret, bare_token};
use crate::destination::{Address, Destination, Owner, Selector};
use crate::permissions::{AccessDenied, Permissions, Verb};
use crate::session::action::{Action, Publish, Receipt, RejectedAction, SendTarget};
use crate::session::closing::Closing;
use crate::session::errors::{ErrorReply, Rejection};
use crate::session::machine::Session;
use crate::session::state::SessionState;
use crate::work;
use std::sync::Arc;
use std::time::Instant;
use stompbox_frames::stomp::{Command, Frame, Headers};

/// The destination of error reports to a client that requested `soft-errors`.
pub(super) const ERRORS: &str = "/user/queue/errors";
/// The CONNECT header that requests `soft-errors`.
pub(super) const SOFT_ERRORS: &str = "soft-errors";
/// Headers that may contain the new token. If the frame has none of them, the body is the token.
const TOKEN_HEADERS: [&str; 4] = ["Authorization", "authorization", "passcode", "access_token"];

/// Returns whether a rejected frame with this command leaves the session open if the client requested `soft-errors`.
pub(super) fn may_be_soft(command: Command) -> bool {
    use Command::{Ack, Nack, Send, Subscribe, Unsubscribe};
    matches!(command, Send | Subscribe | Unsubscribe | Ack | Nack)
}

impl Session {
    /// Returns the owner of this session's user destinations: its user, or the session itself if it has no user.
    pub fn owner(&self) -> Owner {
        match &self.principal.name {
            Some(name) => Owner::user(name),
            None => Owner::session(&self.id),
        }
    }

    /// Returns whether the credentials of this session, such as its token, have expired.
    pub fn is_expired(&self, now: Instant) -> bool {
        self.principal.expires.is_some_and(|expires| expires <= now)
            && matches!(self.state, SessionState::Connected | SessionState::Leaving)
    }

    /// Returns whether the session has ended.
    pub fn is_closed(&self) -> bool {
        self.state == SessionState::Closed
    }

    /// Rejects the operation if the permission rules deny it.
    pub(super) fn check_permission(
        &self,
        verb: Verb,
        destination: &str,
        selector: &Selector,
    ) -> Result<(), Rejection> {
        self.check_access(verb, selector, &self.owner())
            .map_err(|denied| Rejection::denied(verb, destination, denied))
    }

    fn check_access(&self, verb: Verb, selector: &Selector, owner: &Owner) -> Result<(), AccessDenied> {
        match &self.permissions {
            Some(permissions) => permissions.check(&self.principal, owner, verb, selector),
            None => Err(AccessDenied { rule: "no client has permissions before CONNECTED".into() }),
        }
    }

    /// Rejects a SEND to the destination of error reports. Only the broker may send to it.
    pub(super) fn check_not_error_queue(&self, destination: &str) -> Result<(), Rejection> {
        if destination != ERRORS {
            return Ok(());
        }
        let denied = AccessDenied { rule: "only the broker may send to /user/queue/errors".into() };
        Err(Rejection::denied(Verb::Send, destination, denied))
    }

    /// Returns the rejection of a subscription to another user's destination. No rule can allow such a subscription.
    pub(super) fn foreign_destination(&self, destination: &str) -> Rejection {
        let denied = AccessDenied { rule: "no client may subscribe to destinations of another user".into() };
        Rejection::denied(Verb::Subscribe, destination, denied)
    }

    /// Sets new permission rules and checks the subscriptions and the parked frames against them.
    pub fn set_permissions(&mut self, permissions: Arc<Permissions>, actions: &mut Vec<Action>) {
        self.permissions = Some(permissions);
        if self.state == SessionState::Connected {
            self.recheck_subscriptions(actions);
        }
    }

    /// Handles a change of the principal, for example of its roles. `None` ends the session: the user was removed or
    /// has a new passcode.
    pub fn update_principal(&mut self, principal: Option<Principal>, actions: &mut Vec<Action>) {
        if self.state != SessionState::Connected {
            return;
        }
        match principal {
            Some(principal) => {
                self.principal = principal;
                self.recheck_subscriptions(actions);
            }
            None => self.fail(None, &Rejection::revoked(), actions),
        }
    }

    fn recheck_subscriptions(&mut self, actions: &mut Vec<Action>) {
        self.access_cache.clear();
        self.transactions.start_recheck();
        let owner = self.owner();
        let denied: Vec<_> = self
            .subscriptions
            .iter()
            .filter_map(|one| {
                let selector = one.selector.as_ref()?;
                self.check_access(Verb::Subscribe, selector, &owner)
                    .err()
                    .map(|denied| (one.key, selector.as_str().to_owned(), denied))
            })
            .collect();
        for (key, destination, denied) in denied {
            let rejection = Rejection::denied(Verb::Subscribe, &destination, denied);
            if !self.soft_errors {
                return self.fail(None, &rejection, actions);
            }
            self.end_subscription(key);
            actions.push(Action::Unsubscribe { key, receipt: None });
            self.report(None, &rejection, actions);
        }
    }

    /// Checks the next parked frame of a transaction against the new rules.
    pub(super) fn check_next_parked(&mut self) {
        let owner = self.owner();
        let may_send =
            |to: &Destination| self.check_access(Verb::Send, &Selector::Exact(to.clone()), &owner).is_ok();
        let is_allowed = self.transactions.next_unchecked().is_none_or(|publish| {
            work::add(publish.recipients() * work::FRAME);
            match &publish.to {
                SendTarget::One(destination) => may_send(destination),
                SendTarget::Users(owners, path) => {
                    owners.iter().filter_map(|owner| path.of(owner)).all(|to| may_send(&to))
                }
            }
        });
        work::add(1);
        self.transactions.record_check(!is_allowed);
    }

    // ---- token renewal ----

    /// Handles a SEND to `/auth/refresh`, which renews the token.
    pub(super) fn renew_token(
        &mut self,
        frame: &Frame,
        receipt: &mut Option<Receipt>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        if frame.header("transaction").is_some() {
            return Err(Rejection::renewal_in_transaction());
        }
        let header = TOKEN_HEADERS.iter().find_map(|name| frame.header(name));
        let token = bare_token(match &header {
            Some(value) => value,
            None => std::str::from_utf8(&frame.body).unwrap_or_default(),
        });
        if token.is_empty() {
            return Err(Rejection::no_token());
        }
        let authorization = Some(Secret::new(&format!("Bearer {token}")));
        let credentials = Credentials { authorization, ..Credentials::default() };
        actions.push(Action::Renew { credentials, receipt: self.register_receipt(receipt) });
        Ok(())
    }

    /// Handles the result of [`Action::Renew`].
    pub fn token_renewed(
        &mut self,
        result: Result<Principal, LoginError>,
        receipt: Option<Receipt>,
        actions: &mut Vec<Action>,
    ) {
        if self.state != SessionState::Connected {
            return;
        }
        match result {
            Ok(principal) if principal.name == self.principal.name => {
                self.principal = principal;
                self.recheck_subscriptions(actions);
                self.complete(receipt, &[], actions);
            }
            Ok(_) => self.fail(receipt, &Rejection::other_principal(), actions),
            Err(refused) => {
                let closing = refused.limit.map_or(Closing::Unauthenticated, Closing::Limit);
                let reject = ErrorReply { summary: refused.summary, detail: &refused.detail };
                self.write_error(receipt, reject, None, closing, actions);
            }
        }
    }

    // ---- non-fatal errors (`soft-errors`) ----

    /// Answers a rejected frame. If `soft-errors` applies to the frame, sends an error report. Otherwise sends ERROR
    /// and closes.
    pub(super) fn reject(
        &mut self,
        command: Command,
        (transaction, destination): (Option<&str>, Option<Box<str>>),
        receipt: Option<Receipt>,
        mut rejection: Rejection,
        actions: &mut Vec<Action>,
    ) {
        let is_soft = self.soft_errors
            && self.state == SessionState::Connected
            && may_be_soft(command)
            && rejection.closing != Closing::Limit("frames-per-second-max");
        if !is_soft {
            return self.fail(receipt, &rejection, actions);
        }
        if rejection.extra.is_none() {
            rejection.extra = destination.map(|destination| ("destination", destination));
        }
        if let Some(transaction) = transaction {
            self.transactions.mark_frame_rejected(transaction);
        }
        if let Closing::Limit(option) = rejection.closing {
            actions.push(Action::Limit(option));
        }
        self.report(receipt, &rejection, actions);
    }

    /// Handles the rejection of the action `about` by the broker. If the client requested `soft-errors`, undoes the
    /// action and sends an error report. Otherwise, and for [`RejectedAction::Other`], sends ERROR and closes.
    pub fn action_rejected(
        &mut self,
        about: RejectedAction,
        receipt: Option<Receipt>,
        error: ErrorReply<'_>,
        closing: Closing,
        actions: &mut Vec<Action>,
    ) {
        if !self.soft_errors || self.state != SessionState::Connected || about == RejectedAction::Other {
            return self.close_with_error(receipt, error, closing, actions);
        }
        if let Closing::Limit(option) = closing {
            actions.push(Action::Limit(option));
        }
        if let RejectedAction::Subscribe(key) = about {
            self.end_subscription(key);
            if let Some(name) = self.temps.remove_opened_for(key) {
                self.subscriptions.remove_text(&name);
            }
        }
        if let Some(receipt) = &receipt {
            self.receipts.cancel(receipt);
        }
        self.report_texts(receipt, error, None, actions);
        self.release_receipts(actions);
    }

    /// Sends the contents of the ERROR as a MESSAGE to this session only. Leaves the session open.
    fn report(&mut self, receipt: Option<Receipt>, rejection: &Rejection, actions: &mut Vec<Action>) {
        self.log_denied(rejection, actions);
        self.report_texts(receipt, rejection.texts(), rejection.extra.clone(), actions);
    }

    fn report_texts(
        &mut self,
        receipt: Option<Receipt>,
        error: ErrorReply<'_>,
        about: Option<(&'static str, Box<str>)>,
        actions: &mut Vec<Action>,
    ) {
        let Ok(Address::User(_, path)) = Address::parse_send(ERRORS, usize::MAX) else { return };
        let Some(destination) = path.of(&self.owner()) else { return };
        let mut extra: Vec<(&'static str, Box<str>)> =
            vec![("message", error.summary.into()), ("content-type", "text/plain".into())];
        extra.extend(receipt.map(|receipt| ("receipt-id", receipt)));
        // `destination` is the destination of this MESSAGE. The header `refused` contains the destination of the
        // rejected frame.
        extra
            .extend(about.map(|(name, value)| (if name == "destination" { "refused" } else { name }, value)));
        let body = error.detail.as_bytes().to_vec().into();
        actions.push(Action::Report(Publish {
            to: SendTarget::One(destination),
            display_destination: ERRORS.into(),
            frame: Frame { command: Command::Send, headers: Headers::default(), body },
            extra,
            session: Some(self.id.clone()),
            receipt: None,
        }));
    }

    /// If a permission rule denied the request, emits an action that logs the rule.
    pub(super) fn log_denied(&self, rejection: &Rejection, actions: &mut Vec<Action>) {
        if let Some((verb, denied)) = &rejection.denied {
            let destination = rejection.extra.as_ref().map_or("", |(_, value)| value).into();
            actions.push(Action::AccessDenied { verb: *verb, destination, denied: denied.clone() });
        }
    }
}
