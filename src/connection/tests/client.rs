//! A client whose connection runs only when a test polls it.

use super::*;
use std::sync::atomic::AtomicBool;
use std::task::{Wake, Waker};

/// Number of bytes that may wait until the client reads them.
pub(super) const PIPE_BYTES: usize = 16 << 20;

/// The broker's end of a connection. A test can reset the connection.
struct Socket {
    stream: DuplexStream,
    is_reset: Arc<AtomicBool>,
}

impl Socket {
    fn check(&self) -> io::Result<()> {
        if self.is_reset.load(Relaxed) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_read(cx, out)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl ByteStream for Socket {
    fn input_has_ended(&self) -> bool {
        self.stream.input_has_ended()
    }
}

/// A client and the task of its connection, which runs only when a test polls it.
pub(super) struct Client {
    pub(super) connection: Option<Connection>,
    pub(super) stream: Option<DuplexStream>,
    pub(super) is_reset: Arc<AtomicBool>,
    /// The text that the client has read so far.
    pub(super) text: String,
}

impl Client {
    /// Connects and authenticates as alice.
    pub(super) async fn connect(context: &Arc<ConnectionContext>, headers: &str) -> Client {
        let (stream, other) = tokio::io::duplex(PIPE_BYTES);
        let is_reset = Arc::new(AtomicBool::new(false));
        let socket = Socket { stream: other, is_reset: is_reset.clone() };
        let permit = context.admit(IpAddr::V4(Ipv4Addr::LOCALHOST)).expect("a permit is available");
        let wire = TcpWire::new(socket, false);
        let connection = Box::pin(task::serve(context.clone(), wire, Peer::unauthenticated(permit)));
        let mut client =
            Client { connection: Some(connection), stream: Some(stream), is_reset, text: String::new() };
        client.send(&connect().replace("\n\n", &format!("\n{headers}\n"))).await;
        client.until("CONNECTED").await;
        client
    }

    /// Writes frames to the connection without polling it.
    pub(super) async fn send(&mut self, frames: &str) {
        let stream = self.stream.as_mut().expect("the client is connected");
        poll_all(stream, frames.as_bytes()).await;
    }

    /// Polls the connection once, and reads what it has written. Returns the work and the result of the poll.
    pub(super) async fn poll(&mut self) -> (u64, Poll<()>) {
        let Some(connection) = &mut self.connection else { return (0, Poll::Ready(())) };
        let before = work::done();
        let polled = poll_fn(|cx| Poll::Ready(connection.as_mut().poll(cx))).await;
        let done = work::done() - before;
        self.read_available().await;
        tokio::task::yield_now().await;
        (done, polled)
    }

    /// Runs the connection as a runtime does: polls it only after its waker was called. Returns the number of polls when
    /// the connection waits for an event, or has ended.
    pub(super) async fn run(&mut self, wakes: &Arc<Wakes>) -> usize {
        let waker = Waker::from(wakes.clone());
        let mut polls = 0;
        while wakes.take() {
            let Some(connection) = &mut self.connection else { break };
            polls += 1;
            assert!(polls < 100_000, "the connection is woken again and again");
            if connection.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                self.connection = None;
            }
            self.read_available().await;
            tokio::task::yield_now().await;
        }
        polls
    }

    /// Reads the available bytes. Closes the client's end if the broker has closed its own.
    async fn read_available(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let mut read = ReadBuf::new(&mut buffer);
            let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut *stream).poll_read(cx, &mut read))).await;
            if polled.is_pending() {
                return;
            }
            if read.filled().is_empty() {
                self.stream = None;
                return;
            }
            self.text.push_str(std::str::from_utf8(read.filled()).expect("valid UTF-8"));
        }
    }

    /// Polls until the text that the client has read contains `text`. Returns the work of each poll.
    pub(super) async fn until(&mut self, text: &str) -> Vec<u64> {
        let mut done = Vec::new();
        while !self.text.contains(text) {
            assert!(done.len() < 100_000, "{text:?} did not arrive: {}", self.text);
            let (work, polled) = self.poll().await;
            done.push(work);
            assert!(polled.is_pending(), "the connection ended before {text:?}: {}", self.text);
        }
        done
    }

    /// Polls until the connection has ended.
    pub(super) async fn until_closed(&mut self) {
        for _ in 0..100_000 {
            if self.poll().await.1.is_ready() {
                self.connection = None;
                return;
            }
        }
        panic!("the connection does not end");
    }
}

/// A waker that records whether it was called.
pub(super) struct Wakes(AtomicBool);

impl Wakes {
    /// Creates a waker that counts as called, so that the connection is polled first.
    pub(super) fn new() -> Arc<Wakes> {
        Arc::new(Wakes(AtomicBool::new(true)))
    }

    /// Returns whether the waker was called since the last call of this function.
    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Relaxed)
    }

    /// Returns whether the waker was called since the last call of [`Wakes::take`].
    pub(super) fn is_woken(&self) -> bool {
        self.0.load(Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Wakes>) {
        self.0.store(true, Relaxed);
    }
}

/// Writes all bytes without polling the connection.
async fn poll_all(stream: &mut DuplexStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let written = poll_fn(|cx| Pin::new(&mut *stream).poll_write(cx, bytes)).await;
        bytes = &bytes[written.expect("the pipe has space")..];
    }
}
