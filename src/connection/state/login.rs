//! The login of a connection: what the client has shown before CONNECT, the authentication in progress, and the version
//! of the rules that apply to the client.

use crate::auth::{Authenticator, ClientHandshake, Credentials, LoginError, Principal};
use crate::connection::log::agent::agent_for_log;
use crate::session::Receipt;
use crate::work;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio_util::sync::CancellationToken;

/// The login of a connection.
pub(crate) struct Login {
    /// Version of the rules and users with which the client was last checked.
    pub(crate) access_version: u64,
    /// Whether the client has signed in. The limits for authenticated clients then apply.
    pub(crate) established: bool,
    /// Whether the failed login was not logged individually. The end of the connection is then logged at debug.
    pub(crate) failure_suppressed: bool,
    /// The authentication in progress. It is boxed, because a connection seldom has one.
    pending: Option<Box<PendingAuthentication>>,
    /// Credentials and other information that the client sent before CONNECT. `None` once the login has begun.
    handshake: Option<Arc<ClientHandshake>>,
}

struct PendingAuthentication {
    future: AuthenticationFuture,
    kind: AuthenticationKind,
}

type AuthenticationFuture = Pin<Box<dyn Future<Output = Result<Principal, LoginError>> + Send>>;

/// The kind of an authentication, and what is needed to handle its result.
#[derive(Debug)]
pub(crate) enum AuthenticationKind {
    Login {
        /// The name of the client's program, for the log.
        agent: Option<Box<str>>,
        /// Cancelled when the client sends nothing more.
        input_ended: CancellationToken,
    },
    Renewal(Option<Receipt>),
}

impl Login {
    /// Creates the state of a client that has not sent CONNECT.
    pub(crate) fn new(handshake: Arc<ClientHandshake>) -> Login {
        Login {
            access_version: 0,
            established: false,
            failure_suppressed: false,
            pending: None,
            handshake: Some(handshake),
        }
    }

    /// Returns whether an authentication is in progress. Frames are not handled until it is complete.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Starts to authenticate the client with the credentials from CONNECT and from the handshake of the transport.
    pub(crate) fn start(&mut self, credentials: Credentials, authenticator: Authenticator) {
        let mut handshake = self.handshake.take().unwrap_or_default();
        let agent = handshake.agent.clone();
        if agent.is_some() {
            // The authenticator shares one task among equal logins. The agent is not a credential, so it must not make
            // them differ.
            Arc::make_mut(&mut handshake).agent = None;
        }
        let credentials = Credentials { handshake, ..credentials };
        let input_ended = CancellationToken::new();
        let client_left = input_ended.clone().cancelled_owned();
        let future = async move { authenticator.authenticate_until(client_left, credentials).await };
        self.set_pending(Box::pin(future), AuthenticationKind::Login { agent, input_ended });
    }

    /// Starts to check the new token that the client has sent.
    pub(crate) fn start_renewal(
        &mut self,
        credentials: Credentials,
        receipt: Option<Receipt>,
        authenticator: Authenticator,
    ) {
        let future = async move { authenticator.renew(credentials).await };
        self.set_pending(Box::pin(future), AuthenticationKind::Renewal(receipt));
    }

    fn set_pending(&mut self, future: AuthenticationFuture, kind: AuthenticationKind) {
        work::add(work::AUTHENTICATION);
        self.pending = Some(Box::new(PendingAuthentication { future, kind }));
    }

    /// Records the name of the client's program that CONNECT contains.
    pub(crate) fn set_agent(&mut self, agent: &str) {
        if let Some(AuthenticationKind::Login { agent: known, .. }) =
            self.pending.as_mut().map(|pending| &mut pending.kind)
        {
            *known = agent_for_log(agent).or(known.take());
        }
    }

    /// Tells the pending login that the client sends nothing more. If the throttle delays the login, the login then
    /// fails at once.
    pub(crate) fn end_input(&self) {
        if let Some(AuthenticationKind::Login { input_ended, .. }) =
            self.pending.as_ref().map(|pending| &pending.kind)
        {
            input_ended.cancel();
        }
    }

    /// Returns the result of the authentication in progress, once, when it is available.
    pub(crate) fn poll_result(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<(Result<Principal, LoginError>, AuthenticationKind)> {
        let Some(pending) = &mut self.pending else { return Poll::Pending };
        let result = ready!(pending.future.as_mut().poll(cx));
        match self.pending.take() {
            Some(pending) => Poll::Ready((result, pending.kind)),
            None => Poll::Pending,
        }
    }

    /// Drops the authentication in progress.
    pub(crate) fn cancel(&mut self) {
        self.pending = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, poll_fn, ready};
    use std::task::Waker;

    fn login() -> Login {
        Login::new(Arc::default())
    }

    fn login_kind(agent: Option<&str>) -> AuthenticationKind {
        AuthenticationKind::Login { agent: agent.map(Into::into), input_ended: CancellationToken::new() }
    }

    fn poll(login: &mut Login) -> Poll<(Result<Principal, LoginError>, AuthenticationKind)> {
        login.poll_result(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn result_is_returned_once() {
        let mut login = login();
        assert!(poll(&mut login).is_pending() && !login.is_pending());
        let mut polls = 0;
        let future = poll_fn(move |_| {
            polls += 1;
            if polls < 2 { Poll::Pending } else { Poll::Ready(Ok(Principal::default())) }
        });
        login.set_pending(Box::pin(future), AuthenticationKind::Renewal(Some("1".into())));
        assert!(poll(&mut login).is_pending() && login.is_pending());
        let Poll::Ready((Ok(principal), AuthenticationKind::Renewal(Some(receipt)))) = poll(&mut login)
        else {
            panic!("the renewal succeeds");
        };
        assert_eq!((principal, &*receipt.id), (Principal::default(), "1"));
        assert!(poll(&mut login).is_pending() && !login.is_pending());
    }

    #[test]
    fn program_name_of_connect_replaces_that_of_the_handshake() {
        for (connect, logged) in [("stomp.js 7", "stomp.js 7"), (" ", "Firefox")] {
            let mut login = login();
            login.set_agent("ignored before CONNECT");
            login.set_pending(Box::pin(ready(Ok(Principal::default()))), login_kind(Some("Firefox")));
            login.set_agent(connect);
            let Poll::Ready((_, AuthenticationKind::Login { agent, .. })) = poll(&mut login) else {
                panic!("the login is complete");
            };
            assert_eq!(agent.as_deref(), Some(logged));
        }
    }

    #[test]
    fn end_of_input_cancels_a_login_and_not_a_renewal() {
        let mut login = login();
        login.end_input();
        let input_ended = CancellationToken::new();
        let kind = AuthenticationKind::Login { agent: None, input_ended: input_ended.clone() };
        login.set_pending(Box::pin(pending()), kind);
        assert!(!input_ended.is_cancelled());
        login.end_input();
        assert!(input_ended.is_cancelled());
        login.set_pending(Box::pin(pending()), AuthenticationKind::Renewal(None));
        login.end_input();
        assert!(login.is_pending());
        login.cancel();
        assert!(!login.is_pending());
    }
}
