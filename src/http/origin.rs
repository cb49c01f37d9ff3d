//! Which pages may use the broker: the origin policy for everything that browsers reach.
//!
//! Browsers let every page open a WebSocket to every host, and load scripts and frames from it, with its cookies; so
//! the broker itself has to ask where the page came from. The header `Origin` says it; requests for which browsers
//! leave it out are judged by `Sec-Fetch-Site`, and by `Referer` where that does not say enough.

use super::host::{Host, HostPattern, parse_port, split_port};
use hyper::HeaderMap;
use hyper::header::{HOST, HeaderName, HeaderValue, ORIGIN, REFERER};
use std::fmt;

/// The option of [`Origins`].
const OPTION: &str = "allowed-origins";
/// Octets of [`Refused::what`].
const WHAT_BYTES_MAX: usize = 200;
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The schemes of web pages and of their sockets, with their default ports.
const WEB: [(&str, u16); 2] = [("http", 80), ("https", 443)];
const SOCKETS: [&str; 2] = ["ws", "wss"];

/// Where the iframe page may be embedded besides by those listed. Content Security Policy knows no IPv6 address and
/// no network, so pages from `[::1]` or from 127.0.0.2 use the transports that need no frame.
const ANCESTORS: &str = "frame-ancestors 'self' \
    http://localhost:* https://localhost:* http://*.localhost:* https://*.localhost:* \
    http://127.0.0.1:* https://127.0.0.1:*";

/// Which pages may use the broker (`allowed-origins`). Pages of the same origin and pages of the user's own machine
/// (loopback, by http or https) always may.
///
/// The same origin is the same host and the same port as in the header `Host`; the scheme does not count, since the
/// broker does not see what stands before it and speaks TLS for it. A `Host` without a port has the default port of
/// the origin's scheme.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    any: bool,
    null: bool,
    listed: Vec<Pattern>,
}

/// What a request asks for, as far as it matters to where its page may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A WebSocket handshake, by `Origin` alone: browsers always send it.
    WebSocket,
    /// Any other request of a transport, and `/info`. Without `Origin` (scripts, frames, requests of the same
    /// origin) by `Sec-Fetch-Site`, else by `Referer`.
    Request,
    /// The iframe page: like a request, but it may come without `Referer`, since
    /// [`frame_ancestors`](Origins::frame_ancestors) protects it.
    Iframe,
}

/// A request that is not answered. It is displayed as the text for the body of the 403: one sentence, without a line
/// end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What was refused, such as `origin https://evil.example`, for the log: at most 200 octets of ASCII, nothing in
    /// it can end a line or be taken for markup.
    pub what: String,
    /// The option with which the operator allows it.
    pub option: &'static str,
}

impl Origins {
    /// No others than those that always may: the default.
    pub fn same_origin_and_loopback() -> Origins {
        Origins::default()
    }

    /// Everybody, whatever the headers are.
    pub fn any() -> Origins {
        Origins { any: true, ..Origins::default() }
    }

    /// Reads a list with commas:
    ///
    /// - `https://app.example.com`, `http://app.example.com:8080`: this scheme, host and port;
    /// - `https://*.example.com`: the `*` is one or more whole labels, so not `https://example.com`;
    /// - `https://app.example.com:*`: any port;
    /// - `capacitor://localhost`: other schemes than those of web pages, too;
    /// - `null`: pages without an origin of their own (files, sandboxed frames);
    /// - `*`: everybody.
    ///
    /// An empty text is an empty list. The error says what was expected.
    pub fn parse(list: &str) -> Result<Origins, String> {
        let mut origins = Origins::default();
        if list.trim().is_empty() {
            return Ok(origins);
        }
        for item in list.split(',').map(str::trim) {
            match item {
                "*" => origins.any = true,
                "null" => origins.null = true,
                _ => origins.listed.push(Pattern::parse(item)?),
            }
        }
        Ok(origins)
    }

    /// Judges a request by its headers. Without any of them it was no browser, and is let in.
    pub fn judge(&self, headers: &HeaderMap, ask: Ask) -> Result<(), Refused> {
        if self.any {
            return Ok(());
        }
        match only(headers, &ORIGIN) {
            Some(Ok(value)) => return self.judge_origin(value, headers),
            Some(Err(Several)) => return refuse("more than one header Origin"),
            None if ask == Ask::WebSocket => return Ok(()),
            None => {}
        }
        let site = Site::of(headers);
        if site == Site::Same {
            return Ok(());
        }
        match only(headers, &REFERER).filter(|value| *value != Ok(&HeaderValue::from_static(""))) {
            Some(Ok(value)) => self.judge_referer(value, headers),
            Some(Err(Several)) => refuse("more than one header Referer"),
            None if site == Site::Other && ask != Ask::Iframe => {
                refuse("a request from another site without Origin and Referer")
            }
            None => Ok(()),
        }
    }

    /// The value of `content-security-policy` for the iframe page: who may embed it. `None` if everybody may.
    /// Listed IPv6 addresses and `null` are not in it, since it has no words for them.
    pub fn frame_ancestors(&self) -> Option<HeaderValue> {
        if self.any {
            return None;
        }
        let mut policy = ANCESTORS.to_owned();
        for pattern in self.listed.iter().filter(|pattern| pattern.is_for_policies()) {
            policy.push(' ');
            policy.push_str(&pattern.to_string());
        }
        Some(HeaderValue::try_from(policy).expect("patterns are made of plain ASCII"))
    }

    /// Hosts named exactly by the list: a loopback listener accepts them in `Host`, too.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.listed.iter().filter_map(|pattern| match &pattern.host {
            HostPattern::Exactly(host) => Some(host.as_str()),
            HostPattern::Under(_) => None,
        })
    }

    fn judge_origin(&self, value: &HeaderValue, headers: &HeaderMap) -> Result<(), Refused> {
        let allowed = match value.as_bytes() {
            b"null" => self.null,
            _ => value.to_str().ok().and_then(Origin::parse).is_some_and(|o| self.allows(&o, headers)),
        };
        if allowed { Ok(()) } else { Err(Refused::new("origin ", value.as_bytes(), OPTION)) }
    }

    fn judge_referer(&self, value: &HeaderValue, headers: &HeaderMap) -> Result<(), Refused> {
        match value.to_str().ok().and_then(Origin::of_url) {
            Some(origin) if self.allows(&origin, headers) => Ok(()),
            Some(origin) => {
                Err(Refused::new("referer of the origin ", origin.to_string().as_bytes(), OPTION))
            }
            // Not shown: addresses of pages may hold secrets.
            None => refuse("a Referer that is no address of a page"),
        }
    }

    fn allows(&self, origin: &Origin, headers: &HeaderMap) -> bool {
        let web = default_port(&origin.scheme).is_some();
        web && (origin.host.is_loopback() || origin.is_same(headers))
            || self.listed.iter().any(|pattern| pattern.matches(origin))
    }
}

impl Refused {
    /// What was refused: words of ours, and text of the client's.
    pub(super) fn new(what: &str, value: &[u8], option: &'static str) -> Refused {
        const CUT: &str = "...";
        let mut what = what.to_owned();
        for &octet in value {
            let before = what.len();
            match octet {
                b'<' | b'>' | b'&' | b'"' | b'\'' | b'\\' => what.push_str(&format!("\\x{octet:02x}")),
                b' '..=b'~' => what.push(char::from(octet)),
                _ => what.push_str(&format!("\\x{octet:02x}")),
            }
            if what.len() > WHAT_BYTES_MAX - CUT.len() {
                what.truncate(before);
                what.push_str(CUT);
                break;
            }
        }
        Refused { what, option }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refused: {}; the operator's option {} says what is allowed.", self.what, self.option)
    }
}

fn refuse(what: &str) -> Result<(), Refused> {
    Err(Refused::new(what, b"", OPTION))
}

/// Where a page came from, as its browser writes it.
#[derive(Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: Host,
    /// `None` if none is given and the scheme has no default.
    port: Option<u16>,
}

impl Origin {
    /// Reads `scheme://host` or `scheme://host:port`, and no path.
    fn parse(text: &str) -> Option<Origin> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = parse_scheme(scheme)?;
        let (host, port) = Host::parse_with_port(authority)?;
        let port = port.or(default_port(&scheme));
        Some(Origin { scheme, host, port })
    }

    /// The origin of a page whose address this is.
    fn of_url(text: &str) -> Option<Origin> {
        let start = text.find("://")? + "://".len();
        let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |length| start + length);
        Origin::parse(&text[..end])
    }

    /// Whether it is where the request went.
    fn is_same(&self, headers: &HeaderMap) -> bool {
        let Some(Ok(value)) = only(headers, &HOST) else { return false };
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

/// Origins as the option lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    scheme: String,
    host: HostPattern,
    port: PortPattern,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PortPattern {
    Any,
    /// As in [`Origin`].
    Exactly(Option<u16>),
}

impl Pattern {
    fn parse(text: &str) -> Result<Pattern, String> {
        Pattern::read(text).ok_or_else(|| {
            format!(
                "{text:?} is no origin; expected a scheme and a host without a path, such as \
                 https://app.example.com, http://*.example.com:8080 or https://app.example.com:* (any port), or \
                 null, or * for every origin; the scheme is that of the page (not ws), letters beyond ASCII are \
                 written as xn--"
            )
        })
    }

    fn read(text: &str) -> Option<Pattern> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = parse_scheme(scheme).filter(|scheme| !SOCKETS.contains(&scheme.as_str()))?;
        let (host, port) = split_port(authority);
        let port = match port {
            Some("*") => PortPattern::Any,
            Some(port) => PortPattern::Exactly(Some(parse_port(port)?)),
            None => PortPattern::Exactly(default_port(&scheme)),
        };
        Some(Pattern { host: HostPattern::parse(host)?, scheme, port })
    }

    fn matches(&self, origin: &Origin) -> bool {
        let port = match self.port {
            PortPattern::Any => true,
            PortPattern::Exactly(port) => port == origin.port,
        };
        port && self.scheme == origin.scheme && self.host.matches(&origin.host)
    }

    /// Whether Content Security Policy can say it.
    fn is_for_policies(&self) -> bool {
        !matches!(&self.host, HostPattern::Exactly(host) if host.is_ipv6())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match self.port {
            PortPattern::Any => f.write_str(":*"),
            PortPattern::Exactly(port) => write_port(f, &self.scheme, port),
        }
    }
}

/// What the browser says of the page that asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Site {
    /// It is of the same origin, or there is none: the user typed the address.
    Same,
    /// It is of another one.
    Other,
    /// The browser is too old to say, or is none.
    Unknown,
}

impl Site {
    fn of(headers: &HeaderMap) -> Site {
        match only(headers, &SEC_FETCH_SITE) {
            None => Site::Unknown,
            Some(Ok(value)) if value == "same-origin" || value == "none" => Site::Same,
            Some(_) => Site::Other,
        }
    }
}

/// A header that may be there once was there more than once.
#[derive(Debug, PartialEq, Eq)]
struct Several;

/// The value of a header that may be there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Result<&'a HeaderValue, Several>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    Some(if values.next().is_some() { Err(Several) } else { Ok(first) })
}

/// RFC 3986, 3.1, in lower case.
fn parse_scheme(text: &str) -> Option<String> {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet);
    let good = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(plain);
    good.then(|| text.to_ascii_lowercase())
}

fn default_port(scheme: &str) -> Option<u16> {
    WEB.iter().find(|(name, _)| *name == scheme).map(|(_, port)| *port)
}

fn write_port(f: &mut fmt::Formatter<'_>, scheme: &str, port: Option<u16>) -> fmt::Result {
    match port {
        Some(port) if default_port(scheme) != Some(port) => write!(f, ":{port}"),
        _ => Ok(()),
    }
}
