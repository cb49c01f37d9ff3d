//! Credentials that a browser adds by itself count only for pages of allowed origins.

use super::issuer::{Issuer, SECRET};
use super::login_log::{Reasons, assert_log};
use super::peer::{Answer, Credentials, Peer, Via};
use crate::support::Broker;
use crate::support::sockjs::Transport;
use jsonwebtoken::Algorithm;
use std::thread;

const LISTED: &str = "https://app.example.com";
const FOREIGN: &str = "https://evil.example";

/// Returns three methods to sign in with credentials that the browser adds by itself, and two with credentials that the
/// page sends.
fn methods() -> [(&'static str, Credentials); 5] {
    let issuer = Issuer::new(Algorithm::HS256);
    let (cookie, bearer, query) =
        (issuer.valid_token("dave"), issuer.valid_token("dave"), issuer.valid_token("dave"));
    [
        ("cookie", Credentials::cookie(&cookie)),
        ("Basic", Credentials::basic("dave", "daves-passcode")),
        ("proxy", Credentials::default().header("X-User", "dave").secret("no secret of a proxy")),
        ("Bearer", Credentials::bearer(&bearer)),
        ("query", Credentials::default().query("access_token", &query).secret(&query)),
    ]
}

/// Returns whether the browser adds the credentials of this method by itself.
fn is_automatic(method: &str) -> bool {
    ["cookie", "Basic", "proxy"].contains(&method)
}

fn broker(origins: &str) -> Broker {
    Broker::start(&[
        "--user=dave:daves-passcode",
        "--jwt-secret",
        SECRET,
        "--token-cookie=auth",
        "--trusted-proxies=127.0.0.1",
        "--proxy-user-header=X-User",
        "--allowed-origins",
        origins,
        "--auth-failures-free=1000000",
        "--log=trace",
    ])
}

/// Headers that identify the origin of a page, and whether the broker accepts credentials that the browser adds for
/// this page.
type Page = (Vec<(&'static str, String)>, bool);

/// Tries all methods from all pages over all `vias`. Returns the number of failed logins and the secrets used.
fn try_all(broker: &Broker, vias: &[Via], pages: &[Page]) -> (usize, Vec<String>) {
    let methods = methods();
    let failed = thread::scope(|scope| {
        let try_all = |via: &Via| {
            let (via, methods) = (*via, &methods);
            scope.spawn(move || {
                let mut failed = 0;
                for (headers, is_own) in pages {
                    for (method, credentials) in methods {
                        let add = |credentials: Credentials, (name, value): &(&str, String)| {
                            credentials.header(name, value)
                        };
                        let credentials = headers.iter().fold(credentials.clone(), add);
                        let answer = Peer::answer(broker, via, &credentials);
                        if *is_own || !is_automatic(method) {
                            assert_eq!(
                                answer,
                                Answer::user("dave"),
                                "{method} from {headers:?} over {via:?}"
                            );
                        } else {
                            assert_eq!(
                                answer.rejection(),
                                "login failed",
                                "{method} from {headers:?} over {via:?}"
                            );
                            failed += 1;
                        }
                    }
                }
                failed
            })
        };
        let threads: Vec<_> = vias.iter().map(try_all).collect();
        threads.into_iter().map(|thread| thread.join().expect("no case fails")).sum()
    });
    (failed, methods.iter().flat_map(|(_, credentials)| credentials.secrets().to_vec()).collect())
}

#[test]
fn a_page_of_a_foreign_origin_cannot_use_the_browsers_credentials() {
    let broker = broker(&format!("*, {LISTED}, https://*.example.org"));
    let own = format!("http://{}", broker.http);
    let mut pages: Vec<Page> = vec![(Vec::new(), true)];
    for (origin, is_own) in [
        (own.as_str(), true),
        (LISTED, true),
        ("https://a.b.example.org", true),
        // The page is allowed, because the page and the broker are on the user's own machine.
        ("http://localhost:3000", true),
        (FOREIGN, false),
        ("null", false),
        ("http://app.example.com", false),
        ("https://app.example.com.evil.example", false),
        ("https://app.example.com:8443", false),
        ("https://example.org", false),
        ("file://", false),
        ("garbage", false),
    ] {
        pages.push((vec![("Origin", origin.to_owned())], is_own));
    }
    // Several `Origin` headers are rejected.
    pages.push((vec![("Origin", LISTED.to_owned()), ("Origin", FOREIGN.to_owned())], false));
    // `Sec-Fetch-Site` does not change the decision about an `Origin`.
    pages.push((vec![("Origin", FOREIGN.to_owned()), ("Sec-Fetch-Site", "same-origin".to_owned())], false));
    pages.push((vec![("Origin", LISTED.to_owned()), ("Sec-Fetch-Site", "cross-site".to_owned())], true));
    let vias: Vec<Via> = Via::with_handshake().collect();
    let (failed, secrets) = try_all(&broker, &vias, &pages);
    assert_eq!(failed, vias.len() * 10 * 3);
    assert_log(broker, &Reasons::from([("no credentials".to_owned(), failed)]), &secrets);
}

/// Browsers send no `Origin` when a page loads scripts, frames or event streams from its own origin.
#[test]
fn without_an_origin_sec_fetch_site_decides() {
    let broker = broker(&format!("*, {LISTED}"));
    let own = format!("http://{}/page", broker.http);
    let page = |headers: &[(&'static str, &str)], is_own| -> Page {
        (headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(), is_own)
    };
    let pages = [
        page(&[("Sec-Fetch-Site", "same-origin")], true),
        page(&[("Sec-Fetch-Site", "cross-site")], false),
        page(&[("Sec-Fetch-Site", "same-site")], false),
        page(&[("Sec-Fetch-Site", "cross-site"), ("Referer", &format!("{LISTED}/page"))], false),
        page(&[("Sec-Fetch-Site", "cross-site"), ("Referer", &own)], false),
        page(&[("Referer", &own)], true),
        page(&[("Referer", &format!("{FOREIGN}/page"))], false),
        page(&[("Referer", "garbage")], false),
    ];
    let vias = [
        Via::SockJs(Transport::JsonpPolling),
        Via::SockJs(Transport::HtmlFile),
        Via::SockJs(Transport::EventSource),
    ];
    let (failed, secrets) = try_all(&broker, &vias, &pages);
    assert_eq!(failed, 3 * 6 * 3);
    assert_log(broker, &Reasons::from([("no credentials".to_owned(), failed)]), &secrets);
}

/// The page itself writes CONNECT, so a login in CONNECT is accepted from every origin.
#[test]
fn a_login_in_connect_is_accepted_from_a_foreign_page() {
    let broker = broker("*");
    for via in Via::with_handshake() {
        let credentials = Credentials::login("dave", "daves-passcode").header("Origin", FOREIGN);
        assert_eq!(Peer::answer(&broker, via, &credentials), Answer::user("dave"), "{via:?}");
    }
}
