//! The page `/metrics`, and the option that decides which clients may read it (`metrics-from`).

use super::text_response::TextResponse;
use crate::budget::Budget;
use crate::metrics::Metrics;
use hyper::StatusCode;
use std::net::IpAddr;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The clients that may read `/metrics` (`metrics-from`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsFrom {
    /// Clients on this machine.
    Loopback,
    /// All clients that can reach the HTTP listener.
    Any,
    /// No client. The page does not exist.
    Off,
}

/// Returns the page `/metrics` with all metrics in the OpenMetrics format. `client` is the address of the client. It is
/// `None` if a proxy has forwarded the request, because the address is then uncertain.
pub fn metrics(
    metrics: &Metrics,
    budget: &Budget,
    client: Option<IpAddr>,
    from: MetricsFrom,
) -> TextResponse {
    let is_loopback = client.is_some_and(|client| client.to_canonical().is_loopback());
    match from {
        MetricsFrom::Off => TextResponse::plain(StatusCode::NOT_FOUND, "not found\n"),
        MetricsFrom::Loopback if !is_loopback => TextResponse::plain(
            StatusCode::FORBIDDEN,
            "Only clients on this machine may read /metrics. Set metrics-from=any to allow all clients.\n",
        ),
        MetricsFrom::Loopback | MetricsFrom::Any => {
            metrics.memory_used_bytes.set(i64::try_from(budget.used()).unwrap_or(i64::MAX));
            metrics.memory_limit_bytes.set(i64::try_from(budget.bytes_max()).unwrap_or(i64::MAX));
            TextResponse { status: StatusCode::OK, content_type: OPENMETRICS, body: metrics.render() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics_page(from: MetricsFrom, peer: &str) -> TextResponse {
        let budget = Budget::new(1000);
        let _charge = budget.charge(7);
        metrics(&Metrics::new(), &budget, peer.parse().ok(), from)
    }

    #[test]
    fn metrics_from_decides_which_clients_may_read_metrics() {
        for (from, peer, status) in [
            (MetricsFrom::Loopback, "127.0.0.1", 200),
            (MetricsFrom::Loopback, "127.8.8.8", 200),
            (MetricsFrom::Loopback, "::1", 200),
            (MetricsFrom::Loopback, "::ffff:127.0.0.1", 200),
            (MetricsFrom::Loopback, "10.0.0.1", 403),
            (MetricsFrom::Loopback, "forwarded", 403),
            (MetricsFrom::Any, "forwarded", 200),
            (MetricsFrom::Loopback, "::ffff:10.0.0.1", 403),
            (MetricsFrom::Any, "10.0.0.1", 200),
            (MetricsFrom::Off, "127.0.0.1", 404),
        ] {
            assert_eq!(metrics_page(from, peer).status.as_u16(), status, "{from:?} {peer}");
        }
        assert!(metrics_page(MetricsFrom::Loopback, "10.0.0.1").body.contains("metrics-from"));
    }

    #[test]
    fn metrics_show_the_current_byte_budget() {
        let page = metrics_page(MetricsFrom::Any, "10.0.0.1");
        assert_eq!(page.content_type, OPENMETRICS);
        assert!(page.body.contains("\nstompbox_memory_used_bytes 7\n"), "{}", page.body);
        assert!(page.body.contains("\nstompbox_memory_limit_bytes 1000\n"), "{}", page.body);
        assert!(page.body.ends_with("# EOF\n"));
    }
}
