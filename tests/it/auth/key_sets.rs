//! Key sets that change while the broker runs.

use super::issuer::{Issuer, key_set};
use super::login_log::reason;
use super::peer::{Answer, Credentials, Peer, Via, until};
use super::test_server::{Reply, TestServer};
use crate::support::Broker;
use crate::support::users_directory::UsersDirectory;
use jsonwebtoken::Algorithm;
use std::fs;
use std::sync::{Arc, Mutex};

fn answer(broker: &Broker, via: Via, token: &str) -> Answer {
    Peer::answer(broker, via, &Credentials::authorization(token))
}

#[test]
fn a_changed_key_file_is_reloaded() {
    let (old, new) = (Issuer::with_kid(Algorithm::RS256, "k-1"), Issuer::with_kid(Algorithm::ES256, "k-2"));
    let directory = UsersDirectory::new("auth-jwks-file");
    let path = directory.0.join("set.json");
    fs::write(&path, key_set(&[&old])).expect("a file");
    let broker =
        Broker::start(&["--jwt-jwks", path.to_str().expect("UTF-8"), "--auth-failures-free=1000000"]);
    let (by_old, by_new) = (old.valid_token("dave"), new.valid_token("dave"));
    for via in Via::ALL {
        assert_eq!(answer(&broker, via, &by_old), Answer::user("dave"), "{via:?}");
        assert_eq!(answer(&broker, via, &by_new).rejection(), "login failed", "{via:?}");
    }
    let failed = broker.log_line(|line| line.contains("login failed reason="));
    assert_eq!(reason(&failed), "token: unknown key");
    // A partially written file changes nothing.
    fs::write(&path, &key_set(&[&new])[..20]).expect("a file");
    until(&broker, || {
        let is_accepted = answer(&broker, Via::Tcp, &by_old) == Answer::user("dave");
        assert!(is_accepted, "the previous keys must stay valid");
        broker.log().contains("cannot read token keys. The previous keys stay in effect.")
    });
    fs::write(&path, key_set(&[&new])).expect("a file");
    until(&broker, || answer(&broker, Via::Tcp, &by_new) == Answer::user("dave"));
    for via in Via::ALL {
        assert_eq!(answer(&broker, via, &by_new), Answer::user("dave"), "{via:?}");
        assert_eq!(answer(&broker, via, &by_old).rejection(), "login failed", "{via:?}");
    }
}

#[test]
fn an_unknown_key_triggers_a_new_request_to_the_url() {
    let (old, new) = (Issuer::with_kid(Algorithm::EdDSA, "k-1"), Issuer::with_kid(Algorithm::ES256, "k-2"));
    let published = Arc::new(Mutex::new(key_set(&[&old])));
    let served = published.clone();
    let server = TestServer::start(move |_| Reply::Response(200, served.lock().expect("a text").clone()));
    let broker = Broker::start(&[
        "--jwt-jwks",
        &server.url("/keys?secret=of-the-url"),
        "--auth-failures-free=1000000",
    ]);
    let (by_old, by_new) = (old.valid_token("dave"), new.valid_token("dave"));
    for via in Via::ALL {
        assert_eq!(answer(&broker, via, &by_old), Answer::user("dave"), "{via:?}");
    }
    assert_eq!(server.request_count(), 1, "the keys must be cached");
    *published.lock().expect("a text") = key_set(&[&old, &new]);
    for via in Via::ALL {
        assert_eq!(answer(&broker, via, &by_new), Answer::user("dave"), "{via:?}");
        assert_eq!(answer(&broker, via, &by_old), Answer::user("dave"), "{via:?}");
    }
    assert_eq!(server.request_count(), 2, "an unknown key must trigger one request");
    // Further tokens with unknown keys do not trigger further requests.
    let made_up = Issuer::with_kid(Algorithm::ES256, "k-3").valid_token("dave");
    for via in Via::ALL {
        assert_eq!(answer(&broker, via, &made_up).rejection(), "login failed", "{via:?}");
    }
    assert_eq!(server.request_count(), 2);
    assert!(!broker.whole_log().contains("of-the-url"), "the query may be a secret");
}

#[test]
fn withdrawn_keys_are_rejected_and_cached_keys_stay_valid_while_the_url_is_down() {
    for is_down in [false, true] {
        let (old, new) =
            (Issuer::with_kid(Algorithm::ES256, "k-1"), Issuer::with_kid(Algorithm::ES256, "k-2"));
        let reply = Arc::new(Mutex::new((200, key_set(&[&old]))));
        let served = reply.clone();
        let server = TestServer::start(move |_| {
            let (status, body) = served.lock().expect("a reply").clone();
            Reply::Response(status, body)
        });
        let broker = Broker::start(&["--jwt-jwks", &server.url("/keys"), "--auth-failures-free=1000000"]);
        let (by_old, by_new) = (old.valid_token("dave"), new.valid_token("dave"));
        assert_eq!(answer(&broker, Via::Tcp, &by_old), Answer::user("dave"));
        *reply.lock().expect("a reply") = (if is_down { 500 } else { 200 }, key_set(&[&new]));
        // A token with an unknown key triggers a request for the keys.
        let (first, second) = (answer(&broker, Via::Tcp, &by_new), answer(&broker, Via::Tcp, &by_old));
        let (accepted, failed) = if is_down { (second, first) } else { (first, second) };
        assert_eq!((accepted, failed.rejection()), (Answer::user("dave"), "login failed"), "down: {is_down}");
        if is_down {
            broker.log_line(|line| line.contains("cannot fetch token keys"));
        }
    }
}

#[test]
fn logins_are_not_checked_until_keys_are_fetched() {
    let issuer = Issuer::with_kid(Algorithm::ES256, "k-1");
    let broker = Broker::start(&["--jwt-jwks", &TestServer::closed(), "--auth-failures-free=1000000"]);
    let token = issuer.valid_token("dave");
    for via in Via::ALL {
        assert_eq!(answer(&broker, via, &token).rejection(), "login not checked", "{via:?}");
    }
    let line = broker.log_line(|line| line.contains("logins cannot be checked"));
    assert!(reason(&line).ends_with("cannot be fetched"), "{line}");
    assert!(!broker.whole_log().contains(&token));
}
