//! The read buffer. Each worker thread has one, and a connection borrows it for one read. An idle connection therefore
//! holds no buffer.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};

/// Maximum number of bytes in one read.
const READ_BYTES: usize = 64 * 1024;
/// Maximum number of reads that [`poll_discard`] makes in one poll.
const DISCARDS_MAX: usize = 16;

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// Reads once from `socket` and passes the bytes to `sink`. `sink` must not call this function, because the buffer is
/// already borrowed.
pub(crate) fn poll_read<R>(
    socket: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    sink: impl FnOnce(&mut [u8]) -> R,
) -> Poll<io::Result<R>> {
    READ_BUFFER.with_borrow_mut(|storage| {
        let mut buffer = ReadBuf::new(storage);
        match Pin::new(socket).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(sink(buffer.filled_mut()))),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    })
}

/// Reads and discards the input until its end or a failure. If the client sends without a pause, the function stops
/// after [`DISCARDS_MAX`] reads and has the task polled again.
pub(crate) fn poll_discard(socket: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>) -> Poll<()> {
    for _ in 0..DISCARDS_MAX {
        match poll_read(socket, cx, |bytes| bytes.len()) {
            Poll::Ready(Ok(0)) | Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Ready(Ok(_)) => {}
            Poll::Pending => return Poll::Pending,
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}
