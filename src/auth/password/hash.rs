//! The form in which a users file stores passcodes: argon2id hashes.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher, Version};
use std::fmt;
use subtle::ConstantTimeEq;

/// Limits on the cost of a hash. Without them, one line of a users file could stall the broker.
const MEMORY_KIB_MAX: u32 = 1 << 20;
const PASSES_MAX: u32 = 64;
const LANES_MAX: u32 = 16;
/// Maximum length of the output, in bytes.
const OUTPUT_BYTES_MAX: usize = 64;

/// An argon2id hash within the limits. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Hash {
    text: Box<str>,
    params: Params,
    salt: Box<[u8]>,
    output: Box<[u8]>,
}

/// Memory for computing a hash. It is reused for the next hash.
pub(crate) type Memory = Vec<Block>;

/// The error of a hash that cannot be computed, because memory or randomness is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HashError;

impl Hash {
    /// Parses a hash of the form `$argon2id$v=19$m=19456,t=2,p=1$SALT$OUTPUT`.
    ///
    /// # Errors
    /// The hash is invalid, or it costs too much. The text says what was expected. It never contains the hash, which is
    /// a secret.
    pub(crate) fn parse(text: &str) -> Result<Hash, String> {
        const FORM: &str = "expected an argon2id hash ($argon2id$v=19$m=…,t=…,p=…$…$…) from stompbox passwd";
        let invalid = || format!("invalid hash: {FORM}");
        let parsed = PasswordHash::new(text).map_err(|_| invalid())?;
        if parsed.algorithm.as_str() != "argon2id" {
            return Err(format!("unsupported hash algorithm: {FORM}"));
        }
        if parsed.version != Some(Version::V0x13.into()) {
            return Err(format!("unsupported argon2 version: {FORM}"));
        }
        let params = Params::try_from(&parsed).map_err(|_| invalid())?;
        let cost = (params.m_cost(), params.t_cost(), params.p_cost());
        if cost.0 > MEMORY_KIB_MAX || cost.1 > PASSES_MAX || cost.2 > LANES_MAX {
            return Err(format!(
                "the hash costs too much: expected at most m={MEMORY_KIB_MAX} (KiB), t={PASSES_MAX} and \
                 p={LANES_MAX}"
            ));
        }
        let (Some(salt), Some(output)) = (parsed.salt, parsed.hash) else { return Err(invalid()) };
        Ok(Hash { text: text.into(), params, salt: (*salt).into(), output: output.as_bytes().into() })
    }

    /// Hashes a passcode with the default cost and a new salt.
    pub(crate) fn make(passcode: &str) -> Result<Hash, HashError> {
        let made: PasswordHash =
            Argon2::default().hash_password(passcode.as_bytes()).map_err(|_| HashError)?;
        Hash::parse(&made.to_string()).map_err(|_| HashError)
    }

    /// Creates a hash that no passcode matches. Checking it costs as much as checking `model`. Without `model`, it
    /// costs as much as checking a hash from [`Hash::make`].
    pub(crate) fn dummy(model: Option<&Hash>) -> Result<Hash, HashError> {
        let params = model.map_or(Params::DEFAULT, |model| model.params.clone());
        let (salt_bytes, output_bytes) =
            model.map_or((16, 32), |model| (model.salt.len(), model.output.len()));
        let (mut salt, mut output) = (vec![0; salt_bytes], vec![0; output_bytes]);
        getrandom::fill(&mut salt).and_then(|()| getrandom::fill(&mut output)).map_err(|_| HashError)?;
        Ok(Hash { text: "dummy".into(), params, salt: salt.into(), output: output.into() })
    }

    /// Returns whether this is the hash of `passcode`. Slow by design. Logins are checked with `Verifier::verify`,
    /// which calls this function on a hashing thread.
    pub(crate) fn matches(&self, passcode: &str, memory: &mut Memory) -> Result<bool, HashError> {
        let blocks = self.params.block_count();
        memory.try_reserve_exact(blocks.saturating_sub(memory.len())).map_err(|_| HashError)?;
        memory.resize(blocks.max(memory.len()), Block::new());
        let mut output = [0; OUTPUT_BYTES_MAX];
        let output = &mut output[..self.output.len()];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone())
            .hash_password_into_with_memory(passcode.as_bytes(), &self.salt, output, &mut memory[..blocks])
            .map_err(|_| HashError)?;
        Ok(output.ct_eq(&self.output).into())
    }

    /// Returns the hash in the form that is stored in a users file.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the cost: the memory in KiB, the number of passes and the number of lanes.
    pub(crate) fn cost(&self) -> (u32, u32, u32) {
        (self.params.m_cost(), self.params.t_cost(), self.params.p_cost())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns a hash that is cheap to check.
    pub(crate) fn cheap(passcode: &str) -> Hash {
        let params = Params::new(8, 1, 1, None).expect("within bounds");
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let made = hasher.hash_password(passcode.as_bytes()).expect("a hash");
        Hash::parse(&made.to_string()).expect("an argon2id hash")
    }

    /// The hash of passcode `password` with salt `somesalt`, from the reference implementation.
    const REFERENCE: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    #[test]
    fn hash_of_the_reference_implementation_is_parsed() {
        let hash = Hash::parse(REFERENCE).expect("a hash");
        let mut memory = Memory::new();
        for _ in 0..2 {
            assert_eq!(hash.matches("password", &mut memory), Ok(true), "also with reused memory");
            assert_eq!(hash.matches("differentpassword", &mut memory), Ok(false));
        }
        assert_eq!(hash.as_str(), REFERENCE);
    }

    #[test]
    fn new_hash_matches_only_its_passcode() {
        let hash = Hash::make("open sesame").expect("a hash");
        let mut memory = Memory::new();
        assert_eq!(hash.matches("open sesame", &mut memory), Ok(true));
        assert_eq!(hash.matches("open sesame ", &mut memory), Ok(false));
        assert_eq!(hash.cost(), (19_456, 2, 1));
        assert_ne!(
            hash.as_str(),
            Hash::make("open sesame").expect("a hash").as_str(),
            "each hash has its own salt"
        );
        let dummy = Hash::dummy(Some(&hash)).expect("a hash");
        assert_eq!(dummy.cost(), hash.cost());
        assert_eq!(dummy.matches("open sesame", &mut memory), Ok(false));
    }

    #[test]
    fn only_argon2id_within_limits_is_accepted() {
        let of = |kind: &str, cost: &str| {
            format!("${kind}${cost}$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")
        };
        for (text, expected) in [
            (of("argon2id", "v=19$m=1048576,t=64,p=16"), None),
            (of("argon2id", "v=19$m=1048577,t=1,p=1"), Some("the hash costs too much: expected at most")),
            (of("argon2id", "v=19$m=8,t=65,p=1"), Some("the hash costs too much: expected at most")),
            (of("argon2id", "v=19$m=1024,t=1,p=17"), Some("the hash costs too much: expected at most")),
            (
                of("argon2id", "v=16$m=8,t=1,p=1"),
                Some("unsupported argon2 version: expected an argon2id hash"),
            ),
            (of("argon2id", "m=8,t=1,p=1"), Some("unsupported argon2 version: expected an argon2id hash")),
            (of("argon2id", "v=19$m=7,t=1,p=1"), Some("invalid hash: expected an argon2id hash")),
            (of("argon2id", "v=19$m=8,t=0,p=1"), Some("invalid hash: expected an argon2id hash")),
            (
                of("argon2i", "v=19$m=8,t=1,p=1"),
                Some("unsupported hash algorithm: expected an argon2id hash"),
            ),
            (
                of("argon2d", "v=19$m=8,t=1,p=1"),
                Some("unsupported hash algorithm: expected an argon2id hash"),
            ),
            (
                "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ".to_owned(),
                Some("invalid hash: expected an argon2id hash"),
            ),
            (
                "$2y$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe".to_owned(),
                Some("expected an argon2id hash"),
            ),
            ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=".to_owned(), Some("stompbox passwd")),
            ("sesame".to_owned(), Some("stompbox passwd")),
            (String::new(), Some("stompbox passwd")),
        ] {
            let error = Hash::parse(&text).err();
            assert_eq!(error.is_some(), expected.is_some(), "{text}: {error:?}");
            let error = error.unwrap_or_default();
            assert!(error.contains(expected.unwrap_or_default()), "{text}: {error}");
            assert!(!error.contains("c29tZXNhbHQ") && !error.contains("sesame"), "{error}");
        }
    }

    #[test]
    fn debug_hides_the_hash() {
        assert_eq!(format!("{:?}", Hash::parse(REFERENCE)), "Ok(***)");
    }
}
