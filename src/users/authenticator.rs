//! The way of a login: who is slowed down, who waits, who is asked, and what the client hears.

mod answer;
mod pending;
mod turn;

use self::answer::{Checked, heard, left_early, not_checked, out_of_memory, refused};
use self::pending::{Answers, Pending, Progress};
use self::turn::CHECKS_PER_ADDRESS;
use super::gate::Gates;
use super::keyed_digest::{Digest, Key};
use super::source::{AccountState, Decision, Source};
use super::throttle::{Outcome, Throttle};
use super::{Cause, Credentials, Handshake, Options, Principal, Refused, Secret, bare_token, sources};
use crate::budget::{Budget, Charge};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

/// Logins of at most this size are never refused for lack of memory. Their number is bounded by `connections-max` while
/// they wait, and by `auth-waiting-max` while they are checked.
const SMALL_BYTES_MAX: usize = 1024;

/// Says who somebody is; cheap to clone.
///
/// ```text
///  authenticate ──► the same is under way? wait with it ─────────────────────────────────────────────────────────┐
///                      │ no: a task of its own                                                                  │
///                      ▼                                                                                        │
///                   throttled? wait, or Refused ──► permit (auth-waiting-max) ──► one source after the other    │
///                                                   or Refused                    (auth-timeout each)           │
///                                                                                              │                │
///                                              Principal, or Refused (held back if repeated), for all clients ◄─┘
/// ```
/// A check that has begun is completed even if its clients have left, because successes are remembered and failures
/// count. A login that still waits to be checked is cancelled when its last client leaves.
#[derive(Clone, Debug)]
pub struct Authenticator {
    shared: Arc<Shared>,
    /// The byte budget for the credentials of logins under way.
    budget: Arc<Budget>,
}

struct Shared {
    options: Options,
    sources: Vec<Arc<dyn Source>>,
    permits: Semaphore,
    gates: Gates,
    throttle: Mutex<Throttle>,
    key: Key,
    under_way: Mutex<HashMap<Digest, watch::Sender<Progress>>>,
}

/// What is said in the end.
type Answer = Result<Principal, Refused>;

/// What the credentials are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Purpose {
    Login,
    Renewal,
}

impl Authenticator {
    /// Knows the users of `options`.
    ///
    /// # Errors
    /// A source cannot be made of its options: the text is for the operator.
    pub fn new(options: Options) -> Result<Authenticator, String> {
        let sources = sources::sources(&options)?;
        Ok(Authenticator::with_sources(options, sources))
    }

    /// Asks other sources; of `options` only the bounds count.
    pub fn with_sources(options: Options, sources: Vec<Arc<dyn Source>>) -> Authenticator {
        let permits = options.auth_waiting_max.clamp(1, Semaphore::MAX_PERMITS);
        let throttle = Throttle::new(options.auth_failures_free, options.auth_cache_max);
        Authenticator {
            shared: Arc::new(Shared {
                options,
                sources,
                permits: Semaphore::new(permits),
                gates: Gates::new(CHECKS_PER_ADDRESS),
                throttle: Mutex::new(throttle),
                key: Key::random(),
                under_way: Mutex::default(),
            }),
            budget: Budget::new(usize::MAX),
        }
    }

    /// Charges the credentials of logins to `budget` until they are checked. Refuses a large login that does not fit.
    pub fn with_budget(self, budget: Arc<Budget>) -> Authenticator {
        Authenticator { budget, ..self }
    }

    /// Whom the credentials stand for. Where CONNECT shows something, the handshake does not count.
    ///
    /// # Errors
    /// The credentials are wrong, or they cannot be checked now: too many logins are being checked
    /// (`auth-waiting-max`), logins hold too much memory (`memory-bytes-max`), or a source took too long
    /// (`auth-timeout`) or cannot be reached.
    pub async fn authenticate(&self, credentials: Credentials) -> Result<Principal, Refused> {
        self.authenticate_until(std::future::pending(), credentials).await
    }

    /// Like [`Authenticator::authenticate`], for a client that may leave. Once `left` completes, a login that the
    /// throttle holds back is answered with "login not checked" at once, whatever its result. A check that has begun
    /// continues and counts.
    ///
    /// # Errors
    /// As for [`Authenticator::authenticate`], or the client has left.
    pub async fn authenticate_until(
        &self,
        left: impl Future<Output = ()>,
        credentials: Credentials,
    ) -> Result<Principal, Refused> {
        let credentials = self.shared.canonical(credentials.explicit());
        let mut progress = self.shared.join(credentials, Purpose::Login, self.budget.charge(0))?;
        let mut held_back = progress.clone();
        let gives_up = async move {
            left.await;
            held_back.wait_for(|progress| progress.is_held_back).await.is_ok()
        };
        tokio::select! {
            biased;
            true = gives_up => Err(left_early()),
            answer = answered(&mut progress) => answer,
        }
    }

    /// Whom a new token stands for: the one in `authorization` (with its scheme or bare), else the one in `passcode`. What
    /// the connection brought when it was made does not count, and nobody becomes anonymous by this.
    ///
    /// # Errors
    /// There is none, or as for [`Authenticator::authenticate`].
    pub async fn renew(&self, credentials: Credentials) -> Result<Principal, Refused> {
        let address = credentials.handshake.address;
        let handshake = Arc::new(Handshake { address, ..Handshake::default() });
        let shown = Credentials { login: None, handshake, ..credentials };
        let bare = |secret: &'_ Option<Secret>| {
            let token = bare_token(secret.as_ref()?.reveal());
            (!token.is_empty()).then(|| Secret::new(token))
        };
        let token = shown.token().map(Secret::new);
        let token = token.or_else(|| bare(&shown.authorization)).or_else(|| bare(&shown.passcode));
        let Some(token) = token else {
            let detail = "There is no token in this; send the new one.".to_owned();
            return Err(refused(detail, "no token".to_owned()));
        };
        let authorization = Some(Secret::new(&format!("Bearer {}", token.reveal())));
        let credentials = self.shared.canonical(Credentials { authorization, passcode: None, ..shown });
        answered(&mut self.shared.join(credentials, Purpose::Renewal, self.budget.charge(0))?).await
    }

    /// Changes whenever a principal that was named may not be what it was: ask [`Authenticator::standing`] then.
    pub fn generation(&self) -> u64 {
        self.shared.sources.iter().fold(0, |sum, source| sum.wrapping_add(source.generation()))
    }

    /// What the source that named the principal says of it now. Cheap.
    pub fn standing(&self, principal: &Principal) -> AccountState {
        let source = self.shared.sources.iter().find(|source| source.name() == principal.source);
        source.map_or(AccountState::Same, |source| source.standing(principal))
    }

    /// The principal as it is now; `None` if it is let in no more.
    pub fn revise(&self, principal: &Principal) -> Option<Principal> {
        match self.standing(principal) {
            AccountState::Same => Some(principal.clone()),
            AccountState::Roles(roles) => Some(Principal { roles, ..principal.clone() }),
            AccountState::Gone => None,
        }
    }

    /// Has all sources look whether what they know has changed: now, not with the next login. Cheap if it has not.
    ///
    /// # Errors
    /// What is invalid; what was known before still holds. The text is for the operator.
    pub async fn reload(&self) -> Result<(), String> {
        let shared = self.shared.clone();
        let reload = move || {
            let wrong = shared.sources.iter().filter_map(|source| source.reload().err());
            wrong.collect::<Vec<_>>().join("; ")
        };
        match tokio::task::spawn_blocking(reload).await {
            Ok(wrong) if wrong.is_empty() => Ok(()),
            Ok(wrong) => Err(wrong),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Shared {
    /// Returns the credentials with the login in the canonical form that sources and the throttle use, and without
    /// parts that no source reads.
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

    /// Returns the answers to this request, and starts the request unless an equal one is under way. A started request
    /// holds a permit (`auth-waiting-max`) while it is checked. A login holds `charge` until its check has ended.
    ///
    /// # Errors
    /// A large login does not fit into the budget.
    fn join(
        self: &Arc<Shared>,
        credentials: Credentials,
        purpose: Purpose,
        mut charge: Charge,
    ) -> Result<Answers, Refused> {
        let digest = self.key.digest(&(&credentials, purpose));
        let mut under_way = self.under_way.lock();
        if let Some(progress) = under_way.get(&digest) {
            return Ok(progress.subscribe());
        }
        match credentials.bytes() {
            // Logins of other clients must not block the renewal of a token by a client that has signed in.
            _ if purpose == Purpose::Renewal => {}
            bytes @ ..=SMALL_BYTES_MAX => charge.resize(bytes),
            bytes if charge.try_grow(bytes) => {}
            _ => return Err(out_of_memory()),
        }
        let (progress, answers) = watch::channel(Progress::default());
        under_way.insert(digest, progress.clone());
        let mut pending = Pending::new(self.clone(), digest, progress);
        tokio::spawn(async move {
            let shared = pending.shared();
            let (checked, answer_at) = shared.in_turn(&credentials, purpose, &mut pending).await;
            let answer = heard(&credentials, checked);
            // Frees the credentials before a refusal is held back.
            drop((credentials, charge));
            if let Some(answer_at) = answer_at {
                pending.hold_back(answer_at).await;
            }
            pending.answer(answer);
        });
        Ok(answers)
    }

    /// Asks the sources once the login may be checked. Returns the result and, for a wrong passcode, the time before
    /// which the refusal must not be sent.
    async fn in_turn(
        &self,
        credentials: &Credentials,
        purpose: Purpose,
        pending: &mut Pending,
    ) -> (Checked, Option<Instant>) {
        let turn = match self.turn(credentials, pending).await {
            Ok(turn) => turn,
            Err(checked) => return (checked, None),
        };
        let checked = self.ask(credentials, purpose).await;
        let outcome = match &checked {
            Checked::Known(principal) if is_by_login(credentials, principal) => Outcome::Right,
            Checked::Refused(_) | Checked::Unknown => Outcome::Wrong,
            _ => Outcome::Unknown,
        };
        let answer_at = turn.settle(outcome);
        (checked, answer_at)
    }

    /// Asks one source after the other, until one knows the client or refuses it.
    async fn ask(&self, credentials: &Credentials, purpose: Purpose) -> Checked {
        for source in &self.sources {
            if purpose == Purpose::Renewal && source.name() == sources::Kind::Anonymous.as_str() {
                continue;
            }
            let verdict = match source.is_timed() {
                true => timeout(self.options.auth_timeout, source.check(credentials)).await,
                false => Ok(source.check(credentials).await),
            };
            let told = |reason: String| format!("{}: {reason}", source.name());
            let unavailable = |reason| Checked::Unavailable(source.name(), told(reason));
            match verdict {
                Ok(Decision::NotMine) => {}
                Ok(Decision::Known(principal)) => {
                    let named =
                        principal.name.as_deref().map_or(Ok(()), |name| self.options.names.check(name));
                    return named
                        .map_or_else(|wrong| Checked::BadName(told(wrong)), |()| Checked::Known(principal));
                }
                Ok(Decision::Refused(reason)) => return Checked::Refused(told(reason)),
                Ok(Decision::Unavailable(reason)) => return unavailable(reason),
                Err(_) => return unavailable("out of time (auth-timeout)".to_owned()),
            }
        }
        Checked::Unknown
    }
}

/// Returns whether the success proves that the client knows the passcode of its login. A client that adds a token of
/// its own to a guess must not reset the count of guesses.
fn is_by_login(credentials: &Credentials, principal: &Principal) -> bool {
    let handshake = &credentials.handshake;
    let others =
        credentials.token().is_some() || handshake.proxy.is_some() || handshake.certificate.is_some();
    !others || principal.name.as_deref() == credentials.login().map(|(name, _)| name)
}

/// Waits for the answer.
async fn answered(progress: &mut Answers) -> Answer {
    let progress = progress.wait_for(|progress| progress.answer.is_some()).await.ok();
    progress
        .and_then(|progress| progress.answer.clone())
        .unwrap_or_else(|| Err(not_checked("the check was given up".to_owned(), Cause::Source("broker"))))
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("options", &self.options)
            .field("sources", &self.sources)
            .field("throttle", &self.throttle)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
