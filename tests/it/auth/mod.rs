//! Authentication by every source, over every transport, with every outcome, against the real broker.

mod changes;
mod expiry;
mod hook;
mod issuer;
mod key_sets;
mod login_log;
mod names;
mod pages;
mod peer;
mod precedence;
mod proxies;
mod renewal;
mod sources;
mod test_server;
mod throttle;
mod tokens;
