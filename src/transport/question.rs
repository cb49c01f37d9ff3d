//! What has to be found out about a client while it waits: whether it is let in, whether its new token is good; and what
//! it may do when that has changed.

use super::drive::Connection;
use super::wire::Wire;
use crate::outbox::Label;
use crate::session::{Action, Receipt};
use crate::users::{Credentials, Principal, Refused};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// Refusals of one connection that the log tells one by one.
const DENIED_LOGGED: u64 = 10;

type Answer = Pin<Box<dyn Future<Output = Result<Principal, Refused>> + Send>>;

/// Something that is being found out.
pub(super) struct Question {
    answer: Answer,
    about: About,
}

enum About {
    Login,
    Renewal(Option<Receipt>),
}

impl<W: Wire> Connection<W> {
    /// Asks whether the client is let in.
    pub(super) fn ask_login(&mut self, credentials: Credentials) {
        let authenticator = self.hub.authenticator.clone();
        let handshake = self.handshake.take().unwrap_or_default();
        let credentials = Credentials { handshake, ..credentials };
        let answer = Box::pin(async move { authenticator.authenticate(credentials).await });
        self.question = Some(Question { answer, about: About::Login });
    }

    /// Asks whether a new token is good.
    pub(super) fn ask_renewal(&mut self, credentials: Credentials, receipt: Option<Receipt>) {
        let authenticator = self.hub.authenticator.clone();
        let answer = Box::pin(async move { authenticator.renew(credentials).await });
        self.question = Some(Question { answer, about: About::Renewal(receipt) });
    }

    /// The answer, when it is there.
    pub(super) fn hear_answer(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Some(question) = &mut self.question else { return false };
        let Poll::Ready(result) = question.answer.as_mut().poll(cx) else { return false };
        let about = self.question.take().map(|question| question.about);
        if let Err(refused) = &result {
            tracing::info!(reason = refused.reason.as_str(), address = %self.address, "login refused");
        }
        let mut actions = Vec::new();
        match about {
            Some(About::Renewal(receipt)) => self.session.renewed(result, receipt, &mut actions),
            _ => {
                let (permissions, judged_at) = self.hub.permissions();
                self.judged_at = judged_at;
                self.session.authenticated(result, permissions, now, &mut actions);
            }
        }
        self.perform(actions, now);
        true
    }

    /// The client is let in: its mailbox has a name, and it is online.
    pub(super) fn enter(&mut self, now: Instant) {
        let principal = self.session.principal();
        self.outbox
            .label(Arc::new(Label { session: self.session.id().into(), user: principal.name.clone() }));
        self.entry = Some(self.hub.broker.enter(&self.outbox, now));
    }

    /// What has changed since the client was judged last: its token's time is over, the rules are others, its user is.
    pub(super) fn judge_again(&mut self, now: Instant) {
        if !self.established || self.ending.is_some() {
            return;
        }
        let mut actions = Vec::new();
        if self.session.is_expired(now) {
            self.session.expire(now, &mut actions);
        } else if self.judged_at != self.hub.judged_at() {
            let (permissions, judged_at) = self.hub.permissions();
            self.judged_at = judged_at;
            let principal = self.hub.authenticator.revise(self.session.principal());
            if principal.as_ref() != Some(self.session.principal()) {
                self.session.revise(principal, &mut actions);
            }
            self.session.permit(permissions, &mut actions);
        } else {
            return;
        }
        self.perform(actions, now);
    }

    /// A rule forbids something. Whoever may be refused without losing the connection does not fill the log with it.
    pub(super) fn log_denied(&mut self, action: &Action) {
        let Action::Denied { verb, destination, denied } = action else { return };
        self.hub.metrics.access_denied.inc();
        self.denied += 1;
        if self.denied <= DENIED_LOGGED {
            tracing::info!(
                verb = verb.as_str(),
                destination = &**destination,
                rule = &*denied.rule,
                user = self.session.user(),
                address = %self.address,
                session = self.session.id(),
                "access denied"
            );
        }
    }
}
