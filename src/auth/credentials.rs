//! The credentials that a client sends.

use super::secret::Secret;
use std::net::IpAddr;
use std::sync::Arc;

/// Credentials from the CONNECT frame and from the handshake of its connection. `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Credentials {
    /// The header `login` of CONNECT.
    pub login: Option<String>,
    /// The header `passcode` of CONNECT.
    pub passcode: Option<Secret>,
    /// The header `Authorization` of CONNECT, in full. In a token renewal, the new token.
    pub authorization: Option<Secret>,
    /// The address and credentials of the connection's handshake.
    pub handshake: Arc<ClientHandshake>,
}

/// The client's address and credentials from the handshake of its connection or of its SockJS session. On TCP, only the
/// address is known.
///
/// A browser adds `basic`, `cookie`, `certificate` and `proxy` automatically. The code that creates a handshake must
/// leave them out for a page of an origin that is not allowed. Otherwise any web page could act in the name of its
/// reader.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct ClientHandshake {
    /// Address of the client. Behind trusted proxies, the address that they report.
    pub address: Option<IpAddr>,
    /// Token from `Authorization: Bearer`.
    pub bearer: Option<Secret>,
    /// Login and passcode from `Authorization: Basic`.
    pub basic: Option<(String, Secret)>,
    /// Token from the query parameter `access_token` or `accessToken`.
    pub query: Option<Secret>,
    /// Token from the cookie with the configured name.
    pub cookie: Option<Secret>,
    /// User that a trusted proxy has authenticated.
    pub proxy: Option<ProxyUser>,
    /// Client certificate, verified by TLS.
    pub certificate: Option<Certificate>,
    /// Client program (`User-Agent`), for the log. It proves nothing.
    pub agent: Option<Box<str>>,
}

/// A user that a trusted proxy has authenticated.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProxyUser {
    /// The name of the user.
    pub name: String,
    /// The roles of the user.
    pub roles: Vec<String>,
}

/// The names in a client certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Certificate {
    /// The subject's common name.
    pub common_name: Option<String>,
    /// The subject alternative names: DNS names, e-mail addresses, URIs.
    pub alternative_names: Vec<String>,
}

/// Returns the text after the scheme `name` in the value of an `Authorization` header. The case of the scheme does not
/// matter. Spaces and tabs around it are ignored.
pub(crate) fn scheme<'a>(authorization: &'a str, name: &str) -> Option<&'a str> {
    let (scheme, rest) = authorization.trim().split_once([' ', '\t'])?;
    scheme.eq_ignore_ascii_case(name).then(|| rest.trim_start())
}

/// Returns the text after the scheme `Bearer`, which may be empty.
fn bearer(text: &str) -> Option<&str> {
    scheme(text, "bearer").or_else(|| text.trim().eq_ignore_ascii_case("bearer").then_some(""))
}

/// Returns the token in `text`, which may begin with the scheme `Bearer`. Returns an empty string if there is no token.
pub(crate) fn bare_token(text: &str) -> &str {
    bearer(text).unwrap_or(text.trim())
}

/// Returns the token that a client has sent as its passcode. A token has the form of a JWT, or is `Bearer` and one
/// word.
fn token_in_passcode(passcode: &str) -> Option<&str> {
    let text = passcode.trim();
    let bearer = scheme(text, "bearer").filter(|token| !token.contains(char::is_whitespace));
    bearer.or_else(|| looks_like_token(text).then_some(text))
}

/// Returns whether a passcode has the form of a token. The broker would check it as a token, so no user could log in
/// with it.
pub(crate) fn is_read_as_token(passcode: &str) -> bool {
    token_in_passcode(passcode).is_some()
}

/// Returns whether the text has the form of a JWT: three parts in base64url with dots between them.
fn looks_like_token(text: &str) -> bool {
    let part =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let mut parts = text.split('.');
    let first = parts.next().is_some_and(|head| head.len() >= 8 && part(head));
    first
        && parts.next().is_some_and(|body| !body.is_empty() && part(body))
        && parts.next().is_some_and(part)
        && parts.next().is_none()
}

impl Credentials {
    /// Returns the token, if the client sent one. A token in CONNECT takes precedence over a token in the handshake. Of
    /// the tokens in the handshake, the cookie comes last, because browsers add it automatically.
    pub fn token(&self) -> Option<&str> {
        let passcode = || self.passcode.as_ref().map(Secret::reveal).and_then(token_in_passcode);
        let handshake = &self.handshake;
        let handshake_token = || {
            [&handshake.bearer, &handshake.query, &handshake.cookie]
                .into_iter()
                .flatten()
                .next()
                .map(Secret::reveal)
        };
        self.authorized().or_else(passcode).or_else(handshake_token)
    }

    /// Returns the token in the header `Authorization` of CONNECT.
    fn authorized(&self) -> Option<&str> {
        let text = self.authorization.as_ref()?.reveal();
        bearer(text).or_else(|| looks_like_token(text.trim()).then(|| text.trim()))
    }

    /// If the credentials contain a login, drops an `Authorization` that is not a token. If no source `reads_tokens`,
    /// also drops all tokens. Logins that differ only in the dropped credentials then share one check.
    pub(super) fn drop_unread(&mut self, reads_tokens: bool) {
        if self.login().is_none() {
            return;
        }
        if !reads_tokens || self.authorized().is_none() {
            self.authorization = None;
        }
        let ClientHandshake { bearer, query, cookie, .. } = &*self.handshake;
        if !reads_tokens && (bearer.is_some() || query.is_some() || cookie.is_some()) {
            let handshake = Arc::make_mut(&mut self.handshake);
            (handshake.bearer, handshake.query, handshake.cookie) = (None, None, None);
        }
    }

    /// Returns the total length of all texts in the credentials, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let ClientHandshake { address: _, bearer, basic, query, cookie, proxy, certificate, agent } =
            &*self.handshake;
        let secrets = [&self.passcode, &self.authorization, bearer, query, cookie];
        let secrets = secrets.into_iter().flatten().map(|secret| secret.reveal().len());
        let login = self.login.as_ref().map_or(0, String::len);
        let basic = basic.as_ref().map_or(0, |(login, passcode)| login.len() + passcode.reveal().len());
        let roles = |proxy: &ProxyUser| proxy.roles.iter().map(String::len).sum::<usize>();
        let proxy = proxy.as_ref().map_or(0, |proxy| proxy.name.len() + roles(proxy));
        let certificate = certificate.as_ref().map_or(0, |certificate| {
            let names = certificate.common_name.iter().chain(&certificate.alternative_names);
            names.map(String::len).sum()
        });
        let agent = agent.as_ref().map_or(0, |agent| agent.len());
        secrets.sum::<usize>() + login + basic + proxy + certificate + agent
    }

    /// Returns the login and passcode of CONNECT, or else those of HTTP Basic in the handshake. If the passcode of
    /// CONNECT is a token, returns `None`.
    pub fn login(&self) -> Option<(&str, &str)> {
        match (&self.login, &self.handshake.basic) {
            (Some(login), _) => {
                let passcode = self.passcode.as_ref().map_or("", Secret::reveal);
                (!is_read_as_token(passcode)).then_some((login, passcode))
            }
            (None, Some((login, passcode))) => Some((login, passcode.reveal())),
            (None, None) => None,
        }
    }

    /// Returns the credentials to check. If CONNECT has credentials, drops those of the handshake, even if those of
    /// CONNECT are wrong. A client with wrong credentials must not be accepted as the user that its browser or a proxy
    /// names.
    pub(super) fn explicit(self) -> Credentials {
        let is_present =
            |secret: &Option<Secret>| secret.as_ref().is_some_and(|text| !text.reveal().is_empty());
        let has_explicit = self.login.as_ref().is_some_and(|login| !login.is_empty())
            || is_present(&self.passcode)
            || is_present(&self.authorization);
        if !has_explicit {
            return self;
        }
        let address = self.handshake.address;
        Credentials { handshake: Arc::new(ClientHandshake { address, ..ClientHandshake::default() }), ..self }
    }

    /// Returns whether the client has sent no credentials at all.
    pub fn is_empty(&self) -> bool {
        let handshake = &self.handshake;
        self.login().is_none()
            && self.token().is_none()
            && self.authorization.is_none()
            && self.passcode.is_none()
            && handshake.proxy.is_none()
            && handshake.certificate.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln";

    fn secret(text: &str) -> Option<Secret> {
        Some(Secret::new(text))
    }

    #[test]
    fn token_of_the_connect_frame_has_precedence() {
        let handshake = ClientHandshake {
            bearer: secret("h"),
            query: secret("q"),
            cookie: secret("c"),
            ..ClientHandshake::default()
        };
        let mut credentials = Credentials { handshake: Arc::new(handshake), ..Credentials::default() };
        assert_eq!(credentials.token(), Some("h"));
        credentials.passcode = secret("sesame");
        assert_eq!(credentials.token(), Some("h"), "a plain passcode is not a token");
        credentials.passcode = secret(TOKEN);
        assert_eq!(credentials.token(), Some(TOKEN));
        for written in ["Bearer a.b", "bearer  a.b", "BEARER a.b ", " Bearer a.b", "\t Bearer\ta.b"] {
            credentials.authorization = secret(written);
            assert_eq!(credentials.token(), Some("a.b"), "{written}");
        }
        credentials.authorization = secret(TOKEN);
        assert_eq!(credentials.token(), Some(TOKEN), "without a scheme");
    }

    #[test]
    fn a_passcode_with_the_scheme_bearer_is_a_token() {
        for (passcode, token) in [
            ("Bearer a.b", Some("a.b")),
            ("bearer  opaque", Some("opaque")),
            (" Bearer opaque ", Some("opaque")),
            (TOKEN, Some(TOKEN)),
            ("Bearer of good news", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("Bearersesame", None),
            ("a.b", None),
        ] {
            let login = Some("alice".to_owned());
            let credentials = Credentials { login, passcode: secret(passcode), ..Credentials::default() };
            assert_eq!(credentials.token(), token, "{passcode:?}");
            let login = token.is_none().then_some(("alice", passcode));
            assert_eq!(credentials.login(), login, "{passcode:?}");
            assert_eq!(is_read_as_token(passcode), token.is_some(), "{passcode:?}");
        }
    }

    #[test]
    fn new_token_can_have_the_bearer_scheme() {
        for (text, token) in
            [("x", "x"), (" x\n", "x"), ("Bearer x", "x"), (" bearer\t x ", "x"), ("Bearer", ""), (" ", "")]
        {
            assert_eq!(bare_token(text), token, "{text:?}");
        }
    }

    #[test]
    fn login_is_read_from_connect_and_else_from_basic() {
        let basic = Some(("basic".to_owned(), Secret::new("b")));
        let handshake = Arc::new(ClientHandshake { basic, ..ClientHandshake::default() });
        let mut credentials = Credentials { handshake, ..Credentials::default() };
        assert_eq!(credentials.login(), Some(("basic", "b")));
        credentials.login = Some("connect".to_owned());
        assert_eq!(credentials.login(), Some(("connect", "")));
        credentials.passcode = secret(TOKEN);
        assert_eq!(credentials.login(), None, "the passcode is a token");
        assert!(Credentials::default().is_empty() && !credentials.is_empty());
    }

    #[test]
    fn credentials_of_connect_exclude_those_of_the_handshake() {
        let user = || Some(ProxyUser { name: "erin".to_owned(), roles: Vec::new() });
        let address = Some(IpAddr::from([192, 0, 2, 1]));
        let handshake = Arc::new(ClientHandshake {
            address,
            cookie: secret("c"),
            proxy: user(),
            ..ClientHandshake::default()
        });
        let silent = Credentials { handshake, ..Credentials::default() };
        let login = Some("bob".to_owned());
        for (shown, is_exclusive) in [
            (silent.clone(), false),
            (Credentials { login: Some(String::new()), passcode: secret(""), ..silent.clone() }, false),
            (Credentials { login, ..silent.clone() }, true),
            (Credentials { passcode: secret("sesame"), ..silent.clone() }, true),
            (Credentials { authorization: secret("Bearer x"), ..silent.clone() }, true),
        ] {
            let explicit = shown.clone().explicit();
            let handshake = &explicit.handshake;
            assert_eq!(
                (handshake.proxy.is_none(), handshake.cookie.is_none()),
                (is_exclusive, is_exclusive),
                "{shown:?}"
            );
            assert_eq!((handshake.address, &explicit.login), (address, &shown.login));
        }
    }

    #[test]
    fn authorization_without_a_token_is_dropped_beside_a_login() {
        let login = || Some("alice".to_owned());
        for (login, authorization, kept) in [
            (login(), "Basic x", false),
            (login(), "Digest x", false),
            (login(), "Bearer x", true),
            (login(), "Bearer", true),
            (login(), TOKEN, true),
            // Without a login the header is kept, so that the client does not count as anonymous.
            (None, "Basic x", true),
        ] {
            let authorization = secret(authorization);
            let mut credentials = Credentials { login, authorization, ..Credentials::default() };
            let token = credentials.token().map(str::to_owned);
            credentials.drop_unread(true);
            assert_eq!(credentials.authorization.is_some(), kept);
            assert_eq!(credentials.token(), token.as_deref());
        }
    }

    #[test]
    fn tokens_are_dropped_beside_a_login_if_no_source_reads_them() {
        let handshake = ClientHandshake {
            bearer: secret("1"),
            query: secret("2"),
            cookie: secret("3"),
            ..ClientHandshake::default()
        };
        let with = |login: Option<&str>| Credentials {
            login: login.map(str::to_owned),
            authorization: secret("Bearer x"),
            handshake: Arc::new(handshake.clone()),
            ..Credentials::default()
        };
        let mut credentials = with(Some("alice"));
        credentials.drop_unread(false);
        assert_eq!(credentials.token(), None);
        assert_eq!(credentials.login(), Some(("alice", "")));
        let mut credentials = with(None);
        credentials.drop_unread(false);
        assert_eq!(credentials.token(), Some("x"), "its client is not anonymous");
    }

    #[test]
    fn size_includes_every_string() {
        let certificate =
            Certificate { common_name: Some("1".to_owned()), alternative_names: vec!["12".to_owned()] };
        let handshake = ClientHandshake {
            address: Some(IpAddr::from([192, 0, 2, 1])),
            bearer: secret("1"),
            basic: Some(("1".to_owned(), Secret::new("12"))),
            query: secret("12"),
            cookie: secret("123"),
            proxy: Some(ProxyUser { name: "1".to_owned(), roles: vec!["12".to_owned()] }),
            certificate: Some(certificate),
            agent: Some("12".into()),
        };
        let handshake = Arc::new(handshake);
        let login = Some("1".to_owned());
        let credentials =
            Credentials { login, passcode: secret("12"), authorization: secret("123"), handshake };
        assert_eq!(credentials.bytes(), 1 + 2 + 3 + 1 + 3 + 2 + 3 + 3 + 3 + 2);
        assert_eq!(Credentials::default().bytes(), 0);
    }

    #[test]
    fn debug_shows_no_secret() {
        let basic = Some(("basic".to_owned(), Secret::new("sesame")));
        let handshake = ClientHandshake {
            basic,
            bearer: secret("sesame"),
            query: secret("sesame"),
            ..ClientHandshake::default()
        };
        let credentials = Credentials {
            passcode: secret("sesame"),
            handshake: Arc::new(handshake),
            ..Credentials::default()
        };
        assert!(!format!("{credentials:?}").contains("sesame"));
    }
}
