//! The values that the labels of metrics can have. With them, the broker creates every time series at its start.

use crate::config::table;
use crate::http::sockjs;
use crate::metrics::Labels;
use crate::session::Closing;
use crate::wire::{tcp, websocket};

/// Options whose names end in `-max`, but which are not limits that a client can reach.
const NOT_LIMITS_OF_CLIENTS: [&str; 4] =
    ["auth-cache-max", "auth-parallel-max", "presence-names-max", "redelivery-backoff-max"];
/// Limits whose options do not end in `-max`.
const OTHER_LIMITS: [&str; 1] = ["stall-timeout"];
/// The options that allow or reject HTTP requests by their origin or `Host` name.
const POLICIES: [&str; 2] = ["allowed-origins", "allowed-hosts"];

/// Returns the values of all labels.
pub(super) fn labels() -> Labels {
    let limits = table::rows()
        .map(|row| row.key)
        .filter(|key| key.ends_with("-max") && !NOT_LIMITS_OF_CLIENTS.contains(key));
    Labels {
        transports: [tcp::NAME, websocket::NAME].into_iter().chain(sockjs::names()).collect(),
        reasons: Closing::REASONS.to_vec(),
        limits: limits.chain(OTHER_LIMITS).collect(),
        policies: POLICIES.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excluded_options_exist() {
        assert!(
            NOT_LIMITS_OF_CLIENTS
                .iter()
                .chain(&OTHER_LIMITS)
                .chain(&POLICIES)
                .all(|key| table::find(key).is_some())
        );
    }
}
