//! The identity of a session: the credentials in the request that opened it, which every later request must carry too.
//! Clients choose their session ids, so a client that learns the id of another must not be able to read or write in
//! that session.

use super::options::Options;
use crate::connection::peer::{TOKEN_PARAMETERS, Trust};
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, COOKIE, HeaderValue};
use std::borrow::Cow;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::IpAddr;
use stompbox_frames::sockjs::percent_decode;

/// Name of the cookie that load balancers use for sticky sessions.
pub(super) const BALANCER_COOKIE: &str = "JSESSIONID";
/// Value that this layer sets for clients without that cookie. It does not count as part of the identity.
pub(super) const NO_COOKIE: &str = "dummy";

/// Returns a fingerprint of the credentials in a request. The credentials themselves are not kept.
pub(super) fn identity(
    hash_state: &RandomState,
    options: &Options,
    headers: &HeaderMap,
    query: &str,
    address: IpAddr,
    trust: &Trust,
) -> u64 {
    let mut hasher = hash_state.build_hasher();
    for value in headers.get_all(AUTHORIZATION) {
        ("authorization", value.as_bytes()).hash(&mut hasher);
    }
    for (name, token) in pairs(query).filter(|(name, _)| TOKEN_PARAMETERS.contains(&&*percent_decode(name))) {
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

/// Returns the names and values of the cookies in order, as bytes: cookies of other applications need not be ASCII.
pub(crate) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let values = headers.get_all(COOKIE).into_iter().map(HeaderValue::as_bytes);
    values.flat_map(|value| value.split(|byte| *byte == b';')).filter_map(|pair| {
        let pair = pair.trim_ascii();
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        Some((&pair[..equals], &pair[equals + 1..]))
    })
}

/// Returns the value of the sticky session cookie, if the client sent it.
pub(super) fn balancer_cookie(headers: &HeaderMap) -> Option<&[u8]> {
    cookies(headers).find(|(name, _)| *name == BALANCER_COOKIE.as_bytes()).map(|(_, value)| value)
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Returns the decoded parameters of a query.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    pairs(query).map(|(name, value)| (percent_decode(name), percent_decode(value)))
}

/// Returns the decoded value of the first query parameter called `name`.
pub(super) fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    pairs(query).find(|(found, _)| *found == name).map(|(_, value)| percent_decode(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderName;

    fn identity_of(
        options: &Options,
        headers: &[(&'static str, &'static str)],
        query: &str,
        address: &str,
    ) -> u64 {
        static HASHING: std::sync::OnceLock<RandomState> = std::sync::OnceLock::new();
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let address = address.parse().expect("an address");
        identity(HASHING.get_or_init(RandomState::new), options, &headers, query, address, &Trust::default())
    }

    #[test]
    fn identity_depends_on_all_credentials() {
        let options = Options::default();
        let anonymous = identity_of(&options, &[], "", "127.0.0.1");
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
            // The broker itself sets this value for clients without the cookie.
            (&[("cookie", "JSESSIONID=dummy")], "", true),
        ] {
            let found = identity_of(&options, headers, query, "127.0.0.1");
            assert_eq!(found == anonymous, same, "{headers:?} {query}");
            assert_eq!(
                found,
                identity_of(&options, headers, query, "10.0.0.1"),
                "the address is not part of the identity"
            );
        }
        assert_ne!(
            identity_of(&options, &[("authorization", "Bearer a")], "", "127.0.0.1"),
            identity_of(&options, &[("authorization", "Bearer b")], "", "127.0.0.1")
        );
    }

    #[test]
    fn non_ascii_cookie_does_not_hide_other_cookies() {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes("name=Jos\u{e9}; sessionid=abc; sessionid=d".as_bytes());
        headers.insert(COOKIE, value.expect("a header value"));
        let found: Vec<_> = cookies(&headers).collect();
        assert_eq!(found[1..], [(&b"sessionid"[..], &b"abc"[..]), (b"sessionid", b"d")]);
    }

    #[test]
    fn address_is_part_of_the_identity_if_check_address_is_set() {
        let options = Options { check_address: true, ..Options::default() };
        assert_ne!(identity_of(&options, &[], "", "127.0.0.1"), identity_of(&options, &[], "", "10.0.0.1"));
        assert_eq!(
            identity_of(&options, &[], "", "127.0.0.1"),
            identity_of(&options, &[], "", "::ffff:127.0.0.1")
        );
    }

    #[test]
    fn query_parameters_are_decoded_and_the_first_of_a_name_counts() {
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
