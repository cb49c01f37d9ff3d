//! The origin policy: decides which pages may use the broker.
//!
//! A browser lets every page open a WebSocket to every host, and load scripts and frames from it. It adds the cookies
//! of that host to these requests. The broker itself must therefore check which page sent a request. The header
//! `Origin` names the page's origin. If a browser omits it, `Sec-Fetch-Site` decides, and `Referer` where
//! `Sec-Fetch-Site` is not sufficient.

#[cfg(test)]
mod tests;

use super::host::{Host, HostPattern};
use super::origin::{Origin, default_port};
use super::origin_error::OriginError;
use super::origin_pattern::OriginPattern;
use super::single_value::{RepeatedHeader, single_value};
use hyper::HeaderMap;
use hyper::header::{HOST, HeaderName, HeaderValue, ORIGIN, REFERER};

/// The option that configures [`Origins`].
const OPTION: &str = "allowed-origins";

const SEC_WEBSOCKET_ORIGIN: HeaderName = HeaderName::from_static("sec-websocket-origin");

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Pages that may embed the iframe page, besides those in `allowed-origins`. A Content Security Policy supports neither
/// IPv6 addresses nor networks. Pages from `[::1]` or 127.0.0.2 therefore use the transports that need no frame.
const ANCESTORS: &str = "frame-ancestors 'self' \
    http://localhost:* https://localhost:* http://*.localhost:* https://*.localhost:* \
    http://127.0.0.1:* https://127.0.0.1:*";

/// The pages that may use the broker (`allowed-origins`). Pages of the same origin are always allowed. So are pages of
/// the user's own machine, that is, http and https pages of loopback hosts.
///
/// A page is of the same origin if its host and port are those in the header `Host`. The scheme is not compared,
/// because the broker cannot know whether a proxy in front of it uses TLS. If `Host` has no port, the default port of
/// the page's scheme is assumed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    any: bool,
    null: bool,
    listed: Vec<OriginPattern>,
}

impl Origins {
    /// Returns the default policy, which allows only pages of the same origin and of loopback addresses.
    #[cfg(any(test, feature = "internals"))]
    pub fn same_origin_and_loopback() -> Origins {
        Origins::default()
    }

    /// Returns a policy that allows every request, regardless of its headers.
    #[cfg(any(test, feature = "internals"))]
    pub fn any() -> Origins {
        Origins { any: true, ..Origins::default() }
    }

    /// Parses a comma-separated list. An entry is one of:
    ///
    /// - `https://app.example.com`, `http://app.example.com:8080`: pages with this scheme, host and port
    /// - `https://*.example.com`: one or more labels in place of `*`. `https://example.com` does not match.
    /// - `https://app.example.com:*`: any port
    /// - `capacitor://localhost`, `file://`, `chrome-extension://abc`: schemes of apps, with any identifier after `://`
    /// - `null`: pages whose origin browsers hide, such as files and sandboxed frames
    /// - `*`: all pages
    ///
    /// An empty text is an empty list.
    ///
    /// # Errors
    /// Returns a text that names the invalid entry and says what was expected.
    pub fn parse(list: &str) -> Result<Origins, String> {
        let mut origins = Origins::default();
        if list.trim().is_empty() {
            return Ok(origins);
        }
        for item in list.split(',').map(str::trim) {
            match item {
                "*" => origins.any = true,
                "null" => origins.null = true,
                _ => origins.listed.push(OriginPattern::parse(item)?),
            }
        }
        Ok(origins)
    }

    /// Checks a request by the headers `Origin`, `Sec-Fetch-Site` and `Referer`. Accepts requests without any of them,
    /// because they do not come from a browser.
    ///
    /// # Errors
    /// Returns the rejection if the page that sent the request may not use the broker.
    pub fn check(&self, headers: &HeaderMap, kind: RequestKind) -> Result<(), OriginError> {
        if self.any {
            return Ok(());
        }
        // Drafts of WebSocket used another header for the origin.
        match single_value(headers, &ORIGIN).or_else(|| single_value(headers, &SEC_WEBSOCKET_ORIGIN)) {
            Some(Ok(value)) => return self.check_origin(value, headers),
            Some(Err(RepeatedHeader)) => return reject("more than one header Origin"),
            None if kind == RequestKind::WebSocket => return Ok(()),
            None => {}
        }
        let site = FetchSite::of(headers);
        if site == FetchSite::Same {
            return Ok(());
        }
        match single_value(headers, &REFERER) {
            Some(Ok(value)) if !value.is_empty() => self.check_referer(value, headers),
            Some(Err(RepeatedHeader)) => reject("more than one header Referer"),
            Some(Ok(_)) | None if site == FetchSite::Other && kind != RequestKind::Iframe => {
                reject("a request from another site without Origin and Referer")
            }
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// Returns whether the page that sent the request may act for the user of the browser. The broker accepts cookies
    /// and other credentials that a browser adds by itself only from such pages. Returns `true` for pages of the same
    /// origin and of listed origins. If `Host` is a loopback host, also returns `true` for all web pages of loopback
    /// origins. Returns `false` for pages that only `*` or `null` allows, and for cross-site requests without an
    /// origin.
    pub fn is_own_page(&self, headers: &HeaderMap, kind: RequestKind) -> bool {
        match single_value(headers, &ORIGIN).or_else(|| single_value(headers, &SEC_WEBSOCKET_ORIGIN)) {
            Some(Ok(value)) => return self.is_own(value.to_str().ok().and_then(Origin::parse), headers),
            Some(Err(RepeatedHeader)) => return false,
            None if kind == RequestKind::WebSocket => return true,
            None => {}
        }
        match (FetchSite::of(headers), single_value(headers, &REFERER)) {
            (FetchSite::Same, _) => true,
            (FetchSite::Other, _) | (FetchSite::Unknown, Some(Err(RepeatedHeader))) => false,
            (FetchSite::Unknown, Some(Ok(value))) if !value.is_empty() => {
                let origin = value.to_str().ok().and_then(Origin::of_url);
                origin.is_some_and(|origin| origin.is_same(headers))
            }
            (FetchSite::Unknown, _) => true,
        }
    }

    fn is_own(&self, origin: Option<Origin>, headers: &HeaderMap) -> bool {
        let Some(origin) = origin else { return false };
        let is_web = default_port(&origin.scheme).is_some();
        let is_local =
            || origin.host.is_loopback() && host_of(headers).is_some_and(|host| host.is_loopback());
        is_web && (origin.is_same(headers) || is_local())
            || self.listed.iter().any(|pattern| pattern.matches(&origin))
    }

    /// Returns the value of `content-security-policy` for the iframe page: the list of pages that may embed it. Returns
    /// `None` if all pages may. Leaves out listed IPv6 addresses and `null`, because the policy cannot express them.
    pub fn frame_ancestors(&self) -> Option<HeaderValue> {
        if self.any {
            return None;
        }
        let mut policy = ANCESTORS.to_owned();
        for source in self.listed.iter().filter_map(OriginPattern::policy_source) {
            policy.push(' ');
            policy.push_str(&source);
        }
        Some(HeaderValue::try_from(policy).expect("patterns are made of plain ASCII"))
    }

    /// Returns the hosts of the entries without a wildcard. A loopback listener also accepts these hosts in `Host`.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.listed.iter().filter_map(|pattern| match &pattern.host {
            HostPattern::Exactly(host) => Some(host.as_str()).filter(|host| !host.is_empty()),
            HostPattern::Under(_) => None,
        })
    }

    fn check_origin(&self, value: &HeaderValue, headers: &HeaderMap) -> Result<(), OriginError> {
        let origin = value.to_str().ok().and_then(Origin::parse);
        let allowed = match value.as_bytes() {
            b"null" => self.null,
            _ => origin.as_ref().is_some_and(|origin| self.allows(origin, headers)),
        };
        if allowed {
            return Ok(());
        }
        // Shows the origin in the form that the option expects: with `https` instead of `wss`.
        let is_web = |origin: &Origin| default_port(&origin.scheme).is_some();
        let display = origin.filter(is_web).map(|origin| origin.to_string());
        let display = display.as_deref().map_or(value.as_bytes(), str::as_bytes);
        Err(OriginError::new("origin ", display, OPTION))
    }

    fn check_referer(&self, value: &HeaderValue, headers: &HeaderMap) -> Result<(), OriginError> {
        match value.to_str().ok().and_then(Origin::of_url) {
            Some(origin) if self.allows(&origin, headers) => Ok(()),
            Some(origin) => {
                Err(OriginError::new("referer of the origin ", origin.to_string().as_bytes(), OPTION))
            }
            // The value is not shown, because the URL of a page may contain secrets.
            None => reject("a Referer that is not the URL of a page"),
        }
    }

    fn allows(&self, origin: &Origin, headers: &HeaderMap) -> bool {
        let is_web = default_port(&origin.scheme).is_some();
        is_web && (origin.host.is_loopback() || origin.is_same(headers))
            || self.listed.iter().any(|pattern| pattern.matches(origin))
    }
}

/// The kinds of requests that the origin policy distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// A WebSocket handshake. Only `Origin` decides, because browsers always send it.
    WebSocket,
    /// Any other request of a transport, or `/info`. If `Origin` is missing, as in script loads, frames and same-origin
    /// requests, `Sec-Fetch-Site` decides. If both are missing, `Referer` decides.
    Request,
    /// The iframe page. The same headers decide as for other requests, but `Referer` may be missing, because
    /// [`frame_ancestors`](Origins::frame_ancestors) protects the page.
    Iframe,
}

fn reject(cause: &str) -> Result<(), OriginError> {
    Err(OriginError::new(cause, b"", OPTION))
}

/// Returns the host in the header `Host`.
fn host_of(headers: &HeaderMap) -> Option<Host> {
    let Some(Ok(value)) = single_value(headers, &HOST) else { return None };
    value.to_str().ok().and_then(Host::parse_with_port).map(|(host, _)| host)
}

/// The relation between the page that sent the request and the broker, which the browser states in `Sec-Fetch-Site`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FetchSite {
    /// The page is of the same origin, or the user entered the URL and no page is involved.
    Same,
    /// The page is of another origin.
    Other,
    /// The browser does not send the header, or the client is not a browser.
    Unknown,
}

impl FetchSite {
    fn of(headers: &HeaderMap) -> FetchSite {
        match single_value(headers, &SEC_FETCH_SITE) {
            None => FetchSite::Unknown,
            Some(Ok(value)) if value == "same-origin" || value == "none" => FetchSite::Same,
            Some(_) => FetchSite::Other,
        }
    }
}
