//! A builder for responses. It adds headers that several responses have in common.

use super::identity::{BALANCER_COOKIE, NO_COOKIE, balancer_cookie};
use crate::http::body::Body;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ALLOW,
    CACHE_CONTROL, CONTENT_TYPE, EXPIRES, HeaderName, HeaderValue, ORIGIN, SET_COOKIE, VARY,
};
use hyper::{HeaderMap, Response, StatusCode};
use std::time::{Duration, SystemTime};

/// The time for which caches may keep a response: one year.
pub(super) const YEAR: Duration = Duration::from_secs(31_536_000);
const NO_CACHE: &str = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
const CACHE_FOREVER: &str = "public, max-age=31536000";
const PLAIN: &str = "text/plain; charset=UTF-8";

/// A builder for one response. `request_headers` are the headers of the request that is answered.
pub(super) struct ResponseBuilder<'a> {
    request_headers: &'a HeaderMap,
    headers: HeaderMap,
}

impl<'a> ResponseBuilder<'a> {
    pub(super) fn new(request_headers: &'a HeaderMap) -> ResponseBuilder<'a> {
        ResponseBuilder { request_headers, headers: HeaderMap::new() }
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> ResponseBuilder<'a> {
        self.headers.insert(name, value.into());
        self
    }

    pub(super) fn constant(self, name: HeaderName, value: &'static str) -> ResponseBuilder<'a> {
        self.header(name, HeaderValue::from_static(value))
    }

    /// Forbids caches to store the response.
    pub(super) fn uncached(self) -> ResponseBuilder<'a> {
        self.constant(CACHE_CONTROL, NO_CACHE)
    }

    /// Allows caches to store the response for a year.
    pub(super) fn cached(self, now: SystemTime) -> ResponseBuilder<'a> {
        let expires = httpdate::fmt_http_date(now + YEAR);
        let expires = HeaderValue::try_from(expires).expect("a date is ASCII");
        self.constant(CACHE_CONTROL, CACHE_FOREVER).header(EXPIRES, expires)
    }

    /// Adds the CORS headers, which allow pages of other origins to read the response. The origin policy has already
    /// checked that the page may send the request.
    pub(super) fn cors(self) -> ResponseBuilder<'a> {
        let request_headers = self.request_headers;
        let mut builder = self.constant(VARY, "Origin");
        builder = match request_headers.get(ORIGIN).filter(|origin| !origin.is_empty()) {
            None => builder.constant(ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            Some(origin) => builder
                .header(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone())
                .constant(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
        };
        match request_headers.get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|headers| !headers.is_empty()) {
            None => builder,
            Some(headers) => builder.header(ACCESS_CONTROL_ALLOW_HEADERS, headers.clone()),
        }
    }

    /// Adds the headers of a CORS preflight response. `methods` are the methods that pages of other origins may use.
    pub(super) fn preflight(self, methods: &'static str, now: SystemTime) -> ResponseBuilder<'a> {
        self.cached(now)
            .constant(ACCESS_CONTROL_ALLOW_METHODS, methods)
            .header(ACCESS_CONTROL_MAX_AGE, YEAR.as_secs())
    }

    /// If `enabled` is set, sets the cookie that load balancers use for sticky sessions. The cookie keeps the value
    /// that the client has sent. If the client has sent none, the value is fixed.
    pub(super) fn with_cookie(self, enabled: bool) -> ResponseBuilder<'a> {
        if !enabled {
            return self;
        }
        let value = balancer_cookie(self.request_headers).unwrap_or(NO_COOKIE.as_bytes());
        let cookie = HeaderValue::try_from([BALANCER_COOKIE.as_bytes(), b"=", value, b"; path=/"].concat());
        self.header(SET_COOKIE, cookie.expect("a part of a valid header value is valid"))
    }

    pub(super) fn body(
        self,
        status: StatusCode,
        content_type: &'static str,
        body: impl Into<Body>,
    ) -> Response<Body> {
        let builder = self.constant(CONTENT_TYPE, content_type);
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        *response.headers_mut() = builder.headers;
        response
    }

    /// Returns a plain text response.
    pub(super) fn text(self, status: StatusCode, text: impl Into<String>) -> Response<Body> {
        self.body(status, PLAIN, text.into())
    }

    /// Returns a response without a body and without `content-type`.
    pub(super) fn empty(self, status: StatusCode) -> Response<Body> {
        let mut response = Response::new(Body::Complete(None));
        *response.status_mut() = status;
        *response.headers_mut() = self.headers;
        response
    }

    /// Returns a response with status 405 that lists the `methods` that the path supports.
    pub(super) fn not_allowed(self, methods: &'static str) -> Response<Body> {
        self.constant(ALLOW, methods).empty(StatusCode::METHOD_NOT_ALLOWED)
    }

    pub(super) fn not_found(self) -> Response<Body> {
        self.text(StatusCode::NOT_FOUND, "404 Error: Page not found\n")
    }
}
