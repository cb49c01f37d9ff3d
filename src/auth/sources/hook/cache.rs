//! A cache of the responses in which a hook accepts a user. It stores keyed digests of requests, but no secrets.

use crate::auth::keyed_digest::{Digest, DigestKey};
use crate::auth::principal::Principal;
use moka::Expiry;
use moka::policy::EvictionPolicy;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Maximum number of cached responses. The least recently used responses are evicted.
const ENTRIES_MAX: u64 = 10_000;

/// The principals that the hook has accepted, by the digests of the requests.
#[derive(Debug)]
pub(super) struct Cache {
    key: DigestKey,
    principals: moka::future::Cache<Digest, Principal>,
}

impl Cache {
    /// Creates a cache that keeps responses for `time`. If `time` is zero, the cache keeps no responses.
    pub(super) fn new(time: Duration) -> Cache {
        let principals = moka::future::Cache::builder()
            .max_capacity(if time.is_zero() { 0 } else { ENTRIES_MAX })
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(time)
            .expire_after(PrincipalExpiry);
        Cache { key: DigestKey::random(), principals: principals.build() }
    }

    pub(super) fn digest(&self, request: &impl Hash) -> Digest {
        self.key.digest(request)
    }

    pub(super) async fn find(&self, digest: &Digest) -> Option<Principal> {
        self.principals.get(digest).await
    }

    pub(super) async fn insert(&self, digest: Digest, principal: &Principal) {
        self.principals.insert(digest, principal.clone()).await;
    }
}

/// Ends an entry when its principal expires. The time to live of the cache may end it earlier.
struct PrincipalExpiry;

impl Expiry<Digest, Principal> for PrincipalExpiry {
    fn expire_after_create(&self, _: &Digest, principal: &Principal, now: Instant) -> Option<Duration> {
        principal.expires.map(|expires| expires.saturating_duration_since(now))
    }

    fn expire_after_update(
        &self,
        digest: &Digest,
        principal: &Principal,
        now: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(digest, principal, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(50);

    fn alice(lifetime: Option<Duration>) -> Principal {
        let expires = lifetime.map(|lifetime| Instant::now() + lifetime);
        Principal { expires, ..Principal::named("alice", "hook") }
    }

    /// Waits until the response is no longer known. The test runner ends a test that waits for too long.
    async fn wait_until_unknown(cache: &Cache, digest: &Digest) {
        while cache.find(digest).await.is_some() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn response_expires_with_its_duration_or_its_principal() {
        for (time, lifetime, is_kept) in [
            (MINUTE, None, true),
            (MINUTE, Some(2 * MINUTE), true),
            (MINUTE, Some(SHORT), false),
            (MINUTE, Some(Duration::ZERO), false),
            (SHORT, None, false),
            (SHORT, Some(MINUTE), false),
            (Duration::ZERO, None, false),
        ] {
            let cache = Cache::new(time);
            let digest = cache.digest(&1);
            cache.insert(digest, &alice(lifetime)).await;
            assert!(cache.find(&cache.digest(&2)).await.is_none());
            if is_kept {
                assert!(cache.find(&digest).await.is_some(), "{time:?} {lifetime:?}");
            } else {
                wait_until_unknown(&cache, &digest).await;
            }
        }
    }

    #[test]
    fn response_ends_at_the_expiry_of_its_principal() {
        let (key, now) = (DigestKey::random(), Instant::now());
        let digest = key.digest(&1);
        let mut principal = alice(None);
        assert_eq!(PrincipalExpiry.expire_after_create(&digest, &principal, now), None);
        for (expires, ends_after) in [(now + MINUTE, MINUTE), (now, Duration::ZERO)] {
            principal.expires = Some(expires);
            assert_eq!(PrincipalExpiry.expire_after_create(&digest, &principal, now), Some(ends_after));
            let replaced = PrincipalExpiry.expire_after_update(&digest, &principal, now, Some(SHORT));
            assert_eq!(replaced, Some(ends_after), "an earlier duration does not count");
        }
    }

    #[tokio::test]
    async fn another_response_replaces_the_expiry() {
        let cache = Cache::new(MINUTE);
        let digest = cache.digest(&1);
        for lifetime in [Some(SHORT), None, Some(SHORT)] {
            cache.insert(digest, &alice(lifetime)).await;
            match lifetime {
                Some(_) => wait_until_unknown(&cache, &digest).await,
                None => assert!(cache.find(&digest).await.is_some()),
            }
        }
    }

    #[tokio::test]
    async fn oldest_responses_are_evicted_at_the_limit() {
        let cache = Cache::new(MINUTE);
        for number in 0..=ENTRIES_MAX {
            cache.insert(cache.digest(&number), &alice(None)).await;
        }
        cache.principals.run_pending_tasks().await;
        assert_eq!(cache.principals.entry_count(), ENTRIES_MAX);
        assert!(cache.find(&cache.digest(&0_u64)).await.is_none());
        assert!(cache.find(&cache.digest(&1_u64)).await.is_some());
        for _ in 0..ENTRIES_MAX * 2 {
            cache.insert(cache.digest(&1_u64), &alice(None)).await;
        }
        cache.principals.run_pending_tasks().await;
        assert_eq!(cache.principals.entry_count(), ENTRIES_MAX, "repeated inserts add nothing");
        assert!(cache.find(&cache.digest(&2_u64)).await.is_some());
    }

    #[tokio::test]
    async fn expired_responses_are_removed() {
        let cache = Cache::new(SHORT);
        for number in 0..1000 {
            cache.insert(cache.digest(&number), &alice(None)).await;
        }
        while cache.principals.entry_count() > 0 {
            tokio::task::yield_now().await;
            cache.principals.run_pending_tasks().await;
        }
    }
}
