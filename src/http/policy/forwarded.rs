//! The address of a client if proxies have forwarded its request.

use crate::networks::Networks;
use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName, VIA};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The proxies that the broker trusts to name the address of their client (`trusted-proxies`). The broker ignores these
/// headers from other senders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    networks: Networks,
}

impl Proxies {
    /// Parses a comma-separated list of networks and addresses: `10.0.0.0/8, 127.0.0.1, ::1`. An empty text is an empty
    /// list.
    ///
    /// # Errors
    /// Returns a text that names the invalid entry and says what was expected.
    pub fn parse(list: &str) -> Result<Proxies, String> {
        Ok(Proxies { networks: Networks::parse(list)? })
    }

    /// Returns whether `peer` is a trusted proxy.
    pub fn is_trusted(&self, peer: IpAddr) -> bool {
        self.networks.contains(peer)
    }

    /// Returns the address of the client. If the peer is not a trusted proxy, this is the peer's own address.
    ///
    /// For a trusted proxy, reads `X-Forwarded-For` or `Forwarded` (RFC 7239) from right to left, because each proxy
    /// appends its entry. Skips trusted proxies and returns the first other address. If an entry is not an address,
    /// returns the last address that was read before it. If both headers are present and lead to different addresses,
    /// returns the peer's own address. A proxy may set one of the headers and forward the other one from the client.
    /// Neither can then be trusted.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.is_trusted(peer) {
            return peer;
        }
        let listed = headers.get_all(X_FORWARDED_FOR).iter().rev();
        let listed = listed.flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b',')).map(address);
        let forwarded = headers.get_all(FORWARDED).iter().rev();
        let forwarded =
            forwarded.flat_map(|line| Elements { rest: Some(line.as_bytes()) }).map(forwarded_for);
        match (headers.contains_key(X_FORWARDED_FOR), headers.contains_key(FORWARDED)) {
            (true, false) => self.first_untrusted(peer, listed),
            (false, true) => self.first_untrusted(peer, forwarded),
            (true, true) => {
                let client = self.first_untrusted(peer, listed);
                if client == self.first_untrusted(peer, forwarded) { client } else { peer }
            }
            (false, false) => peer,
        }
    }

    /// Returns the first of `addresses` that is not a trusted proxy. If an entry is invalid (`None`), or if all
    /// addresses are trusted, returns the last address that was read. Returns `peer` if none was read.
    fn first_untrusted(&self, peer: IpAddr, addresses: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut last = peer;
        for address in addresses {
            let Some(address) = address else { break };
            last = address;
            if !self.is_trusted(address) {
                break;
            }
        }
        last
    }
}

/// The elements of one line of `Forwarded`, from right to left.
///
/// A comma in a quoted string does not separate elements. A quote without a closing quote from a client must not hide
/// the elements that proxies have appended. The line is therefore read from the right. The first quote closes a string,
/// and the next quote that is not escaped opens the string. An opening quote follows `=`, so a quote after `\` is
/// always an escaped one.
struct Elements<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.rest.take()?;
        let mut quoted = false;
        for (at, byte) in line.iter().enumerate().rev() {
            match byte {
                b'"' if quoted && line[..at].ends_with(b"\\") => {}
                b'"' => quoted = !quoted,
                b',' if !quoted => {
                    self.rest = Some(&line[..at]);
                    return Some(&line[at + 1..]);
                }
                _ => {}
            }
        }
        Some(line)
    }
}

/// Parses an element of `Forwarded`, and returns the address of its parameter `for`. Returns `None` if the element is
/// invalid or does not have this parameter exactly once.
///
/// ```text
/// element = [ pair ] *( ";" [ pair ] )      pair = name "=" ( word / quoted-string )
/// ```
///
/// A word may contain colons and brackets. The RFC requires quotes around them, but many proxies omit the quotes.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    let mut rest = element.trim_ascii();
    while !rest.is_empty() {
        if let Some(rest_after) = rest.strip_prefix(b";") {
            rest = rest_after.trim_ascii_start();
            continue;
        }
        let equals = rest.iter().position(|&byte| byte == b'=')?;
        let (name, rest_after) = (&rest[..equals], &rest[equals + 1..]);
        let (value, rest_after) = value(rest_after)?;
        rest = rest_after.trim_ascii_start();
        if !(rest.is_empty() || rest.starts_with(b";")) {
            return None;
        }
        if name.eq_ignore_ascii_case(b"for") && found.replace(value).is_some() {
            return None;
        }
    }
    address(&found?)
}

/// Parses a word or a quoted string. Returns its value and the remaining text.
fn value(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|byte| b"; \t".contains(byte)).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        return (!word.contains(&b'"')).then(|| (word.to_vec(), rest));
    };
    let mut value = Vec::new();
    loop {
        match rest {
            [b'"', rest_after @ ..] => return Some((value, rest_after)),
            [b'\\', byte, rest_after @ ..] | [byte, rest_after @ ..] => {
                value.push(*byte);
                rest = rest_after;
            }
            [] => return None,
        }
    }
}

/// Parses an address with an optional port: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]`,
/// `[2001:db8::1]:4711`.
fn address(text: impl AsRef<[u8]>) -> Option<IpAddr> {
    let text = std::str::from_utf8(text.as_ref().trim_ascii()).ok()?;
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest_after) = rest.split_once(']')?;
            let port = if rest_after.is_empty() { None } else { Some(rest_after.strip_prefix(':')?) };
            (IpAddr::V6(address.parse::<Ipv6Addr>().ok()?), port)
        }
        None => match text.split_once(':') {
            Some((address, port)) if !port.contains(':') => {
                (IpAddr::V4(address.parse::<Ipv4Addr>().ok()?), Some(port))
            }
            _ => (text.parse().ok()?, None),
        },
    };
    port.is_none_or(is_port).then(|| address.to_canonical())
}

/// Returns whether the text is a port number or an obfuscated port (RFC 7239 §6.2).
fn is_port(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match text.strip_prefix('_') {
        Some(name) => !name.is_empty() && name.bytes().all(is_allowed),
        None => text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok(),
    }
}

/// Returns whether the headers show that a proxy has forwarded the request. The peer is then a proxy and not the
/// client. The proxy may be trusted or not.
pub fn is_forwarded(headers: &HeaderMap) -> bool {
    let others = ["x-real-ip", "x-forwarded-host", "x-forwarded-proto"];
    [FORWARDED, X_FORWARDED_FOR, VIA].iter().any(|name| headers.contains_key(name))
        || others.iter().any(|name| headers.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    const XFF: &str = "x-forwarded-for";
    const FWD: &str = "forwarded";
    const PROXIES: &str = "10.0.0.0/8, 127.0.0.1, ::1, 2001:db8:1::/48";
    const PEER: &str = "10.0.0.1";

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    fn client(peer: &str, lines: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        Proxies::parse(PROXIES).expect("a list").client(ip(peer), &headers).to_string()
    }

    #[test]
    fn only_listed_addresses_and_networks_are_trusted() {
        let trusted = |list: &str, peer: &str| Proxies::parse(list).expect(list).is_trusted(ip(peer));
        for (list, peer, expected) in [
            ("", "127.0.0.1", false),
            (PROXIES, "10.255.255.255", true),
            (PROXIES, "11.0.0.0", false),
            (PROXIES, "127.0.0.1", true),
            (PROXIES, "127.0.0.2", false),
            (PROXIES, "::1", true),
            (PROXIES, "::2", false),
            (PROXIES, "2001:db8:1:2::3", true),
            (PROXIES, "2001:db8:2::", false),
            (PROXIES, "::ffff:10.0.0.1", true),
            (PROXIES, "::ffff:11.0.0.1", false),
            ("::ffff:10.0.0.0/104", "10.9.9.9", true),
            ("::ffff:10.0.0.0/104", "11.0.0.0", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "192.0.2.1", false),
        ] {
            assert_eq!(trusted(list, peer), expected, "{list:?} {peer}");
        }
    }

    #[test]
    fn headers_of_an_untrusted_peer_are_ignored() {
        for (peer, client_is) in
            [("192.0.2.9", "192.0.2.9"), ("::ffff:192.0.2.9", "192.0.2.9"), ("::2", "::2")]
        {
            assert_eq!(client(peer, &[(XFF, "1.1.1.1")]), client_is);
            assert_eq!(client(peer, &[(FWD, "for=1.1.1.1")]), client_is);
        }
        for (peer, client_is) in [(PEER, PEER), ("::ffff:10.0.0.1", PEER), ("::1", "::1")] {
            assert_eq!(client(peer, &[]), client_is);
        }
    }

    #[test]
    fn x_forwarded_for_is_read_from_right_to_left() {
        for (lines, expected) in [
            (&["192.0.2.1"][..], "192.0.2.1"),
            (&["192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            (&["6.6.6.6, 192.0.2.1, 10.0.0.2, 10.0.0.3"], "192.0.2.1"),
            (&["6.6.6.6", "192.0.2.1", "10.0.0.2"], "192.0.2.1"),
            (&["10.0.0.5, 10.0.0.2"], "10.0.0.5"),
            (&["192.0.2.1:4711"], "192.0.2.1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["[2001:db8::1]:4711, 2001:db8:1::7"], "2001:db8::1"),
            (&["::ffff:192.0.2.1"], "192.0.2.1"),
            (&["192.0.2.1, ::ffff:10.0.0.2"], "192.0.2.1"),
            (&["\t192.0.2.1  ,10.0.0.2 "], "192.0.2.1"),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| (XFF, *line)).collect();
            assert_eq!(client(PEER, &lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn invalid_element_stops_the_search_at_the_last_valid_address() {
        for element in [
            "",
            " ",
            "unknown",
            "_hidden",
            "localhost",
            "192.0.2",
            "192.0.2.256",
            "192.0.2.1:",
            "192.0.2.1:65536",
            "192.0.2.1:x",
            "[192.0.2.1]",
            "[2001:db8::1",
            "[2001:db8::1]4711",
            "2001:db8::1]:1",
            "2001:db8::1%eth0",
            "192.0.2.1 192.0.2.2",
            "192.0.2.é",
        ] {
            assert_eq!(
                client(PEER, &[(XFF, &format!("6.6.6.6, {element}, 10.0.0.2"))]),
                "10.0.0.2",
                "{element}"
            );
            assert_eq!(client(PEER, &[(XFF, &format!("6.6.6.6, {element}"))]), PEER, "{element}");
            assert_eq!(client(PEER, &[(XFF, "6.6.6.6"), (XFF, element)]), PEER, "{element}");
            let forwarded = format!("for=6.6.6.6, for=\"{element}\", for=10.0.0.2");
            assert_eq!(client(PEER, &[(FWD, &forwarded)]), "10.0.0.2", "{element}");
        }
    }

    #[test]
    fn forwarded_is_parsed_as_rfc_7239_defines() {
        for (lines, expected) in [
            (&["for=192.0.2.1"][..], "192.0.2.1"),
            (&["For=\"192.0.2.1\""], "192.0.2.1"),
            (&["for=192.0.2.60;proto=http;by=203.0.113.43"], "192.0.2.60"),
            (&["by=203.0.113.43 ; FOR=192.0.2.60 ; host=a.example"], "192.0.2.60"),
            (&["for=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17"),
            (&["for=\"192.0.2.1:_port\""], "192.0.2.1"),
            (&["for=\"1\\92.0.2.1\""], "192.0.2.1"),
            (&["for=6.6.6.6, for=192.0.2.1, for=10.0.0.2;proto=https"], "192.0.2.1"),
            (&["for=6.6.6.6", "for=192.0.2.1,for=10.0.0.3", "for=10.0.0.2"], "192.0.2.1"),
            (&[";;for=192.0.2.1;"], "192.0.2.1"),
            // Invalid in RFC 7239, but widely used.
            (&["for=192.0.2.1:4711"], "192.0.2.1"),
            (&["for=[2001:db8::1]:4711"], "2001:db8::1"),
            (&["for=2001:db8::1"], "2001:db8::1"),
            // Commas, semicolons and quotes within quoted strings are not separators.
            (&["for=192.0.2.1;x=\"a, for=6.6.6.6; \\\", for=6.6.6.6\""], "192.0.2.1"),
            (&["for=192.0.2.1, for=10.0.0.2;x=\"a,b\";y=\"\\\\\""], "192.0.2.1"),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| (FWD, *line)).collect();
            assert_eq!(client(PEER, &lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn malformed_forwarded_element_stops_the_search() {
        for element in [
            "proto=https",
            "192.0.2.1",
            "for",
            "for=",
            "for=\"\"",
            "for=unknown",
            "for=\"_gazonk\"",
            "for =192.0.2.1",
            "for= 192.0.2.1",
            "x for=192.0.2.1",
            "x;for=192.0.2.1",
            "for=192.0.2.1;for=192.0.2.2",
            "for=192.0.2.1;FOR=10.0.0.1",
            "for=\"192.0.2.1\"x",
            "for=\"192.0.2.1",
            "for=192.0.2.1\"",
            "for=192.0.2.1;x=\"",
            "for=192.0.2.1 x=y",
        ] {
            assert_eq!(client(PEER, &[(FWD, &format!("{element}, for=10.0.0.2"))]), "10.0.0.2", "{element}");
        }
    }

    #[test]
    fn unclosed_quote_from_a_client_does_not_hide_elements_of_proxies() {
        for client_value in ["for=\"", "for=\"6.6.6.6", "x=\"\\", "\"", "\\\"", "for=6.6.6.6;x=\""] {
            for line in [
                format!("{client_value}, for=192.0.2.1"),
                format!("{client_value}, for=192.0.2.1, for=\"10.0.0.2\";by=\"_a\""),
            ] {
                assert_eq!(client(PEER, &[(FWD, &line)]), "192.0.2.1", "{line}");
            }
            assert_eq!(
                client(PEER, &[(FWD, client_value), (FWD, "for=192.0.2.1")]),
                "192.0.2.1",
                "{client_value}"
            );
        }
    }

    #[test]
    fn both_headers_are_used_only_if_they_agree() {
        for (listed, forwarded, expected) in [
            ("192.0.2.1", "for=192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "for=\"[::ffff:192.0.2.1]:1\"", "192.0.2.1"),
            ("6.6.6.6, 192.0.2.1", "for=192.0.2.1, for=10.0.0.2", "192.0.2.1"),
            ("192.0.2.1", "for=6.6.6.6", PEER),
            ("6.6.6.6", "for=192.0.2.1", PEER),
            ("192.0.2.1", "for=unknown", PEER),
            ("192.0.2.1", "", PEER),
            ("", "for=192.0.2.1", PEER),
        ] {
            assert_eq!(client(PEER, &[(XFF, listed), (FWD, forwarded)]), expected, "{listed} {forwarded}");
        }
    }

    #[test]
    fn malformed_trusted_proxies_is_rejected_with_the_expected_form() {
        for (list, item) in [
            ("127.0.0.1,", ""),
            ("localhost", "localhost"),
            ("10.0.0.0/33", "10.0.0.0/33"),
            ("10.0.0.0/-1", "10.0.0.0/-1"),
            ("10.0.0.0/", "10.0.0.0/"),
            ("10.0.0/8", "10.0.0/8"),
            ("::/129", "::/129"),
            ("[::1]", "[::1]"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("10.0.0.1 10.0.0.2", "10.0.0.1 10.0.0.2"),
            ("*", "*"),
        ] {
            let error = Proxies::parse(list).expect_err(list);
            assert!(error.starts_with(&format!("invalid network {item:?}: expected an address")), "{error}");
        }
        assert_eq!(Proxies::parse(" "), Ok(Proxies::default()));
        assert_eq!(Proxies::parse("10.0.0.1/8, ::ffff:7.7.7.7"), Proxies::parse("10.0.0.0/8,7.7.7.7/32"));
    }

    proptest! {
        #[test]
        fn arbitrary_client_headers_never_panic_or_change_the_result(
            client_value in prop_oneof![
                prop::collection::vec(prop_oneof![Just(9u8), 32..127u8, 128..=255u8], 0..60),
                "[for=0-9.,;: \"\\\\\\[\\]]{0,40}".prop_map(String::into_bytes),
            ],
        ) {
            let proxies = Proxies::parse(PROXIES).expect("a list");
            for (name, proxy_value) in
                [(XFF, ", 192.0.2.1, 10.0.0.2"), (FWD, ", for=192.0.2.1;by=\"_a,b\", for=10.0.0.2")]
            {
                let mut line = client_value.clone();
                line.extend(proxy_value.as_bytes());
                let mut headers = HeaderMap::new();
                headers.insert(name, HeaderValue::from_bytes(&client_value).expect("a value"));
                let _ = proxies.client(ip(PEER), &headers);
                headers.insert(name, HeaderValue::from_bytes(&line).expect("a value"));
                prop_assert_eq!(proxies.client(ip(PEER), &headers), ip("192.0.2.1"));
            }
        }

        #[test]
        fn arbitrary_lists_never_panic(list in "\\PC*|[0-9a-f.:/, ]{0,30}") {
            let _ = Proxies::parse(&list);
        }
    }
}
