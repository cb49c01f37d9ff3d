//! STOMP as a client: the frames of a conversation, and many connections at once.

use super::error::BenchError;
use super::link::{Link, Target};
use super::options::{Ack, Login};
use std::sync::Arc;
use std::time::Duration;
use stompbox_frames::stomp::{Command, Frame, Version, encode};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How long a broker may take to let a client in.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(20);
/// Connections that are being made at the same time.
const CONNECTING_MAX: usize = 64;
/// The only subscription of a connection.
const SUBSCRIPTION: &str = "0";

/// A frame without the LF that may follow it.
fn frame(command: Command, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut octets = encode::frame(command, Version::V1_2, headers, b"").to_vec();
    octets.pop();
    octets
}

/// SUBSCRIBE, which asks for a receipt.
pub(super) fn subscribe(destination: &str, ack: Ack) -> Vec<u8> {
    let headers = [
        ("id", SUBSCRIPTION),
        ("destination", destination),
        ("ack", ack.as_str()),
        ("receipt", "subscribed"),
    ];
    frame(Command::Subscribe, &headers)
}

/// ACK of a message, in the way of the version it came in.
pub(super) fn acknowledge(message: &Frame) -> Vec<u8> {
    match message.header("ack") {
        Some(id) => frame(Command::Ack, &[("id", &id)]),
        None => {
            let id = message.header("message-id").unwrap_or_default();
            frame(Command::Ack, &[("message-id", &id), ("subscription", SUBSCRIPTION)])
        }
    }
}

/// The beginning of every SEND of one publisher.
pub(super) fn send_head(destination: &str, body_bytes: usize) -> Vec<u8> {
    let mut head = bytes::BytesMut::from(&b"SEND\n"[..]);
    encode::header(&mut head, Version::V1_2, "destination", destination);
    encode::header(&mut head, Version::V1_2, "content-type", "text/plain");
    encode::header(&mut head, Version::V1_2, "content-length", &body_bytes.to_string());
    head.to_vec()
}

/// Connects, and is let in.
///
/// # Errors
/// Why not, and what to do.
pub(super) async fn connect(target: &Target, login: &Login) -> Result<Link, BenchError> {
    let connected = tokio::time::timeout(CONNECT_TIME_MAX, enter(target, login));
    connected.await.unwrap_or_else(|_| {
        let what = "the broker did not answer CONNECT".to_owned();
        Err(BenchError::TimedOut(what, CONNECT_TIME_MAX.as_secs()))
    })
}

async fn enter(target: &Target, login: &Login) -> Result<Link, BenchError> {
    let mut link = Link::open(target).await?;
    let host = login.vhost.as_deref().unwrap_or(&target.url.host);
    let mut headers = vec![("accept-version", "1.2,1.1"), ("host", host), ("heart-beat", "0,0")];
    headers.extend(login.login.as_deref().map(|login| ("login", login)));
    headers.extend(login.passcode.as_deref().map(|passcode| ("passcode", passcode)));
    link.queue(&frame(Command::Connect, &headers));
    let answer = loop {
        link.progress().await?;
        match link.next() {
            Ok(Some(frame)) => break frame,
            Ok(None) => {}
            Err(BenchError::Error(text)) => return Err(BenchError::Login(text)),
            Err(trouble) => return Err(trouble),
        }
    };
    if answer.command != Command::Connected {
        return Err(BenchError::protocol("an answer to CONNECT"));
    }
    if answer.header("version").as_deref() == Some("1.1") {
        link.set_version(Version::V1_1);
    }
    Ok(link)
}

/// Makes `count` connections; tells how many there are.
///
/// # Errors
/// The first that failed.
pub(super) async fn connect_all(
    target: &Arc<Target>,
    login: &Login,
    count: usize,
    mut tell: impl FnMut(usize),
) -> Result<Vec<Link>, BenchError> {
    let (gate, mut tasks) = (Arc::new(Semaphore::new(CONNECTING_MAX)), JoinSet::new());
    for _ in 0..count {
        let (gate, target, login) = (gate.clone(), target.clone(), login.clone());
        tasks.spawn(async move {
            let _permit = gate.acquire().await.expect("nobody closes the gate");
            connect(&target, &login).await
        });
    }
    let mut links = Vec::with_capacity(count);
    while let Some(joined) = tasks.join_next().await {
        links.push(joined.map_err(|error| BenchError::Other(error.to_string()))??);
        tell(links.len());
    }
    Ok(links)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stompbox_frames::stomp::{Decoder, Limits};

    fn decoded(octets: &[u8]) -> Frame {
        let limits =
            Limits { frame_bytes_max: 1000, header_count_max: 10, header_bytes_max: 100, to_bytes_max: 0 };
        let mut decoder = Decoder::new(limits);
        decoder.feed(octets);
        decoder.next().expect("STOMP").expect("a frame")
    }

    #[test]
    fn frames_are_stomp_and_end_with_their_nul() {
        let octets = subscribe("/topic/a:b", Ack::ClientIndividual);
        assert_eq!(octets.last(), Some(&0));
        let subscribe = decoded(&octets);
        assert_eq!(subscribe.header("destination").as_deref(), Some("/topic/a:b"));
        assert_eq!(subscribe.header("ack").as_deref(), Some("client-individual"));
        let send = decoded(&[&send_head("/topic/a:b", 2)[..], b"\nhi\0"].concat());
        assert_eq!((send.command, &send.body[..]), (Command::Send, &b"hi"[..]));
    }

    #[test]
    fn messages_are_acknowledged_as_their_version_has_it() {
        let ack = decoded(&acknowledge(&decoded(b"MESSAGE\nmessage-id:m\nsubscription:0\nack:x\\cy\n\n\0")));
        assert_eq!((ack.header("id").as_deref(), ack.headers.len()), (Some("x:y"), 1));
        let ack = decoded(&acknowledge(&decoded(b"MESSAGE\nmessage-id:m\nsubscription:0\n\n\0")));
        assert_eq!(ack.header("message-id").as_deref(), Some("m"));
        assert_eq!(ack.header("subscription").as_deref(), Some("0"));
    }
}
