//! Key sets that change while the broker runs.

use super::issuer::{Issuer, key_set};
use super::peer::{Answer, Peer, Shown, Via, until};
use super::site::{Reply, Site};
use super::verdicts::reason;
use crate::support::Broker;
use crate::support::home::Home;
use jsonwebtoken::Algorithm;
use std::fs;
use std::sync::{Arc, Mutex};

fn answer(broker: &Broker, via: Via, token: &str) -> Answer {
    Peer::answer(broker, via, &Shown::authorization(token))
}

#[test]
fn a_file_is_read_again_when_it_changes() {
    let (old, new) = (Issuer::called(Algorithm::RS256, "k-1"), Issuer::called(Algorithm::ES256, "k-2"));
    let home = Home::new("auth-jwks-file");
    let path = home.0.join("set.json");
    fs::write(&path, key_set(&[&old])).expect("a file");
    let broker =
        Broker::start(&["--jwt-jwks", path.to_str().expect("UTF-8"), "--auth-failures-free=1000000"]);
    let (by_old, by_new) = (old.good("dave"), new.good("dave"));
    for via in Via::ALL {
        assert_eq!(answer(&broker, via, &by_old), Answer::user("dave"), "{via:?}");
        assert_eq!(answer(&broker, via, &by_new).refusal(), "login refused", "{via:?}");
    }
    let refused = broker.log_line(|line| line.contains("login refused reason="));
    assert_eq!(reason(&refused), "token: unknown key");
    // Half a file, while somebody writes it, changes nothing.
    fs::write(&path, &key_set(&[&new])[..20]).expect("a file");
    until(&broker, || {
        let is_in = answer(&broker, Via::Tcp, &by_old) == Answer::user("dave");
        assert!(is_in, "the keys of before stay");
        broker.log().contains("cannot read keys of tokens, keeping the last ones")
    });
    fs::write(&path, key_set(&[&new])).expect("a file");
    until(&broker, || answer(&broker, Via::Tcp, &by_new) == Answer::user("dave"));
    for via in Via::ALL {
        assert_eq!(answer(&broker, via, &by_new), Answer::user("dave"), "{via:?}");
        assert_eq!(answer(&broker, via, &by_old).refusal(), "login refused", "{via:?}");
    }
}

#[test]
fn a_url_is_asked_again_for_a_new_key() {
    let (old, new) = (Issuer::called(Algorithm::EdDSA, "k-1"), Issuer::called(Algorithm::ES256, "k-2"));
    let published = Arc::new(Mutex::new(key_set(&[&old])));
    let shown = published.clone();
    let site = Site::start(move |_| Reply::Say(200, shown.lock().expect("a text").clone()));
    let broker =
        Broker::start(&["--jwt-jwks", &site.url("/keys?secret=of-the-url"), "--auth-failures-free=1000000"]);
    let (by_old, by_new) = (old.good("dave"), new.good("dave"));
    for via in Via::ALL {
        assert_eq!(answer(&broker, via, &by_old), Answer::user("dave"), "{via:?}");
    }
    assert_eq!(site.asked(), 1, "the keys are kept");
    *published.lock().expect("a text") = key_set(&[&old, &new]);
    for via in Via::ALL {
        assert_eq!(answer(&broker, via, &by_new), Answer::user("dave"), "{via:?}");
        assert_eq!(answer(&broker, via, &by_old), Answer::user("dave"), "{via:?}");
    }
    assert_eq!(site.asked(), 2, "an unknown key has them fetched once more");
    // Whoever makes keys up does not make the broker ask all the time.
    let made_up = Issuer::called(Algorithm::ES256, "k-3").good("dave");
    for via in Via::ALL {
        assert_eq!(answer(&broker, via, &made_up).refusal(), "login refused", "{via:?}");
    }
    assert_eq!(site.asked(), 2);
    assert!(!broker.whole_log().contains("of-the-url"), "the query may be a secret");
}

#[test]
fn a_key_that_is_withdrawn_counts_no_more_and_those_of_before_hold_while_the_url_is_down() {
    for is_down in [false, true] {
        let (old, new) = (Issuer::called(Algorithm::ES256, "k-1"), Issuer::called(Algorithm::ES256, "k-2"));
        let reply = Arc::new(Mutex::new((200, key_set(&[&old]))));
        let shown = reply.clone();
        let site = Site::start(move |_| {
            let (status, body) = shown.lock().expect("a reply").clone();
            Reply::Say(status, body)
        });
        let broker = Broker::start(&["--jwt-jwks", &site.url("/keys"), "--auth-failures-free=1000000"]);
        let (by_old, by_new) = (old.good("dave"), new.good("dave"));
        assert_eq!(answer(&broker, Via::Tcp, &by_old), Answer::user("dave"));
        *reply.lock().expect("a reply") = (if is_down { 500 } else { 200 }, key_set(&[&new]));
        // Somebody with a new key has the keys fetched.
        let (first, second) = (answer(&broker, Via::Tcp, &by_new), answer(&broker, Via::Tcp, &by_old));
        let (is_in, is_out) = if is_down { (second, first) } else { (first, second) };
        assert_eq!((is_in, is_out.refusal()), (Answer::user("dave"), "login refused"), "down: {is_down}");
        if is_down {
            broker.log_line(|line| line.contains("cannot fetch keys of tokens"));
        }
    }
}

#[test]
fn without_keys_so_far_nobody_comes_in_and_it_is_no_ones_fault() {
    let issuer = Issuer::called(Algorithm::ES256, "k-1");
    let broker = Broker::start(&["--jwt-jwks", &Site::closed(), "--auth-failures-free=1000000"]);
    let token = issuer.good("dave");
    for via in Via::ALL {
        assert_eq!(answer(&broker, via, &token).refusal(), "login not checked", "{via:?}");
    }
    let line = broker.log_line(|line| line.contains("logins cannot be checked"));
    assert!(reason(&line).ends_with("could not be fetched so far"), "{line}");
    assert!(!broker.whole_log().contains(&token));
}
