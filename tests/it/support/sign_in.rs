//! Clients that authenticate with a passcode, or with a token for any name and claims.

use super::frame::Frame;
use super::{Broker, Client, Event, Wire, sockjs};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Passcode of all users of [`with_users`].
const PASSCODE: &str = "open:sesame";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Starts a broker whose users have passcodes. Without further flags its permissions are `open`.
#[track_caller]
pub(crate) fn with_users(names: &[&str], flags: &[&str]) -> Broker {
    let users: Vec<String> = names.iter().map(|name| format!("--user={name}:{PASSCODE}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    Broker::start(&[&users, flags].concat())
}

/// Starts a broker that accepts tokens. Without further flags its permissions are `safe`.
#[track_caller]
pub(crate) fn with_tokens(flags: &[&str]) -> Broker {
    Broker::start(&[&["--jwt-secret", SECRET], flags].concat())
}

/// Returns the header lines of CONNECT for a user of [`with_users`].
pub(crate) fn by_passcode(name: &str) -> String {
    format!("login:{name}\npasscode:{PASSCODE}\n")
}

/// Returns the header lines of CONNECT for any user of [`with_tokens`].
pub(crate) fn by_token(name: &str) -> String {
    format!("passcode:{}\n", token(name, json!({})))
}

/// Returns the header lines of CONNECT for a user with the role `service`, which has all permissions.
pub(crate) fn as_service(name: &str) -> String {
    format!("passcode:{}\n", token(name, json!({ "roles": ["service"] })))
}

/// Returns a token for `name` with further claims.
pub(crate) fn token(name: &str, mut claims: Value) -> String {
    claims["sub"] = name.into();
    if claims.get("exp").is_none() {
        claims["exp"] = 4_000_000_000_u64.into();
    }
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("a token")
}

impl Broker {
    /// Signs in a client with these header lines of CONNECT. Returns it with the id of its session.
    #[track_caller]
    pub(crate) fn sign_in(&self, wire: Wire, headers: &str) -> (Client, String) {
        self.sign_in_with(wire, "1.2", headers)
    }

    /// Does the same as [`Broker::sign_in`], in this STOMP version.
    #[track_caller]
    pub(crate) fn sign_in_with(&self, wire: Wire, version: &str, headers: &str) -> (Client, String) {
        let mut client = self.open(wire);
        client.send(&format!("CONNECT\naccept-version:{version}\nhost:a\n{headers}\n\0"));
        let id = client.expect("CONNECTED", &[("version", version)], "").expect_header("session").to_string();
        (client, id)
    }
}

impl Client {
    /// Sends SEND with the lines `headers`. Returns its RECEIPT, which must be the next frame.
    #[track_caller]
    pub(crate) fn send_with_receipt(&mut self, destination: &str, headers: &str, body: &str) -> Frame {
        self.send(&format!("SEND\ndestination:{destination}\nreceipt:sent\n{headers}\n{body}\0"));
        self.expect("RECEIPT", &[("receipt-id", "sent")], "")
    }

    /// Does the same as [`Client::send_with_receipt`], and returns the number of sessions that the message has reached.
    #[track_caller]
    pub(crate) fn send_and_count(&mut self, destination: &str, headers: &str, body: &str) -> usize {
        let receipt = self.send_with_receipt(destination, headers, body);
        receipt.expect_header("delivered-sessions").parse().expect("a number")
    }

    /// Expects that the next frame is a MESSAGE with this body from this destination.
    #[track_caller]
    pub(crate) fn expect_message(&mut self, destination: &str, body: &str) -> Frame {
        self.expect("MESSAGE", &[("destination", destination)], body)
    }

    /// Does the same as [`Client::expect_quiet`] for a client that may send only to its own user destinations.
    #[track_caller]
    pub(crate) fn expect_quiet_as_user(&mut self) {
        let mark = format!("quiet-{}", self.address().port());
        self.subscribe(&mark, &format!("/user/topic/{mark}"), "");
        self.send(&format!("SEND\ndestination:/user/topic/{mark}\n\n\0"));
        self.expect("MESSAGE", &[("subscription", &mark)], "");
        self.done(&format!("UNSUBSCRIBE\nid:{mark}\nreceipt:done\n\n\0"));
    }

    /// Sends a frame without a body, whose command and headers are `head`, and requests a receipt. Returns `None` if
    /// the broker accepts the frame. Otherwise returns the ERROR, or with `soft-errors` the MESSAGE that reports the
    /// rejection. Skips other messages.
    #[track_caller]
    pub(crate) fn rejection(&mut self, head: &str) -> Option<Frame> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let receipt = format!("request-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.send(&format!("{head}\nreceipt:{receipt}\n\n\0"));
        loop {
            match self.event() {
                Event::Frame(frame) if frame.header("receipt-id") == Some(&receipt) => {
                    return (frame.command != "RECEIPT").then_some(frame);
                }
                Event::Frame(frame) if frame.command == "MESSAGE" => {}
                Event::HeartBeat => {}
                other => panic!("expected an answer to {head:?}, got {other:?}"),
            }
        }
    }
}

impl sockjs::Session {
    /// Sends CONNECT with these header lines. Returns the id of the STOMP session.
    #[track_caller]
    pub(crate) fn sign_in(&mut self, headers: &str) -> String {
        self.stomp(&format!("CONNECT\naccept-version:1.2\nhost:a\n{headers}\n\0"));
        self.expect("CONNECTED", &[], "").expect_header("session").to_string()
    }
}
