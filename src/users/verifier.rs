//! Verifies passcodes against hashes.

use super::Secret;
use super::fair_queue::ClientKey;
use super::hash::{Hash, HashError, Memory};
use super::hash_pool::HashPool;
use super::keyed_digest::{Digest, Key};
use super::lru_map::LruMap;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::sync::watch;

/// Verifies passcodes on hashing threads, without blocking the thread that asks.
///
/// ```text
///  verify ──► cached success? ──────────────────────────────────────────► yes
///               │ no
///               ├─► equal check in progress? wait for its result ────────┐
///               └─► queue of the hash pool ──► hash ──► cache a success ──┴► yes, no
/// ```
/// A check that has begun is completed even if no client waits for it any longer. When the client tries again, the
/// result is cached. Therefore a storm of clients whose timeout is shorter than the queue comes to an end.
#[derive(Debug)]
pub(super) struct Verifier {
    shared: Arc<Shared>,
    desks: HashPool,
}

/// The function that checks a passcode. Tests replace it with one that is slow on demand.
type Matches = dyn Fn(&Hash, &str, &mut Memory) -> Result<bool, HashError> + Send + Sync;

struct Shared {
    key: Key,
    matches: Box<Matches>,
    state: Mutex<State>,
}

/// The maps use the digest of name, passcode and hash as the key, so another hash is another key.
struct State {
    pending: HashMap<Digest, watch::Receiver<Option<Answer>>>,
    successes: LruMap<Digest, ()>,
}

type Answer = Result<bool, HashError>;

impl Verifier {
    /// Creates a verifier with `threads` hashing threads (see [`HashPool::new`]), a queue of `waiting_max` checks, and
    /// a cache of `remembered_max` successes.
    pub(super) fn new(threads: usize, waiting_max: usize, remembered_max: usize) -> Verifier {
        Verifier::with(threads, waiting_max, remembered_max, Box::new(Hash::matches))
    }

    pub(super) fn with(
        threads: usize,
        waiting_max: usize,
        remembered_max: usize,
        matches: Box<Matches>,
    ) -> Verifier {
        let state = State { pending: HashMap::new(), successes: LruMap::new(remembered_max) };
        let shared = Shared { key: Key::random(), matches, state: Mutex::new(state) };
        Verifier { shared: Arc::new(shared), desks: HashPool::new(threads, waiting_max) }
    }

    /// Returns whether `hash` is of this passcode. `name` only distinguishes users in the cache.
    ///
    /// # Errors
    /// The passcode cannot be checked now. The text is for the log.
    pub(super) async fn verify(
        &self,
        client: ClientKey,
        name: &str,
        passcode: &str,
        hash: &Arc<Hash>,
    ) -> Result<bool, &'static str> {
        let digest = self.shared.key.digest(&(name, passcode, hash.as_str()));
        let mut pending = {
            let mut state = self.shared.state.lock();
            if state.successes.touch(&digest) {
                return Ok(true);
            }
            match state.pending.get(&digest) {
                Some(pending) => pending.clone(),
                None => self.begin(&mut state, client, digest, passcode, hash)?,
            }
        };
        let answer = pending.wait_for(Option::is_some).await.ok().and_then(|answer| *answer);
        match answer {
            Some(Ok(matches)) => Ok(matches),
            Some(Err(HashError)) => Err("not enough memory for a hash"),
            None => Err("the check was given up"),
        }
    }

    fn begin(
        &self,
        state: &mut State,
        client: ClientKey,
        digest: Digest,
        passcode: &str,
        hash: &Arc<Hash>,
    ) -> Result<watch::Receiver<Option<Answer>>, &'static str> {
        let (tell, told) = watch::channel(None);
        let passcode = Secret::new(passcode);
        let (shared, hash) = (self.shared.clone(), hash.clone());
        state.pending.insert(digest, told.clone());
        let put = self.desks.put(
            client,
            Box::new(move |memory| {
                let matches = || (shared.matches)(&hash, passcode.reveal(), memory);
                let answer = catch_unwind(AssertUnwindSafe(matches)).unwrap_or(Err(HashError));
                // Wipe the passcode from memory before the result is published.
                drop(passcode);
                shared.end(&digest, answer);
                tell.send_replace(Some(answer));
            }),
        );
        put.inspect_err(|_| drop(state.pending.remove(&digest))).map(|()| told)
    }
}

impl Shared {
    fn end(&self, digest: &Digest, answer: Answer) {
        let mut state = self.state.lock();
        if answer == Ok(true) {
            state.successes.insert(*digest, ());
        }
        state.pending.remove(digest);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Shared").field("pending", &state.pending.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::users::hash::tests::cheap;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    /// A verifier's hash function that blocks until the test lets it continue, one at a time.
    pub(in crate::users) struct Slow {
        pub(in crate::users) go_on: mpsc::Sender<()>,
        pub(in crate::users) begun: Arc<AtomicUsize>,
    }

    impl Slow {
        /// Creates a verifier for which `sesame` matches every hash and no other passcode matches any.
        pub(in crate::users) fn verifier(threads: usize, remembered_max: usize) -> (Verifier, Slow) {
            let (go_on, wait) = mpsc::channel();
            let (begun, wait) = (Arc::new(AtomicUsize::new(0)), Mutex::new(wait));
            let count = begun.clone();
            let matches = move |_: &Hash, passcode: &str, _: &mut Memory| {
                count.fetch_add(1, Ordering::SeqCst);
                let _ = wait.lock().recv();
                match passcode {
                    "huge" => Err(HashError),
                    "panic" => panic!("a bug"),
                    _ => Ok(passcode == "sesame"),
                }
            };
            (Verifier::with(threads, 10_000, remembered_max, Box::new(matches)), Slow { go_on, begun })
        }

        pub(in crate::users) fn release(&self, count: usize) {
            for _ in 0..count {
                self.go_on.send(()).expect("the verifier exists");
            }
        }

        pub(in crate::users) fn begun(&self) -> usize {
            self.begun.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn passcodes_are_verified_and_failures_are_reported() {
        let (verifier, slow) = Slow::verifier(1, 10);
        let hash = Arc::new(cheap("x"));
        slow.release(5);
        for (passcode, expected) in [
            ("sesame", Ok(true)),
            ("wrong", Ok(false)),
            ("huge", Err("not enough memory for a hash")),
            ("panic", Err("not enough memory for a hash")),
            ("sesam", Ok(false)),
        ] {
            assert_eq!(verifier.verify(None, "alice", passcode, &hash).await, expected, "{passcode}");
        }
        assert!(verifier.shared.state.lock().pending.is_empty());
    }

    #[tokio::test]
    async fn only_successes_are_remembered_and_only_for_the_same_hash() {
        let (verifier, slow) = Slow::verifier(1, 10);
        let (hash, other) = (Arc::new(cheap("x")), Arc::new(cheap("x")));
        slow.release(100);
        for (name, passcode, hash, hashes) in [
            ("alice", "sesame", &hash, 1),
            ("alice", "sesame", &hash, 1),
            ("alice", "wrong", &hash, 2),
            ("alice", "wrong", &hash, 3),
            ("alice", "sesame", &other, 4),
            ("bob", "sesame", &hash, 5),
            ("alice", "sesame", &hash, 5),
        ] {
            assert_eq!(verifier.verify(None, name, passcode, hash).await, Ok(passcode == "sesame"));
            assert_eq!(slow.begun(), hashes, "{name} {passcode}");
        }
    }

    #[tokio::test]
    async fn equal_checks_share_one_hash_that_completes_without_waiting_logins() {
        let (verifier, slow) = Slow::verifier(1, 10);
        let hash = Arc::new(cheap("x"));
        let ask = |passcode: &'static str| Box::pin(verifier.verify(None, "alice", passcode, &hash));
        let (mut first, mut second, mut other) = (ask("sesame"), ask("sesame"), ask("wrong"));
        for asked in [&mut first, &mut second, &mut other] {
            assert!(futures_util::poll!(asked).is_pending());
        }
        assert_eq!(verifier.shared.state.lock().pending.len(), 2);
        drop((first, second));
        slow.release(2);
        assert_eq!(other.await, Ok(false));
        assert_eq!(slow.begun(), 2);
        assert_eq!(ask("sesame").await, Ok(true), "the success is remembered");
        assert_eq!(slow.begun(), 2);
    }

    #[tokio::test]
    async fn number_of_remembered_successes_is_bounded() {
        let (verifier, slow) = Slow::verifier(1, 2);
        let hash = Arc::new(cheap("x"));
        slow.release(100);
        for name in ["a", "b", "c", "c", "b", "a"] {
            assert_eq!(verifier.verify(None, name, "sesame", &hash).await, Ok(true));
        }
        assert_eq!((slow.begun(), verifier.shared.state.lock().successes.len()), (4, 2));
    }
}
