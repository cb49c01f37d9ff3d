//! Tests of how much work one poll of a connection does, and of how connections share a thread. Work is counted in
//! units, not measured in time.

mod client;
mod commits;
mod outcomes;
mod size;
mod unsettled;
mod uploads;

use super::state::poll_budget::WORK_MAX;
use super::{ConnectionContext, ConnectionContextParts, random_node, task};
use crate::auth::{Authenticator, Secret};
use crate::broker::{Broker, Journal};
use crate::budget::Budget;
use crate::config::Config;
use crate::connection::peer::Peer;
use crate::http::sockjs::session::socket_wire::SocketWire;
use crate::metrics::Metrics;
use crate::permissions::Permissions;
use crate::wire::byte_stream::ByteStream;
use crate::wire::tcp::TcpWire;
use crate::wire::websocket::{WebSocket, WebSocketWire};
use crate::work;
use bytes::Bytes;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

/// A socket whose client sends the bytes `first`, and then repeats the bytes `again` without a pause. If `again` is
/// empty, the client then closes. The socket accepts everything that is written to it.
struct Flood {
    first: Vec<u8>,
    again: Vec<u8>,
    sent: usize,
    written: Arc<AtomicUsize>,
    has_ended: bool,
}

impl Flood {
    fn new(first: &str, again: &str) -> Flood {
        Flood::over(Transport::Tcp, first, again)
    }

    fn over(transport: Transport, first: &str, again: &str) -> Flood {
        // Repeats the frames until they fill one read buffer.
        let again = again.repeat(64 * 1024 / again.len().max(1) + 1);
        let first = [&transport.encode(&connect()), &transport.encode(first)[..]].concat();
        Flood { first, again: transport.encode(&again), sent: 0, written: Arc::default(), has_ended: false }
    }
}

/// Returns the CONNECT frame of the user alice.
fn connect() -> String {
    format!("CONNECT\naccept-version:1.2\nhost:a\nheart-beat:0,0\nAuthorization:Bearer {}\n\n\0", token())
}

/// Returns a token of the user alice that does not expire.
fn token() -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let claims = serde_json::json!({"sub": "alice", "exp": 32_503_680_000u64});
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("a token")
}

const SECRET: &str = "a secret of thirty-two bytes....";

/// The transport that carries the frames of a flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Tcp,
    WebSocket,
    SockJs,
}

impl Transport {
    /// Encodes STOMP frames as the client sends them.
    fn encode(self, frames: &str) -> Vec<u8> {
        if self == Transport::Tcp {
            return frames.as_bytes().to_vec();
        }
        let mut encoded = Vec::new();
        for piece in frames.as_bytes().chunks(8 * 1024) {
            let piece = match self {
                Transport::SockJs => {
                    serde_json::to_vec(&[std::str::from_utf8(piece).expect("ASCII")]).expect("valid JSON")
                }
                _ => piece.to_vec(),
            };
            let length = u16::try_from(piece.len()).expect("a short piece");
            // A text message in one WebSocket frame, masked with zeros.
            encoded.extend([0x81, 0x80 | 126]);
            encoded.extend(length.to_be_bytes());
            encoded.extend([0; 4]);
            encoded.extend(piece);
        }
        encoded
    }
}

impl AsyncRead for Flood {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let first = self.first.len();
        let rest = match self.sent.checked_sub(first) {
            None => &self.first[self.sent..],
            Some(_) if self.again.is_empty() => return Poll::Ready(Ok(())),
            Some(again) => &self.again[again % self.again.len()..],
        };
        let length = rest.len().min(out.remaining());
        out.put_slice(&rest[..length]);
        self.sent += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written.fetch_add(bytes.len(), Relaxed);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl ByteStream for Flood {
    fn input_has_ended(&self) -> bool {
        self.has_ended
    }
}

/// A stream that reports the end of its input only after all input is read.
impl ByteStream for DuplexStream {
    fn input_has_ended(&self) -> bool {
        false
    }
}

fn context() -> Arc<ConnectionContext> {
    context_with(config())
}

fn config() -> Config {
    let mut config = Config::default();
    config.users.token.secrets = vec![Secret::new(SECRET)];
    // Enough memory for many patterns.
    config.session.subscription_bytes_max = 256 << 20;
    config
}

fn context_with(config: Config) -> Arc<ConnectionContext> {
    context_with_journal(config, None)
}

fn context_with_journal(config: Config, journal: Option<Arc<dyn Journal>>) -> Arc<ConnectionContext> {
    let node = random_node();
    let (budget, metrics) = (Budget::new(config.memory_bytes_max), Metrics::new());
    ConnectionContext::new(ConnectionContextParts {
        broker: Broker::with_journal(config.broker, node, budget.clone(), metrics.clone(), journal),
        budget,
        metrics,
        authenticator: Authenticator::new(config.users).expect("valid options"),
        permissions: Permissions::default(),
        options: config.transport,
        session: config.session,
        operations: config.operations,
        outbound_queue: config.outbound_queue,
        node,
    })
}

type Connection = Pin<Box<dyn Future<Output = ()>>>;

fn serve(context: &Arc<ConnectionContext>, flood: Flood) -> Connection {
    serve_over(context, Transport::Tcp, flood)
}

fn serve_over(context: &Arc<ConnectionContext>, transport: Transport, socket: impl ByteStream) -> Connection {
    let permit = context.admit(IpAddr::V4(Ipv4Addr::LOCALHOST)).expect("a permit is available");
    let peer = Peer::unauthenticated(permit);
    let bytes_max = 16 << 20;
    match transport {
        Transport::Tcp => Box::pin(task::serve(context.clone(), TcpWire::new(socket, false), peer)),
        Transport::WebSocket => {
            let socket = WebSocket::new(socket, Bytes::new(), bytes_max);
            Box::pin(task::serve(context.clone(), WebSocketWire::new(socket), peer))
        }
        Transport::SockJs => {
            let socket = WebSocket::new(socket, Bytes::new(), bytes_max);
            let wire = SocketWire::new(socket, Duration::ZERO, bytes_max);
            Box::pin(task::serve(context.clone(), wire, peer))
        }
    }
}

/// Work of requeuing `unsettled-max` messages, and of delivering further messages.
const UNSETTLED_WORK: u64 = (10_000 + 2 * 512) * work::QUEUE_MESSAGE as u64;

/// Number of messages of one transaction.
const COMMITTED: usize = 1000;
/// Number of names in the header `to`.
const RECIPIENTS: usize = 1000;

/// Returns SUBSCRIBE frames for `count` different patterns of many segments below `prefix`.
fn different_patterns(count: u32, prefix: &str) -> String {
    let subscribe = |id: u32| {
        let bits: String = (0..10).map(|bit| if id >> bit & 1 == 1 { "a." } else { "*." }).collect();
        format!("SUBSCRIBE\nid:{id}\ndestination:{prefix}/**.a.{bits}{}b\n\n\0", "*.".repeat(48))
    };
    (0..count).map(subscribe).collect()
}

/// Returns the floods to test. Each has a name, the frames that the client sends once, and the frames that it repeats.
/// The last value is the work of the most expensive frame, including deliveries and cleanup.
fn floods() -> Vec<(&'static str, String, String, u64)> {
    let queue: String = (0..10_000).map(|n| format!("SEND\ndestination:/queue/a\n\n{n}\0")).collect();
    let patterns = different_patterns(100, "/topic");
    let name = "a.".repeat(61);
    let own_patterns = different_patterns(900, "/user/queue");
    let transaction = format!(
        "BEGIN\ntransaction:t\n\n\0{}COMMIT\ntransaction:t\n\n\0",
        "SEND\ndestination:/topic/a\ntransaction:t\n\nx\0".repeat(COMMITTED)
    );
    let names: Vec<String> = (0..RECIPIENTS).map(|n| format!("user{n}")).collect();
    let to_users = format!("SEND\ndestination:/users/queue/a\ntransaction:t\nto:{}\n\nx\0", names.join(","));
    let transaction_to_users =
        format!("BEGIN\ntransaction:t\n\n\0{}COMMIT\ntransaction:t\n\n\0", to_users.repeat(20));
    let pair = |destination: &str, headers: &str| {
        format!("SUBSCRIBE\nid:x\ndestination:{destination}\n{headers}\n\0UNSUBSCRIBE\nid:x\n\n\0")
    };
    let long_queue = format!(
        "SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\0{}",
        "SEND\ndestination:/topic/a\n\nx\0".repeat(8000)
    );
    let small = 100;
    vec![
        ("send", String::new(), "SEND\ndestination:/topic/a\n\nx\0".to_owned(), small),
        (
            "receipt",
            String::new(),
            format!("SEND\ndestination:/topic/a\nreceipt:{}\n\nx\0", "r".repeat(200)),
            small,
        ),
        (
            "transaction",
            String::new(),
            "BEGIN\ntransaction:t\n\n\0ABORT\ntransaction:t\n\n\0".to_owned(),
            small,
        ),
        ("topic", String::new(), pair("/topic/a", ""), small),
        ("presence", String::new(), pair("/presence/topic/a", ""), small),
        ("long queue", long_queue, pair("/topic/b", ""), 2 * small),
        // All unsettled deliveries, at most `unsettled-max`, are requeued at once.
        ("queue", queue, pair("/queue/a", "ack:client-individual\nprefetch-count:10000\n"), UNSETTLED_WORK),
        // Each node in the trie of the patterns is visited once.
        ("patterns", patterns, format!("SEND\ndestination:/topic/{name}c\n\nx\0"), 100 * 50),
        (
            "own patterns",
            own_patterns,
            format!("SEND\ndestination:/user/alice/queue/{name}c\n\nx\0"),
            // Every segment of each pattern is visited.
            (900 * 64 / work::VISITS_PER_UNIT) as u64 + small,
        ),
        // A poll may end after each step of a COMMIT, but the session collects all steps in one poll.
        ("commit", String::new(), transaction, (COMMITTED / work::VISITS_PER_UNIT) as u64 + small),
        // Each message to many users is one step, and the names in its header are all parsed in one poll.
        ("commit to users", String::new(), transaction_to_users, 5 * RECIPIENTS as u64 + small),
        // Each name is looked up. There are at most `to-names-max` of them.
        (
            "users",
            String::new(),
            format!("SEND\ndestination:/users/queue/a\nto:{}\n\nx\0", names.join(",")),
            5 * RECIPIENTS as u64 + small,
        ),
        (
            "refresh",
            String::new(),
            format!("SEND\ndestination:/auth/refresh\n\n{}\0", token()),
            work::AUTHENTICATION as u64 + small,
        ),
    ]
}

/// Polls a connection `count` times, and returns the work of each poll.
async fn polls(connection: &mut Connection, count: usize) -> Vec<u64> {
    let mut done = Vec::new();
    for _ in 0..count {
        poll_fn(|cx| {
            let before = work::done();
            let polled = connection.as_mut().poll(cx);
            done.push(work::done() - before);
            assert!(polled.is_pending(), "the connection ended");
            Poll::Ready(())
        })
        .await;
        tokio::task::yield_now().await;
    }
    done
}

#[tokio::test]
async fn poll_of_a_flooding_connection_does_at_most_its_budget_and_one_step() {
    for transport in [Transport::Tcp, Transport::WebSocket, Transport::SockJs] {
        for (name, first, again, step) in floods() {
            let name = format!("{name} over {transport:?}");
            let context = context();
            let flood = Flood::over(transport, &first, &again);
            let mut connection = serve_over(&context, transport, flood);
            // Poll until CONNECT, all first frames, and at least two repetitions of the other frames are handled.
            let frames_of = |text: &str| text.matches('\0').count() as u64;
            let enough = 1 + frames_of(&first) + (2 * frames_of(&again)).max(60);
            while context.metrics.frames_received.get() < enough {
                let done = polls(&mut connection, 1).await[0];
                // Each poll over SockJS may also parse the JSON of one read.
                let step = step + JSON_OF_A_READ * u64::from(transport == Transport::SockJs);
                assert!(
                    done <= WORK_MAX + step,
                    "{name}: one poll did {done}; its budget is {WORK_MAX}, one step takes {step}"
                );
            }
        }
    }
}

/// Work of parsing the JSON in one read.
const JSON_OF_A_READ: u64 = 2 * (64 * 1024 / work::JSON_BYTES_PER_UNIT) as u64;

#[tokio::test]
async fn flooding_connections_close_soon_after_broker_stop() {
    for (name, first, again, _) in floods() {
        let context = context();
        let floods: Vec<Flood> = (0..4).map(|_| Flood::over(Transport::WebSocket, &first, &again)).collect();
        let mut connections: Vec<_> =
            floods.into_iter().map(|flood| serve_over(&context, Transport::WebSocket, flood)).collect();
        let mut busy = 0;
        while busy < 20 {
            for connection in &mut connections {
                polls(connection, 1).await;
            }
            busy += usize::from(context.metrics.sessions.get() == 4);
        }
        let held = |context: &ConnectionContext| {
            context.metrics.subscriptions.get() + context.metrics.sessions.get()
        };
        context.stop(Instant::now() + Duration::from_secs(3600));
        let mut rounds = 0;
        while held(&context) > 0 {
            rounds += 1;
            assert!(rounds <= 40, "{name}: {} sessions and subscriptions are left", held(&context));
            for connection in &mut connections {
                let _ = poll_fn(|cx| Poll::Ready(connection.as_mut().poll(cx))).await;
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Returns clients that hold many items and close. Each consists of its name, the frames that the client sends, and the
/// work of releasing its largest single item.
fn closing_clients() -> Vec<(&'static str, String, u64)> {
    let each = |count: u32, frames: fn(u32) -> String| (0..count).map(frames).collect::<String>();
    let topics = each(1000, |n| format!("SUBSCRIBE\nid:{n}\ndestination:/topic/{n}\n\n\0"));
    let patterns = each(300, |n| format!("SUBSCRIBE\nid:{n}\ndestination:/topic/{n}.**.a\n\n\0"));
    let queues = each(50, |n| {
        let send = format!("SEND\ndestination:/queue/{n}\n\nx\0").repeat(100);
        format!("{send}SUBSCRIBE\nid:{n}\ndestination:/queue/{n}\nack:client\nprefetch-count:100\n\n\0")
    });
    let temporary = format!(
        "SUBSCRIBE\nid:1\ndestination:/temp-queue/a\nack:client\nprefetch-count:1\n\n\0{}",
        "SEND\ndestination:/temp-queue/a\n\nx\0".repeat(20_000)
    );
    vec![
        ("topics", topics, 100),
        ("patterns", patterns, 100),
        ("queues", queues, 100 + 3 * 100 * work::QUEUE_MESSAGE as u64),
        ("temporary queue", temporary, 100 + 2 * 256 * work::QUEUE_MESSAGE as u64),
    ]
}

/// Polls a connection until it has ended, or until `stop_after` polls have released something. Returns the work of each
/// of the polls that released something, and whether the connection has ended.
async fn polls_while_closing(
    context: &ConnectionContext,
    connection: &mut Connection,
    stop_after: usize,
) -> (Vec<u64>, bool) {
    let mut done = Vec::new();
    let held = || {
        (
            context.metrics.subscriptions.get(),
            context.metrics.queues.get(),
            context.metrics.queue_messages.get(),
        )
    };
    loop {
        let (before, held_before) = (work::done(), held());
        let polled = poll_fn(|cx| Poll::Ready(connection.as_mut().poll(cx))).await;
        let held = held();
        if held.0 < held_before.0 || held.1 < held_before.1 || held.2 < held_before.2 {
            done.push(work::done() - before);
        }
        if polled.is_ready() || done.len() >= stop_after {
            return (done, polled.is_ready());
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn connection_with_many_items_releases_them_in_several_polls() {
    for (name, first, step) in closing_clients() {
        let context = context();
        let mut connection = serve(&context, Flood::new(&first, ""));
        let (done, ended) = polls_while_closing(&context, &mut connection, usize::MAX).await;
        let most = done.iter().max().copied().unwrap_or_default();
        assert!(ended && done.len() > 1, "{name}: {} polls", done.len());
        assert!(
            most <= WORK_MAX + step,
            "{name}: one poll did {most}; its budget is {WORK_MAX}, one step takes {step}"
        );
        assert_eq!(context.metrics.subscriptions.get(), 0, "{name}");
        assert_eq!(context.poll_permits.available_permits(), 1, "{name}");
    }
}

#[tokio::test]
async fn connection_dropped_during_release_releases_the_rest() {
    for (name, first, _) in closing_clients() {
        let context = context();
        let mut connection = serve(&context, Flood::new(&first, ""));
        let (_, ended) = polls_while_closing(&context, &mut connection, 1).await;
        assert!(!ended, "{name}");
        drop(connection);
        assert_eq!(context.metrics.subscriptions.get(), 0, "{name}");
        let kept = if name == "queues" { 50 * 100 } else { 0 };
        assert_eq!(context.metrics.queue_messages.get(), kept, "{name}");
        assert_eq!(context.poll_permits.available_permits(), 1, "{name}");
    }
}

#[tokio::test]
async fn flooding_connections_share_the_thread_fairly() {
    let context = context();
    let permits = context.poll_permits.available_permits();
    assert_eq!(permits, 1, "one permit for each thread of this runtime");
    let mut connections: Vec<_> = (0..8)
        .map(|n| {
            let again = format!("SEND\ndestination:/topic/{n}\n\nx\0");
            serve(&context, Flood::new("", &again))
        })
        .collect();
    let mut shares = vec![0; connections.len()];
    for round in 0..200 {
        let mut busy = 0;
        for (connection, share) in connections.iter_mut().zip(&mut shares) {
            let done = polls(connection, 1).await[0];
            busy += usize::from(done > WORK_MAX / 2);
            *share += done;
        }
        // The broker finds out in the first polls which connections flood.
        assert!(round < 2 || busy <= 2, "{busy} connections worked in round {round}");
    }
    let least = shares.iter().min().copied().unwrap_or_default();
    let most = shares.iter().max().copied().unwrap_or_default();
    assert!(least * 2 > most, "the work of connections differs: {least} and {most}");
}

#[tokio::test]
async fn dropped_connection_returns_its_work_permit() {
    let context = context();
    let mut connection = serve(&context, Flood::new("", "SEND\ndestination:/topic/a\n\nx\0"));
    while context.poll_permits.available_permits() > 0 {
        polls(&mut connection, 1).await;
    }
    drop(connection);
    assert_eq!(context.poll_permits.available_permits(), 1);
}

/// With one permit, each login attempt of alice needs the permit of the attempt before. The throttle delays the sixth
/// attempt and later ones.
#[tokio::test(start_paused = true)]
async fn half_closed_client_releases_its_permit_while_its_login_is_throttled() {
    let mut config = config();
    config.transport.connections_max = 1;
    let context = context_with(config);
    let start = tokio::time::Instant::now();
    let pipelined = "SEND\ndestination:/topic/a\n\n\0";
    for (number, behind) in ["", "", "", "", "", "", pipelined].into_iter().enumerate() {
        let (mut client, socket) = tokio::io::duplex(4096);
        let permit = context
            .admit(IpAddr::V4(Ipv4Addr::LOCALHOST))
            .expect("the previous connection has released its permit");
        let served = tokio::spawn(task::serve(
            context.clone(),
            TcpWire::new(socket, true),
            Peer::unauthenticated(permit),
        ));
        let connect = format!("CONNECT\naccept-version:1.2\nhost:a\nlogin:alice\npasscode:{number}\n\n\0");
        client.write_all((connect + behind).as_bytes()).await.expect("the pipe has space");
        client.shutdown().await.expect("the pipe is open");
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("the broker closes the connection");
        let expected = if number < 5 { "login failed" } else { "login not checked" };
        assert!(answer.contains(&format!("message:{expected}\n")), "attempt {number}: {answer}");
        served.await.expect("the task does not panic");
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "no attempt waited for the throttle");
}

/// Sends 1000 messages to a queue while `used` bytes of the byte budget are in use. Polls until the connection has
/// ended, but at most 200 times. Returns the number of messages in the queue, and whether the connection has ended.
async fn sends_at(
    transport: Transport,
    used: fn(&ConnectionContext) -> usize,
    has_ended: bool,
) -> (i64, bool) {
    let mut config = config();
    config.outbound_queue.slow_consumer_grace = Duration::from_secs(3600);
    let context = context_with(config);
    let _used = context.budget.charge(used(&context));
    let sends = "SEND\ndestination:/queue/a\n\nx\0".repeat(1000);
    let mut connection =
        serve_over(&context, transport, Flood { has_ended, ..Flood::over(transport, &sends, "") });
    for _ in 0..200 {
        if poll_fn(|cx| Poll::Ready(connection.as_mut().poll(cx))).await.is_ready() {
            return (context.metrics.queue_messages.get(), true);
        }
        tokio::task::yield_now().await;
    }
    (context.metrics.queue_messages.get(), false)
}

#[tokio::test]
async fn near_the_byte_budget_only_clients_with_open_input_are_throttled() {
    let near = |context: &ConnectionContext| context.budget.bytes_max() - context.budget.bytes_max() / 8;
    let exhausted = |context: &ConnectionContext| context.budget.bytes_max();
    for transport in [Transport::Tcp, Transport::WebSocket, Transport::SockJs] {
        assert_eq!(sends_at(transport, near, false).await, (1, false), "{transport:?}");
        assert_eq!(sends_at(transport, near, true).await, (1000, true), "{transport:?}");
        assert_eq!(sends_at(transport, exhausted, true).await, (0, true), "{transport:?}");
    }
}
