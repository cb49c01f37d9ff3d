//! A new token keeps a session.

use super::expiry::{SECONDS, VIAS};
use super::issuer::{Issuer, SECRET, claims, claims_for, now};
use super::peer::{Peer, Shown, Via};
use super::verdicts::reason;
use crate::support::{Broker, Client, Wire};
use jsonwebtoken::Algorithm;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// Who talks must be granted it.
pub(super) const RULES: &[&str] = &["--auth-failures-free=1000000", "--heart-beat=0,0"];

/// Somebody who says the time, all the time.
pub(super) struct Chatter {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Chatter {
    pub(super) const TOPIC: &str = "/topic/time";

    pub(super) fn start(broker: &Broker, issuer: &Issuer) -> Chatter {
        let mut client = chatter(broker, issuer);
        let is_over = Arc::new(AtomicBool::new(false));
        let told = is_over.clone();
        let thread = thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                // Its receipt keeps it at the pace of the broker.
                client.publish(Chatter::TOPIC, &now().to_string());
            }
            client.disconnect();
        });
        Chatter { is_over, thread }
    }

    pub(super) fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("it could talk to the end");
    }
}

/// A client that may send wherever it likes: it has the role `service`.
#[track_caller]
pub(super) fn chatter(broker: &Broker, issuer: &Issuer) -> Client {
    let mut claims = claims("chatter");
    claims["roles"] = json!(["service"]);
    let token = issuer.token(&claims);
    let mut client = broker.open(Wire::Tcp);
    client.send(&format!("CONNECT\naccept-version:1.2\nhost:a\nAuthorization:Bearer {token}\n\n\0"));
    client.expect("CONNECTED", &[("user-name", "chatter")], "");
    client
}

/// How a new token is sent.
fn refresh(token: &str, by: &str) -> String {
    let (header, body) = match by {
        "body" => (String::new(), token.to_owned()),
        "body with its scheme" => (String::new(), format!("Bearer {token}\n")),
        header => (format!("{header}:{token}\n"), String::new()),
    };
    format!("SEND\ndestination:/auth/refresh\nreceipt:renewed\n{header}\n{body}\0")
}

/// Reads messages up to the RECEIPT of a renewal.
#[track_caller]
fn await_renewal(peer: &mut Peer) {
    loop {
        let frame = peer.frame();
        match frame.command.as_str() {
            "MESSAGE" => {}
            "RECEIPT" => return assert_eq!(frame.must("receipt-id"), "renewed"),
            _ => panic!("{frame:?}"),
        }
    }
}

#[test]
fn a_session_outlives_its_first_token() {
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&[RULES, &["--jwt-secret", SECRET]].concat());
    let chatter = Chatter::start(&broker, &issuer);
    thread::scope(|scope| {
        for via in VIAS {
            let (broker, issuer) = (&broker, &issuer);
            scope.spawn(move || {
                let first = claims_for("dave", SECONDS);
                let mut peer = Peer::signed_in(broker, via, &Shown::authorization(&issuer.token(&first)));
                peer.subscribe(Chatter::TOPIC);
                // The second one is not the last one either.
                for (seconds, by) in [(SECONDS + 1.0, "body"), (3600.0, "Authorization")] {
                    let token = issuer.token(&claims_for("dave", seconds));
                    let token = if by == "body" { token } else { format!("Bearer {token}") };
                    peer.send(&refresh(&token, by));
                    await_renewal(&mut peer);
                }
                let end = first["exp"].as_f64().expect("a number");
                loop {
                    let message = peer.expect("MESSAGE", &[]);
                    if message.text().parse::<f64>().expect("a time") > end + 1.5 {
                        break;
                    }
                }
                peer.send("DISCONNECT\n\n\0");
            });
        }
    });
    chatter.end();
}

/// A session that is renewed for a short while ends when that one does, and not with the first token.
#[test]
fn the_last_token_counts() {
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&[RULES, &["--jwt-secret", SECRET]].concat());
    thread::scope(|scope| {
        for via in VIAS {
            let (broker, issuer) = (&broker, &issuer);
            scope.spawn(move || {
                let mut peer = Peer::signed_in(broker, via, &Shown::authorization(&issuer.good("dave")));
                let claims = claims_for("dave", SECONDS);
                let end = claims["exp"].as_f64().expect("a number");
                peer.send(&refresh(&issuer.token(&claims), "body"));
                await_renewal(&mut peer);
                peer.expect_error("token expired", 1008, "access has ended");
                let seen = now();
                assert!((end..=end + 1.0).contains(&seen), "{via:?}: {} s behind its end", seen - end);
            });
        }
    });
}

#[test]
fn every_way_to_send_the_new_token_over_every_transport() {
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&[RULES, &["--jwt-secret", SECRET]].concat());
    let mut tokens = Vec::new();
    for via in Via::ALL {
        let mut peer = Peer::signed_in(&broker, via, &Shown::authorization(&issuer.good("dave")));
        for by in
            ["body", "body with its scheme", "Authorization", "authorization", "passcode", "access_token"]
        {
            let token = issuer.good("dave");
            peer.send(&refresh(&token, by));
            peer.expect("RECEIPT", &[("receipt-id", "renewed")]);
            tokens.push(token);
        }
    }
    let log = broker.whole_log();
    assert!(tokens.iter().all(|token| !log.contains(token)));
}

#[test]
fn a_token_that_will_not_do_ends_the_session() {
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&[RULES, &["--jwt-secret", SECRET, "--log=trace"]].concat());
    let other = Issuer::of_secret("another-secret-of-more-than-32-octets");
    let cases: [(&str, String, &str); 6] = [
        ("another user's", issuer.good("mallory"), "token refused"),
        ("one with a name in other letters", issuer.good("Dave"), "token refused"),
        ("expired", issuer.token(&claims_for("dave", -1.0)), "login refused"),
        ("of a stranger", other.good("dave"), "login refused"),
        ("no token", "certainly-no-token".to_owned(), "login refused"),
        ("nothing", String::new(), "missing token"),
    ];
    let mut secrets = Vec::new();
    for via in Via::ALL {
        for (name, token, message) in &cases {
            // A soft error costs only itself, but this is none.
            for soft in ["", "soft-errors"] {
                let shown = Shown::authorization(&issuer.good("dave"));
                let shown = if soft.is_empty() { shown } else { shown.connect(soft, "true") };
                let mut peer = Peer::signed_in(&broker, via, &shown);
                if *message == "missing token" && !soft.is_empty() {
                    continue;
                }
                peer.send(&refresh(token, "body"));
                let error = peer.expect("ERROR", &[("message", message), ("receipt-id", "renewed")]);
                assert!(!token.is_empty() && !error.text().contains(token) || token.is_empty(), "{error:?}");
                let code = if *message == "missing token" { "protocol error" } else { "not authenticated" };
                peer.expect_closed(1002, code);
                println!("{name} over {via:?}: {message}");
            }
            secrets.push(token.clone());
        }
    }
    let log = broker.whole_log();
    let mut reasons: Vec<String> =
        log.lines().filter(|line| line.contains("login refused reason=")).map(reason).collect();
    reasons.sort();
    reasons.dedup();
    assert_eq!(reasons, ["token: bad signature", "token: expired", "token: malformed: not three parts"]);
    assert!(secrets.iter().filter(|token| !token.is_empty()).all(|token| !log.contains(token)));
}

/// Somebody without a token renews nothing, by whomever the token is.
#[test]
fn who_has_no_token_gets_none() {
    let issuer = Issuer::new(Algorithm::HS256);
    let flags = ["--user=bob:bobs-passcode", "--allow-anonymous", "--jwt-secret", SECRET];
    let broker = Broker::start(&[RULES, &flags].concat());
    for via in Via::ALL {
        let mut peer = Peer::signed_in(&broker, via, &Shown::default());
        peer.send(&refresh(&issuer.good("dave"), "body"));
        peer.expect_error("token refused", 1002, "not authenticated");
    }
    let plain = Broker::start(&[RULES, &["--user=bob:bobs-passcode"]].concat());
    for via in Via::ALL {
        let mut peer = Peer::signed_in(&plain, via, &Shown::login("bob", "bobs-passcode"));
        peer.send(&refresh(&issuer.good("bob"), "body"));
        peer.expect_error("login refused", 1002, "not authenticated");
    }
}

#[test]
fn renewal_needs_no_rule() {
    let issuer = Issuer::new(Algorithm::HS256);
    let flags = ["--jwt-secret", SECRET, "--permission=deny all anyone **"];
    let broker = Broker::start(&[RULES, &flags].concat());
    for via in Via::ALL {
        let mut peer = Peer::signed_in(&broker, via, &Shown::authorization(&issuer.good("dave")));
        peer.send(&refresh(&issuer.good("dave"), "body"));
        peer.expect("RECEIPT", &[("receipt-id", "renewed")]);
        peer.send("SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\0");
        let error = peer.expect_error("access denied", 1008, "access denied");
        assert_eq!(error.must("destination"), "/topic/a");
    }
}

/// What the new token says counts at once: a role that is gone takes its subscriptions along.
#[test]
fn a_new_token_judges_subscriptions_again() {
    let issuer = Issuer::new(Algorithm::HS256);
    let rules = [
        "--permission=allow subscribe role:staff /topic/staff",
        "--permission=deny subscribe anyone /topic/staff",
    ];
    let broker = Broker::start(&[RULES, &rules, &["--jwt-secret", SECRET]].concat());
    for via in Via::ALL {
        let mut staff = claims("dave");
        staff["roles"] = json!("staff");
        let mut peer = Peer::signed_in(&broker, via, &Shown::authorization(&issuer.token(&staff)));
        peer.subscribe("/topic/staff");
        peer.send(&refresh(&issuer.token(&staff), "body"));
        peer.expect("RECEIPT", &[("receipt-id", "renewed")]);
        peer.send(&refresh(&issuer.good("dave"), "body"));
        let error = peer.expect_error("access denied", 1008, "access denied");
        assert_eq!(error.must("destination"), "/topic/staff");
    }
}
