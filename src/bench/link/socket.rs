//! A TCP socket with an output buffer. Reads one chunk at a time into a buffer shared by all sockets of the thread.

use crate::bench::error::{BenchError, of_socket};
use bytes::{Buf, BytesMut};
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;

/// Maximum number of bytes in one read.
const READ_BYTES: usize = 256 * 1024;

thread_local! {
    /// Shared read buffer, so that an idle connection holds none.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// A connected socket with the bytes that wait to be written.
#[derive(Debug)]
pub(super) struct ClientSocket {
    stream: TcpStream,
    address: SocketAddr,
    /// Bytes to be written.
    pub(super) out: BytesMut,
}

impl ClientSocket {
    pub(super) async fn connect(address: SocketAddr) -> Result<ClientSocket, BenchError> {
        let socket_error = |error| of_socket(&address.to_string(), error);
        let stream = TcpStream::connect(address).await.map_err(socket_error)?;
        stream.set_nodelay(true).map_err(socket_error)?;
        Ok(ClientSocket { stream, address, out: BytesMut::new() })
    }

    /// Waits until the socket is readable or, if there is output, writable. Cancel safe: dropping the future loses no
    /// data.
    pub(super) async fn ready(&self) -> Result<Ready, BenchError> {
        let interest = match self.out.is_empty() {
            true => Interest::READABLE,
            false => Interest::READABLE | Interest::WRITABLE,
        };
        self.stream.ready(interest).await.map_err(|error| self.socket_error(error))
    }

    /// Writes as much as possible. Passes one chunk of input to `take`, or `None` at the end of the stream.
    pub(super) fn transfer(
        &mut self,
        ready: Ready,
        take: impl FnOnce(Option<&mut [u8]>, &mut BytesMut) -> Result<(), BenchError>,
    ) -> Result<(), BenchError> {
        if ready.is_writable() {
            self.write()?;
        }
        if !ready.is_readable() && !ready.is_read_closed() {
            return Ok(());
        }
        let ClientSocket { stream, address, out } = self;
        SCRATCH.with_borrow_mut(|scratch| match stream.try_read(scratch) {
            Ok(0) => take(None, out),
            Ok(length) => take(Some(&mut scratch[..length]), out),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(of_socket(&address.to_string(), error)),
        })
    }

    fn write(&mut self) -> Result<(), BenchError> {
        while !self.out.is_empty() {
            match self.stream.try_write(&self.out) {
                Ok(length) => self.out.advance(length),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(self.socket_error(error)),
            }
        }
        // Free a buffer that a backlog has made large.
        if self.out.capacity() > READ_BYTES {
            self.out = BytesMut::new();
        }
        Ok(())
    }

    fn socket_error(&self, error: io::Error) -> BenchError {
        of_socket(&self.address.to_string(), error)
    }
}
