//! Passcodes and their hashes.
//!
//! A login with a passcode is checked in one of two places:
//! - [`Verifier::verify`](verifier::Verifier::verify) checks it against the hash of a user in a users file. It runs
//!   [`Hash::matches`](hash::Hash::matches) in a [`HashPool`](hash_pool::HashPool) and caches successes.
//! - [`Passcode::ct_matches`](passcode::Passcode::ct_matches) checks it against a passcode in the configuration.

pub(crate) mod fair_queue;
pub(crate) mod hash;
pub(crate) mod hash_pool;
pub(crate) mod passcode;
pub(crate) mod verifier;
