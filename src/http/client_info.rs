//! Information about the client in the head of a request: its program, its credentials, and the query parameters.

use crate::auth::{ClientHandshake, ProxyUser, Secret, scheme};
use crate::connection::log::agent::agent_for_log;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, COOKIE, HeaderValue, USER_AGENT};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::net::IpAddr;

/// The query parameters that may contain a token.
pub(crate) const TOKEN_PARAMETERS: [&str; 2] = ["access_token", "accessToken"];

/// What the HTTP server knows about the sender of a request, and how far it trusts the sender.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Whether the page that sent the request may act for the user of the browser. If not, the broker ignores
    /// credentials that the browser adds by itself. These are cookies, Basic authentication, and the user that a proxy
    /// derives from them.
    pub is_own_page: bool,
    /// The user that a trusted proxy has authenticated.
    pub proxy: Option<ProxyUser>,
}

/// Collects the credentials and the program name from a request. `cookie` is the name of the cookie that contains a
/// token.
pub(crate) fn handshake(
    headers: &HeaderMap,
    query: &str,
    address: IpAddr,
    trust: &Trust,
    cookie: Option<&str>,
) -> ClientHandshake {
    let mut handshake = ClientHandshake { address: Some(address), ..ClientHandshake::default() };
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

/// Returns the names and values of the cookies in order. They are bytes, because cookies of other applications may not
/// be ASCII.
pub(crate) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let values = headers.get_all(COOKIE).into_iter().map(HeaderValue::as_bytes);
    values.flat_map(|value| value.split(|byte| *byte == b';')).filter_map(|pair| {
        let pair = pair.trim_ascii();
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        Some((&pair[..equals], &pair[equals + 1..]))
    })
}

/// Returns the decoded parameters of a query.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    pairs(query).map(|(name, value)| (decoded(name), decoded(value)))
}

/// Returns the decoded value of the first query parameter with the name `name`.
pub(crate) fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    pairs(query).find(|(found, _)| *found == name).map(|(_, value)| decoded(value))
}

/// Returns the names and values of the parameters of a query, without decoding them.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Decodes `%HH` to bytes. Keeps a `%` that is not followed by two hexadecimal digits, and replaces bytes that are not
/// UTF-8 by U+FFFD. Does not decode `+` to a space, because tokens contain `+`.
pub(crate) fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    fn handshake_with(
        headers: &[(&'static str, &'static str)],
        query: &str,
        is_own_page: bool,
    ) -> ClientHandshake {
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

    #[test]
    fn non_ascii_cookie_does_not_hide_other_cookies() {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes("name=Jos\u{e9}; sessionid=abc; sessionid=d".as_bytes());
        headers.insert(COOKIE, value.expect("a header value"));
        let found: Vec<_> = cookies(&headers).collect();
        assert_eq!(found[1..], [(&b"sessionid"[..], &b"abc"[..]), (b"sessionid", b"d")]);
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

    #[test]
    fn percent_escapes_are_decoded_to_bytes() {
        let cases = [
            ("callback", "callback"),
            ("%63allback", "callback"),
            ("a%2Eb%2eb", "a.b.b"),
            ("%C3%A9é", "éé"),
            ("%ff", "\u{fffd}"),
            ("a+b", "a+b"),
            ("%", "%"),
            ("%4", "%4"),
            ("%4g%g4%%41", "%4g%g4%A"),
            ("%+1%é", "%+1%é"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(decoded(text), expected, "{text:?}");
        }
        assert!(matches!(decoded("callback"), Cow::Borrowed(_)));
    }
}
