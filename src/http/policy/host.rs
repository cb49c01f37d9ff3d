//! Hosts in requests and in options.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Maximum length in bytes of a name, and of one label in it (RFC 1035 §2.3.4).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// A name or an address in normalised form. Equal hosts have equal texts. Names are in lower case and do not end with a
/// dot. IPv6 addresses are shortened and in brackets. An IPv4 address that is mapped into IPv6 is written as an IPv4
/// address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host(String);

impl Host {
    /// Parses `chat.example.com`, `127.0.0.1` or `[::1]`. Returns `None` for other texts. A name with letters beyond
    /// ASCII must be written as browsers send it: `xn--…`.
    pub(crate) fn parse(text: &str) -> Option<Host> {
        if let Some(rest) = text.strip_prefix('[') {
            let address: Ipv6Addr = rest.strip_suffix(']')?.parse().ok()?;
            return Some(Host::from(IpAddr::V6(address)));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_name = name.len() <= NAME_BYTES_MAX && name.split('.').all(is_label);
        is_name.then(|| Host(name.to_ascii_lowercase()))
    }

    /// Parses a host with an optional port, as in the header `Host`. An empty port counts as no port.
    pub(crate) fn parse_with_port(text: &str) -> Option<(Host, Option<u16>)> {
        let (host, port) = split_port(text);
        let port = match port {
            None | Some("") => None,
            Some(port) => Some(parse_port(port)?),
        };
        Some((Host::parse(host)?, port))
    }

    /// Parses the part after `://` in an origin whose scheme belongs to an app. The part is often empty (`file://`), or
    /// an identifier.
    pub(crate) fn opaque(text: &str) -> Option<Host> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
        let is_opaque = text.len() <= NAME_BYTES_MAX && text.bytes().all(is_allowed);
        is_opaque.then(|| Host(text.to_ascii_lowercase()))
    }

    /// Returns whether the host is the client's own machine: `localhost`, a name that ends with `.localhost`, an
    /// address in 127.0.0.0/8, or `[::1]`.
    pub(crate) fn is_loopback(&self) -> bool {
        match self.address() {
            Some(address) => address.is_loopback(),
            None => self.0 == "localhost" || self.0.ends_with(".localhost"),
        }
    }

    /// Returns the address, or `None` if the host is a name.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.0.trim_matches(['[', ']']).parse().ok()
    }

    /// Returns the host as text.
    pub(crate) fn as_str(&self) -> &str {
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

/// A pattern in an option that matches hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostPattern {
    /// Matches this host only.
    Exactly(Host),
    /// Matches every name that ends with this name and has one or more labels before it: `*.example.com`.
    Under(Host),
}

impl HostPattern {
    /// Parses `*.example.com`, and any host that [`Host::parse`] parses.
    pub(crate) fn parse(text: &str) -> Option<HostPattern> {
        match text.strip_prefix("*.") {
            // An address has no subdomains.
            Some(parent) => {
                Host::parse(parent).filter(|host| host.address().is_none()).map(HostPattern::Under)
            }
            None => Host::parse(text).map(HostPattern::Exactly),
        }
    }

    /// Returns whether the pattern matches `host`.
    pub(crate) fn matches(&self, host: &Host) -> bool {
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

/// Splits `HOST:PORT`. Colons in brackets belong to the host.
pub(crate) fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    }
}

/// Parses a port that consists of digits only.
pub(crate) fn parse_port(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn is_label(label: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn host_is_normalised_to_one_form() {
        for (text, form) in [
            ("chat.example.com", "chat.example.com"),
            ("CHAT.Example.COM", "chat.example.com"),
            ("chat.example.com.", "chat.example.com"),
            ("localhost", "localhost"),
            ("my_host-1", "my_host-1"),
            ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("[0:0::0:1]", "[::1]"),
            ("[2001:DB8::A]", "[2001:db8::a]"),
            ("[::ffff:192.0.2.1]", "192.0.2.1"),
        ] {
            assert_eq!(Host::parse(text).map(|host| host.to_string()).as_deref(), Some(form), "{text}");
        }
    }

    #[test]
    fn invalid_host_is_rejected() {
        let long_label = "a".repeat(64);
        let long_name = "a.".repeat(127) + "a";
        for text in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a b",
            "a/b",
            "a@b",
            "a%41",
            "*",
            "*.a",
            "münchen.example",
            "::1",
            "[::1",
            "::1]",
            "[]",
            "[localhost]",
            "[127.0.0.1]",
            "[fe80::1%25eth0]",
            "a\0",
            &long_label,
            &long_name,
        ] {
            assert_eq!(Host::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn port_is_optional_and_at_most_65535() {
        let host = |text| Host::parse(text).expect("a host");
        for (text, read) in [
            ("a", Some((host("a"), None))),
            ("a:", Some((host("a"), None))),
            ("a:8080", Some((host("a"), Some(8080)))),
            ("a.:65535", Some((host("a"), Some(65535)))),
            ("[::1]:080", Some((host("[::1]"), Some(80)))),
            ("[::1]", Some((host("[::1]"), None))),
            ("a:65536", None),
            ("a:-1", None),
            ("a:+1", None),
            ("a:x", None),
            ("a:1:2", None),
            ("[::1]8080", None),
            (":80", None),
            ("", None),
        ] {
            assert_eq!(Host::parse_with_port(text), read, "{text:?}");
        }
    }

    #[test]
    fn loopback_names_are_recognised() {
        for (text, loopback) in [
            ("localhost", true),
            ("LocalHost.", true),
            ("app.localhost", true),
            ("127.0.0.1", true),
            ("127.255.255.254", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]", true),
            ("0.0.0.0", false),
            ("[::]", false),
            ("128.0.0.1", false),
            ("127.0.0.1.example", false),
            ("127.1", false),
            ("notlocalhost", false),
            ("localhost.example", false),
        ] {
            assert_eq!(Host::parse(text).expect(text).is_loopback(), loopback, "{text}");
        }
    }

    #[test]
    fn wildcard_matches_one_or_more_whole_labels() {
        for (pattern, host, matches) in [
            ("*.example.com", "a.example.com", true),
            ("*.EXAMPLE.com.", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "evil-example.com", false),
            ("*.example.com", "a.example.com.evil.example", false),
            ("*.com", "example.com", true),
            ("example.com", "example.com", true),
            ("example.com", "a.example.com", false),
            ("[::1]", "[::1]", true),
        ] {
            let (pattern, host) =
                (HostPattern::parse(pattern).expect(pattern), Host::parse(host).expect(host));
            assert_eq!(pattern.matches(&host), matches, "{pattern} {host}");
        }
        for text in [
            "*",
            "*.",
            "*.*",
            "*.*.example",
            "a.*.example",
            "a*.example",
            "**.example",
            "*.127.0.0.1",
            "*.[::1]",
        ] {
            assert_eq!(HostPattern::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn displayed_host_parses_back(text in "\\PC*|[a-zA-Z0-9.:*\\[\\]-]{0,20}") {
            if let Some(host) = Host::parse(&text) {
                prop_assert_eq!(Host::parse(host.as_str()), Some(host));
            }
            if let Some(pattern) = HostPattern::parse(&text) {
                prop_assert_eq!(HostPattern::parse(&pattern.to_string()), Some(pattern));
            }
        }
    }
}
