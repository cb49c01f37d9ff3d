//! Processes a login: throttles it, checks it with the sources of users, and returns the result.

mod admission;
mod login_result;
mod pending;
mod state;

use self::admission::CHECKS_PER_ADDRESS;
use self::login_result::{
    Checked, LoginResult, client_left, failed, not_checked, out_of_memory, result_for_client,
};
use self::pending::{LoginProgress, Pending, ProgressReceiver};
use self::state::AuthenticatorState;
use super::address_limiter::AddressLimiter;
use super::credentials::{ClientHandshake, Credentials, bare_token};
use super::keyed_digest::DigestKey;
use super::login_error::{Cause, LoginError};
use super::options::Options;
use super::principal::Principal;
use super::secret::Secret;
use super::source::{AccountState, Decision, Source};
use super::sources;
use super::sources::kind::SourceKind;
use super::throttle::{CheckOutcome, Throttle};
use crate::budget::{Budget, Charge};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

/// Logins of at most this many bytes are never rejected for lack of memory. Other limits bound their memory: each login
/// has a connection (`connections-max`), and each check has a permit (`auth-waiting-max`).
const SMALL_BYTES_MAX: usize = 1024;

/// Authenticates clients. Cheap to clone.
///
/// ```text
///  authenticate ──► equal login in progress? wait with it ──────────────────────────────────────────────────────┐
///                      │ no: spawn a task                                                                       │
///                      ▼                                                                                        │
///                   throttled? wait, or LoginError ──► permit (auth-waiting-max) ──► one source after the other │
///                                                   or LoginError                 (auth-timeout each)           │
///                                                                                              │                │
///                                              Principal, or LoginError (delayed if repeated), for all clients ◄┘
/// ```
/// A check that has begun is completed even if its clients disconnect. Its source can then cache a success, and the
/// throttle counts a wrong passcode. A login that still waits to be checked ends when its last client disconnects.
#[derive(Clone, Debug)]
pub struct Authenticator {
    shared: Arc<AuthenticatorState>,
    /// The byte budget for the credentials of logins in progress.
    budget: Arc<Budget>,
}

/// The purpose of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Purpose {
    Login,
    Renewal,
}

impl Authenticator {
    /// Creates an authenticator with the sources that `options` configures.
    ///
    /// # Errors
    /// The options of a source are invalid. The text is for the operator.
    pub fn new(options: Options) -> Result<Authenticator, String> {
        let sources = sources::sources(&options)?;
        Ok(Authenticator::with_sources(options, sources))
    }

    /// Creates an authenticator with these sources. Of `options`, it uses only the limits and the rule for user names.
    pub fn with_sources(options: Options, sources: Vec<Arc<dyn Source>>) -> Authenticator {
        let permits = options.auth_waiting_max.clamp(1, Semaphore::MAX_PERMITS);
        let throttle = Throttle::new(options.auth_failures_free, options.auth_cache_max);
        Authenticator {
            shared: Arc::new(AuthenticatorState {
                options,
                sources,
                permits: Semaphore::new(permits),
                address_limiter: AddressLimiter::new(CHECKS_PER_ADDRESS),
                throttle: Mutex::new(throttle),
                key: DigestKey::random(),
                in_progress: Arc::default(),
            }),
            budget: Budget::new(usize::MAX),
        }
    }

    /// Charges the credentials of each login to `budget` until its check is complete. Rejects a login of more than 1
    /// KiB that does not fit.
    pub fn with_budget(self, budget: Arc<Budget>) -> Authenticator {
        Authenticator { budget, ..self }
    }

    /// Returns the principal that the credentials identify. If CONNECT has credentials, the authenticator ignores those
    /// of the handshake.
    ///
    /// # Errors
    /// The credentials are wrong, or the authenticator cannot check them now. It cannot check them in these cases:
    /// - Too many logins are being checked (`auth-waiting-max`).
    /// - The logins hold too much memory (`memory-bytes-max`).
    /// - The throttle delays the login for too long.
    /// - A source cannot be reached or does not answer in time (`auth-timeout`).
    #[cfg(test)]
    pub async fn authenticate(&self, credentials: Credentials) -> Result<Principal, LoginError> {
        self.authenticate_until(std::future::pending(), credentials).await
    }

    /// Like [`Authenticator::authenticate`], for a client that may disconnect. While the throttle delays the login, it
    /// fails with "login not checked" as soon as `disconnected` completes. A check that has begun continues, and the
    /// throttle counts its result.
    ///
    /// # Errors
    /// As for [`Authenticator::authenticate`], or the client disconnects while the throttle delays its login.
    pub async fn authenticate_until(
        &self,
        disconnected: impl Future<Output = ()>,
        credentials: Credentials,
    ) -> Result<Principal, LoginError> {
        let credentials = self.shared.canonical(credentials.explicit());
        let mut progress = self.shared.join(credentials, Purpose::Login, self.budget.charge(0))?;
        let mut delay = progress.clone();
        let leaves_while_delayed = async move {
            disconnected.await;
            delay.wait_for(|progress| progress.is_delayed).await.is_ok()
        };
        tokio::select! {
            biased;
            true = leaves_while_delayed => Err(client_left()),
            result = wait_for_result(&mut progress) => result,
        }
    }

    /// Checks a new token and returns its principal. Reads the token from `authorization`, with or without the scheme,
    /// or else from `passcode`. Ignores the credentials of the handshake. The principal is never anonymous.
    ///
    /// # Errors
    /// The credentials contain no token, or as for [`Authenticator::authenticate`].
    pub async fn renew(&self, credentials: Credentials) -> Result<Principal, LoginError> {
        let address = credentials.handshake.address;
        let handshake = Arc::new(ClientHandshake { address, ..ClientHandshake::default() });
        let token_credentials = Credentials { login: None, handshake, ..credentials };
        let bare = |secret: &'_ Option<Secret>| {
            let token = bare_token(secret.as_ref()?.reveal());
            (!token.is_empty()).then(|| Secret::new(token))
        };
        let token = token_credentials.token().map(Secret::new);
        let token = token
            .or_else(|| bare(&token_credentials.authorization))
            .or_else(|| bare(&token_credentials.passcode));
        let Some(token) = token else {
            let detail = "The frame contains no token. Send the new token.".to_owned();
            return Err(failed(detail, "no token".to_owned()));
        };
        let authorization = Some(Secret::new(&format!("Bearer {}", token.reveal())));
        let credentials =
            self.shared.canonical(Credentials { authorization, passcode: None, ..token_credentials });
        wait_for_result(&mut self.shared.join(credentials, Purpose::Renewal, self.budget.charge(0))?).await
    }

    /// Returns a number that changes when the state of a principal may have changed. [`Authenticator::account_state`]
    /// returns the new state.
    pub fn generation(&self) -> u64 {
        self.shared.sources.iter().fold(0, |sum, source| sum.wrapping_add(source.generation()))
    }

    /// Returns the current state of the principal in the source that authenticated it. Cheap.
    pub fn account_state(&self, principal: &Principal) -> AccountState {
        let source = self.shared.sources.iter().find(|source| source.name() == principal.source);
        source.map_or(AccountState::Same, |source| source.account_state(principal))
    }

    /// Returns the principal with its current roles. Returns `None` if its sessions must be closed.
    pub fn refresh(&self, principal: &Principal) -> Option<Principal> {
        match self.account_state(principal) {
            AccountState::Same => Some(principal.clone()),
            AccountState::Roles(roles) => Some(Principal { roles, ..principal.clone() }),
            AccountState::Gone => None,
        }
    }

    /// Makes each source check at once whether its data has changed. Cheap if no data has changed.
    ///
    /// # Errors
    /// Some new data is invalid. The previous data stays in effect. The text is for the operator.
    pub async fn reload(&self) -> Result<(), String> {
        let shared = self.shared.clone();
        let reload = move || {
            let errors = shared.sources.iter().filter_map(|source| source.reload().err());
            errors.collect::<Vec<_>>().join("; ")
        };
        match tokio::task::spawn_blocking(reload).await {
            Ok(errors) if errors.is_empty() => Ok(()),
            Ok(errors) => Err(errors),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl AuthenticatorState {
    /// Converts the login to the canonical form that sources and the throttle use. Drops credentials that no source
    /// reads.
    fn canonical(&self, mut credentials: Credentials) -> Credentials {
        credentials.drop_unread(self.sources.iter().any(|source| source.reads_tokens()));
        let names = self.options.names;
        if let Some(login) = &mut credentials.login {
            *login = names.canonical(login).into_owned();
        }
        let basic = credentials.handshake.basic.as_ref();
        let basic = basic.map(|(login, passcode)| (names.canonical(login).into_owned(), passcode.clone()));
        if basic != credentials.handshake.basic {
            Arc::make_mut(&mut credentials.handshake).basic = basic;
        }
        credentials
    }

    /// Returns a receiver for the result of the login or renewal. If an equal check is in progress, joins it.
    /// Otherwise, starts a task for the check. `charge` accounts for the credentials of a login until its check is
    /// complete. The credentials of a renewal are not charged.
    ///
    /// # Errors
    /// A login of more than [`SMALL_BYTES_MAX`] bytes does not fit into the budget.
    fn join(
        self: &Arc<AuthenticatorState>,
        credentials: Credentials,
        purpose: Purpose,
        mut charge: Charge,
    ) -> Result<ProgressReceiver, LoginError> {
        let digest = self.key.digest(&(&credentials, purpose));
        let mut in_progress = self.in_progress.lock();
        if let Some(progress) = in_progress.get(&digest) {
            return Ok(progress.subscribe());
        }
        match credentials.bytes() {
            // Logins of other clients must not block the token renewal of an authenticated client.
            _ if purpose == Purpose::Renewal => {}
            bytes @ ..=SMALL_BYTES_MAX => charge.resize(bytes),
            bytes if charge.try_grow(bytes) => {}
            _ => return Err(out_of_memory()),
        }
        let (progress, receiver) = watch::channel(LoginProgress::default());
        in_progress.insert(digest, progress.clone());
        let mut pending = Pending::new(self.in_progress.clone(), digest, progress);
        let shared = self.clone();
        tokio::spawn(async move {
            let (checked, answer_at) = shared.admit_and_check(&credentials, purpose, &mut pending).await;
            let result = result_for_client(&credentials, checked);
            // Free the credentials before the answer is delayed.
            drop((credentials, charge));
            if let Some(answer_at) = answer_at {
                pending.delay_until(answer_at, shared.options.auth_waiting_max).await;
            }
            pending.publish(result);
        });
        Ok(receiver)
    }

    /// Waits until the throttle admits the login, then checks it with the sources. Returns the result. For a wrong
    /// passcode, also returns the earliest time for the answer.
    async fn admit_and_check(
        &self,
        credentials: &Credentials,
        purpose: Purpose,
        pending: &mut Pending,
    ) -> (Checked, Option<Instant>) {
        let admitted = match self.admit(credentials, pending).await {
            Ok(login) => login,
            Err(checked) => return (checked, None),
        };
        let checked = self.check_sources(credentials, purpose).await;
        let outcome = match &checked {
            Checked::Known(principal) if proves_passcode(credentials, principal) => CheckOutcome::Correct,
            Checked::Rejected(_) | Checked::Unknown => CheckOutcome::Wrong,
            _ => CheckOutcome::Unknown,
        };
        let answer_at = admitted.settle(outcome);
        (checked, answer_at)
    }

    /// Tries one source after the other, until one of them accepts the login, rejects it, or cannot check it.
    async fn check_sources(&self, credentials: &Credentials, purpose: Purpose) -> Checked {
        for source in &self.sources {
            if purpose == Purpose::Renewal && source.name() == SourceKind::Anonymous.as_str() {
                continue;
            }
            let decision = match source.is_timed() {
                true => timeout(self.options.auth_timeout, source.check(credentials)).await,
                false => Ok(source.check(credentials).await),
            };
            let with_source = |reason: String| format!("{}: {reason}", source.name());
            let unavailable = |reason| Checked::Unavailable(source.name(), with_source(reason));
            match decision {
                Ok(Decision::Unknown) => {}
                Ok(Decision::Known(principal)) => {
                    let name_check =
                        principal.name.as_deref().map_or(Ok(()), |name| self.options.names.check(name));
                    return name_check.map_or_else(
                        |error| Checked::BadName(with_source(error)),
                        |()| Checked::Known(principal),
                    );
                }
                Ok(Decision::Rejected(reason)) => return Checked::Rejected(with_source(reason)),
                Ok(Decision::Unavailable(reason)) => return unavailable(reason),
                Err(_) => return unavailable("timed out (auth-timeout)".to_owned()),
            }
        }
        Checked::Unknown
    }
}

/// Returns whether the success proves that the client knows the passcode of its login. A client may send its own valid
/// token with the login of another user. Its success must not reset the count of wrong passcodes of that user.
fn proves_passcode(credentials: &Credentials, principal: &Principal) -> bool {
    let handshake = &credentials.handshake;
    let has_other_credentials =
        credentials.token().is_some() || handshake.proxy.is_some() || handshake.certificate.is_some();
    !has_other_credentials || principal.name.as_deref() == credentials.login().map(|(name, _)| name)
}

/// Waits for the result of a login in progress.
async fn wait_for_result(progress: &mut ProgressReceiver) -> LoginResult {
    let progress = progress.wait_for(|progress| progress.result.is_some()).await.ok();
    progress
        .and_then(|progress| progress.result.clone())
        .unwrap_or_else(|| Err(not_checked("the check was aborted".to_owned(), Cause::Source("broker"))))
}

#[cfg(test)]
mod tests;
