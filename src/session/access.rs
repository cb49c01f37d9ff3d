//! What a session may do, for how long, and what being refused costs.
//!
//! A refused frame ends the conversation, as STOMP wants it, unless the client asked for `soft-errors` at CONNECT: then
//! a refused SEND, SUBSCRIBE, UNSUBSCRIBE, ACK or NACK does not end the session, and the text of the ERROR comes as a
//! MESSAGE of `/user/queue/errors`.

use super::action::{Action, Publish, Receipt, RefusedAction, Target};
use super::state::State;
use super::{Closing, ErrorReply, Rejection, Session};
use crate::destination::{Address, Destination, Owner, Selector};
use crate::users::permissions::{Denied, Permissions, Verb};
use crate::users::{Credentials, Principal, Refused, Secret, bare_token};
use crate::work;
use std::sync::Arc;
use std::time::Instant;
use stompbox_frames::stomp::{Command, Frame, Headers};

/// Where soft errors come.
pub(super) const ERRORS: &str = "/user/queue/errors";
/// How a client asks for them.
pub(super) const SOFT_ERRORS: &str = "soft-errors";
/// Headers that may bring a new token, before the body is taken for one.
const TOKEN_HEADERS: [&str; 4] = ["Authorization", "authorization", "passcode", "access_token"];

/// Returns whether a refused frame of this command leaves the session open if the client asked for `soft-errors`.
pub(super) fn may_be_soft(command: Command) -> bool {
    use Command::{Ack, Nack, Send, Subscribe, Unsubscribe};
    matches!(command, Send | Subscribe | Unsubscribe | Ack | Nack)
}

impl Session {
    /// Whose user destinations are this session's own: its user's, or its own alone.
    pub fn owner(&self) -> Owner {
        match &self.principal.name {
            Some(name) => Owner::user(name),
            None => Owner::session(&self.id),
        }
    }

    /// Whether what let this session in is true no more.
    pub fn is_expired(&self, now: Instant) -> bool {
        self.principal.expires.is_some_and(|expires| expires <= now)
            && matches!(self.state, State::Connected | State::Leaving)
    }

    /// Whether the conversation is over.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether it may be done.
    pub(super) fn may(&self, verb: Verb, shown: &str, selector: &Selector) -> Result<(), Rejection> {
        self.judge(verb, selector, &self.owner()).map_err(|denied| Rejection::denied(verb, shown, denied))
    }

    fn judge(&self, verb: Verb, selector: &Selector, owner: &Owner) -> Result<(), Denied> {
        match &self.permissions {
            Some(permissions) => permissions.judge(&self.principal, owner, verb, selector),
            None => Err(Denied { rule: "nobody may do anything before CONNECTED".into() }),
        }
    }

    /// What the broker says to one session must not be said by anybody else.
    pub(super) fn not_for_errors(&self, shown: &str) -> Result<(), Rejection> {
        if shown != ERRORS {
            return Ok(());
        }
        let denied = Denied { rule: "only the broker sends to /user/queue/errors".into() };
        Err(Rejection::denied(Verb::Send, shown, denied))
    }

    /// Somebody else's destination, to which nobody else subscribes whatever the rules are.
    pub(super) fn foreign(&self, shown: &str) -> Rejection {
        let denied = Denied { rule: "nobody subscribes to another user's destinations".into() };
        Rejection::denied(Verb::Subscribe, shown, denied)
    }

    /// The rules have changed: what is subscribed to is judged again.
    pub fn permit(&mut self, permissions: Arc<Permissions>, actions: &mut Vec<Action>) {
        self.permissions = Some(permissions);
        if self.state == State::Connected {
            self.judge_again(actions);
        }
    }

    /// The principal is no more what it was (roles), or is gone.
    pub fn revise(&mut self, principal: Option<Principal>, actions: &mut Vec<Action>) {
        if self.state != State::Connected {
            return;
        }
        match principal {
            Some(principal) => {
                self.principal = principal;
                self.judge_again(actions);
            }
            None => self.fail(None, &Rejection::revoked(), actions),
        }
    }

    fn judge_again(&mut self, actions: &mut Vec<Action>) {
        self.access_cache.forget();
        self.transactions.judge_again();
        let owner = self.owner();
        let denied: Vec<_> = self
            .subscriptions
            .iter()
            .filter_map(|one| {
                let selector = one.selector.as_ref()?;
                self.judge(Verb::Subscribe, selector, &owner)
                    .err()
                    .map(|denied| (one.key, selector.as_str().to_owned(), denied))
            })
            .collect();
        for (key, shown, denied) in denied {
            let rejection = Rejection::denied(Verb::Subscribe, &shown, denied);
            if !self.soft_errors {
                return self.fail(None, &rejection, actions);
            }
            self.end(key);
            actions.push(Action::Unsubscribe { key, receipt: None });
            self.report(None, &rejection, actions);
        }
    }

    /// Checks the next parked frame against the new rules.
    pub(super) fn recheck_parked(&mut self) {
        let owner = self.owner();
        let may_send =
            |to: &Destination| self.judge(Verb::Send, &Selector::Exact(to.clone()), &owner).is_ok();
        let is_allowed = self.transactions.unjudged().is_none_or(|publish| {
            work::add(publish.recipients() * work::FRAME);
            match &publish.to {
                Target::One(destination) => may_send(destination),
                Target::Users(owners, path) => {
                    owners.iter().filter_map(|owner| path.of(owner)).all(|to| may_send(&to))
                }
            }
        });
        work::add(1);
        self.transactions.judged(!is_allowed);
    }

    // ---- renewal ----

    /// SEND to `/auth/refresh`.
    pub(super) fn renew(
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

    /// The answer to [`Action::Renew`].
    pub fn renewed(
        &mut self,
        result: Result<Principal, Refused>,
        receipt: Option<Receipt>,
        actions: &mut Vec<Action>,
    ) {
        if self.state != State::Connected {
            return;
        }
        match result {
            Ok(principal) if principal.name == self.principal.name => {
                self.principal = principal;
                self.judge_again(actions);
                self.complete(receipt, &[], actions);
            }
            Ok(_) => self.fail(receipt, &Rejection::other_principal(), actions),
            Err(refused) => {
                let closing = refused.limit.map_or(Closing::Unauthenticated, Closing::Limit);
                let reject = ErrorReply { summary: refused.summary, detail: &refused.detail };
                self.error(receipt, reject, None, closing, actions);
            }
        }
    }

    // ---- soft errors ----

    /// A frame was judged and failed.
    pub(super) fn reject(
        &mut self,
        command: Command,
        (transaction, destination): (Option<&str>, Option<Box<str>>),
        receipt: Option<Receipt>,
        mut rejection: Rejection,
        actions: &mut Vec<Action>,
    ) {
        let is_soft = self.soft_errors
            && self.state == State::Connected
            && may_be_soft(command)
            && rejection.closing != Closing::Limit("frames-per-second-max");
        if !is_soft {
            return self.fail(receipt, &rejection, actions);
        }
        if rejection.extra.is_none() {
            rejection.extra = destination.map(|destination| ("destination", destination));
        }
        if let Some(transaction) = transaction {
            self.transactions.refuse_part(transaction);
        }
        if let Closing::Limit(option) = rejection.closing {
            actions.push(Action::Limit(option));
        }
        self.report(receipt, &rejection, actions);
    }

    /// The broker refuses what an action was about: ERROR and close, or where `soft-errors` were asked for a MESSAGE.
    pub fn refused(
        &mut self,
        about: RefusedAction,
        receipt: Option<Receipt>,
        error: ErrorReply<'_>,
        closing: Closing,
        actions: &mut Vec<Action>,
    ) {
        if !self.soft_errors || self.state != State::Connected || about == RefusedAction::Other {
            return self.refuse(receipt, error, closing, actions);
        }
        if let Closing::Limit(option) = closing {
            actions.push(Action::Limit(option));
        }
        if let RefusedAction::Subscribe(key) = about {
            self.end(key);
            if let Some(name) = self.temps.refused(key) {
                self.subscriptions.remove_text(&name);
            }
        }
        if let Some(receipt) = &receipt {
            self.receipts.cancel(receipt);
        }
        self.report_texts(receipt, error, None, actions);
        self.release_receipts(actions);
    }

    /// What the ERROR would have said, as a MESSAGE to this session alone.
    fn report(&mut self, receipt: Option<Receipt>, rejection: &Rejection, actions: &mut Vec<Action>) {
        self.tell_denied(rejection, actions);
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
        // `destination` is where the MESSAGE itself comes from.
        extra
            .extend(about.map(|(name, value)| (if name == "destination" { "refused" } else { name }, value)));
        let body = error.detail.as_bytes().to_vec().into();
        actions.push(Action::Report(Publish {
            to: Target::One(destination),
            shown: ERRORS.into(),
            frame: Frame { command: Command::Send, headers: Headers::default(), body },
            extra,
            session: Some(self.id.clone()),
            receipt: None,
        }));
    }

    /// The log learns by which rule something may not be done.
    pub(super) fn tell_denied(&self, rejection: &Rejection, actions: &mut Vec<Action>) {
        if let Some((verb, denied)) = &rejection.denied {
            let destination = rejection.extra.as_ref().map_or("", |(_, value)| value).into();
            actions.push(Action::Denied { verb: *verb, destination, denied: denied.clone() });
        }
    }
}
