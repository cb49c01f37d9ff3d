//! Verifies passcodes against hashes.

use super::fair_queue::ClientKey;
use super::hash::{Hash, HashError, Memory};
use super::hash_pool::HashPool;
use crate::auth::keyed_digest::{Digest, Key};
use crate::auth::lru_map::LruMap;
use crate::auth::secret::Secret;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::sync::watch;

/// Verifies passcodes on hashing threads, without blocking the calling thread.
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
pub(crate) struct Verifier {
    shared: Arc<Shared>,
    pool: HashPool,
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
    pending: HashMap<Digest, watch::Receiver<Option<HashResult>>>,
    successes: LruMap<Digest, ()>,
}

type HashResult = Result<bool, HashError>;

impl Verifier {
    /// Creates a verifier with `threads` hashing threads (see [`HashPool::new`]), a queue of `waiting_max` checks, and
    /// a cache of `cached_max` successes.
    pub(crate) fn new(threads: usize, waiting_max: usize, cached_max: usize) -> Verifier {
        Verifier::with(threads, waiting_max, cached_max, Box::new(Hash::matches))
    }

    pub(crate) fn with(
        threads: usize,
        waiting_max: usize,
        cached_max: usize,
        matches: Box<Matches>,
    ) -> Verifier {
        let state = State { pending: HashMap::new(), successes: LruMap::new(cached_max) };
        let shared = Shared { key: Key::random(), matches, state: Mutex::new(state) };
        Verifier { shared: Arc::new(shared), pool: HashPool::new(threads, waiting_max) }
    }

    /// Returns whether `hash` is of this passcode. `name` only distinguishes users in the cache.
    ///
    /// # Errors
    /// The passcode cannot be checked now. The text is for the log.
    pub(crate) async fn verify(
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
                None => self.begin_check(&mut state, client, digest, passcode, hash)?,
            }
        };
        let result = pending.wait_for(Option::is_some).await.ok().and_then(|result| *result);
        match result {
            Some(Ok(matches)) => Ok(matches),
            Some(Err(HashError)) => Err("not enough memory for a hash"),
            None => Err("the check was aborted"),
        }
    }

    fn begin_check(
        &self,
        state: &mut State,
        client: ClientKey,
        digest: Digest,
        passcode: &str,
        hash: &Arc<Hash>,
    ) -> Result<watch::Receiver<Option<HashResult>>, &'static str> {
        let (sender, receiver) = watch::channel(None);
        let passcode = Secret::new(passcode);
        let (shared, hash) = (self.shared.clone(), hash.clone());
        state.pending.insert(digest, receiver.clone());
        let submitted = self.pool.submit(
            client,
            Box::new(move |memory| {
                let matches = || (shared.matches)(&hash, passcode.reveal(), memory);
                let result = catch_unwind(AssertUnwindSafe(matches)).unwrap_or(Err(HashError));
                // Wipe the passcode from memory before the result is published.
                drop(passcode);
                shared.end_check(&digest, result);
                sender.send_replace(Some(result));
            }),
        );
        submitted.inspect_err(|_| drop(state.pending.remove(&digest))).map(|()| receiver)
    }
}

impl Shared {
    fn end_check(&self, digest: &Digest, result: HashResult) {
        let mut state = self.state.lock();
        if result == Ok(true) {
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
pub(crate) mod tests {
    use super::*;
    use crate::auth::password::hash::tests::cheap;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    /// A verifier's hash function that blocks until the test lets it continue, one at a time.
    pub(crate) struct Slow {
        pub(crate) proceed: mpsc::Sender<()>,
        pub(crate) begun: Arc<AtomicUsize>,
    }

    impl Slow {
        /// Creates a verifier for which `sesame` matches every hash and no other passcode matches any.
        pub(crate) fn verifier(threads: usize, cached_max: usize) -> (Verifier, Slow) {
            let (proceed, wait) = mpsc::channel();
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
            (Verifier::with(threads, 10_000, cached_max, Box::new(matches)), Slow { proceed, begun })
        }

        pub(crate) fn release(&self, count: usize) {
            for _ in 0..count {
                self.proceed.send(()).expect("the verifier exists");
            }
        }

        pub(crate) fn begun(&self) -> usize {
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
    async fn only_successes_are_cached_and_only_for_the_same_hash() {
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
        let verify = |passcode: &'static str| Box::pin(verifier.verify(None, "alice", passcode, &hash));
        let (mut first, mut second, mut other) = (verify("sesame"), verify("sesame"), verify("wrong"));
        for check in [&mut first, &mut second, &mut other] {
            assert!(futures_util::poll!(check).is_pending());
        }
        assert_eq!(verifier.shared.state.lock().pending.len(), 2);
        drop((first, second));
        slow.release(2);
        assert_eq!(other.await, Ok(false));
        assert_eq!(slow.begun(), 2);
        assert_eq!(verify("sesame").await, Ok(true), "the success is cached");
        assert_eq!(slow.begun(), 2);
    }

    #[tokio::test]
    async fn number_of_cached_successes_is_bounded() {
        let (verifier, slow) = Slow::verifier(1, 2);
        let hash = Arc::new(cheap("x"));
        slow.release(100);
        for name in ["a", "b", "c", "c", "b", "a"] {
            assert_eq!(verifier.verify(None, name, "sesame", &hash).await, Ok(true));
        }
        assert_eq!((slow.begun(), verifier.shared.state.lock().successes.len()), (4, 2));
    }
}
