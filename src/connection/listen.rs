//! Listening sockets, and the socket options of accepted connections.

use super::context::ConnectionContext;
use super::options::Options;
use super::peer::Peer;
use super::task;
use crate::limits::connection_limiter::ConnectionPermit;
use crate::wire::tcp::TcpWire;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// Time to wait after `accept` has failed because file descriptors or memory are used up.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// Time for which a rejected client may read the reason before its socket is closed.
const REJECTION_LINGER: Duration = Duration::from_secs(1);
/// Maximum number of bytes in the system's send buffer that are not sent yet (`TCP_NOTSENT_LOWAT`).
#[cfg(target_os = "linux")]
const NOT_SENT_BYTES_MAX: u32 = 256 * 1024;
/// Maximum number of rejected clients that are being sent the reason at the same time. Further clients are disconnected
/// without the reason.
const REJECTIONS_MAX: usize = 64;

/// Listens at `address`. With `accepts_ipv4`, a socket at the IPv6 wildcard address accepts IPv4 clients as well.
pub fn listen(address: SocketAddr, accepts_ipv4: bool, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // An IPv6 address that contains a mapped IPv4 address counts as an IPv4 address.
        let is_ipv4 = address.ip().to_canonical().is_ipv4();
        socket.set_only_v6(!accepts_ipv4 && !is_ipv4)?;
    }
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

/// Waits for the next connection. Skips connections that fail immediately. Waits while file descriptors or memory are
/// used up.
pub async fn accept(listener: &TcpListener, options: &Options) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => match set_socket_options(&stream, options) {
                // A listener for both IPv4 and IPv6 reports the addresses of IPv4 clients as mapped IPv6 addresses.
                Ok(()) => return (stream, SocketAddr::new(peer.ip().to_canonical(), peer.port())),
                Err(error) => tracing::debug!(%error, address = %peer.ip(), "an accepted connection failed"),
            },
            Err(error) if affects_only_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(
                    %error,
                    "cannot accept connections. Raise the open-file limit, or lower connections-max."
                );
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

fn affects_only_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Sets the options of an accepted socket. They send small frames without delay, and detect clients that vanish without
/// closing the connection.
fn set_socket_options(stream: &TcpStream, options: &Options) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    if !options.tcp_keepalive.is_zero() {
        let probe = (options.tcp_keepalive / 3).max(Duration::from_secs(1));
        let silence = options.tcp_keepalive + keepalive_jitter(stream, options.tcp_keepalive);
        let keepalive = TcpKeepalive::new().with_time(silence).with_interval(probe).with_retries(3);
        socket.set_tcp_keepalive(&keepalive)?;
    }
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_user_timeout(Some(options.tcp_user_timeout))?;
        // With this limit, writing progresses only as fast as the client reads. Without it, writes would succeed until
        // the system's send buffer (megabytes) is full.
        socket.set_tcp_notsent_lowat(NOT_SENT_BYTES_MAX)?;
    }
    Ok(())
}

/// Returns a number of whole seconds from 0 to a third of `time`, derived from the client's port. Without it, the
/// system would probe thousands of connections that were opened together at the same moment. It would drop some of the
/// packets, and take the missing answers for silent clients.
fn keepalive_jitter(stream: &TcpStream, time: Duration) -> Duration {
    let port = stream.peer_addr().map_or(0, |peer| u64::from(peer.port()));
    Duration::from_secs(port % (time.as_secs() / 3 + 1))
}

/// Accepts STOMP clients over TCP until the returned future is dropped. `rejections` is the number of clients that are
/// being rejected, on all listeners together.
pub async fn serve_tcp(context: Arc<ConnectionContext>, listener: TcpListener, rejections: Arc<AtomicUsize>) {
    loop {
        let (stream, peer) = accept(&listener, &context.options).await;
        match context.admit(peer.ip()) {
            Ok(permit) => serve_client(&context, stream, permit),
            Err(limit) => {
                context.report_limit_reached(limit, peer.ip());
                let error = format!(
                    "ERROR\nmessage:too many connections\ncontent-type:text/plain\n\nThe limit {limit} is reached. \
                     Close connections, reconnect later, or raise {limit}.\n\0{}",
                    if context.options.trailing_lf { "\n" } else { "" }
                );
                reject(&context, stream, error, &rejections);
            }
        }
    }
}

fn serve_client(context: &Arc<ConnectionContext>, stream: TcpStream, permit: ConnectionPermit) {
    let served = task::serve(
        context.clone(),
        TcpWire::new(stream, context.options.trailing_lf),
        Peer::unauthenticated(permit),
    );
    context.tasks.spawn(served);
}

/// Sends `answer` to a rejected client, waits up to one second for the client to close, and closes the socket. A task
/// that holds only the socket does this. If [`REJECTIONS_MAX`] such tasks run already, closes the socket at once.
pub fn reject(
    context: &ConnectionContext,
    mut stream: TcpStream,
    answer: impl Into<Vec<u8>>,
    rejections: &Arc<AtomicUsize>,
) {
    if rejections.fetch_add(1, Ordering::AcqRel) >= REJECTIONS_MAX {
        rejections.fetch_sub(1, Ordering::AcqRel);
        return;
    }
    let (answer, rejections) = (answer.into(), rejections.clone());
    context.tasks.spawn(async move {
        let send_answer = async {
            stream.write_all(&answer).await?;
            stream.shutdown().await?;
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
        };
        if let Ok(Err(error)) = tokio::time::timeout(REJECTION_LINGER, send_answer).await {
            tracing::debug!(%error, "a rejected client disconnected before it read the reason");
        }
        rejections.fetch_sub(1, Ordering::AcqRel);
    });
}
