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
/// Number of bytes of an ERROR that are printed.
const PRINTED_BYTES: usize = 400;

#[derive(Default)]
struct Counters {
    frames: AtomicU64,
    bytes: AtomicU64,
    disconnected: AtomicU64,
    has_printed_error: AtomicBool,
}

/// Counters of the flood since its start.
pub struct Total {
    pub frames: u64,
    pub bytes: u64,
    /// Number of flooders whose connections the broker has closed.
    pub disconnected: u64,
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
        let Counters { frames, bytes, disconnected, .. } = &*self.counters;
        Total {
            frames: frames.load(Relaxed),
            bytes: bytes.load(Relaxed),
            disconnected: disconnected.load(Relaxed),
        }
    }

    /// Stops printing ERROR frames, because the broker is about to stop.
    pub fn expect_stop(&self) {
        self.counters.has_printed_error.store(true, Relaxed);
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
                // When one future ends, the others are dropped, so that all connections of the flooder are closed.
                tokio::select! {
                    () = repeat(writer, &flooder.block, flooder.frames, &counters) => {}
                    () = discard(reader, flooder.reads, &counters) => {}
                    () = follow(stream, &counters) => {}
                }
                counters.disconnected.fetch_add(1, Relaxed);
            });
        }
        // Dropping the sender ends the flood.
        let _ = ended.await;
        Ok(())
    })
}

fn asynchronous(socket: std::net::TcpStream) -> io::Result<TcpStream> {
    socket.set_nonblocking(true)?;
    TcpStream::from_std(socket)
}

/// Writes the block repeatedly until the broker closes the connection.
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

/// Reads and discards data until the broker closes the connection. If `reads` is false, only keeps the connection open.
async fn discard(mut reader: OwnedReadHalf, reads: bool, counters: &Counters) {
    if !reads {
        return pending().await;
    }
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(length @ 1..) = reader.read(&mut buffer).await {
        print_error(&buffer[..length], counters);
    }
}

/// Reads streaming responses until the broker closes the connection. Requests the next response when one has ended. If
/// the client does not read, only keeps the connection open.
async fn follow(stream: Option<(TcpStream, bool, Vec<u8>)>, counters: &Counters) {
    let Some((mut socket, true, request)) = stream else { return pending().await };
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(length @ 1..) = socket.read(&mut buffer).await {
        print_error(&buffer[..length], counters);
        if buffer[..length].ends_with(b"\r\n0\r\n\r\n") && socket.write_all(&request).await.is_err() {
            return;
        }
    }
}

fn print_error(bytes: &[u8], counters: &Counters) {
    let Some(at) = memchr::memmem::find(bytes, b"ERROR") else { return };
    if !counters.has_printed_error.swap(true, Relaxed) {
        let text = &bytes[at..bytes.len().min(at + PRINTED_BYTES)];
        eprintln!("flood: ERROR from the broker: {}", String::from_utf8_lossy(text).escape_debug());
    }
}
