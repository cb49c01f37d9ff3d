//! Renewal of tokens: a new token extends a session.

use super::expiry::{SECONDS, VIAS};
use super::issuer::{Issuer, SECRET, claims, claims_for, now};
use super::login_log::reason;
use super::peer::{Credentials, Peer, Via};
use crate::support::{Broker, Client, Wire};
use jsonwebtoken::Algorithm;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// Options of the brokers in these tests.
pub(super) const RULES: &[&str] = &["--auth-failures-free=1000000", "--heart-beat=0,0"];

/// A publisher that continuously sends the current time.
pub(super) struct TimePublisher {
    is_stopped: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl TimePublisher {
    pub(super) const TOPIC: &str = "/topic/time";

    pub(super) fn start(broker: &Broker, issuer: &Issuer) -> TimePublisher {
        let mut client = connect_service(broker, issuer);
        let is_stopped = Arc::new(AtomicBool::new(false));
        let stop = is_stopped.clone();
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                // Waits for the receipt, which limits the publisher to the pace of the broker.
                client.publish(TimePublisher::TOPIC, &now().to_string());
            }
            client.disconnect();
        });
        TimePublisher { is_stopped, thread }
    }

    pub(super) fn stop(self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        self.thread.join().expect("the publisher does not panic");
    }
}

/// Connects a client that has the role `service`, and so may send to every destination.
#[track_caller]
pub(super) fn connect_service(broker: &Broker, issuer: &Issuer) -> Client {
    let mut claims = claims("chatter");
    claims["roles"] = json!(["service"]);
    let token = issuer.token(&claims);
    let mut client = broker.open(Wire::Tcp);
    client.send(&format!("CONNECT\naccept-version:1.2\nhost:a\nAuthorization:Bearer {token}\n\n\0"));
    client.expect("CONNECTED", &[("user-name", "chatter")], "");
    client
}

/// Returns the frame that renews a token. `by` names the part of the frame that carries the token.
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
            "RECEIPT" => return assert_eq!(frame.expect_header("receipt-id"), "renewed"),
            _ => panic!("{frame:?}"),
        }
    }
}

#[test]
fn a_renewed_session_outlives_its_first_token() {
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&[RULES, &["--jwt-secret", SECRET]].concat());
    let publisher = TimePublisher::start(&broker, &issuer);
    thread::scope(|scope| {
        for via in VIAS {
            let (broker, issuer) = (&broker, &issuer);
            scope.spawn(move || {
                let first = claims_for("dave", SECONDS);
                let mut peer =
                    Peer::signed_in(broker, via, &Credentials::authorization(&issuer.token(&first)));
                peer.subscribe(TimePublisher::TOPIC);
                // A second renewal is accepted, too.
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
    publisher.stop();
}

/// The second token expires before the first. The session ends with the second token.
#[test]
fn the_last_token_determines_the_expiry() {
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&[RULES, &["--jwt-secret", SECRET]].concat());
    thread::scope(|scope| {
        for via in VIAS {
            let (broker, issuer) = (&broker, &issuer);
            scope.spawn(move || {
                let mut peer =
                    Peer::signed_in(broker, via, &Credentials::authorization(&issuer.valid_token("dave")));
                let claims = claims_for("dave", SECONDS);
                let end = claims["exp"].as_f64().expect("a number");
                peer.send(&refresh(&issuer.token(&claims), "body"));
                await_renewal(&mut peer);
                peer.expect_error("token expired", 1008, "access has ended");
                let seen = now();
                assert!((end..=end + 1.0).contains(&seen), "{via:?}: {} s after the expiry", seen - end);
            });
        }
    });
}

#[test]
fn a_new_token_is_accepted_in_every_form_over_every_transport() {
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&[RULES, &["--jwt-secret", SECRET]].concat());
    let mut tokens = Vec::new();
    for via in Via::ALL {
        let mut peer =
            Peer::signed_in(&broker, via, &Credentials::authorization(&issuer.valid_token("dave")));
        for by in
            ["body", "body with its scheme", "Authorization", "authorization", "passcode", "access_token"]
        {
            let token = issuer.valid_token("dave");
            peer.send(&refresh(&token, by));
            peer.expect("RECEIPT", &[("receipt-id", "renewed")]);
            tokens.push(token);
        }
    }
    let log = broker.whole_log();
    assert!(tokens.iter().all(|token| !log.contains(token)));
}

#[test]
fn an_invalid_new_token_ends_the_session() {
    let issuer = Issuer::new(Algorithm::HS256);
    let broker = Broker::start(&[RULES, &["--jwt-secret", SECRET, "--log=trace"]].concat());
    let other = Issuer::of_secret("another-secret-of-more-than-32-bytes");
    let cases: [(&str, String, &str); 6] = [
        ("of another user", issuer.valid_token("mallory"), "token refused"),
        ("of a name in other letters", issuer.valid_token("Dave"), "token refused"),
        ("expired", issuer.token(&claims_for("dave", -1.0)), "login failed"),
        ("signed with an unknown key", other.valid_token("dave"), "login failed"),
        ("no token", "not-a-token".to_owned(), "login failed"),
        ("empty", String::new(), "missing token"),
    ];
    let mut secrets = Vec::new();
    for via in Via::ALL {
        for (name, token, message) in &cases {
            // An invalid token ends the session even with `soft-errors`.
            for soft in ["", "soft-errors"] {
                let credentials = Credentials::authorization(&issuer.valid_token("dave"));
                let credentials =
                    if soft.is_empty() { credentials } else { credentials.connect(soft, "true") };
                let mut peer = Peer::signed_in(&broker, via, &credentials);
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
        log.lines().filter(|line| line.contains("login failed reason=")).map(reason).collect();
    reasons.sort();
    reasons.dedup();
    assert_eq!(reasons, ["token: bad signature", "token: expired", "token: malformed: expected three parts"]);
    assert!(secrets.iter().filter(|token| !token.is_empty()).all(|token| !log.contains(token)));
}

/// A session that was not opened with a token cannot be renewed, even with a valid token.
#[test]
fn a_session_without_a_token_cannot_be_renewed() {
    let issuer = Issuer::new(Algorithm::HS256);
    let flags = ["--user=bob:bobs-passcode", "--allow-anonymous", "--jwt-secret", SECRET];
    let broker = Broker::start(&[RULES, &flags].concat());
    for via in Via::ALL {
        let mut peer = Peer::signed_in(&broker, via, &Credentials::default());
        peer.send(&refresh(&issuer.valid_token("dave"), "body"));
        peer.expect_error("token refused", 1002, "not authenticated");
    }
    let plain = Broker::start(&[RULES, &["--user=bob:bobs-passcode"]].concat());
    for via in Via::ALL {
        let mut peer = Peer::signed_in(&plain, via, &Credentials::login("bob", "bobs-passcode"));
        peer.send(&refresh(&issuer.valid_token("bob"), "body"));
        peer.expect_error("login failed", 1002, "not authenticated");
    }
}

#[test]
fn renewal_needs_no_rule() {
    let issuer = Issuer::new(Algorithm::HS256);
    let flags = ["--jwt-secret", SECRET, "--permission=deny all anyone **"];
    let broker = Broker::start(&[RULES, &flags].concat());
    for via in Via::ALL {
        let mut peer =
            Peer::signed_in(&broker, via, &Credentials::authorization(&issuer.valid_token("dave")));
        peer.send(&refresh(&issuer.valid_token("dave"), "body"));
        peer.expect("RECEIPT", &[("receipt-id", "renewed")]);
        peer.send("SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\0");
        let error = peer.expect_error("access denied", 1008, "access denied");
        assert_eq!(error.expect_header("destination"), "/topic/a");
    }
}

/// The claims of a new token apply at once: a subscription ends if it needs a role that the new token lacks.
#[test]
fn a_new_token_is_applied_to_existing_subscriptions() {
    let issuer = Issuer::new(Algorithm::HS256);
    let rules = [
        "--permission=allow subscribe role:staff /topic/staff",
        "--permission=deny subscribe anyone /topic/staff",
    ];
    let broker = Broker::start(&[RULES, &rules, &["--jwt-secret", SECRET]].concat());
    for via in Via::ALL {
        let mut staff = claims("dave");
        staff["roles"] = json!("staff");
        let mut peer = Peer::signed_in(&broker, via, &Credentials::authorization(&issuer.token(&staff)));
        peer.subscribe("/topic/staff");
        peer.send(&refresh(&issuer.token(&staff), "body"));
        peer.expect("RECEIPT", &[("receipt-id", "renewed")]);
        peer.send(&refresh(&issuer.valid_token("dave"), "body"));
        let error = peer.expect_error("access denied", 1008, "access denied");
        assert_eq!(error.expect_header("destination"), "/topic/staff");
    }
}
