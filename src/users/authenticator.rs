//! The way of a login: who is slowed down, who waits, who is asked, and what the client hears.

mod answer;
mod turn;

use self::answer::{Checked, crowded, heard, left_early, no_memory, not_checked, refused};
use self::turn::Turn;
use super::gate::Gates;
use super::keyed::{Digest, Key};
use super::source::{Source, Standing, Verdict};
use super::throttle::{Outcome, Throttle, network};
use super::{Cause, Credentials, Handshake, Options, Principal, Refused, Secret, bare_token, sources};
use crate::budget::{Budget, Charge};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// Logins of one address that are checked at the same time, before it is known whether they are right.
const CHECKS_PER_ADDRESS: usize = 256;
/// Logins of at most this size are never refused for lack of memory: `auth-waiting-max` bounds them.
const SMALL_BYTES_MAX: usize = 1024;

/// Says who somebody is; cheap to clone.
///
/// ```text
///  authenticate ──► permit (auth-waiting-max) free? ──► the same is under way? wait with it ───────────────────┐
///                      │ no                               │ no: a task of its own                             │
///                      ▼                                  ▼                                                   │
///                   Refused             throttled? wait, or Refused ──► one source after the other            │
///                                                                       (auth-timeout each)                   │
///                                              Principal, or Refused (held back if repeated), for all who wait ◄┘
/// ```
/// A login that has begun is completed although its client may be gone: what it cost is not in vain, since successes are
/// remembered, and a failure counts although nobody waits to hear of it.
#[derive(Clone, Debug)]
pub struct Authenticator {
    shared: Arc<Shared>,
    /// The byte budget for the credentials of logins under way.
    budget: Arc<Budget>,
}

struct Shared {
    options: Options,
    sources: Vec<Arc<dyn Source>>,
    chairs: Arc<Semaphore>,
    gates: Gates,
    throttle: Mutex<Throttle>,
    key: Key,
    under_way: Mutex<HashMap<Digest, Answers>>,
}

/// What is said in the end.
type Answer = Result<Principal, Refused>;
type Answers = watch::Receiver<Progress>;

/// The progress of a login.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// Whether the throttle delays the check, or a refusal. It is decided before the check.
    is_held_back: bool,
    answer: Option<Answer>,
}

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
        let chairs = options.auth_waiting_max.clamp(1, Semaphore::MAX_PERMITS);
        let throttle = Throttle::new(options.auth_failures_free, options.auth_cache_max);
        Authenticator {
            shared: Arc::new(Shared {
                options,
                sources,
                chairs: Arc::new(Semaphore::new(chairs)),
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
    /// The credentials are wrong, or they cannot be checked now: too many logins are under way (`auth-waiting-max`),
    /// they hold too much memory (`memory-bytes-max`), or a source took too long (`auth-timeout`) or cannot be reached.
    pub async fn authenticate(&self, credentials: Credentials) -> Result<Principal, Refused> {
        self.authenticate_until(std::future::pending(), credentials).await
    }

    /// Like [`Authenticator::authenticate`], for a client that may leave. Once `left` completes, a login that the
    /// throttle holds back is answered with "login not checked" at once, whatever its result. The check continues and
    /// counts.
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
    pub fn standing(&self, principal: &Principal) -> Standing {
        let source = self.shared.sources.iter().find(|source| source.name() == principal.source);
        source.map_or(Standing::Same, |source| source.standing(principal))
    }

    /// The principal as it is now; `None` if it is let in no more.
    pub fn revise(&self, principal: &Principal) -> Option<Principal> {
        match self.standing(principal) {
            Standing::Same => Some(principal.clone()),
            Standing::Roles(roles) => Some(Principal { roles, ..principal.clone() }),
            Standing::Gone => None,
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
    /// holds a permit (`auth-waiting-max`) until it is answered, and a login also `charge` until it is checked.
    ///
    /// # Errors
    /// Too many requests are under way, or a large login does not fit into the budget.
    fn join(
        self: &Arc<Shared>,
        credentials: Credentials,
        purpose: Purpose,
        mut charge: Charge,
    ) -> Result<Answers, Refused> {
        let Ok(chair) = self.chairs.clone().try_acquire_owned() else { return Err(crowded()) };
        let digest = self.key.digest(&(&credentials, purpose));
        let mut under_way = self.under_way.lock();
        if let Some(answers) = under_way.get(&digest) {
            return Ok(answers.clone());
        }
        match credentials.bytes() {
            // Logins of other clients must not block the renewal of a token by a client that has signed in.
            _ if purpose == Purpose::Renewal => {}
            bytes @ ..=SMALL_BYTES_MAX => charge.resize(bytes),
            bytes if charge.try_grow(bytes) => {}
            _ => return Err(no_memory()),
        }
        let (tell, answers) = watch::channel(Progress::default());
        under_way.insert(digest, answers.clone());
        let question = Question { shared: self.clone(), digest, _chair: chair };
        tokio::spawn(async move {
            let (checked, answer_at) = question.shared.in_turn(&credentials, purpose, &tell).await;
            let answer = heard(&credentials, checked);
            // Frees the credentials before a refusal is held back.
            drop((credentials, charge));
            if let Some(answer_at) = answer_at {
                sleep_until(answer_at).await;
            }
            drop(question);
            tell.send_modify(|progress| progress.answer = Some(answer));
        });
        Ok(answers)
    }

    /// Asks the sources once the throttle admits the login. A login without a passcode is not a guess and is not
    /// throttled. Returns the result and, for a wrong passcode, the time before which the refusal must not be sent.
    async fn in_turn(
        &self,
        credentials: &Credentials,
        purpose: Purpose,
        tell: &watch::Sender<Progress>,
    ) -> (Checked, Option<Instant>) {
        let Some((name, passcode)) = credentials.login() else {
            return (self.ask(credentials, purpose).await, None);
        };
        let turn = match self.turn(credentials.handshake.address, name, passcode, tell).await {
            Ok(turn) => turn,
            Err(reason) => return (Checked::Throttled(reason), None),
        };
        let checked = self.ask(credentials, purpose).await;
        let outcome = match &checked {
            Checked::Known(principal) if is_by_login(credentials, principal, name) => Outcome::Right,
            Checked::Refused(_) | Checked::Unknown => Outcome::Wrong,
            Checked::Known(_) | Checked::BadName(_) | Checked::Unavailable(..) | Checked::Throttled(_) => {
                Outcome::Unknown
            }
        };
        let answer_at = turn.settle(outcome);
        (checked, (outcome == Outcome::Wrong).then_some(answer_at))
    }

    /// Waits until the login may be checked.
    async fn turn(
        &self,
        address: Option<IpAddr>,
        name: &str,
        passcode: &str,
        tell: &watch::Sender<Progress>,
    ) -> Result<Turn<'_>, &'static str> {
        let attempt = self.throttle.lock().attempt(address, name, passcode);
        let is_known = self.throttle.lock().is_known(&attempt);
        let pass = match address.filter(|_| !is_known) {
            Some(address) => Some(self.gates.pass(network(address)).await),
            None => None,
        };
        let now = Instant::now();
        let ticket = self.throttle.lock().enter(attempt, now)?;
        let check_at = ticket.check_at;
        if ticket.answer_at > now {
            tell.send_modify(|progress| progress.is_held_back = true);
        }
        let turn = Turn::new(&self.throttle, ticket, pass.filter(|_| check_at <= now));
        if check_at > now {
            sleep_until(check_at).await;
        }
        Ok(turn)
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
                Ok(Verdict::NotMine) => {}
                Ok(Verdict::Known(principal)) => {
                    let named =
                        principal.name.as_deref().map_or(Ok(()), |name| self.options.names.check(name));
                    return named
                        .map_or_else(|wrong| Checked::BadName(told(wrong)), |()| Checked::Known(principal));
                }
                Ok(Verdict::Refused(reason)) => return Checked::Refused(told(reason)),
                Ok(Verdict::Unavailable(reason)) => return unavailable(reason),
                Err(_) => return unavailable("out of time (auth-timeout)".to_owned()),
            }
        }
        Checked::Unknown
    }
}

/// Whether the success proves that the client knows the passcode of `name`: with a token of one's own nobody wipes out
/// that they have guessed that of another.
fn is_by_login(credentials: &Credentials, principal: &Principal, name: &str) -> bool {
    let handshake = &credentials.handshake;
    let others =
        credentials.token().is_some() || handshake.proxy.is_some() || handshake.certificate.is_some();
    !others || principal.name.as_deref() == Some(name)
}

/// Waits for the answer.
async fn answered(progress: &mut Answers) -> Answer {
    let progress = progress.wait_for(|progress| progress.answer.is_some()).await.ok();
    progress
        .and_then(|progress| progress.answer.clone())
        .unwrap_or_else(|| Err(not_checked("the check was given up".to_owned(), Cause::Source("broker"))))
}

/// A question that is under way; dropped, it is not any more.
struct Question {
    shared: Arc<Shared>,
    digest: Digest,
    _chair: OwnedSemaphorePermit,
}

impl Drop for Question {
    fn drop(&mut self) {
        self.shared.under_way.lock().remove(&self.digest);
    }
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
