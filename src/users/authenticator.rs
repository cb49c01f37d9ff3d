//! The way of a login: who is slowed down, who waits, who is asked, and what the client hears.

use super::keyed::{Digest, Key};
use super::source::{Source, Standing, Verdict};
use super::throttle::Throttle;
use super::{Credentials, Handshake, Options, Principal, Refused, Secret, sources};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

/// Says who somebody is; cheap to clone.
///
/// ```text
///  authenticate ──► chair (auth-waiting-max) free? ──► slowed down? wait ──► the same is under way? wait with it ─┐
///                      │ no                                                   │ no                                │
///                      ▼                                                      ▼ a task of its own                 │
///                   Refused                                one source after the other (auth-timeout each)         │
///                                                            └─► Principal, or Refused, for all who wait ◄────────┘
/// ```
/// A login that has begun is completed although its client may be gone: what it cost is not in vain, since successes are
/// remembered, and a failure counts although nobody waits to hear of it.
#[derive(Clone, Debug)]
pub struct Authenticator {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    sources: Vec<Arc<dyn Source>>,
    chairs: Arc<Semaphore>,
    throttle: Throttle,
    key: Key,
    under_way: Mutex<HashMap<Digest, Answers>>,
}

/// What is said in the end.
type Answer = Result<Principal, Refused>;
type Answers = watch::Receiver<Option<Answer>>;

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
        let throttle = Throttle::new(options.auth_failures_free);
        Authenticator {
            shared: Arc::new(Shared {
                options,
                sources,
                chairs: Arc::new(Semaphore::new(chairs)),
                throttle,
                key: Key::random(),
                under_way: Mutex::default(),
            }),
        }
    }

    /// Whom the credentials stand for. Where CONNECT shows something, the handshake does not count.
    ///
    /// # Errors
    /// They stand for nobody; or it cannot be said for now: too many logins are under way (`auth-waiting-max`), a source
    /// took too long (`auth-timeout`) or cannot be reached.
    pub async fn authenticate(&self, credentials: Credentials) -> Result<Principal, Refused> {
        self.shared.answer(credentials.explicit(), Purpose::Login).await
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
            secret
                .as_ref()
                .map(|secret| Secret::new(secret.reveal().trim()))
                .filter(|text| !text.reveal().is_empty())
        };
        let token = shown.token().map(Secret::new);
        let token = token.or_else(|| bare(&shown.authorization)).or_else(|| bare(&shown.passcode));
        let Some(token) = token else {
            let detail = "There is no token in this; send the new one.".to_owned();
            return Err(Refused { summary: REFUSED, detail, reason: "no token".to_owned(), limit: None });
        };
        let authorization = Some(Secret::new(&format!("Bearer {}", token.reveal())));
        self.shared.answer(Credentials { authorization, passcode: None, ..shown }, Purpose::Renewal).await
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
    /// What will not do; what was known before still holds. The text is for the operator.
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
    async fn answer(self: &Arc<Shared>, credentials: Credentials, purpose: Purpose) -> Answer {
        let Ok(chair) = self.chairs.clone().try_acquire_owned() else { return Err(crowded()) };
        let mut answers = self.join(credentials, purpose, chair);
        let answer = answers.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
        answer.unwrap_or_else(|| Err(not_checked("the check was given up".to_owned())))
    }

    /// The answers to this question: it is asked if nobody has asked the same, and then it takes the chair.
    fn join(
        self: &Arc<Shared>,
        credentials: Credentials,
        purpose: Purpose,
        chair: OwnedSemaphorePermit,
    ) -> Answers {
        let digest = self.key.digest(&(&credentials, purpose));
        let mut under_way = self.under_way.lock();
        if let Some(answers) = under_way.get(&digest) {
            return answers.clone();
        }
        let (tell, answers) = watch::channel(None);
        under_way.insert(digest, answers.clone());
        let question = Question { shared: self.clone(), digest, _chair: chair };
        tokio::spawn(async move {
            let verdict = question.shared.in_turn(&credentials, purpose).await;
            let answer = heard(&credentials, verdict);
            drop((question, credentials));
            tell.send_replace(Some(answer));
        });
        answers
    }

    /// Asks, after whatever a login by name has to wait. Whoever shows a token or nothing guesses nothing.
    async fn in_turn(&self, credentials: &Credentials, purpose: Purpose) -> Verdict {
        let Some((name, _)) = credentials.login() else { return self.ask(credentials, purpose).await };
        let Some(turn) = self.throttle.enter(credentials.handshake.address, name) else {
            return Verdict::Unavailable(
                "too many logins of this name are under way from this address".to_owned(),
            );
        };
        if !turn.delay.is_zero() {
            sleep(turn.delay).await;
        }
        let verdict = self.ask(credentials, purpose).await;
        self.count(credentials, name, &verdict);
        verdict
    }

    /// One source after the other, until one knows the client or refuses it. [`Verdict::NotMine`] if none is concerned.
    async fn ask(&self, credentials: &Credentials, purpose: Purpose) -> Verdict {
        for source in &self.sources {
            if purpose == Purpose::Renewal && source.name() == sources::Kind::Anonymous.as_str() {
                continue;
            }
            let verdict = match source.is_timed() {
                true => timeout(self.options.auth_timeout, source.check(credentials)).await,
                false => Ok(source.check(credentials).await),
            };
            let told = |reason: String| format!("{}: {reason}", source.name());
            match verdict {
                Ok(Verdict::NotMine) => {}
                Ok(Verdict::Known(principal)) => return Verdict::Known(principal),
                Ok(Verdict::Refused(reason)) => return Verdict::Refused(told(reason)),
                Ok(Verdict::Unavailable(reason)) => return Verdict::Unavailable(told(reason)),
                Err(_) => return Verdict::Unavailable(told("out of time (auth-timeout)".to_owned())),
            }
        }
        Verdict::NotMine
    }

    fn count(&self, credentials: &Credentials, name: &str, verdict: &Verdict) {
        match verdict {
            Verdict::Known(principal) if is_by_login(credentials, principal, name) => {
                self.throttle.succeeded(name);
            }
            Verdict::Refused(_) | Verdict::NotMine => {
                self.throttle.failed(credentials.handshake.address, name);
            }
            Verdict::Known(_) | Verdict::Unavailable(_) => {}
        }
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

const REFUSED: &str = "login refused";
const NOT_CHECKED: &str = "login not checked";

fn crowded() -> Refused {
    Refused {
        summary: NOT_CHECKED,
        detail: "Too many clients are logging in at this moment (limit auth-waiting-max); try again later."
            .to_owned(),
        reason: "too many logins are under way".to_owned(),
        limit: Some("auth-waiting-max"),
    }
}

fn not_checked(reason: String) -> Refused {
    let detail = "Who you are cannot be checked at this moment; try again later.".to_owned();
    Refused { summary: NOT_CHECKED, detail, reason, limit: None }
}

/// What a client reads depends on what it sent only, never on what is known here.
fn heard(credentials: &Credentials, verdict: Verdict) -> Answer {
    let reason = match verdict {
        Verdict::Known(principal) => return Ok(principal),
        Verdict::Unavailable(reason) => return Err(not_checked(reason)),
        Verdict::Refused(reason) => reason,
        Verdict::NotMine if credentials.is_empty() => "no login".to_owned(),
        Verdict::NotMine => "nobody knows this login".to_owned(),
    };
    let detail = match (credentials.token(), credentials.login()) {
        (Some(_), _) => "This token is not accepted here; get a new one.",
        (None, Some(_)) => "This login and passcode stand for no user of this broker.",
        (None, None) => {
            "This broker lets only its users in: send the headers login and passcode with CONNECT, or a token."
        }
    };
    Err(Refused { summary: REFUSED, detail: detail.to_owned(), reason, limit: None })
}

#[cfg(test)]
mod tests;
