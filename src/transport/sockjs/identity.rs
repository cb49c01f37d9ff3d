//! Whose a session is: what the request that opened it carried, and every later one must carry too. A session id is
//! chosen by the client, and whoever learns it must not be able to read or write in another's name.

use super::options::Options;
use crate::transport::peer::{TOKENS, Trust};
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, COOKIE, HeaderValue};
use std::borrow::Cow;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::IpAddr;
use stompbox_frames::sockjs::percent_decode;

/// The cookie by which balancers keep a client at one server.
pub(super) const BALANCER_COOKIE: &str = "JSESSIONID";
/// What this layer itself gives to whoever has no such cookie, so that it is as good as none.
pub(super) const NO_COOKIE: &str = "dummy";

/// A fingerprint of the identity in a request; the secrets themselves are not kept.
pub(super) fn identity(
    hashing: &RandomState,
    options: &Options,
    headers: &HeaderMap,
    query: &str,
    address: IpAddr,
    trust: &Trust,
) -> u64 {
    let mut hasher = hashing.build_hasher();
    for value in headers.get_all(AUTHORIZATION) {
        ("authorization", value.as_bytes()).hash(&mut hasher);
    }
    for (name, token) in pairs(query).filter(|(name, _)| TOKENS.contains(&&*percent_decode(name))) {
        (name, token).hash(&mut hasher);
    }
    for (name, value) in cookies(headers) {
        let listed = options.identity_cookies.iter().chain(&options.token_cookie);
        let is_listed = listed.into_iter().any(|listed| listed.as_bytes() == name);
        if is_listed && (name, value) != (BALANCER_COOKIE.as_bytes(), NO_COOKIE.as_bytes()) {
            (name, value).hash(&mut hasher);
        }
    }
    if let Some(user) = &trust.proxy {
        ("proxy", &user.name).hash(&mut hasher);
    }
    if options.check_address {
        address.to_canonical().hash(&mut hasher);
    }
    hasher.finish()
}

/// The cookies in their order, names and values; other people's need not be ASCII.
pub(in crate::transport) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = headers.get_all(COOKIE).into_iter().map(HeaderValue::as_bytes);
    lines.flat_map(|line| line.split(|octet| *octet == b';')).filter_map(|pair| {
        let pair = pair.trim_ascii();
        let equals = pair.iter().position(|octet| *octet == b'=')?;
        Some((&pair[..equals], &pair[equals + 1..]))
    })
}

/// The value of the cookie that balancers look at, if the client has it.
pub(super) fn balancer_cookie(headers: &HeaderMap) -> Option<&[u8]> {
    cookies(headers).find(|(name, _)| *name == BALANCER_COOKIE.as_bytes()).map(|(_, value)| value)
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// The parameters of a query, decoded.
pub(in crate::transport) fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    pairs(query).map(|(name, value)| (percent_decode(name), percent_decode(value)))
}

/// The decoded value of a query's first parameter of this name.
pub(super) fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    pairs(query).find(|(found, _)| *found == name).map(|(_, value)| percent_decode(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderName;

    fn of(options: &Options, headers: &[(&'static str, &'static str)], query: &str, address: &str) -> u64 {
        static HASHING: std::sync::OnceLock<RandomState> = std::sync::OnceLock::new();
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let address = address.parse().expect("an address");
        identity(HASHING.get_or_init(RandomState::new), options, &headers, query, address, &Trust::default())
    }

    #[test]
    fn what_a_login_travels_in_makes_the_identity() {
        let options = Options::default();
        let nobody = of(&options, &[], "", "127.0.0.1");
        for (headers, query, same) in [
            (&[("authorization", "Bearer a")][..], "", false),
            (&[("cookie", "a=1; JSESSIONID=abc")], "", false),
            (&[("cookie", "connect.sid=s%3Aabc")], "", false),
            (&[], "access_token=a", false),
            (&[], "t=1&accessToken=a", false),
            (&[], "t=1", true),
            (&[("cookie", "theme=dark")], "", true),
            (&[("cookie", "sessionid=dummy")], "", false),
            (&[], "access%5ftoken=a", false),
            // Given by this layer to whoever had none.
            (&[("cookie", "JSESSIONID=dummy")], "", true),
        ] {
            let found = of(&options, headers, query, "127.0.0.1");
            assert_eq!(found == nobody, same, "{headers:?} {query}");
            assert_eq!(found, of(&options, headers, query, "10.0.0.1"), "the address is no part of it");
        }
        assert_ne!(
            of(&options, &[("authorization", "Bearer a")], "", "127.0.0.1"),
            of(&options, &[("authorization", "Bearer b")], "", "127.0.0.1")
        );
    }

    #[test]
    fn a_cookie_that_is_not_ascii_hides_no_other() {
        let mut headers = HeaderMap::new();
        let line = HeaderValue::from_bytes("name=Jos\u{e9}; sessionid=abc; sessionid=d".as_bytes());
        headers.insert(COOKIE, line.expect("octets"));
        let found: Vec<_> = cookies(&headers).collect();
        assert_eq!(found[1..], [(&b"sessionid"[..], &b"abc"[..]), (b"sessionid", b"d")]);
    }

    #[test]
    fn the_address_counts_where_it_is_checked() {
        let options = Options { check_address: true, ..Options::default() };
        assert_ne!(of(&options, &[], "", "127.0.0.1"), of(&options, &[], "", "10.0.0.1"));
        assert_eq!(of(&options, &[], "", "127.0.0.1"), of(&options, &[], "", "::ffff:127.0.0.1"));
    }

    #[test]
    fn parameters_are_decoded_and_the_first_counts() {
        for (query, found) in [
            ("c=%63allback", Some("callback")),
            ("x=1&c=a&c=b", Some("a")),
            ("c", Some("")),
            ("cc=a", None),
            ("", None),
        ] {
            assert_eq!(parameter(query, "c").as_deref(), found, "{query}");
        }
    }
}
