//! The pages for operators: is it alive, is it ready, what does it do.

use crate::budget::Budget;
use crate::metrics::Metrics;
use hyper::StatusCode;
use std::net::IpAddr;

const TEXT: &str = "text/plain; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Who may read `/metrics` (`metrics-from`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsFrom {
    /// Programs on this machine.
    Loopback,
    /// Anybody who reaches the HTTP address.
    Any,
    /// Nobody: the page does not exist.
    Off,
}

/// Whether new clients are welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// They are.
    Ready,
    /// The broker is stopping.
    Draining,
}

/// The parts of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The status.
    pub status: StatusCode,
    /// `content-type`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Page {
    /// Plain text.
    pub fn text(status: StatusCode, body: &str) -> Page {
        Page { status, content_type: TEXT, body: body.to_owned() }
    }
}

/// `/health`: 200 as long as the process can answer at all.
pub fn health() -> Page {
    Page::text(StatusCode::OK, "ok\n")
}

/// `/ready`: 200 while new clients are welcome, 503 while the broker is stopping.
pub fn ready(readiness: Readiness) -> Page {
    match readiness {
        Readiness::Ready => Page::text(StatusCode::OK, "ready\n"),
        Readiness::Draining => Page::text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

/// `/metrics`: everything that is counted, in the OpenMetrics format. `asker` is who asks; `None` if that is not sure,
/// because somebody passed the request on.
pub fn metrics(metrics: &Metrics, budget: &Budget, asker: Option<IpAddr>, from: MetricsFrom) -> Page {
    let is_here = asker.is_some_and(|asker| asker.to_canonical().is_loopback());
    match from {
        MetricsFrom::Off => Page::text(StatusCode::NOT_FOUND, "not found\n"),
        MetricsFrom::Loopback if !is_here => Page::text(
            StatusCode::FORBIDDEN,
            "Metrics are shown to this machine only, unless the option metrics-from is any.\n",
        ),
        MetricsFrom::Loopback | MetricsFrom::Any => {
            metrics.budget_bytes.set(i64::try_from(budget.used()).unwrap_or(i64::MAX));
            metrics.budget_bytes_max.set(i64::try_from(budget.bytes_max()).unwrap_or(i64::MAX));
            Page { status: StatusCode::OK, content_type: OPENMETRICS, body: metrics.render() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(from: MetricsFrom, peer: &str) -> Page {
        let budget = Budget::new(1000);
        let _charge = budget.charge(7);
        metrics(&Metrics::new(), &budget, peer.parse().ok(), from)
    }

    #[test]
    fn alive_and_ready() {
        assert_eq!((health().status.as_u16(), health().body.as_str()), (200, "ok\n"));
        for (readiness, status, body) in
            [(Readiness::Ready, 200, "ready\n"), (Readiness::Draining, 503, "draining\n")]
        {
            let page = ready(readiness);
            assert_eq!((page.status.as_u16(), page.body.as_str(), page.content_type), (status, body, TEXT));
        }
    }

    #[test]
    fn metrics_are_for_whom_the_option_says() {
        for (from, peer, status) in [
            (MetricsFrom::Loopback, "127.0.0.1", 200),
            (MetricsFrom::Loopback, "127.8.8.8", 200),
            (MetricsFrom::Loopback, "::1", 200),
            (MetricsFrom::Loopback, "::ffff:127.0.0.1", 200),
            (MetricsFrom::Loopback, "10.0.0.1", 403),
            (MetricsFrom::Loopback, "passed on", 403),
            (MetricsFrom::Any, "passed on", 200),
            (MetricsFrom::Loopback, "::ffff:10.0.0.1", 403),
            (MetricsFrom::Any, "10.0.0.1", 200),
            (MetricsFrom::Off, "127.0.0.1", 404),
        ] {
            assert_eq!(asked(from, peer).status.as_u16(), status, "{from:?} {peer}");
        }
        assert!(asked(MetricsFrom::Loopback, "10.0.0.1").body.contains("metrics-from"));
    }

    #[test]
    fn metrics_show_the_budget_as_it_is() {
        let page = asked(MetricsFrom::Any, "10.0.0.1");
        assert_eq!(page.content_type, OPENMETRICS);
        assert!(page.body.contains("\nstompbox_budget_bytes 7\n"), "{}", page.body);
        assert!(page.body.contains("\nstompbox_budget_limit_bytes 1000\n"), "{}", page.body);
        assert!(page.body.ends_with("# EOF\n"));
    }
}
