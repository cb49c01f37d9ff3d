//! A client over any transport, and the credentials that it presents.

use crate::support::frame::Frame;
use crate::support::http::Request;
use crate::support::sockjs::{Session, Transport};
use crate::support::{Broker, Client, Event, HANG_TIMEOUT, Wire};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::time::{Duration, Instant};

/// How a client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    Tcp,
    WebSocket,
    /// A WebSocket without SockJS framing, at the path `/ws/websocket`.
    Raw,
    SockJs(Transport),
}

impl Via {
    pub(super) const ALL: [Via; 9] = [
        Via::Tcp,
        Via::WebSocket,
        Via::Raw,
        Via::SockJs(Transport::WebSocket),
        Via::SockJs(Transport::XhrStreaming),
        Via::SockJs(Transport::XhrPolling),
        Via::SockJs(Transport::EventSource),
        Via::SockJs(Transport::HtmlFile),
        Via::SockJs(Transport::JsonpPolling),
    ];

    /// Returns the transports that begin with an HTTP request.
    pub(super) fn with_handshake() -> impl Iterator<Item = Via> {
        Via::ALL.into_iter().filter(|via| *via != Via::Tcp)
    }

    pub(super) fn label(self) -> String {
        match self {
            Via::Tcp => "tcp".to_owned(),
            Via::WebSocket => "websocket".to_owned(),
            Via::Raw => "websocket (raw)".to_owned(),
            Via::SockJs(transport) => transport.label(),
        }
    }
}

/// The credentials that a client presents, and the parts of them that must not be logged.
#[derive(Clone, Debug, Default)]
pub(super) struct Credentials {
    headers: Vec<(String, String)>,
    query: String,
    connect: String,
    secrets: Vec<String>,
}

impl Credentials {
    /// Adds a header line to CONNECT without escaping.
    pub(super) fn connect(mut self, name: &str, value: &str) -> Credentials {
        self.connect.push_str(&format!("{name}:{value}\n"));
        self
    }

    /// Adds a header to the handshake.
    pub(super) fn header(mut self, name: &str, value: &str) -> Credentials {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a parameter to the query of the handshake.
    pub(super) fn query(mut self, name: &str, value: &str) -> Credentials {
        self.query = format!("{name}={value}");
        self
    }

    /// Adds a secret that must not be logged. If it is a token, its payload and its signature must not be logged
    /// either.
    pub(super) fn secret(mut self, secret: &str) -> Credentials {
        let parts = secret.split('.').skip(1).filter(|part| part.len() > 16);
        self.secrets.extend(parts.chain([secret]).map(str::to_owned));
        self
    }

    pub(super) fn login(login: &str, passcode: &str) -> Credentials {
        Credentials::default().connect("login", login).connect("passcode", passcode).secret(passcode)
    }

    pub(super) fn basic(login: &str, passcode: &str) -> Credentials {
        let encoded = BASE64_STANDARD.encode(format!("{login}:{passcode}"));
        let credentials = Credentials::default().header("Authorization", &format!("Basic {encoded}"));
        credentials.secret(&encoded).secret(passcode)
    }

    pub(super) fn bearer(token: &str) -> Credentials {
        Credentials::default().header("Authorization", &format!("Bearer {token}")).secret(token)
    }

    /// Puts the token into CONNECT.
    pub(super) fn authorization(token: &str) -> Credentials {
        Credentials::default().connect("Authorization", &format!("Bearer {token}")).secret(token)
    }

    /// Puts the token into the cookie `auth`, which the brokers of these tests read.
    pub(super) fn cookie(token: &str) -> Credentials {
        Credentials::default().header("Cookie", &format!("theme=dark; auth={token}")).secret(token)
    }

    pub(super) fn secrets(&self) -> &[String] {
        &self.secrets
    }

    fn needs_handshake(&self) -> bool {
        !self.headers.is_empty() || !self.query.is_empty()
    }
}

/// The broker's answer to CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// CONNECTED, with this user name.
    Accepted(Option<String>),
    /// ERROR with this `message` and this body, followed by the end of the connection.
    Rejected(String, String),
}

impl Answer {
    pub(super) fn user(name: &str) -> Answer {
        Answer::Accepted(Some(name.to_owned()))
    }

    /// Returns the `message` of the ERROR.
    #[track_caller]
    pub(super) fn rejection(&self) -> &str {
        match self {
            Answer::Rejected(message, _) => message,
            other => panic!("expected a rejection, got {other:?}"),
        }
    }
}

/// A client over any transport.
pub(super) enum Peer {
    Native(Box<Client>),
    SockJs(Box<Session>),
}

impl Peer {
    /// Connects and completes the handshake. Does not send CONNECT.
    #[track_caller]
    pub(super) fn open(broker: &Broker, via: Via, credentials: &Credentials) -> Peer {
        match via {
            Via::Tcp => {
                assert!(!credentials.needs_handshake(), "TCP has no handshake");
                Peer::Native(Box::new(broker.open(Wire::Tcp)))
            }
            Via::WebSocket | Via::Raw => {
                let path = if via == Via::Raw { "/ws/websocket" } else { "/ws" };
                let request = credentials
                    .headers
                    .iter()
                    .fold(Request::get(path).query(&credentials.query), |request, (name, value)| {
                        request.header(name, value)
                    });
                Peer::Native(Box::new(broker.open_websocket(request)))
            }
            Via::SockJs(transport) => {
                let session = Session::new(broker.http, "/ws", transport).with_query(&credentials.query);
                let session = credentials
                    .headers
                    .iter()
                    .fold(session, |session, (name, value)| session.with_header(name, value));
                Peer::SockJs(Box::new(session.opened()))
            }
        }
    }

    /// Sends CONNECT and returns the answer: CONNECTED, or one ERROR and the end of the connection.
    #[track_caller]
    pub(super) fn login(&mut self, credentials: &Credentials) -> Answer {
        self.send(&format!("CONNECT\naccept-version:1.2\nhost:localhost\n{}\n\0", credentials.connect));
        let frame = self.frame();
        match frame.command.as_str() {
            "CONNECTED" => Answer::Accepted(frame.header("user-name").map(str::to_owned)),
            "ERROR" => {
                self.expect_closed(1002, "not authenticated");
                Answer::Rejected(frame.expect_header("message").to_owned(), frame.text())
            }
            _ => panic!("{frame:?}"),
        }
    }

    /// Connects, sends CONNECT and returns the answer.
    #[track_caller]
    pub(super) fn answer(broker: &Broker, via: Via, credentials: &Credentials) -> Answer {
        let mut peer = Peer::open(broker, via, credentials);
        let answer = peer.login(credentials);
        if matches!(answer, Answer::Accepted(_)) {
            peer.leave();
        }
        answer
    }

    /// Connects a client, which must be accepted.
    #[track_caller]
    pub(super) fn signed_in(broker: &Broker, via: Via, credentials: &Credentials) -> Peer {
        let mut peer = Peer::open(broker, via, credentials);
        let answer = peer.login(credentials);
        assert!(matches!(answer, Answer::Accepted(_)), "{via:?}: {answer:?}");
        peer
    }

    #[track_caller]
    pub(super) fn send(&mut self, text: &str) {
        match self {
            Peer::Native(client) => client.send(text),
            Peer::SockJs(session) => session.stomp(text),
        }
    }

    /// Returns the next frame.
    #[track_caller]
    pub(super) fn frame(&mut self) -> Frame {
        match self {
            Peer::SockJs(session) => session.stomp_frame(),
            Peer::Native(client) => loop {
                match client.event() {
                    Event::Frame(frame) => return frame,
                    Event::HeartBeat | Event::Pong(_) => {}
                    other => panic!("expected a frame, got {other:?}"),
                }
            },
        }
    }

    /// Returns the next frame, which must have this command and contain these headers.
    #[track_caller]
    pub(super) fn expect(&mut self, command: &str, headers: &[(&str, &str)]) -> Frame {
        let frame = self.frame();
        assert_eq!(frame.command, command, "{frame:?}");
        for (name, value) in headers {
            assert_eq!(frame.header(name), Some(*value), "header {name} of {frame:?}");
        }
        frame
    }

    /// Expects an ERROR with this `message`, directly followed by the end of the connection with this code and reason.
    #[track_caller]
    pub(super) fn expect_error(&mut self, message: &str, code: u16, reason: &str) -> Frame {
        let frame = self.expect("ERROR", &[("message", message)]);
        assert!(!frame.text().is_empty(), "an ERROR must have a body: {frame:?}");
        self.expect_closed(code, reason);
        frame
    }

    /// Sends frames and waits for the RECEIPT of the last one, which must request `receipt:done`.
    #[track_caller]
    pub(super) fn done(&mut self, text: &str) {
        self.send(text);
        self.expect("RECEIPT", &[("receipt-id", "done")]);
    }

    #[track_caller]
    pub(super) fn subscribe(&mut self, destination: &str) {
        self.done(&format!("SUBSCRIBE\nid:{destination}\ndestination:{destination}\nreceipt:done\n\n\0"));
    }

    #[track_caller]
    pub(super) fn publish(&mut self, destination: &str, body: &str) {
        self.done(&format!("SEND\ndestination:{destination}\nreceipt:done\n\n{body}\0"));
    }

    /// Expects the end of the connection, with this code and reason on transports that have them.
    #[track_caller]
    pub(super) fn expect_closed(&mut self, code: u16, reason: &str) {
        match self {
            Peer::Native(client) => client.expect_closed(code),
            Peer::SockJs(session) => session.expect_close(code, reason),
        }
    }

    #[track_caller]
    fn leave(mut self) {
        self.done("DISCONNECT\nreceipt:done\n\n\0");
        self.expect_closed(1000, "");
    }
}

/// Calls `holds` repeatedly until it returns true.
#[track_caller]
pub(super) fn until(broker: &Broker, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(
            started.elapsed() < HANG_TIMEOUT,
            "the condition does not become true; the log is:\n{}",
            broker.log()
        );
        broker.request_health_for(Duration::from_millis(50));
    }
}
