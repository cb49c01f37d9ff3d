//! Clients that are somebody: by passcode, or by a token of any name and claims.

use super::frame::Frame;
use super::{Broker, Client, Event, Wire, sockjs};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The passcode of everybody who has one.
const PASSCODE: &str = "open:sesame";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A broker whose users have passcodes; with nothing else it is open.
#[track_caller]
pub(crate) fn with_users(names: &[&str], flags: &[&str]) -> Broker {
    let users: Vec<String> = names.iter().map(|name| format!("--user={name}:{PASSCODE}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    Broker::start(&[&users, flags].concat())
}

/// A broker that believes tokens, and so is safe.
#[track_caller]
pub(crate) fn with_tokens(flags: &[&str]) -> Broker {
    Broker::start(&[&["--jwt-secret", SECRET], flags].concat())
}

/// Header lines for CONNECT.
pub(crate) fn by_passcode(name: &str) -> String {
    format!("login:{name}\npasscode:{PASSCODE}\n")
}

/// The same for any user of [`with_tokens`].
pub(crate) fn by_token(name: &str) -> String {
    format!("passcode:{}\n", token(name, json!({})))
}

/// The same for one that may do all.
pub(crate) fn as_service(name: &str) -> String {
    format!("passcode:{}\n", token(name, json!({ "roles": ["service"] })))
}

/// A token for `name` with further claims.
pub(crate) fn token(name: &str, mut claims: Value) -> String {
    claims["sub"] = name.into();
    if claims.get("exp").is_none() {
        claims["exp"] = 4_000_000_000_u64.into();
    }
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("a token")
}

impl Broker {
    /// A client that is let in with these header lines, and the id of its session.
    #[track_caller]
    pub(crate) fn sign_in(&self, wire: Wire, headers: &str) -> (Client, String) {
        self.sign_in_with(wire, "1.2", headers)
    }

    /// The same in another version.
    #[track_caller]
    pub(crate) fn sign_in_with(&self, wire: Wire, version: &str, headers: &str) -> (Client, String) {
        let mut client = self.open(wire);
        client.send(&format!("CONNECT\naccept-version:{version}\nhost:a\n{headers}\n\0"));
        let id = client.expect("CONNECTED", &[("version", version)], "").must("session").to_string();
        (client, id)
    }
}

impl Client {
    /// SEND; `headers` are lines. Its RECEIPT, which comes next.
    #[track_caller]
    pub(crate) fn tell(&mut self, destination: &str, headers: &str, body: &str) -> Frame {
        self.send(&format!("SEND\ndestination:{destination}\nreceipt:told\n{headers}\n{body}\0"));
        self.expect("RECEIPT", &[("receipt-id", "told")], "")
    }

    /// The same; how many sessions it has reached.
    #[track_caller]
    pub(crate) fn reach(&mut self, destination: &str, headers: &str, body: &str) -> usize {
        let receipt = self.tell(destination, headers, body);
        receipt.must("delivered-sessions").parse().expect("a number")
    }

    /// The next frame is a MESSAGE with this body from this destination.
    #[track_caller]
    pub(crate) fn hears(&mut self, destination: &str, body: &str) -> Frame {
        self.expect("MESSAGE", &[("destination", destination)], body)
    }

    /// As [`Client::expect_quiet`], where it may send to nobody but itself.
    #[track_caller]
    pub(crate) fn hears_nothing(&mut self) {
        let mark = format!("quiet-{}", self.address().port());
        self.subscribe(&mark, &format!("/user/topic/{mark}"), "");
        self.send(&format!("SEND\ndestination:/user/topic/{mark}\n\n\0"));
        self.expect("MESSAGE", &[("subscription", &mark)], "");
        self.done(&format!("UNSUBSCRIBE\nid:{mark}\nreceipt:done\n\n\0"));
    }

    /// Sends a frame (its head without the receipt); `None`: it was done, else the ERROR, or with `soft-errors` what
    /// has come instead. Messages before it are passed over.
    #[track_caller]
    pub(crate) fn refusal(&mut self, head: &str) -> Option<Frame> {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let receipt = format!("asked-{}", ASKED.fetch_add(1, Ordering::Relaxed));
        self.send(&format!("{head}\nreceipt:{receipt}\n\n\0"));
        loop {
            match self.event() {
                Event::Frame(frame) if frame.header("receipt-id") == Some(&receipt) => {
                    return (frame.command != "RECEIPT").then_some(frame);
                }
                Event::Frame(frame) if frame.command == "MESSAGE" => {}
                Event::HeartBeat => {}
                other => panic!("an answer to {head:?}, not {other:?}"),
            }
        }
    }
}

impl sockjs::Session {
    /// CONNECT with these header lines; the id of the STOMP session.
    #[track_caller]
    pub(crate) fn sign_in(&mut self, headers: &str) -> String {
        self.stomp(&format!("CONNECT\naccept-version:1.2\nhost:a\n{headers}\n\0"));
        self.expect("CONNECTED", &[], "").must("session").to_string()
    }
}
