//! What a client shows to be let in.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use zeroize::Zeroize;

/// A text that is never shown: a token, a passcode. Its memory is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Box<str>);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Secret {
    /// Keeps `text` from view.
    pub fn new(text: &str) -> Secret {
        Secret(text.into())
    }

    /// The text itself. It belongs into no log and no error.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What CONNECT brought, and what its connection had brought before. `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Credentials {
    /// CONNECT's `login`.
    pub login: Option<String>,
    /// CONNECT's `passcode`.
    pub passcode: Option<Secret>,
    /// CONNECT's `Authorization`, in full; of a renewal the new token.
    pub authorization: Option<Secret>,
    /// Where and with what the connection was made.
    pub handshake: Arc<Handshake>,
}

/// What was known when the connection (or the SockJS session) was made, before any STOMP. On TCP only the address is.
///
/// What browsers add by themselves (`basic`, `cookie`, `certificate`, `proxy`) is left out by whoever fills this in
/// when the page that asked is not one of the broker's own or a listed one: no other page acts in the user's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Handshake {
    /// The client's, behind trusted proxies its own.
    pub address: Option<IpAddr>,
    /// `Authorization: Bearer`.
    pub bearer: Option<Secret>,
    /// `Authorization: Basic`: login and passcode.
    pub basic: Option<(String, Secret)>,
    /// The query parameter `access_token` or `accessToken`.
    pub query: Option<Secret>,
    /// The cookie in which tokens travel.
    pub cookie: Option<Secret>,
    /// What a trusted proxy says of the user.
    pub proxy: Option<ProxyUser>,
    /// The client's certificate, verified by TLS.
    pub certificate: Option<Certificate>,
    /// The client's program (`User-Agent`), for the log: it proves nothing.
    pub agent: Option<Box<str>>,
}

/// What a trusted proxy says of the user it has signed in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProxyUser {
    /// The name.
    pub name: String,
    /// The roles.
    pub roles: Vec<String>,
}

/// A client certificate, as far as it names somebody.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Certificate {
    /// The subject's common name.
    pub common_name: Option<String>,
    /// Its alternative names: DNS names, e-mail addresses, URIs.
    pub alternative_names: Vec<String>,
}

/// Returns what follows the scheme `name` in the value of an `Authorization` header. The scheme may have any case, and
/// blanks around it.
pub(crate) fn scheme<'a>(authorization: &'a str, name: &str) -> Option<&'a str> {
    let (scheme, rest) = authorization.trim().split_once([' ', '\t'])?;
    scheme.eq_ignore_ascii_case(name).then(|| rest.trim_start())
}

/// Returns what follows the scheme `Bearer`: empty, if nothing does.
fn bearer(text: &str) -> Option<&str> {
    scheme(text, "bearer").or_else(|| text.trim().eq_ignore_ascii_case("bearer").then_some(""))
}

/// Returns the token in `text`, which may have the scheme `Bearer` before it; empty if there is none.
pub(crate) fn bare_token(text: &str) -> &str {
    bearer(text).unwrap_or(text.trim())
}

/// Returns the token that a client has sent as its passcode: the form of a JWT, or `Bearer` and one word.
fn token_in_passcode(passcode: &str) -> Option<&str> {
    let text = passcode.trim();
    let bearer = scheme(text, "bearer").filter(|token| !token.contains(char::is_whitespace));
    bearer.or_else(|| looks_like_token(text).then_some(text))
}

/// Returns whether a passcode has the form of a token, so that no user could sign in with it.
pub(crate) fn taken_for_token(passcode: &str) -> bool {
    token_in_passcode(passcode).is_some()
}

/// Three parts of base64url with dots between them are a token's form and no passcode's.
fn looks_like_token(text: &str) -> bool {
    let part =
        |part: &str| part.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'));
    let mut parts = text.split('.');
    let first = parts.next().is_some_and(|head| head.len() >= 8 && part(head));
    first
        && parts.next().is_some_and(|body| !body.is_empty() && part(body))
        && parts.next().is_some_and(part)
        && parts.next().is_none()
}

impl Credentials {
    /// The token, if there is one: what CONNECT says comes before what the handshake said, what was written for this
    /// connection before what the browser adds by itself.
    pub fn token(&self) -> Option<&str> {
        let passcode = || self.passcode.as_ref().map(Secret::reveal).and_then(token_in_passcode);
        let handshake = &self.handshake;
        let shaken = || {
            [&handshake.bearer, &handshake.query, &handshake.cookie]
                .into_iter()
                .flatten()
                .next()
                .map(Secret::reveal)
        };
        self.authorized().or_else(passcode).or_else(shaken)
    }

    /// Returns the token in CONNECT's `Authorization`.
    fn authorized(&self) -> Option<&str> {
        let text = self.authorization.as_ref()?.reveal();
        bearer(text).or_else(|| looks_like_token(text.trim()).then(|| text.trim()))
    }

    /// Drops what no source reads beside a login: an `Authorization` that is no token and, unless a source
    /// `reads_tokens`, all tokens. Logins that differ only in these then share one check.
    pub(super) fn drop_unread(&mut self, reads_tokens: bool) {
        if self.login().is_none() {
            return;
        }
        if !reads_tokens || self.authorized().is_none() {
            self.authorization = None;
        }
        let Handshake { bearer, query, cookie, .. } = &*self.handshake;
        if !reads_tokens && (bearer.is_some() || query.is_some() || cookie.is_some()) {
            let handshake = Arc::make_mut(&mut self.handshake);
            (handshake.bearer, handshake.query, handshake.cookie) = (None, None, None);
        }
    }

    /// Returns the length of all texts in the credentials, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let Handshake { address: _, bearer, basic, query, cookie, proxy, certificate, agent } =
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

    /// Login and passcode: CONNECT's own, else those of HTTP Basic on the handshake. A passcode that is a token
    /// is none.
    pub fn login(&self) -> Option<(&str, &str)> {
        match (&self.login, &self.handshake.basic) {
            (Some(login), _) => {
                let passcode = self.passcode.as_ref().map_or("", Secret::reveal);
                (!taken_for_token(passcode)).then_some((login, passcode))
            }
            (None, Some((login, passcode))) => Some((login, passcode.reveal())),
            (None, None) => None,
        }
    }

    /// What counts of them: where CONNECT itself shows something, that alone, right or wrong. Who signs in as somebody is
    /// not taken for somebody else because of what a browser or a proxy adds.
    pub(super) fn explicit(self) -> Credentials {
        let is_shown =
            |secret: &Option<Secret>| secret.as_ref().is_some_and(|text| !text.reveal().is_empty());
        let shows = self.login.as_ref().is_some_and(|login| !login.is_empty())
            || is_shown(&self.passcode)
            || is_shown(&self.authorization);
        if !shows {
            return self;
        }
        let address = self.handshake.address;
        Credentials { handshake: Arc::new(Handshake { address, ..Handshake::default() }), ..self }
    }

    /// Whether nothing was shown at all.
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
    fn the_token_that_was_written_for_this_connection_counts() {
        let handshake = Handshake {
            bearer: secret("h"),
            query: secret("q"),
            cookie: secret("c"),
            ..Handshake::default()
        };
        let mut credentials = Credentials { handshake: Arc::new(handshake), ..Credentials::default() };
        assert_eq!(credentials.token(), Some("h"));
        credentials.passcode = secret("sesame");
        assert_eq!(credentials.token(), Some("h"), "a passcode is no token");
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
            assert_eq!(taken_for_token(passcode), token.is_some(), "{passcode:?}");
        }
    }

    #[test]
    fn a_new_token_may_have_its_scheme_before_it() {
        for (text, token) in
            [("x", "x"), (" x\n", "x"), ("Bearer x", "x"), (" bearer\t x ", "x"), ("Bearer", ""), (" ", "")]
        {
            assert_eq!(bare_token(text), token, "{text:?}");
        }
    }

    #[test]
    fn logins_come_from_connect_else_from_basic() {
        let basic = Some(("basic".to_owned(), Secret::new("b")));
        let handshake = Arc::new(Handshake { basic, ..Handshake::default() });
        let mut credentials = Credentials { handshake, ..Credentials::default() };
        assert_eq!(credentials.login(), Some(("basic", "b")));
        credentials.login = Some("connect".to_owned());
        assert_eq!(credentials.login(), Some(("connect", "")));
        credentials.passcode = secret(TOKEN);
        assert_eq!(credentials.login(), None, "the passcode is a token");
        assert!(Credentials::default().is_empty() && !credentials.is_empty());
    }

    #[test]
    fn what_connect_shows_stands_alone() {
        let user = || Some(ProxyUser { name: "erin".to_owned(), roles: Vec::new() });
        let address = Some(IpAddr::from([192, 0, 2, 1]));
        let handshake =
            Arc::new(Handshake { address, cookie: secret("c"), proxy: user(), ..Handshake::default() });
        let silent = Credentials { handshake, ..Credentials::default() };
        let login = Some("bob".to_owned());
        for (shown, alone) in [
            (silent.clone(), false),
            (Credentials { login: Some(String::new()), passcode: secret(""), ..silent.clone() }, false),
            (Credentials { login, ..silent.clone() }, true),
            (Credentials { passcode: secret("sesame"), ..silent.clone() }, true),
            (Credentials { authorization: secret("Bearer x"), ..silent.clone() }, true),
        ] {
            let explicit = shown.clone().explicit();
            let handshake = &explicit.handshake;
            assert_eq!((handshake.proxy.is_none(), handshake.cookie.is_none()), (alone, alone), "{shown:?}");
            assert_eq!((handshake.address, &explicit.login), (address, &shown.login));
        }
    }

    #[test]
    fn an_authorization_that_is_no_token_is_dropped_beside_a_login() {
        let login = || Some("alice".to_owned());
        for (login, authorization, kept) in [
            (login(), "Basic x", false),
            (login(), "Digest x", false),
            (login(), "Bearer x", true),
            (login(), "Bearer", true),
            (login(), TOKEN, true),
            // Without a login it is kept: such a client is not anonymous.
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
    fn where_no_source_reads_tokens_they_are_dropped_beside_a_login() {
        let handshake = Handshake {
            bearer: secret("1"),
            query: secret("2"),
            cookie: secret("3"),
            ..Handshake::default()
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
    fn every_text_is_counted() {
        let certificate =
            Certificate { common_name: Some("1".to_owned()), alternative_names: vec!["12".to_owned()] };
        let handshake = Handshake {
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
        let handshake =
            Handshake { basic, bearer: secret("sesame"), query: secret("sesame"), ..Handshake::default() };
        let credentials = Credentials {
            passcode: secret("sesame"),
            handshake: Arc::new(handshake),
            ..Credentials::default()
        };
        assert!(!format!("{credentials:?}").contains("sesame"));
    }
}
