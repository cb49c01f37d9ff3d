//! The identity of a SockJS session: the credentials in the request that opened it. Every later request must contain
//! the same credentials. Clients choose their session IDs. A client that learns the ID of another client's session must
//! not be able to use that session.

use super::options::Options;
use crate::http::client_info::{TOKEN_PARAMETERS, Trust, cookies, decoded, pairs};
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::IpAddr;

/// Name of the cookie that load balancers use for sticky sessions.
pub(super) const BALANCER_COOKIE: &str = "JSESSIONID";

/// Value that the broker sets for clients without that cookie. It does not count as a part of the identity.
pub(super) const NO_COOKIE: &str = "dummy";

/// Returns a fingerprint of the credentials in a request. The credentials themselves are not stored.
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
    for (name, token) in pairs(query).filter(|(name, _)| TOKEN_PARAMETERS.contains(&&*decoded(name))) {
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

/// Returns the value of the cookie for sticky sessions, if the client has sent the cookie.
pub(super) fn balancer_cookie(headers: &HeaderMap) -> Option<&[u8]> {
    cookies(headers).find(|(name, _)| *name == BALANCER_COOKIE.as_bytes()).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

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
    fn address_is_part_of_the_identity_if_check_address_is_set() {
        let options = Options { check_address: true, ..Options::default() };
        assert_ne!(identity_of(&options, &[], "", "127.0.0.1"), identity_of(&options, &[], "", "10.0.0.1"));
        assert_eq!(
            identity_of(&options, &[], "", "127.0.0.1"),
            identity_of(&options, &[], "", "::ffff:127.0.0.1")
        );
    }
}
