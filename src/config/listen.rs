//! Addresses to listen on.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address to listen on: a host (a name or an IP address) and a port. For port 0 the system chooses a free port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The port number. 0 means any free port.
    pub port: u16,
}

impl Listen {
    /// Parses an address such as `127.0.0.1:61613`, `[::1]:61613` or `localhost:0`.
    ///
    /// # Errors
    /// Returns an error if the text is not `HOST:PORT`. The error says what was expected.
    pub fn parse(text: &str) -> Result<Listen, String> {
        Listen::split(text).ok_or_else(|| {
            let hint = if text.starts_with(':') || text.starts_with('*') {
                ". To listen on every IPv4 address, write 0.0.0.0:PORT. To listen on every IPv6 address, write \
                 [::]:PORT"
            } else {
                ""
            };
            format!(
                "invalid value {text:?}: expected HOST:PORT or off. Examples are 127.0.0.1:61613, [::1]:61613 and \
                 localhost:0 (any free port){hint}"
            )
        })
    }

    fn split(text: &str) -> Option<Listen> {
        let (host, port) = text.rsplit_once(':')?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').filter(|host| host.parse::<Ipv6Addr>().is_ok())?,
            None => Some(host).filter(|host| is_host(host))?,
        };
        let port = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))?;
        Some(Listen { host: host.to_owned(), port: port.parse().ok()? })
    }

    /// Returns whether a connection to `other` would also reach a listener at this address. Both must have the same
    /// port and address family, and must not be identical. `localhost` counts as 127.0.0.1. Other names are not
    /// resolved here, so they include no address.
    pub(super) fn includes(&self, other: &Listen) -> bool {
        let is_localhost = |listen: &Listen| listen.host.eq_ignore_ascii_case("localhost");
        let address = |listen: &Listen| match listen.host.parse::<IpAddr>() {
            Ok(address) => Some(address.to_canonical()),
            Err(_) => is_localhost(listen).then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        };
        let (Some(this), Some(that)) = (address(self), address(other)) else { return false };
        let covers = this.is_unspecified() && this.is_ipv4() == that.is_ipv4() && !that.is_unspecified();
        let is_alias = this == that && is_localhost(self) && !is_localhost(other);
        self.port != 0 && self.port == other.port && (covers || is_alias)
    }

    /// Returns whether only this machine can reach the address. A name other than `localhost` counts as reachable from
    /// other machines, because the address to which it resolves may change.
    pub fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }
}

fn is_host(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsed_address_is_displayed_unchanged() {
        for (text, host, port, loopback) in [
            ("127.0.0.1:61613", "127.0.0.1", 61613, true),
            ("127.9.9.9:0", "127.9.9.9", 0, true),
            ("0.0.0.0:80", "0.0.0.0", 80, false),
            ("[::1]:8080", "::1", 8080, true),
            ("[::]:8080", "::", 8080, false),
            ("[::ffff:127.0.0.1]:1", "::ffff:127.0.0.1", 1, true),
            ("localhost:65535", "localhost", 65535, true),
            ("stomp.example.org:61613", "stomp.example.org", 61613, false),
        ] {
            let listen = Listen::parse(text).expect(text);
            assert_eq!(listen, Listen { host: host.to_owned(), port });
            assert_eq!(listen.to_string(), text);
            assert_eq!(listen.is_loopback(), loopback, "{text}");
        }
    }

    #[test]
    fn invalid_address_is_rejected() {
        for text in [
            "",
            ":",
            "61613",
            "localhost",
            "localhost:",
            "localhost:65536",
            "localhost:-1",
            "localhost:+1",
            "::1:8080",
            "[::1]",
            "[localhost]:1",
            "[::1]8080",
            "a b:1",
            "tcp://localhost:1",
            "OFF ",
        ] {
            let error = Listen::parse(text).expect_err(text);
            assert!(error.starts_with(&format!("invalid value {text:?}: expected HOST:PORT")), "{error}");
        }
        assert!(
            Listen::parse(":61613").expect_err("no host").ends_with("on every IPv6 address, write [::]:PORT")
        );
    }
}
