//! A client over any transport, and what it shows to be let in.

use crate::support::frame::Frame;
use crate::support::http::Request;
use crate::support::sockjs::{Session, Transport};
use crate::support::{Broker, Client, Event, PATIENCE, Wire};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::time::{Duration, Instant};

/// How a client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    Tcp,
    WebSocket,
    /// The WebSocket without SockJS's frames that SockJS has beside its own.
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

    /// Those that begin with an HTTP request.
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

/// What a client shows, and which parts of it nobody may read in a log.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    headers: Vec<(String, String)>,
    query: String,
    connect: String,
    secrets: Vec<String>,
}

impl Shown {
    /// A header line of CONNECT, in which nothing is escaped.
    pub(super) fn connect(mut self, name: &str, value: &str) -> Shown {
        self.connect.push_str(&format!("{name}:{value}\n"));
        self
    }

    /// A header of the handshake.
    pub(super) fn header(mut self, name: &str, value: &str) -> Shown {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A parameter of the handshake's query.
    pub(super) fn query(mut self, name: &str, value: &str) -> Shown {
        self.query = format!("{name}={value}");
        self
    }

    /// Something that must not be logged; of a token no part either.
    pub(super) fn secret(mut self, secret: &str) -> Shown {
        let parts = secret.split('.').skip(1).filter(|part| part.len() > 16);
        self.secrets.extend(parts.chain([secret]).map(str::to_owned));
        self
    }

    pub(super) fn login(login: &str, passcode: &str) -> Shown {
        Shown::default().connect("login", login).connect("passcode", passcode).secret(passcode)
    }

    pub(super) fn basic(login: &str, passcode: &str) -> Shown {
        let encoded = BASE64_STANDARD.encode(format!("{login}:{passcode}"));
        let shown = Shown::default().header("Authorization", &format!("Basic {encoded}"));
        shown.secret(&encoded).secret(passcode)
    }

    pub(super) fn bearer(token: &str) -> Shown {
        Shown::default().header("Authorization", &format!("Bearer {token}")).secret(token)
    }

    /// The token in CONNECT.
    pub(super) fn authorization(token: &str) -> Shown {
        Shown::default().connect("Authorization", &format!("Bearer {token}")).secret(token)
    }

    /// The token in the cookie that the brokers of these tests read.
    pub(super) fn cookie(token: &str) -> Shown {
        Shown::default().header("Cookie", &format!("theme=dark; auth={token}")).secret(token)
    }

    pub(super) fn secrets(&self) -> &[String] {
        &self.secrets
    }

    fn needs_handshake(&self) -> bool {
        !self.headers.is_empty() || !self.query.is_empty()
    }
}

/// What a client hears when it wants to come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// CONNECTED, with this name.
    In(Option<String>),
    /// ERROR, its `message` and its body, and the end.
    Out(String, String),
}

impl Answer {
    pub(super) fn user(name: &str) -> Answer {
        Answer::In(Some(name.to_owned()))
    }

    /// The `message` of the refusal.
    #[track_caller]
    pub(super) fn refusal(&self) -> &str {
        match self {
            Answer::Out(message, _) => message,
            other => panic!("a refusal was expected, not {other:?}"),
        }
    }
}

/// One client.
pub(super) enum Peer {
    Native(Box<Client>),
    SockJs(Box<Session>),
}

impl Peer {
    /// One of whom the broker has seen the handshake, and no CONNECT.
    #[track_caller]
    pub(super) fn open(broker: &Broker, via: Via, shown: &Shown) -> Peer {
        match via {
            Via::Tcp => {
                assert!(!shown.needs_handshake(), "TCP has no handshake");
                Peer::Native(Box::new(broker.open(Wire::Tcp)))
            }
            Via::WebSocket | Via::Raw => {
                let path = if via == Via::Raw { "/ws/websocket" } else { "/ws" };
                let request = shown
                    .headers
                    .iter()
                    .fold(Request::get(path).query(&shown.query), |request, (name, value)| {
                        request.header(name, value)
                    });
                Peer::Native(Box::new(broker.shake_hands(request)))
            }
            Via::SockJs(transport) => {
                let session = Session::new(broker.http, "/ws", transport).asking(&shown.query);
                let session =
                    shown.headers.iter().fold(session, |session, (name, value)| session.with(name, value));
                Peer::SockJs(Box::new(session.opened()))
            }
        }
    }

    /// CONNECT, and what is answered: CONNECTED, or one ERROR and the end.
    #[track_caller]
    pub(super) fn ask(&mut self, shown: &Shown) -> Answer {
        self.send(&format!("CONNECT\naccept-version:1.2\nhost:localhost\n{}\n\0", shown.connect));
        let frame = self.frame();
        match frame.command.as_str() {
            "CONNECTED" => Answer::In(frame.header("user-name").map(str::to_owned)),
            "ERROR" => {
                self.expect_closed(1002, "not authenticated");
                Answer::Out(frame.must("message").to_owned(), frame.text())
            }
            _ => panic!("{frame:?}"),
        }
    }

    /// Comes in, or does not.
    #[track_caller]
    pub(super) fn answer(broker: &Broker, via: Via, shown: &Shown) -> Answer {
        let mut peer = Peer::open(broker, via, shown);
        let answer = peer.ask(shown);
        if matches!(answer, Answer::In(_)) {
            peer.leave();
        }
        answer
    }

    /// One that is in.
    #[track_caller]
    pub(super) fn signed_in(broker: &Broker, via: Via, shown: &Shown) -> Peer {
        let mut peer = Peer::open(broker, via, shown);
        let answer = peer.ask(shown);
        assert!(matches!(answer, Answer::In(_)), "{via:?}: {answer:?}");
        peer
    }

    #[track_caller]
    pub(super) fn send(&mut self, text: &str) {
        match self {
            Peer::Native(client) => client.send(text),
            Peer::SockJs(session) => session.stomp(text),
        }
    }

    /// The next frame.
    #[track_caller]
    pub(super) fn frame(&mut self) -> Frame {
        match self {
            Peer::SockJs(session) => session.stomp_frame(),
            Peer::Native(client) => loop {
                match client.event() {
                    Event::Frame(frame) => return frame,
                    Event::HeartBeat | Event::Pong(_) => {}
                    other => panic!("a frame was expected, not {other:?}"),
                }
            },
        }
    }

    /// The next frame, which has this command and these headers among others.
    #[track_caller]
    pub(super) fn expect(&mut self, command: &str, headers: &[(&str, &str)]) -> Frame {
        let frame = self.frame();
        assert_eq!(frame.command, command, "{frame:?}");
        for (name, value) in headers {
            assert_eq!(frame.header(name), Some(*value), "header {name} of {frame:?}");
        }
        frame
    }

    /// ERROR, the end for this reason, and nothing between or behind them.
    #[track_caller]
    pub(super) fn expect_error(&mut self, message: &str, code: u16, reason: &str) -> Frame {
        let frame = self.expect("ERROR", &[("message", message)]);
        assert!(!frame.text().is_empty(), "an ERROR explains itself: {frame:?}");
        self.expect_closed(code, reason);
        frame
    }

    /// Sends frames and waits for the RECEIPT of the last one, which must ask for `receipt:done`.
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

    /// The end, with this code and reason where the transport has such.
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

/// Asks again until it is so.
#[track_caller]
pub(super) fn until(broker: &Broker, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "the change is not seen; the broker says:\n{}", broker.log());
        broker.pass(Duration::from_millis(50));
    }
}
