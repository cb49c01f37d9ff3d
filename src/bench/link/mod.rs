//! A client connection that sends and receives STOMP frames over any transport. Its futures are cancel safe: dropping
//! one loses no data.

mod envelope;
mod http;
mod socket;
mod sockjs;
mod websocket;

use super::error::BenchError;
use super::url::{BrokerUrl, LinkTransport};
use bytes::BytesMut;
use socket::ClientSocket;
use sockjs::{Receiving, Sending};
use std::net::SocketAddr;
use stompbox_frames::sockjs::{Quoting, quote};
use stompbox_frames::stomp::{Command, Decoder, Frame, Limits, Version};
use websocket::WebSocket;

/// Limits on frames from the broker. They are far above the size of the messages that this client publishes and
/// receives.
const LIMITS: Limits =
    Limits { frame_bytes_max: 64 << 20, header_count_max: 1000, header_bytes_max: 1 << 20, to_bytes_max: 0 };
/// Numbers of bytes that may be queued before a publisher waits. The first is for sockets and fills several TCP
/// segments. The second is for the body of an HTTP request and is small enough for any server.
const QUEUED_BYTES_MAX: (usize, usize) = (64 * 1024, 16 * 1024);

/// The broker to connect to.
#[derive(Debug)]
pub(super) struct ServerAddress {
    pub(super) url: BrokerUrl,
    address: SocketAddr,
}

impl ServerAddress {
    /// Resolves the host name.
    pub(super) async fn find(url: &BrokerUrl) -> Result<ServerAddress, BenchError> {
        let no_host = |error| BenchError::NoHost { host: url.host.clone(), error };
        let mut found = tokio::net::lookup_host((url.host.as_str(), url.port)).await.map_err(no_host)?;
        let address = found.next().ok_or_else(|| no_host(std::io::ErrorKind::NotFound.into()))?;
        Ok(ServerAddress { url: url.clone(), address })
    }
}

/// A connection to the broker.
#[derive(Debug)]
pub(super) struct Link {
    address: SocketAddr,
    main: ClientSocket,
    wire: Wire,
    decoder: Decoder,
}

#[derive(Debug)]
enum Wire {
    Tcp,
    WebSocket(WebSocket),
    SockjsWebSocket { socket: WebSocket, message: Vec<u8>, is_open: bool },
    Sockjs(Box<(Receiving, Sending)>),
}

impl Link {
    /// Connects, and waits until the transport is ready for STOMP frames.
    pub(super) async fn open(target: &ServerAddress) -> Result<Link, BenchError> {
        let mut main = ClientSocket::connect(target.address).await?;
        let wire = Wire::begin(&target.url, &mut main.out)?;
        let mut link = Link { address: target.address, main, wire, decoder: Decoder::new(LIMITS) };
        while !link.wire.is_open() {
            link.progress().await?;
        }
        Ok(link)
    }

    /// Sets the negotiated version.
    pub(super) fn set_version(&mut self, version: Version) {
        self.decoder.set_version(version);
    }

    /// Returns whether the queue is short enough to add another frame.
    pub(super) fn has_room(&self) -> bool {
        match &self.wire {
            Wire::Sockjs(halves) => halves.1.backlog() < QUEUED_BYTES_MAX.1,
            _ => self.main.out.len() < QUEUED_BYTES_MAX.0,
        }
    }

    /// Returns whether everything queued has been sent.
    pub(super) fn is_flushed(&self) -> bool {
        match &self.wire {
            Wire::Sockjs(halves) => halves.1.is_done(),
            _ => self.main.out.is_empty(),
        }
    }

    /// Queues a frame, which must end with its NUL.
    pub(super) fn queue(&mut self, frame: &[u8]) {
        let out = &mut self.main.out;
        match &mut self.wire {
            Wire::Tcp => out.extend_from_slice(frame),
            Wire::WebSocket(socket) => socket.put_text(frame, out),
            Wire::SockjsWebSocket { socket, .. } => {
                let mut array = BytesMut::from(&b"[\""[..]);
                quote(Quoting::Plain, frame, &mut array);
                array.extend_from_slice(b"\"]");
                socket.put_text(&array, out);
            }
            Wire::Sockjs(halves) => halves.1.put(frame),
        }
    }

    /// Waits until some bytes can be received or sent, and transfers them. Cancel safe: dropping the future loses no
    /// data.
    pub(super) async fn progress(&mut self) -> Result<(), BenchError> {
        let Link { address, main, wire, decoder } = self;
        if let Wire::Sockjs(halves) = wire {
            return progress_of_session(*address, main, halves, decoder).await;
        }
        let ready = main.ready().await?;
        main.transfer(ready, |input, out| match input {
            Some(input) => wire.take(input, decoder, out),
            None => Err(BenchError::Closed(String::new())),
        })
    }

    /// Returns the next frame that has arrived. An ERROR frame is returned as an error.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, BenchError> {
        let frame = self.decoder.next().map_err(|error| BenchError::Protocol(format!("STOMP ({error})")))?;
        match frame {
            Some(frame) if frame.command == Command::Error => Err(BenchError::Error(error_text(&frame))),
            frame => Ok(frame),
        }
    }
}

async fn progress_of_session(
    address: SocketAddr,
    main: &mut ClientSocket,
    (receiving, sending): &mut (Receiving, Sending),
    decoder: &mut Decoder,
) -> Result<(), BenchError> {
    if receiving.needs_socket {
        *main = ClientSocket::connect(address).await?;
        receiving.request_frames(&mut main.out);
    }
    // Do not wait for the main socket at the same time. Each byte that arrives there would cancel the connect.
    sending.connect(address).await?;
    let sending_ready = async {
        match sending.socket_with_request() {
            Some(socket) => socket.ready().await,
            None => std::future::pending().await,
        }
    };
    let (to_main, ready) = tokio::select! {
        ready = main.ready() => (true, ready?),
        ready = sending_ready => (false, ready?),
    };
    if !to_main {
        return sending.transfer(ready);
    }
    main.transfer(ready, |input, out| match input {
        Some(input) => receiving.take(input, decoder, out),
        None => Err(BenchError::Closed(String::new())),
    })
}

impl Wire {
    /// Creates the state of the transport, and writes the first bytes of the connection, such as an upgrade request.
    fn begin(url: &BrokerUrl, out: &mut BytesMut) -> Result<Wire, BenchError> {
        let host = url.authority();
        let session = || {
            let random = getrandom::u64()
                .map_err(|error| BenchError::Other(format!("cannot get random numbers: {error}")))?;
            Ok::<_, BenchError>(sockjs::session_path(url, random))
        };
        Ok(match url.transport {
            LinkTransport::Tcp => Wire::Tcp,
            LinkTransport::WebSocket => {
                Wire::WebSocket(WebSocket::open(&url.path, &host, Some("v12.stomp, v11.stomp"), out))
            }
            LinkTransport::SockjsWebSocket => {
                let path = format!("{}/websocket", session()?);
                let socket = WebSocket::open(&path, &host, None, out);
                Wire::SockjsWebSocket { socket, message: Vec::new(), is_open: false }
            }
            _ => {
                let session = session()?;
                let mut receiving = Receiving::new(url, &session);
                receiving.request_frames(out);
                Wire::Sockjs(Box::new((receiving, Sending::new(url, &session))))
            }
        })
    }

    fn is_open(&self) -> bool {
        match self {
            Wire::Tcp => true,
            Wire::WebSocket(socket) => socket.is_open(),
            Wire::SockjsWebSocket { is_open, .. } => *is_open,
            Wire::Sockjs(halves) => halves.0.is_open(),
        }
    }

    fn take(&mut self, input: &[u8], decoder: &mut Decoder, out: &mut BytesMut) -> Result<(), BenchError> {
        match self {
            Wire::Tcp => decoder.feed(input),
            Wire::WebSocket(socket) => socket.take(input, out, |(piece, _)| {
                decoder.feed(piece);
                Ok(())
            })?,
            Wire::SockjsWebSocket { socket, message, is_open } => {
                socket.take(input, out, |(piece, end)| {
                    match (end, message.is_empty()) {
                        (true, true) => return envelope::take_frame(piece, is_open, decoder),
                        _ => message.extend_from_slice(piece),
                    }
                    match end {
                        true => envelope::take_frame(&std::mem::take(message), is_open, decoder),
                        false => Ok(()),
                    }
                })?
            }
            Wire::Sockjs(halves) => halves.0.take(input, decoder, out)?,
        }
        Ok(())
    }
}

/// Returns the text of an ERROR on one line.
fn error_text(frame: &Frame) -> String {
    let message = frame.header("message").unwrap_or_default().into_owned();
    let body = String::from_utf8_lossy(&frame.body[..frame.body.len().min(300)]).trim().replace('\n', " ");
    match (message.is_empty(), body.is_empty() || body == message) {
        (_, true) => message,
        (true, _) => body,
        _ => format!("{message}: {body}"),
    }
}
