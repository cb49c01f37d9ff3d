//! Digests with a random key, so that only this process can compute them.

use blake2::Blake2bMac;
use blake2::digest::consts::U32;
use blake2::digest::{FixedOutput, KeyInit, Update};
use std::fmt;
use std::hash::{Hash, Hasher};

/// A random key. `Debug` does not show it.
pub(super) struct DigestKey([u8; 64]);

/// A digest that represents a secret in a map. It reveals nothing about the secret. Collisions are practically
/// impossible.
pub(super) type Digest = [u8; 32];

impl DigestKey {
    pub(super) fn random() -> DigestKey {
        let mut key = [0; 64];
        getrandom::fill(&mut key).expect("the system has a source of randomness");
        DigestKey(key)
    }

    /// Returns the digest of everything that `value` hashes.
    pub(super) fn digest(&self, value: &impl Hash) -> Digest {
        let mut keyed = Keyed(Blake2bMac::new(&self.0.into()));
        value.hash(&mut keyed);
        keyed.0.finalize_fixed().into()
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

struct Keyed(Blake2bMac<U32>);

impl Hasher for Keyed {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("the 64-bit hash is not used")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_differ_by_key_and_by_field_boundaries() {
        let key = DigestKey::random();
        assert_eq!(key.digest(&("a", "bc")), key.digest(&("a", "bc")));
        assert_ne!(key.digest(&("a", "bc")), key.digest(&("ab", "c")));
        assert_ne!(key.digest(&Some("")), key.digest(&None::<&str>));
        assert_ne!(key.digest(&"a"), DigestKey::random().digest(&"a"));
        assert_eq!(format!("{key:?}"), "***");
    }
}
