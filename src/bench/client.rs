//! The STOMP client: the frames that it sends, and functions that open many connections.

use super::error::BenchError;
use super::link::{Link, ServerAddress};
use super::options::{Ack, Login};
use std::sync::Arc;
use std::time::Duration;
use stompbox_frames::stomp::{Command, Frame, Version, encode};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Maximum time for the broker to answer CONNECT.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(20);
/// Maximum number of connections that are opened at the same time.
const CONNECTING_MAX: usize = 64;
/// ID of the only subscription of a connection.
const SUBSCRIPTION: &str = "0";

/// Returns a frame without the optional LF at its end.
fn frame(command: Command, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = encode::frame(command, Version::V1_2, headers, b"").to_vec();
    bytes.pop();
    bytes
}

/// Returns a SUBSCRIBE that requests a receipt.
pub(super) fn subscribe(destination: &str, ack: Ack) -> Vec<u8> {
    let headers = [
        ("id", SUBSCRIPTION),
        ("destination", destination),
        ("ack", ack.as_str()),
        ("receipt", "subscribed"),
    ];
    frame(Command::Subscribe, &headers)
}

/// Returns the ACK for a message, in the form of the negotiated version.
pub(super) fn acknowledge(message: &Frame) -> Vec<u8> {
    match message.header("ack") {
        Some(id) => frame(Command::Ack, &[("id", &id)]),
        None => {
            let id = message.header("message-id").unwrap_or_default();
            frame(Command::Ack, &[("message-id", &id), ("subscription", SUBSCRIPTION)])
        }
    }
}

/// Returns the beginning of every SEND of one publisher.
pub(super) fn send_head(destination: &str, body_bytes: usize) -> Vec<u8> {
    let mut head = bytes::BytesMut::from(&b"SEND\n"[..]);
    encode::header(&mut head, Version::V1_2, "destination", destination);
    encode::header(&mut head, Version::V1_2, "content-type", "text/plain");
    encode::header(&mut head, Version::V1_2, "content-length", &body_bytes.to_string());
    head.to_vec()
}

/// Connects and waits for CONNECTED.
///
/// # Errors
/// Returns an error if the connection or the login failed. The text says why, and what to do.
pub(super) async fn connect(target: &ServerAddress, login: &Login) -> Result<Link, BenchError> {
    let connected = tokio::time::timeout(CONNECT_TIME_MAX, log_in(target, login));
    connected.await.unwrap_or_else(|_| {
        let text = "the broker did not answer CONNECT".to_owned();
        Err(BenchError::TimedOut(text, CONNECT_TIME_MAX.as_secs()))
    })
}

/// Opens a connection, sends CONNECT and waits for CONNECTED.
async fn log_in(target: &ServerAddress, login: &Login) -> Result<Link, BenchError> {
    let mut link = Link::open(target).await?;
    let host = login.vhost.as_deref().unwrap_or(&target.url.host);
    let mut headers = vec![("accept-version", "1.2,1.1"), ("host", host), ("heart-beat", "0,0")];
    headers.extend(login.login.as_deref().map(|login| ("login", login)));
    headers.extend(login.passcode.as_deref().map(|passcode| ("passcode", passcode)));
    link.queue(&frame(Command::Connect, &headers));
    let reply = loop {
        link.progress().await?;
        match link.next() {
            Ok(Some(frame)) => break frame,
            Ok(None) => {}
            Err(BenchError::Error(text)) => return Err(BenchError::Login(text)),
            Err(error) => return Err(error),
        }
    };
    if reply.command != Command::Connected {
        return Err(BenchError::protocol("a reply to CONNECT"));
    }
    if reply.header("version").as_deref() == Some("1.1") {
        link.set_version(Version::V1_1);
    }
    Ok(link)
}

/// Opens `count` connections. After each one, calls `report` with the number of open connections.
///
/// # Errors
/// Returns the first error of a connection.
pub(super) async fn connect_all(
    target: &Arc<ServerAddress>,
    login: &Login,
    count: usize,
    mut report: impl FnMut(usize),
) -> Result<Vec<Link>, BenchError> {
    let (permits, mut tasks) = (Arc::new(Semaphore::new(CONNECTING_MAX)), JoinSet::new());
    for _ in 0..count {
        let (permits, target, login) = (permits.clone(), target.clone(), login.clone());
        tasks.spawn(async move {
            let _permit = permits.acquire().await.expect("the semaphore is never closed");
            connect(&target, &login).await
        });
    }
    let mut links = Vec::with_capacity(count);
    while let Some(joined) = tasks.join_next().await {
        links.push(joined.map_err(|error| BenchError::Other(error.to_string()))??);
        report(links.len());
    }
    Ok(links)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stompbox_frames::stomp::{Decoder, Limits};

    fn decoded(bytes: &[u8]) -> Frame {
        let limits =
            Limits { frame_bytes_max: 1000, header_count_max: 10, header_bytes_max: 100, to_bytes_max: 0 };
        let mut decoder = Decoder::new(limits);
        decoder.feed(bytes);
        decoder.next().expect("STOMP").expect("a frame")
    }

    #[test]
    fn frames_are_valid_stomp_and_end_with_nul() {
        let bytes = subscribe("/topic/a:b", Ack::ClientIndividual);
        assert_eq!(bytes.last(), Some(&0));
        let subscribe = decoded(&bytes);
        assert_eq!(subscribe.header("destination").as_deref(), Some("/topic/a:b"));
        assert_eq!(subscribe.header("ack").as_deref(), Some("client-individual"));
        let send = decoded(&[&send_head("/topic/a:b", 2)[..], b"\nhi\0"].concat());
        assert_eq!((send.command, &send.body[..]), (Command::Send, &b"hi"[..]));
    }

    #[test]
    fn acknowledge_uses_the_headers_of_the_version() {
        let ack = decoded(&acknowledge(&decoded(b"MESSAGE\nmessage-id:m\nsubscription:0\nack:x\\cy\n\n\0")));
        assert_eq!((ack.header("id").as_deref(), ack.headers.len()), (Some("x:y"), 1));
        let ack = decoded(&acknowledge(&decoded(b"MESSAGE\nmessage-id:m\nsubscription:0\n\n\0")));
        assert_eq!(ack.header("message-id").as_deref(), Some("m"));
        assert_eq!(ack.header("subscription").as_deref(), Some("0"));
    }
}
