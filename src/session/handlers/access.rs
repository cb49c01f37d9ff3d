//! Permission checks of a session, renewal of its token, and non-fatal errors.
//!
//! A rejected frame ends the session, as STOMP requires. A client can send `soft-errors:true` on CONNECT. A rejected
//! SEND, SUBSCRIBE, UNSUBSCRIBE, ACK or NACK then leaves the session open. The client gets the text of the ERROR as a
//! MESSAGE of `/user/queue/errors`.

use crate::auth::{Credentials, LoginError, Principal, Secret, bare_token};
use crate::command::{Audience, Publish};
use crate::destination::Address;
use crate::operations::ERRORS;
use crate::permissions::Permissions;
use crate::rejection::{Limit, Rejection};
use crate::session::action::{Action, Receipt, RejectedAction};
use crate::session::machine::Session;
use crate::session::state::SessionState;
use crate::session::subscriptions::SessionSubscription;
use crate::work;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;
use stompbox_frames::stomp::{Command, Frame, Headers};

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
    /// Returns whether the credentials of this session, such as its token, have expired.
    pub fn is_expired(&self, now: Instant) -> bool {
        self.client.principal().expires.is_some_and(|expires| expires <= now)
            && matches!(self.state, SessionState::Connected | SessionState::Leaving)
    }

    /// Returns whether the session has ended.
    pub fn is_closed(&self) -> bool {
        self.state == SessionState::Closed
    }

    /// Sets new permission rules and checks the subscriptions and the parked frames against them.
    pub fn set_permissions(&mut self, permissions: Arc<Permissions>, actions: &mut Vec<Action>) {
        self.client.set_permissions(permissions);
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
                self.client.set_principal(principal);
                self.recheck_subscriptions(actions);
            }
            None => self.fail(None, &Rejection::revoked(), actions),
        }
    }

    fn recheck_subscriptions(&mut self, actions: &mut Vec<Action>) {
        self.transactions.start_recheck();
        let check = |one: &SessionSubscription| {
            let denied = self.client.check_subscription(one.selector.as_ref()?).err();
            denied.map(|rejection| (one.key, rejection))
        };
        let denied: Vec<_> = self.subscriptions.iter().filter_map(check).collect();
        for (key, rejection) in denied {
            if !self.soft_errors {
                return self.fail(None, &rejection, actions);
            }
            self.end_subscription(key);
            actions.push(Action::Unsubscribe { key, receipt: None });
            self.report(None, &rejection, None, actions);
        }
    }

    /// Checks the next parked frame of a transaction against the new rules.
    pub(super) fn check_next_parked(&mut self) {
        let next = self.transactions.next_unchecked();
        let is_allowed = next.is_none_or(|publish| self.client.may_send(&publish.audience));
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
            Ok(principal) if principal.name == self.client.principal().name => {
                self.client.set_principal(principal);
                self.recheck_subscriptions(actions);
                self.complete(receipt, &[], actions);
            }
            Ok(_) => self.fail(receipt, &Rejection::other_principal(), actions),
            Err(error) => self.fail(receipt, &error.rejection, actions),
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
        rejection: &Rejection,
        actions: &mut Vec<Action>,
    ) {
        let is_soft = self.soft_errors
            && self.state == SessionState::Connected
            && may_be_soft(command)
            && rejection.limit != Some(Limit::FramesPerSecond);
        if !is_soft {
            return self.fail(receipt, rejection, actions);
        }
        if let Some(transaction) = transaction {
            self.transactions.mark_frame_rejected(transaction);
        }
        actions.extend(rejection.limit.map(Action::Limit));
        self.report(receipt, rejection, destination, actions);
    }

    /// Handles the rejection of the action `about` by the broker. If the client requested `soft-errors`, undoes the
    /// action and sends an error report. Otherwise, and for [`RejectedAction::Other`], sends ERROR and closes.
    pub fn action_rejected(
        &mut self,
        about: RejectedAction,
        receipt: Option<Receipt>,
        rejection: &Rejection,
        actions: &mut Vec<Action>,
    ) {
        if !self.soft_errors || self.state != SessionState::Connected || about == RejectedAction::Other {
            return self.fail(receipt, rejection, actions);
        }
        actions.extend(rejection.limit.map(Action::Limit));
        if let RejectedAction::Subscribe(key) = about {
            self.end_subscription(key);
            if let Some(name) = self.client.remove_temp_queue_of(key) {
                self.subscriptions.remove_text(&name);
            }
        }
        if let Some(receipt) = &receipt {
            self.receipts.cancel(receipt);
        }
        self.report(receipt, rejection, None, actions);
        self.release_receipts(actions);
    }

    /// Sends the contents of the ERROR as a MESSAGE to this session only. Leaves the session open. `destination` is the
    /// destination of the rejected frame.
    fn report(
        &mut self,
        receipt: Option<Receipt>,
        rejection: &Rejection,
        destination: Option<Box<str>>,
        actions: &mut Vec<Action>,
    ) {
        self.log_denied(rejection, actions);
        let Ok(Address::User(_, path)) = Address::parse_send(ERRORS, usize::MAX) else { return };
        let Some(errors) = path.of(&self.client.owner()) else { return };
        let mut extra: Vec<(&'static str, Box<str>)> =
            vec![("message", rejection.summary.into()), ("content-type", "text/plain".into())];
        extra.extend(receipt.map(|receipt| ("receipt-id", (*receipt.id).into())));
        // The header `destination` contains the destination of this MESSAGE.
        let denied = rejection.denial.as_ref().map(|denial| denial.destination.clone());
        extra.extend(denied.or(destination).map(|destination| ("refused", destination)));
        actions.push(Action::Report(Box::new(Publish {
            audience: Audience::Session(errors, self.client.id().into()),
            destination_header: ERRORS.into(),
            headers: Headers::default(),
            extra,
            body: Bytes::copy_from_slice(rejection.detail.as_bytes()),
        })));
    }

    /// If a permission rule denied the request, emits an action that logs the rule.
    pub(super) fn log_denied(&self, rejection: &Rejection, actions: &mut Vec<Action>) {
        actions.extend(rejection.denial.clone().map(Action::AccessDenied));
    }
}
