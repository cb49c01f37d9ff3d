//! The entries of the option `allowed-origins`.

use super::host::{Host, HostPattern, parse_port, split_port};
use super::origin::{Origin, SOCKETS, default_port, split_origin, write_port};
use std::fmt;

/// An entry of the option `allowed-origins`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OriginPattern {
    scheme: String,
    pub(super) host: HostPattern,
    port: PortPattern,
}

impl OriginPattern {
    pub(super) fn parse(text: &str) -> Result<OriginPattern, String> {
        OriginPattern::read(text).ok_or_else(|| {
            format!(
                "invalid origin {text:?}: expected a scheme and a host without a path, or null, or * for every \
                 origin. Examples are https://app.example.com, http://*.example.com:8080, \
                 https://app.example.com:* (any port) and file://. Use the scheme of the page, not ws. Write letters \
                 beyond ASCII as xn--"
            )
        })
    }

    fn read(text: &str) -> Option<OriginPattern> {
        let (scheme, authority) = split_origin(text)?;
        if SOCKETS.iter().any(|(socket, _)| *socket == scheme) {
            return None;
        }
        if default_port(&scheme).is_none()
            && Host::parse(authority).is_none()
            && let Some(host) = Host::opaque(authority)
        {
            return Some(OriginPattern {
                scheme,
                host: HostPattern::Exactly(host),
                port: PortPattern::Exactly(None),
            });
        }
        let (host, port) = split_port(authority);
        let port = match port {
            Some("*") => PortPattern::Any,
            Some(port) => PortPattern::Exactly(Some(parse_port(port)?)),
            None => PortPattern::Exactly(default_port(&scheme)),
        };
        Some(OriginPattern { host: HostPattern::parse(host)?, scheme, port })
    }

    pub(super) fn matches(&self, origin: &Origin) -> bool {
        let port_matches = match self.port {
            PortPattern::Any => true,
            PortPattern::Exactly(port) => port == origin.port,
        };
        port_matches && self.scheme == origin.scheme && self.host.matches(&origin.host)
    }

    /// Returns the pattern as a source expression for a Content Security Policy. Returns `None` for IPv6 addresses and
    /// for identifiers of apps, because such a policy cannot express them.
    pub(super) fn policy_source(&self) -> Option<String> {
        match &self.host {
            HostPattern::Exactly(host) if host.as_str().is_empty() => Some(format!("{}:", self.scheme)),
            HostPattern::Exactly(host) if host.address().is_some_and(|address| address.is_ipv6()) => None,
            HostPattern::Exactly(host) if Host::parse(host.as_str()).is_none() => None,
            _ => Some(self.to_string()),
        }
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match self.port {
            PortPattern::Any => f.write_str(":*"),
            PortPattern::Exactly(port) => write_port(f, &self.scheme, port),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PortPattern {
    Any,
    /// The port as in [`Origin::port`]: `None` only if the scheme has no default port.
    Exactly(Option<u16>),
}
