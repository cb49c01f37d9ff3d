//! The origin of a page, in the form that browsers send.

use super::host::Host;
use super::single_value::single_value;
use hyper::HeaderMap;
use hyper::header::HOST;
use std::fmt;

/// The schemes of web pages, and their default ports.
const WEB: [(&str, u16); 2] = [("http", 80), ("https", 443)];

/// The schemes of WebSocket URLs, each with the scheme of the pages that open such URLs.
pub(super) const SOCKETS: [(&str, &str); 2] = [("ws", "http"), ("wss", "https")];

/// The origin of a page, in the form that browsers send.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) scheme: String,
    pub(super) host: Host,
    /// The port, or the default port of the scheme. `None` if there is neither.
    pub(super) port: Option<u16>,
}

impl Origin {
    /// Parses `scheme://host` or `scheme://host:port`. No path may follow, except `/`. Clients other than browsers may
    /// send the URL of the WebSocket instead. In this case `ws` is replaced by `http` and `wss` by `https`, and a path
    /// is ignored.
    pub(super) fn parse(text: &str) -> Option<Origin> {
        let (mut scheme, mut authority) = split_origin(text)?;
        if let Some((_, page)) = SOCKETS.iter().find(|(socket, _)| *socket == scheme) {
            scheme = (*page).to_owned();
            authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
        }
        let opaque = || Host::opaque(authority).filter(|_| default_port(&scheme).is_none());
        let (host, port) = Host::parse_with_port(authority).or_else(|| Some((opaque()?, None)))?;
        let port = port.or(default_port(&scheme));
        Some(Origin { scheme, host, port })
    }

    /// Returns the origin of the page at this URL.
    pub(super) fn of_url(text: &str) -> Option<Origin> {
        let start = text.find("://")? + "://".len();
        let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |length| start + length);
        Origin::parse(&text[..end])
    }

    /// Returns whether the request was sent to this origin.
    pub(super) fn is_same(&self, headers: &HeaderMap) -> bool {
        let Some(Ok(value)) = single_value(headers, &HOST) else { return false };
        let Some((host, port)) = value.to_str().ok().and_then(Host::parse_with_port) else { return false };
        self.host == host && self.port == port.or(default_port(&self.scheme))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        write_port(f, &self.scheme, self.port)
    }
}

/// Splits an origin. Returns the scheme in lower case and the part after `://`, without a slash at its end.
pub(super) fn split_origin(text: &str) -> Option<(String, &str)> {
    let (scheme, authority) = text.split_once("://")?;
    Some((parse_scheme(scheme)?, authority.strip_suffix('/').unwrap_or(authority)))
}

/// Parses a scheme (RFC 3986 §3.1) and returns it in lower case.
fn parse_scheme(text: &str) -> Option<String> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let is_scheme = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(is_allowed);
    is_scheme.then(|| text.to_ascii_lowercase())
}

pub(super) fn default_port(scheme: &str) -> Option<u16> {
    WEB.iter().find(|(name, _)| *name == scheme).map(|(_, port)| *port)
}

pub(super) fn write_port(f: &mut fmt::Formatter<'_>, scheme: &str, port: Option<u16>) -> fmt::Result {
    match port {
        Some(port) if default_port(scheme) != Some(port) => write!(f, ":{port}"),
        _ => Ok(()),
    }
}
