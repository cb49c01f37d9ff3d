//! Listening sockets, and the settings of every accepted socket.

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

/// Time to wait after `accept` failed for lack of descriptors or memory.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// Time that a rejected client has to read the reason.
const REJECTION_LINGER: Duration = Duration::from_secs(1);
/// Most bytes that the system holds and has not sent yet (`TCP_NOTSENT_LOWAT`).
#[cfg(target_os = "linux")]
const NOT_SENT_BYTES_MAX: u32 = 256 * 1024;
/// Most rejected clients that are sent the reason at the same time. Further ones are disconnected without it.
const REJECTIONS_MAX: usize = 64;

/// Listens at `address`. With `accepts_ipv4` an IPv6 wildcard address accepts IPv4 clients as well.
pub fn listen(address: SocketAddr, accepts_ipv4: bool, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // An IPv4 address that is mapped into IPv6 counts as an IPv4 address.
        let is_ipv4 = address.ip().to_canonical().is_ipv4();
        socket.set_only_v6(!accepts_ipv4 && !is_ipv4)?;
    }
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

/// Waits for the next connection. Skips connections that fail immediately, and waits while descriptors or memory are
/// lacking.
pub async fn accept(listener: &TcpListener, options: &Options) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => match set_socket_options(&stream, options) {
                // A listener for IPv4 and IPv6 reports IPv4 clients with IPv6 addresses.
                Ok(()) => return (stream, SocketAddr::new(peer.ip().to_canonical(), peer.port())),
                Err(error) => tracing::debug!(%error, address = %peer.ip(), "an accepted connection failed"),
            },
            Err(error) if affects_only_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections; raise the open-file limit or lower connections-max");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

fn affects_only_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Sets the options of an accepted socket: no delay of small frames, and detection of clients that vanish without
/// closing.
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
        // With this, writing progresses as the client reads, not as the system's send buffer (megabytes) fills.
        socket.set_tcp_notsent_lowat(NOT_SENT_BYTES_MAX)?;
    }
    Ok(())
}

/// Returns whole seconds up to a third of `time`, derived from the client's port. Thousands of silent connections that
/// were made at once must not be probed at once: the system drops excess packets and takes the missing answers for
/// silence of the clients.
fn keepalive_jitter(stream: &TcpStream, time: Duration) -> Duration {
    let port = stream.peer_addr().map_or(0, |peer| u64::from(peer.port()));
    Duration::from_secs(port % (time.as_secs() / 3 + 1))
}

/// Accepts STOMP clients on a bare TCP listener until the returned future is dropped. `rejections` counts the clients
/// that are being rejected, on all listeners together.
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

/// Sends `answer` to a rejected client, waits a moment for the client to close, and closes the socket. Holds only the
/// socket meanwhile. Closes it at once if 64 clients (`REJECTIONS_MAX`) are being rejected already.
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
