//! A host as requests and options name it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Octets of the longest name and of its longest label (RFC 1035, 2.3.4).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// A name or an address in the one form in which it compares: lower case, no dot at the end, IPv6 shortened and in
/// brackets, an IPv4 address mapped into IPv6 as IPv4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host(String);

impl Host {
    /// Reads `chat.example.com`, `127.0.0.1`, `[::1]`; `None` for anything else. A name beyond ASCII is written the
    /// way browsers send it: `xn--…`.
    pub(super) fn parse(text: &str) -> Option<Host> {
        if let Some(rest) = text.strip_prefix('[') {
            let address: Ipv6Addr = rest.strip_suffix(']')?.parse().ok()?;
            return Some(Host::from(IpAddr::V6(address)));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_name = name.len() <= NAME_BYTES_MAX && name.split('.').all(is_label);
        is_name.then(|| Host(name.to_ascii_lowercase()))
    }

    /// Reads a host and perhaps a port, as in the header `Host`: an empty port is none.
    pub(super) fn parse_with_port(text: &str) -> Option<(Host, Option<u16>)> {
        let (host, port) = split_port(text);
        let port = match port {
            None | Some("") => None,
            Some(port) => Some(parse_port(port)?),
        };
        Some((Host::parse(host)?, port))
    }

    /// Whether it names the machine of whoever asks: `localhost` and every name under it, 127.0.0.0/8, `[::1]`.
    pub(super) fn is_loopback(&self) -> bool {
        let name = self.0.as_str();
        match name.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => name == "localhost" || name.ends_with(".localhost"),
        }
    }

    /// Whether it is an IPv6 address.
    pub(super) fn is_ipv6(&self) -> bool {
        self.0.starts_with('[')
    }

    /// Its text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Host {
        match address.to_canonical() {
            IpAddr::V4(address) => Host(address.to_string()),
            IpAddr::V6(address) => Host(format!("[{address}]")),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host in an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostPattern {
    /// This one.
    Exactly(Host),
    /// Every name that has one or more labels before this one: `*.example.com`.
    Under(Host),
}

impl HostPattern {
    /// Reads what [`Host::parse`] reads, and `*.example.com`.
    pub(super) fn parse(text: &str) -> Option<HostPattern> {
        match text.strip_prefix("*.") {
            // No name is under an address.
            Some(parent) => Host::parse(parent)
                .filter(|host| host.0.trim_matches(['[', ']']).parse::<IpAddr>().is_err())
                .map(HostPattern::Under),
            None => Host::parse(text).map(HostPattern::Exactly),
        }
    }

    /// Whether that host is meant.
    pub(super) fn matches(&self, host: &Host) -> bool {
        match self {
            HostPattern::Exactly(this) => this == host,
            HostPattern::Under(parent) => {
                host.0.strip_suffix(parent.as_str()).is_some_and(|labels| labels.ends_with('.'))
            }
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Exactly(host) => write!(f, "{host}"),
            HostPattern::Under(parent) => write!(f, "*.{parent}"),
        }
    }
}

/// Splits `HOST:PORT`; the colons inside of brackets are the host's.
pub(super) fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    }
}

/// A port in digits.
pub(super) fn parse_port(text: &str) -> Option<u16> {
    text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok())?
}

fn is_label(label: &str) -> bool {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
    (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(plain)
}
