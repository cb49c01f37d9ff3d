//! The responses of health checks: `/health` and `/ready`.

use super::text_response::TextResponse;
use hyper::StatusCode;

/// The state that `/ready` reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// The broker accepts new clients.
    Ready,
    /// The broker is stopping.
    Draining,
}

/// Returns the response of `/health`: always 200, because it shows that the process answers.
pub fn health() -> TextResponse {
    TextResponse::plain(StatusCode::OK, "ok\n")
}

/// Returns the response of `/ready`: 200 while the broker accepts new clients, and 503 while it is stopping.
pub fn ready(readiness: Readiness) -> TextResponse {
    match readiness {
        Readiness::Ready => TextResponse::plain(StatusCode::OK, "ready\n"),
        Readiness::Draining => TextResponse::plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::text_response::TEXT;

    #[test]
    fn health_and_ready_return_their_status() {
        assert_eq!((health().status.as_u16(), health().body.as_str()), (200, "ok\n"));
        for (readiness, status, body) in
            [(Readiness::Ready, 200, "ready\n"), (Readiness::Draining, 503, "draining\n")]
        {
            let page = ready(readiness);
            assert_eq!((page.status.as_u16(), page.body.as_str(), page.content_type), (status, body, TEXT));
        }
    }
}
