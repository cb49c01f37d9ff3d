//! The host policy: the host names and addresses in `Host` that the broker accepts.
//!
//! In a DNS rebinding attack, the name of a page gets a second address, which is that of this machine. To a browser,
//! the broker then has the same origin as the page. Only the name in `Host` reveals the attack. A listener that only
//! this machine can reach therefore accepts only names of this machine, and names that are configured.

use super::host::{Host, HostPattern};
use super::origin_error::OriginError;
use super::origin_policy::Origins;
use hyper::header::HOST;
use hyper::{HeaderMap, Version};
use std::net::{IpAddr, Ipv6Addr};

/// The option that configures [`Hosts`].
const OPTION: &str = "allowed-hosts";

/// The accepted values of the header `Host` (`allowed-hosts`).
///
/// A loopback listener accepts:
///
/// - loopback names: `localhost`, names that end with `.localhost`, 127.0.0.0/8, and `[::1]`
/// - the hosts that `allowed-origins` names without a wildcard
/// - the hosts in this list
///
/// Any other listener accepts only the hosts in this list. If the list is empty, it accepts every host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    any: bool,
    listed: Vec<HostPattern>,
}

impl Hosts {
    /// Parses a comma-separated list of names and addresses without ports, such as `chat.example.com`, `*.example.com`,
    /// `192.0.2.1` and `[2001:db8::1]`. In `*.example.com`, `*` stands for one or more labels. `*` alone allows every
    /// host. An empty text is an empty list.
    ///
    /// # Errors
    /// Returns a text that names the invalid entry and says what was expected.
    pub fn parse(list: &str) -> Result<Hosts, String> {
        let mut hosts = Hosts::default();
        if list.trim().is_empty() {
            return Ok(hosts);
        }
        for item in list.split(',').map(str::trim) {
            match item {
                "*" => hosts.any = true,
                _ => hosts.listed.push(pattern(item)?),
            }
        }
        Ok(hosts)
    }

    /// Checks the header `Host` of a request. Accepts requests without this header or with an empty one, because they
    /// do not come from a browser.
    ///
    /// # Errors
    /// Returns the rejection if the host is not accepted, or if the header is repeated.
    pub fn check(
        &self,
        headers: &HeaderMap,
        listener_is_loopback: bool,
        origins: &Origins,
    ) -> Result<(), OriginError> {
        if self.any || (self.listed.is_empty() && !listener_is_loopback) {
            return Ok(());
        }
        let mut values = headers.get_all(HOST).iter();
        let Some(value) = values.next() else { return Ok(()) };
        if values.next().is_some() {
            return Err(OriginError::new("more than one header Host", b"", OPTION));
        }
        if value.is_empty() {
            return Ok(());
        }
        let host = value.to_str().ok().and_then(Host::parse_with_port).map(|(host, _)| host);
        let accepted = host.is_some_and(|host| {
            self.listed.iter().any(|pattern| pattern.matches(&host))
                || listener_is_loopback
                    && (host.is_loopback() || origins.hosts().any(|named| named == host.as_str()))
        });
        if accepted { Ok(()) } else { Err(OriginError::new("host ", value.as_bytes(), OPTION)) }
    }
}

/// Checks the number of `Host` headers in a request (RFC 9112 §3.2). HTTP/1.1 requires exactly one. Older versions
/// allow at most one. The error is the text of a response with status 400.
pub(crate) fn check_count(version: Version, headers: &HeaderMap) -> Result<(), &'static str> {
    match headers.get_all(HOST).iter().count() {
        0 if version >= Version::HTTP_11 => {
            Err("The header Host is missing. HTTP/1.1 requires exactly one (RFC 9112, 3.2).\n")
        }
        0 | 1 => Ok(()),
        _ => Err("The request has more than one header Host. Send exactly one (RFC 9112, 3.2).\n"),
    }
}

fn pattern(text: &str) -> Result<HostPattern, String> {
    let address = text.parse::<Ipv6Addr>().map(|address| HostPattern::Exactly(IpAddr::V6(address).into()));
    address.ok().or_else(|| HostPattern::parse(text)).ok_or_else(|| {
        format!(
            "invalid host {text:?}: expected a name or an address without a port, or * for every host. Examples are \
             chat.example.com, *.example.com, 192.0.2.1 and [2001:db8::1]. Write letters beyond ASCII as xn--"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    const LOOPBACK: bool = true;
    const PUBLIC: bool = false;

    fn accepts(list: &str, origins: &str, listener_is_loopback: bool, hosts: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_bytes(host.as_bytes()).expect("a value"));
        }
        let origins = Origins::parse(origins).expect(origins);
        Hosts::parse(list).expect(list).check(&headers, listener_is_loopback, &origins).is_ok()
    }

    #[test]
    fn loopback_listener_accepts_only_loopback_names() {
        for (host, accepted) in [
            ("localhost", true),
            ("localhost:8080", true),
            ("LOCALHOST.:8080", true),
            ("broker.localhost:8080", true),
            ("127.0.0.1:8080", true),
            ("127.8.8.8", true),
            ("[::1]:8080", true),
            ("[0::0:1]", true),
            ("[::ffff:127.0.0.1]:8080", true),
            ("evil.example", false),
            ("evil.example:8080", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("0.0.0.0:8080", false),
            ("192.0.2.1", false),
            ("[::]", false),
            ("::1", false),
            ("[::1", false),
            ("localhost:65536", false),
            ("localhost:x", false),
            ("localhost/", false),
            ("localhost, evil.example", false),
            ("evil.example@localhost", false),
            ("löcalhost", false),
            (" ", false),
        ] {
            assert_eq!(accepts("", "", LOOPBACK, &[host]), accepted, "{host}");
            assert!(accepts("", "", PUBLIC, &[host]), "{host}");
            assert!(accepts("*", "", LOOPBACK, &[host]), "{host}");
        }
    }

    #[test]
    fn allowed_hosts_applies_to_every_listener_in_addition_to_loopback_names() {
        const LIST: &str = "Chat.Example.com, *.example.net., 192.0.2.1, 2001:db8::1, [2001:db8::2]";
        for (host, on_loopback, on_public) in [
            ("chat.example.com", true, true),
            ("chat.example.com.:8080", true, true),
            ("a.b.example.net:1", true, true),
            ("192.0.2.1:80", true, true),
            ("[2001:DB8::1]", true, true),
            ("[2001:db8::2]:80", true, true),
            ("localhost:8080", true, false),
            ("127.0.0.1", true, false),
            ("example.net", false, false),
            ("evil.example", false, false),
            ("sub.chat.example.com", false, false),
            ("chat.example.com:x", false, false),
        ] {
            assert_eq!(accepts(LIST, "", LOOPBACK, &[host]), on_loopback, "{host}");
            assert_eq!(accepts(LIST, "", PUBLIC, &[host]), on_public, "{host}");
        }
    }

    #[test]
    fn hosts_of_allowed_origins_are_accepted_on_a_loopback_listener() {
        const ORIGINS: &str = "https://chat.example.com:8443, https://*.example.net, *";
        for (list, listener, host, accepted) in [
            ("", LOOPBACK, "chat.example.com", true),
            ("", LOOPBACK, "CHAT.example.com:9", true),
            ("other.example", LOOPBACK, "chat.example.com", true),
            ("other.example", PUBLIC, "chat.example.com", false),
            ("", LOOPBACK, "a.example.net", false),
            // The origin `*` allows every page to send requests, but accepts no other host names. Paths outside of
            // `ws-path` rely on this.
            ("", LOOPBACK, "evil.example", false),
        ] {
            assert_eq!(accepts(list, ORIGINS, listener, &[host]), accepted, "{list:?} {host}");
        }
    }

    #[test]
    fn missing_host_is_accepted_and_a_repeated_host_is_rejected() {
        for list in ["", "chat.example.com"] {
            for (hosts, accepted) in [
                (&[][..], true),
                (&[""], true),
                (&["localhost", "localhost"], false),
                (&["", "localhost"], false),
            ] {
                assert_eq!(accepts(list, "", LOOPBACK, hosts), accepted, "{hosts:?}");
            }
        }
    }

    #[test]
    fn rejection_names_the_host_and_the_option() {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("evil.example:8080"));
        let error = Hosts::default().check(&headers, LOOPBACK, &Origins::any()).expect_err("a foreign name");
        assert_eq!(
            error,
            OriginError { cause: "host evil.example:8080".to_owned(), option: "allowed-hosts" }
        );
        assert_eq!(
            error.to_string(),
            "The broker rejected the request (host evil.example:8080), because its option allowed-hosts does not allow \
             it."
        );
    }

    #[test]
    fn malformed_allowed_hosts_is_rejected_with_the_expected_form() {
        for (list, item) in [
            ("a.example,", ""),
            ("a.example:8080", "a.example:8080"),
            ("[::1]:80", "[::1]:80"),
            ("https://a.example", "https://a.example"),
            ("a.example/", "a.example/"),
            ("*.*", "*.*"),
            ("a b", "a b"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("münchen.example", "münchen.example"),
        ] {
            let error = Hosts::parse(list).expect_err(list);
            assert!(
                error.starts_with(&format!("invalid host {item:?}: expected a name or an address")),
                "{error}"
            );
        }
        assert_eq!(Hosts::parse(" "), Ok(Hosts::default()));
    }

    proptest! {
        #[test]
        fn arbitrary_headers_and_lists_never_panic(
            host in prop::collection::vec(prop_oneof![Just(9u8), 32..127u8, 128..=255u8], 0..300),
            list in "\\PC*",
        ) {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_bytes(&host).expect("a value"));
            if let Err(error) = Hosts::default().check(&headers, LOOPBACK, &Origins::default()) {
                prop_assert!(error.cause.len() <= 200);
            }
            let _ = Hosts::parse(&list);
        }
    }
}
