//! The HTTP status of a rejected request.

use crate::rejection::{Code, Limit};
use hyper::StatusCode;

/// Returns the status of a request that is rejected with this code, and for [`Code::Limit`] because of this limit (RFC
/// 9110, section 15).
pub(crate) fn status_of(code: Code, limit: Option<Limit>) -> StatusCode {
    match code {
        Code::Invalid => StatusCode::BAD_REQUEST,
        Code::Unauthenticated | Code::Expired => StatusCode::UNAUTHORIZED,
        Code::AccessDenied => StatusCode::FORBIDDEN,
        Code::NotSettled => StatusCode::CONFLICT,
        Code::Timeout => StatusCode::REQUEST_TIMEOUT,
        Code::Limit => limit.map_or(StatusCode::SERVICE_UNAVAILABLE, status_of_limit),
        Code::LoginNotChecked | Code::NotStored => StatusCode::SERVICE_UNAVAILABLE,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Returns the status of a request that exceeds a limit.
fn status_of_limit(limit: Limit) -> StatusCode {
    match limit {
        Limit::SockjsSendBytes => StatusCode::PAYLOAD_TOO_LARGE,
        Limit::StallTimeout => StatusCode::REQUEST_TIMEOUT,
        Limit::FramesPerSecond => StatusCode::TOO_MANY_REQUESTS,
        _ if limit.is_size_of_message() => StatusCode::PAYLOAD_TOO_LARGE,
        _ if limit.is_on_one_request() => StatusCode::BAD_REQUEST,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_a_status_that_says_who_must_act() {
        for (limit, status) in [
            (Limit::SockjsSendBytes, 413),
            (Limit::ConnectFrameBytes, 413),
            (Limit::FrameBytes, 413),
            (Limit::HeaderCount, 400),
            (Limit::StallTimeout, 408),
            (Limit::FramesPerSecond, 429),
            (Limit::MemoryBytes, 503),
            (Limit::SockjsSessions, 503),
            (Limit::Queues, 503),
        ] {
            assert_eq!(status_of(Code::Limit, Some(limit)), status, "{limit}");
        }
        for (code, status) in [
            (Code::Invalid, 400),
            (Code::Unauthenticated, 401),
            (Code::AccessDenied, 403),
            (Code::NotSettled, 409),
            (Code::NotStored, 503),
            (Code::Internal, 500),
        ] {
            assert_eq!(status_of(code, None), status, "{code:?}");
        }
    }
}
