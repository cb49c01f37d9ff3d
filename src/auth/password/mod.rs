//! Passcodes: the type, hashing on a pool of threads, and the verification of logins against hashes.

pub(crate) mod fair_queue;
pub(crate) mod hash;
pub(crate) mod hash_pool;
pub(crate) mod passcode;
pub(crate) mod verifier;
