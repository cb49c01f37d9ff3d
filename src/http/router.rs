//! The paths of the HTTP listener, and the handler of each path.

use super::metrics_page::MetricsFrom;
use super::options::Options;
use super::site::SOCKJS_CLIENT;
use hyper::Method;

/// The part of the service that answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handler {
    /// The endpoint for WebSocket and SockJS clients. It handles `ws-path` and all paths below it.
    Endpoint,
    /// The SockJS client library. It is served even if the demo page is off. The page for iframe transports loads it
    /// from its own directory.
    ClientLibrary,
    Health,
    Ready,
    Metrics,
    /// The embedded site. It handles all other paths.
    Site,
}

/// A path and its handler.
struct RouteRow {
    /// The path as a pattern of the crate `matchit`.
    path: &'static str,
    /// The methods that the path supports, in the form of the header `Allow`. `None` if the handler checks the method.
    allow: Option<&'static str>,
    handler: Handler,
}

/// Rows for paths relative to `ws-path`. If two rows have the same path, the first one is used.
const BELOW_WS_PATH: &[RouteRow] = &[
    RouteRow { path: SOCKJS_CLIENT, allow: None, handler: Handler::ClientLibrary },
    RouteRow { path: "", allow: None, handler: Handler::Endpoint },
    RouteRow { path: "/", allow: None, handler: Handler::Endpoint },
    RouteRow { path: "/{*subpath}", allow: None, handler: Handler::Endpoint },
];

const ROWS: &[RouteRow] = &[
    RouteRow { path: "/health", allow: Some("GET, HEAD"), handler: Handler::Health },
    RouteRow { path: "/ready", allow: Some("GET, HEAD"), handler: Handler::Ready },
    RouteRow { path: "/metrics", allow: Some("GET, HEAD"), handler: Handler::Metrics },
    RouteRow { path: SOCKJS_CLIENT, allow: None, handler: Handler::ClientLibrary },
];

/// The routes of a listener.
pub(super) struct Router {
    rows: matchit::Router<&'static RouteRow>,
}

impl Router {
    pub(super) fn new(options: &Options) -> Router {
        let mut rows = matchit::Router::new();
        let base = options.ws_path.replace('{', "{{").replace('}', "}}");
        let endpoint = BELOW_WS_PATH.iter().map(|row| (base.clone() + row.path, row));
        let has_metrics = options.metrics_from != MetricsFrom::Off;
        let others = ROWS.iter().filter(|row| has_metrics || row.handler != Handler::Metrics);
        for (path, row) in endpoint.chain(others.map(|row| (row.path.to_owned(), row))) {
            // Fails if an earlier row has the same path. The earlier row then stays in effect.
            let _ = rows.insert(path, row);
        }
        Router { rows }
    }

    /// Returns the handler of a request.
    ///
    /// # Errors
    /// The path does not support the method. The error lists the methods that it supports, in the form of the header
    /// `Allow`.
    pub(super) fn route(&self, method: &Method, path: &str) -> Result<Handler, &'static str> {
        let Ok(found) = self.rows.at(path) else { return Ok(Handler::Site) };
        match found.value.allow {
            Some(allow) if !allow.split(", ").any(|allowed| allowed == method.as_str()) => Err(allow),
            _ => Ok(found.value.handler),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn router(ws_path: &str, metrics_from: MetricsFrom) -> Router {
        Router::new(&Options { ws_path: ws_path.to_owned(), metrics_from, ..Config::default().http })
    }

    #[test]
    fn paths_lead_to_their_handlers() {
        let router = router("/a/ws", MetricsFrom::Any);
        for (path, handler) in [
            ("/a/ws", Handler::Endpoint),
            ("/a/ws/", Handler::Endpoint),
            ("/a/ws//", Handler::Endpoint),
            ("/a/ws/info", Handler::Endpoint),
            ("/a/ws/000/abc/xhr", Handler::Endpoint),
            ("/a/ws/sockjs.min.js", Handler::ClientLibrary),
            ("/a/ws/sockjs.min.js/", Handler::Endpoint),
            ("/a/ws/sockjs", Handler::Endpoint),
            ("/sockjs.min.js", Handler::ClientLibrary),
            ("/health", Handler::Health),
            ("/ready", Handler::Ready),
            ("/metrics", Handler::Metrics),
            ("/", Handler::Site),
            ("/a", Handler::Site),
            ("/a/w", Handler::Site),
            ("/a/wsx", Handler::Site),
            ("/health/", Handler::Site),
            ("/healthy", Handler::Site),
            ("/assets/index-1.js", Handler::Site),
            ("//", Handler::Site),
            ("*", Handler::Site),
        ] {
            assert_eq!(router.route(&Method::GET, path), Ok(handler), "{path}");
        }
    }

    #[test]
    fn methods_are_checked_where_the_table_lists_them() {
        let router = router("/ws", MetricsFrom::Any);
        for path in ["/health", "/ready", "/metrics"] {
            assert!(router.route(&Method::HEAD, path).is_ok(), "{path}");
            assert_eq!(router.route(&Method::POST, path), Err("GET, HEAD"), "{path}");
        }
        assert_eq!(router.route(&Method::POST, "/ws/info"), Ok(Handler::Endpoint));
    }

    #[test]
    fn metrics_have_no_path_if_they_are_off() {
        let router = router("/ws", MetricsFrom::Off);
        assert_eq!(router.route(&Method::POST, "/metrics"), Ok(Handler::Site));
    }

    #[test]
    fn endpoint_takes_precedence_if_its_path_is_that_of_another_row() {
        for ws_path in ["/health", "/sockjs.min.js", "/{x}", ""] {
            let router = router(ws_path, MetricsFrom::Any);
            assert_eq!(
                router.route(&Method::POST, &format!("{ws_path}/")),
                Ok(Handler::Endpoint),
                "{ws_path}"
            );
        }
    }
}
