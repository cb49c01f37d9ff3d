//! Information about the client of a new connection that is known before its first STOMP frame.

use super::log::agent::agent_for_log;
use crate::auth::{Handshake, ProxyUser, Secret, scheme};
use crate::http::sockjs::identity::{cookies, parameters};
use crate::limits::connection_limiter::ConnectionPermit;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, USER_AGENT};
use std::net::IpAddr;
use std::sync::Arc;

/// Query parameters that carry a token.
pub(crate) const TOKEN_PARAMETERS: [&str; 2] = ["access_token", "accessToken"];

/// An accepted client, with the connection permit that it holds.
#[derive(Debug)]
pub struct Peer {
    /// The connection permit of the client.
    pub permit: ConnectionPermit,
    /// The address, the credentials and other information known so far.
    pub handshake: Arc<Handshake>,
}

impl Peer {
    /// Creates a peer of which only the address is known.
    pub fn unauthenticated(permit: ConnectionPermit) -> Peer {
        let handshake = Handshake { address: Some(permit.address()), ..Handshake::default() };
        Peer { permit, handshake: Arc::new(handshake) }
    }
}

/// The trust that the HTTP server places in the sender of a request.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Whether the page that sent the request may act in the name of the browser's user. Only then are credentials
    /// accepted that the browser adds by itself (cookies, Basic, and the user that a proxy derives from them).
    pub is_own_page: bool,
    /// The user that a trusted proxy has signed in.
    pub proxy: Option<ProxyUser>,
}

/// Collects the credentials and the program name from a request. `cookie` is the name of the cookie that carries
/// tokens.
pub(crate) fn handshake(
    headers: &HeaderMap,
    query: &str,
    address: IpAddr,
    trust: &Trust,
    cookie: Option<&str>,
) -> Handshake {
    let mut handshake = Handshake { address: Some(address), ..Handshake::default() };
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let of_scheme = |name| authorization.and_then(|text| scheme(text, name));
    handshake.agent =
        headers.get(USER_AGENT).and_then(|value| agent_for_log(&String::from_utf8_lossy(value.as_bytes())));
    handshake.bearer = of_scheme("bearer").map(Secret::new);
    if trust.is_own_page {
        handshake.basic = of_scheme("basic").and_then(basic);
    }
    let token =
        parameters(query).find(|(name, value)| TOKEN_PARAMETERS.contains(&&**name) && !value.is_empty());
    handshake.query = token.map(|(_, value)| Secret::new(&value));
    if trust.is_own_page {
        let named = |(name, _): &(&[u8], &[u8])| cookie.is_some_and(|cookie| cookie.as_bytes() == *name);
        let found = cookies(headers).find(named).and_then(|(_, value)| std::str::from_utf8(value).ok());
        handshake.cookie =
            found.map(|value| value.trim_matches('"')).filter(|value| !value.is_empty()).map(Secret::new);
        handshake.proxy = trust.proxy.clone();
    }
    handshake
}

/// Parses the login and the passcode of HTTP Basic (RFC 7617).
fn basic(text: &str) -> Option<(String, Secret)> {
    let decoded = String::from_utf8(BASE64_STANDARD.decode(text).ok()?).ok()?;
    let (login, passcode) = decoded.split_once(':')?;
    Some((login.to_owned(), Secret::new(passcode)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    fn handshake_with(headers: &[(&'static str, &'static str)], query: &str, is_own_page: bool) -> Handshake {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let proxy = Some(ProxyUser { name: "p".to_owned(), roles: Vec::new() });
        let address = IpAddr::from([127, 0, 0, 1]);
        handshake(&headers, query, address, &Trust { is_own_page, proxy }, Some("auth"))
    }

    fn reveal(secret: &Option<Secret>) -> Option<&str> {
        secret.as_ref().map(Secret::reveal)
    }

    #[test]
    fn credentials_are_read_from_every_supported_place() {
        for scheme in ["Bearer abc", "bearer  abc ", "BEARER abc", "Bearer\tabc"] {
            assert_eq!(
                reveal(&handshake_with(&[("authorization", scheme)], "", true).bearer),
                Some("abc"),
                "{scheme}"
            );
        }
        for (query, token) in [
            ("access_token=a%2Eb", Some("a.b")),
            ("t=1&accessToken=x", Some("x")),
            ("access%5Ftoken=x", Some("x")),
            ("access_token=", None),
            ("token=x", None),
        ] {
            assert_eq!(reveal(&handshake_with(&[], query, true).query), token, "{query}");
        }
        for (line, token) in [
            ("a=1; auth=abc; auth=d", Some("abc")),
            ("auth=\"abc\"", Some("abc")),
            ("auth=", None),
            ("xauth=a", None),
        ] {
            assert_eq!(reveal(&handshake_with(&[("cookie", line)], "", true).cookie), token, "{line}");
        }
        let (login, passcode) =
            handshake_with(&[("authorization", "Basic YWxpY2U6YTpi")], "", true).basic.expect("Basic");
        assert_eq!((login.as_str(), passcode.reveal()), ("alice", "a:b"));
        for bad in ["Basic", "Basic !", "Basic YWxpY2U=", "Basic /////w=="] {
            assert_eq!(handshake_with(&[("authorization", bad)], "", true).basic, None, "{bad}");
        }
    }

    #[test]
    fn user_agent_is_the_name_of_the_program() {
        assert_eq!(
            handshake_with(&[("user-agent", " Firefox/144.0 ")], "", false).agent.as_deref(),
            Some("Firefox/144.0")
        );
        assert_eq!(handshake_with(&[("user-agent", "")], "", false).agent, None);
    }

    #[test]
    fn ambient_credentials_of_a_foreign_page_are_ignored() {
        let headers = [("authorization", "Basic YWxpY2U6YTpi"), ("cookie", "auth=abc")];
        let own = handshake_with(&headers, "", true);
        assert!(own.basic.is_some() && own.cookie.is_some() && own.proxy.is_some());
        let foreign = handshake_with(&headers, "access_token=x", false);
        assert!(foreign.basic.is_none() && foreign.cookie.is_none() && foreign.proxy.is_none());
        assert_eq!(reveal(&foreign.query), Some("x"), "a token in the query is accepted");
        assert_eq!(
            reveal(&handshake_with(&[("authorization", "Bearer abc")], "", false).bearer),
            Some("abc")
        );
    }
}
