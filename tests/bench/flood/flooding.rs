//! The flood: one thread that writes and reads for all flooders.

use crate::Result;
use crate::flooder::{Flooder, Stream};
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

const READ_BYTES: usize = 256 * 1024;
/// Bytes of an ERROR that are shown.
const SHOWN_BYTES: usize = 400;

#[derive(Default)]
struct Counters {
    frames: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicU64,
    has_shown_error: AtomicBool,
}

/// What the flood has done since it began.
pub struct Total {
    pub frames: u64,
    pub bytes: u64,
    /// Flooders that have lost a connection.
    pub lost: u64,
}

pub struct Flooding {
    counters: Arc<Counters>,
    end: oneshot::Sender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Flooding {
    pub fn start(flooders: Vec<Flooder>) -> Result<Flooding> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let counters = Arc::new(Counters::default());
        let (end, ended) = oneshot::channel();
        let shared = counters.clone();
        let thread = std::thread::spawn(move || flood(&runtime, flooders, &shared, ended));
        Ok(Flooding { counters, end, thread })
    }

    pub fn total(&self) -> Total {
        let Counters { frames, bytes, lost, .. } = &*self.counters;
        Total { frames: frames.load(Relaxed), bytes: bytes.load(Relaxed), lost: lost.load(Relaxed) }
    }

    /// Shows no ERROR from now on, because the broker is about to stop.
    pub fn expect_stop(&self) {
        self.counters.has_shown_error.store(true, Relaxed);
    }

    /// Ends the flood and closes its connections.
    pub fn stop(self) -> Result<()> {
        drop(self.end);
        Ok(self.thread.join().map_err(|_| "the thread of the flood panicked")??)
    }
}

fn flood(
    runtime: &Runtime,
    flooders: Vec<Flooder>,
    counters: &Arc<Counters>,
    ended: oneshot::Receiver<()>,
) -> io::Result<()> {
    runtime.block_on(async {
        for flooder in flooders {
            let (reader, writer) = asynchronous(flooder.write)?.into_split();
            let stream = flooder.stream.map(|Stream { socket, reads, request }| {
                asynchronous(socket).map(|socket| (socket, reads, request))
            });
            let (stream, counters) = (stream.transpose()?, counters.clone());
            tokio::spawn(async move {
                // When one of them ends, all connections of the flooder are closed, as clients do.
                tokio::select! {
                    () = repeat(writer, &flooder.block, flooder.frames, &counters) => {}
                    () = discard(reader, flooder.reads, &counters) => {}
                    () = follow(stream, &counters) => {}
                }
                counters.lost.fetch_add(1, Relaxed);
            });
        }
        // The end of the sender is the signal.
        let _ = ended.await;
        Ok(())
    })
}

fn asynchronous(socket: std::net::TcpStream) -> io::Result<TcpStream> {
    socket.set_nonblocking(true)?;
    TcpStream::from_std(socket)
}

/// Writes the block again and again until the broker closes the connection.
async fn repeat(mut writer: OwnedWriteHalf, block: &[u8], frames: u64, counters: &Counters) {
    loop {
        let mut rest = block;
        while !rest.is_empty() {
            let Ok(length @ 1..) = writer.write(rest).await else { return };
            counters.bytes.fetch_add(length as u64, Relaxed);
            rest = &rest[length..];
        }
        counters.frames.fetch_add(frames, Relaxed);
    }
}

/// Reads all answers until the broker closes the connection. With `reads` false, only keeps it open.
async fn discard(mut reader: OwnedReadHalf, reads: bool, counters: &Counters) {
    if !reads {
        return pending().await;
    }
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(length @ 1..) = reader.read(&mut buffer).await {
        show_error(&buffer[..length], counters);
    }
}

/// The same for a streaming response. Requests the next one when it has ended.
async fn follow(stream: Option<(TcpStream, bool, Vec<u8>)>, counters: &Counters) {
    let Some((mut socket, true, request)) = stream else { return pending().await };
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(length @ 1..) = socket.read(&mut buffer).await {
        show_error(&buffer[..length], counters);
        if buffer[..length].ends_with(b"\r\n0\r\n\r\n") && socket.write_all(&request).await.is_err() {
            return;
        }
    }
}

fn show_error(bytes: &[u8], counters: &Counters) {
    let Some(at) = memchr::memmem::find(bytes, b"ERROR") else { return };
    if !counters.has_shown_error.swap(true, Relaxed) {
        let shown = &bytes[at..bytes.len().min(at + SHOWN_BYTES)];
        eprintln!("flood: the broker says: {}", String::from_utf8_lossy(shown).escape_debug());
    }
}
