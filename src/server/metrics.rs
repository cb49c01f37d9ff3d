//! The values that the labels of metrics can have. With them, the broker creates every time series at its start.

use crate::http::sockjs;
use crate::metrics::Labels;
use crate::rejection::Limit;
use crate::session::Closing;
use crate::wire::{tcp, websocket};

/// The options that allow or reject HTTP requests by their origin or `Host` name.
const POLICIES: [&str; 2] = ["allowed-origins", "allowed-hosts"];

/// Returns the values of all labels.
pub(super) fn labels() -> Labels {
    Labels {
        transports: [tcp::NAME, websocket::NAME].into_iter().chain(sockjs::names()).collect(),
        reasons: Closing::REASONS.to_vec(),
        limits: Limit::ALL.iter().map(|limit| limit.option()).collect(),
        policies: POLICIES.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table;

    #[test]
    fn every_limit_and_policy_is_an_option() {
        let limits = Limit::ALL.iter().map(|limit| limit.option());
        for key in limits.chain(POLICIES) {
            assert!(table::find(key).is_some(), "{key}");
        }
    }
}
