//! Checks passcodes of logins against hashes, on hashing threads and with a cache of successes.

use super::fair_queue::ClientKey;
use super::hash::{Hash, HashError, Memory};
use super::hash_pool::HashPool;
use crate::auth::keyed_digest::{Digest, DigestKey};
use crate::auth::secret::Secret;
use moka::future::Cache;
use moka::policy::EvictionPolicy;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::sync::oneshot;

const ABORTED: &str = "the check was aborted";

/// Checks passcodes against hashes on hashing threads, without blocking the calling thread.
///
/// ```text
///  verify ──► cached success? ──────────────────────────────────────────► yes
///               │ no
///               ├─► equal check in progress? wait for its result ────────┐
///               └─► queue of the hash pool ──► hash ──► cache a success ──┴► yes, no
/// ```
/// A check in the queue is completed even if its client has disconnected. When the client tries again, its success is
/// cached. Without this, many clients with a short time limit could repeat their logins forever.
pub(crate) struct Verifier {
    key: DigestKey,
    matches: Arc<Matches>,
    pool: Arc<HashPool>,
    /// The successes, by the digest of name, passcode and hash. The digest changes with the hash of the user.
    successes: Cache<Digest, ()>,
}

/// The function that checks a passcode. Tests replace it with a function that waits for the test.
type Matches = dyn Fn(&Hash, &str, &mut Memory) -> Result<bool, HashError> + Send + Sync;

/// The results of checks that are not cached.
#[derive(Clone, Copy, Debug)]
enum CheckError {
    WrongPasscode,
    /// The passcode cannot be checked now. The text is for the log.
    Unavailable(&'static str),
}

impl Verifier {
    /// Creates a verifier with `threads` hashing threads (see [`HashPool::new`]), a queue of `waiting_max` checks, and
    /// a cache of `cached_max` successes.
    pub(crate) fn new(threads: usize, waiting_max: usize, cached_max: usize) -> Verifier {
        Verifier::with(threads, waiting_max, cached_max, Arc::new(Hash::matches))
    }

    pub(crate) fn with(
        threads: usize,
        waiting_max: usize,
        cached_max: usize,
        matches: Arc<Matches>,
    ) -> Verifier {
        let pool = Arc::new(HashPool::new(threads, waiting_max));
        let successes =
            Cache::builder().max_capacity(cached_max as u64).eviction_policy(EvictionPolicy::lru());
        Verifier { key: DigestKey::random(), matches, pool, successes: successes.build() }
    }

    /// Returns whether `hash` is the hash of `passcode`. `name` is only a part of the key in the cache.
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
        let digest = self.key.digest(&(name, passcode, hash.as_str()));
        if self.successes.get(&digest).await.is_some() {
            return Ok(true);
        }
        let check = self.check(client, passcode, hash);
        let successes = self.successes.clone();
        // The check runs in its own task, so that it continues when this future is dropped.
        let checked = tokio::spawn(async move {
            successes.try_get_with(digest, check).await?;
            // Evict at once. Otherwise the cache would exceed its limit for a while.
            successes.run_pending_tasks().await;
            Ok(())
        });
        match checked.await.unwrap_or_else(|_| Err(Arc::new(CheckError::Unavailable(ABORTED)))) {
            Ok(()) => Ok(true),
            Err(error) => match *error {
                CheckError::WrongPasscode => Ok(false),
                CheckError::Unavailable(reason) => Err(reason),
            },
        }
    }

    /// Checks the passcode on a hashing thread. The future does nothing before it is polled.
    fn check(
        &self,
        client: ClientKey,
        passcode: &str,
        hash: &Arc<Hash>,
    ) -> impl Future<Output = Result<(), CheckError>> + Send + use<> {
        let passcode = Secret::new(passcode);
        let (matches, pool, hash) = (self.matches.clone(), self.pool.clone(), hash.clone());
        async move {
            let (sender, receiver) = oneshot::channel();
            let job = move |memory: &mut Memory| {
                let matches = || matches(&hash, passcode.reveal(), memory);
                let result = catch_unwind(AssertUnwindSafe(matches)).unwrap_or(Err(HashError));
                // Wipe the passcode from memory before the result is published.
                drop(passcode);
                // If the runtime has stopped, no task waits for the result.
                let _ = sender.send(result);
            };
            pool.submit(client, Box::new(job)).map_err(CheckError::Unavailable)?;
            // Drop the pool before the wait, so that dropping the verifier ends the pool even while this check waits.
            drop(pool);
            match receiver.await {
                Ok(Ok(true)) => Ok(()),
                Ok(Ok(false)) => Err(CheckError::WrongPasscode),
                Ok(Err(HashError)) => Err(CheckError::Unavailable("not enough memory for a hash")),
                Err(_) => Err(CheckError::Unavailable(ABORTED)),
            }
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("pool", &self.pool).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::auth::password::hash::tests::cheap;
    use parking_lot::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    /// A hash function for a verifier. Each check blocks until the test lets it continue.
    pub(crate) struct Slow {
        pub(crate) proceed: mpsc::Sender<()>,
        pub(crate) begun: Arc<AtomicUsize>,
    }

    impl Slow {
        /// Creates a verifier in which only the passcode `sesame` matches. It matches every hash.
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
            (Verifier::with(threads, 10_000, cached_max, Arc::new(matches)), Slow { proceed, begun })
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
        assert_eq!(verifier.pool.waiting(), 0);
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
        while slow.begun() == 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!((slow.begun(), verifier.pool.waiting()), (1, 1), "two checks in the hash pool");
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
        assert_eq!((slow.begun(), verifier.successes.entry_count()), (4, 2));
    }
}
