//! Tests of key sets at URLs.

use super::*;

fn serving(
    keys: Value,
) -> (Arc<Mutex<String>>, impl Fn(crate::auth::sources::test_server::ReceivedRequest) -> Reply) {
    let text = Arc::new(Mutex::new(set(&[keys])));
    let served = text.clone();
    (text, move |_| match &*served.lock() {
        down if down.is_empty() => Reply::Respond(503, String::new()),
        text => Reply::Respond(200, text.clone()),
    })
}

fn by_url(server: &TestServer) -> Options {
    Options { jwks: vec![server.url("/keys?secret=sesame").parse().unwrap()], ..Options::default() }
}

#[tokio::test]
async fn new_key_is_fetched_once_and_unknown_keys_at_a_limited_rate() {
    let (old, new) = (Issuer::called(Algorithm::ES256, "old"), Issuer::called(Algorithm::ES256, "new"));
    let (text, serve) = serving(old.jwk(json!({})));
    let server = TestServer::open(serve).await;
    let tokens = open(by_url(&server));
    assert_eq!(server.requests(), 0, "nothing is fetched before the first login");
    assert_eq!(short_decision(&tokens, &old.good()).await, "alice");
    assert_eq!(short_decision(&tokens, &old.good()).await, "alice");
    assert_eq!(server.requests(), 1);
    *text.lock() = set(&[new.jwk(json!({}))]);
    assert_eq!(short_decision(&tokens, &new.good()).await, "alice", "the key was rotated");
    assert_eq!(server.requests(), 2);
    for _ in 0..5 {
        assert_eq!(short_decision(&tokens, &old.good()).await, "!unknown key");
        assert_eq!(short_decision(&tokens, &new.good()).await, "alice");
    }
    assert_eq!(server.requests(), 2, "one fetch in 30 seconds");
    later(30).await;
    assert_eq!(short_decision(&tokens, &old.good()).await, "!unknown key");
    assert_eq!(server.requests(), 3);
    let nameless = Issuer { kid: None, ..Issuer::new(Algorithm::ES256) };
    later(30).await;
    assert_eq!(short_decision(&tokens, &nameless.good()).await, "!bad signature");
    assert_eq!(server.requests(), 3, "a token without a kid triggers no fetch");
}

#[tokio::test]
async fn many_logins_share_one_fetch_which_outlives_them() {
    let issuer = Issuer::called(Algorithm::EdDSA, "k");
    let (_text, serve) = serving(issuer.jwk(json!({})));
    let server = TestServer::gated(serve).await;
    let tokens = Arc::new(open(by_url(&server)));
    let token = issuer.good();
    let mut first = Box::pin(short_decision(&tokens, &token));
    assert!(futures_util::poll!(&mut first).is_pending());
    drop(first);
    let mut logins = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (tokens, token) = (tokens.clone(), token.clone());
        logins.spawn(async move { short_decision(&tokens, &token).await });
    }
    tokio::task::yield_now().await;
    server.allow_response();
    assert!(logins.join_all().await.iter().all(|name| name == "alice"));
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn last_keys_are_used_while_they_cannot_be_fetched() {
    let log = Temporary::new("");
    let writer = Arc::new(std::fs::File::create(&log.0).unwrap());
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let logged = || std::fs::read_to_string(&log.0).unwrap();
    let warned = || logged().matches(" WARN ").count();
    let issuer = Issuer::called(Algorithm::EdDSA, "k");
    let (text, serve) = serving(issuer.jwk(json!({})));
    let server = TestServer::open(serve).await;
    let tokens = open(Options { require_exp: false, ..by_url(&server) });
    let token = issuer.token(&json!({"sub": "alice"}));
    let up = std::mem::take(&mut *text.lock());
    let unavailable = short_decision(&tokens, &token).await;
    assert!(unavailable.starts_with("?the keys at http://127.0.0.1:"), "{unavailable}");
    assert!(!unavailable.contains("sesame"), "{unavailable}");
    assert_eq!(short_decision(&tokens, &token).await, unavailable, "the keys are not fetched again at once");
    assert_eq!((server.requests(), warned()), (1, 1));
    later(1).await;
    text.lock().clone_from(&up);
    assert_eq!(short_decision(&tokens, &token).await, "alice", "the keys can be fetched again");
    text.lock().clear();
    for (seconds, asks) in [(1200, 3), (0, 3), (29, 3), (1, 4), (30, 5)] {
        later(seconds).await;
        assert_eq!(short_decision(&tokens, &token).await, "alice", "a later outage");
        assert_eq!(server.requests(), asks, "failed fetches are repeated every 30 seconds only");
        assert_eq!(warned(), 2, "once per outage");
    }
    *text.lock() = set(&[Issuer::called(Algorithm::EdDSA, "other").jwk(json!({}))]);
    later(30).await;
    assert_eq!(short_decision(&tokens, &token).await, "!unknown key", "the key was withdrawn");
    assert!(logged().contains("can be fetched again") && !logged().contains("sesame"), "{}", logged());
}

#[tokio::test]
async fn one_of_several_key_sets_can_be_down() {
    let (old, new) = (Issuer::called(Algorithm::EdDSA, "old"), Issuer::called(Algorithm::EdDSA, "new"));
    let (text, serve) = serving(old.jwk(json!({})));
    let server = TestServer::open(serve).await;
    let mut options = by_url(&server);
    options.jwks.insert(0, TestServer::closed_port().await.parse().unwrap());
    let tokens = open(options);
    assert_eq!(short_decision(&tokens, &old.good()).await, "alice");
    *text.lock() = set(&[new.jwk(json!({}))]);
    assert_eq!(short_decision(&tokens, &new.good()).await, "alice", "the key was rotated");
    let got = short_decision(&tokens, &old.good()).await;
    assert!(got.starts_with("?the keys at "), "the unavailable set may contain the key: {got}");
}

#[tokio::test]
async fn invalid_response_of_a_key_url_yields_no_key() {
    for reply in ["", "{", "<html>", r#"{"keys": {}}"#] {
        let server = TestServer::open(move |_| Reply::Respond(200, reply.to_owned())).await;
        let got = short_decision(&open(by_url(&server)), &Issuer::called(Algorithm::HS256, "k").good()).await;
        assert!(got.starts_with('?'), "{reply}: {got}");
    }
    let options = Options { jwks: vec![TestServer::closed_port().await.parse().unwrap()], ..with_secret() };
    let tokens = open(options);
    assert_eq!(
        short_decision(&tokens, &Issuer::new(Algorithm::HS256).good()).await,
        "alice",
        "the secret is still accepted"
    );
}
