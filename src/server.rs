//! A running broker: listeners, their tasks, and the way in for a program that embeds it.

mod bind;
mod listening;
mod metrics;

pub use bind::BindError;

use crate::broker::{Broker, Publication};
use crate::budget::Budget;
use crate::config::Config;
use crate::destination::Destination;
use crate::http::{self, HttpServer};
use crate::metrics::Metrics;
use crate::transport::sockjs::Endpoints;
use crate::transport::{ConnectionContext, ConnectionContextParts, Stomp, random_name, sockets};
use crate::users::Authenticator;
use crate::users::permissions::Permissions;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use stompbox_frames::message::is_reserved;
use stompbox_frames::stomp::Headers;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often the broker is asked what has become due (redelivery after a back-off).
const TICK: Duration = Duration::from_millis(10);
/// How often it is looked whether users have changed.
const USER_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The last part of the drain time, in which connections that are cut log their end and the process ends: an eighth of
/// it, but no longer than this.
const CUT_TIME_MAX: Duration = Duration::from_millis(500);
/// Bytes of a boot id, which tells the ids of one start of the broker from those of another.
const BOOT_ID_BYTES: usize = 12;

/// Sockets for the broker to serve, opened as you like.
#[derive(Debug, Default)]
pub struct Listeners {
    /// STOMP on a bare byte stream.
    pub tcp: Vec<TcpListener>,
    /// HTTP: WebSocket, SockJS, health, metrics.
    pub http: Vec<TcpListener>,
}

/// Why the broker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It cannot listen.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A source of users cannot be made of its options; the text names the option.
    #[error("{0}")]
    Users(String),
}

/// Why a message was not published; `Display` says what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PublishError(String);

/// A running broker.
///
/// A [`Config`] built by hand is not checked against itself, as the command does ([`crate::config::load`]): in
/// particular, without `users` everybody who reaches a listener is let in. [`Server::shut_down`] is the polite way to end it; when it is dropped, its listeners
/// close and its clients are told, but nobody waits for them.
///
/// ```
/// use std::io::{Read, Write};
/// use stompbox::{Config, Listeners, Server};
///
/// // With tokio's default interval, a client with one frame waits longer while others send without a pause.
/// let runtime = tokio::runtime::Builder::new_multi_thread().event_interval(16).enable_all().build()?;
/// runtime.block_on(async {
///     let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
///     let address = tcp.local_addr()?;
///     let server = Server::start(Config::default(), Listeners { tcp: vec![tcp], http: Vec::new() })?;
///
///     let client = tokio::task::spawn_blocking(move || {
///         let mut socket = std::net::TcpStream::connect(address)?;
///         socket.write_all(b"CONNECT\naccept-version:1.2\n\n\0SUBSCRIBE\nid:1\nreceipt:r\ndestination:/topic/news\n\n\0")?;
///         let mut heard = Vec::new();
///         while !heard.ends_with(b"RECEIPT\nreceipt-id:r\n\n\0\n") {
///             let mut byte = [0];
///             socket.read_exact(&mut byte)?;
///             heard.push(byte[0]);
///         }
///         Ok::<_, std::io::Error>(socket)
///     });
///     let mut client = client.await??;
///
///     let reached = server.publish("/topic/news", &[("content-type", "text/plain")], b"hello")?;
///     assert_eq!(reached, 1);
///     server.shut_down().await;
///
///     let mut heard = String::new();
///     client.read_to_string(&mut heard)?;
///     assert!(heard.starts_with("MESSAGE\nsubscription:1\n") && heard.ends_with("\n\nhello\0\n"));
///     Ok::<_, Box<dyn std::error::Error>>(())
/// })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server {
    context: Arc<ConnectionContext>,
    tcp: Vec<SocketAddr>,
    http: Vec<SocketAddr>,
    ws_path: String,
    tasks: JoinSet<()>,
    stopping: CancellationToken,
    drain_time: Duration,
    destination_bytes_max: usize,
}

impl Server {
    /// Listens where `config` says and serves. Must be called within a tokio runtime, as all of this.
    pub async fn bind(config: Config) -> Result<Server, StartError> {
        let listeners =
            listening::bind(&config.listen_tcp, &config.listen_http, config.transport.backlog).await?;
        Server::start(config, listeners)
    }

    /// Serves on sockets that are open already; what `config` says about addresses is not looked at, but for what users
    /// may do by default ([`Config::preset`]).
    ///
    /// # Errors
    /// [`StartError::Users`].
    pub fn start(config: Config, listeners: Listeners) -> Result<Server, StartError> {
        let permissions = config.permissions();
        let authenticator = Authenticator::new(config.users).map_err(StartError::Users)?;
        let node = random_name()[..BOOT_ID_BYTES].to_owned();
        let budget = Budget::new(config.memory_bytes_max);
        let metrics = Metrics::new();
        metrics.create_series(metrics::labels());
        let destination_bytes_max = config.session.destination_bytes_max;
        let context = ConnectionContext::new(ConnectionContextParts {
            broker: Broker::new(config.broker, &node, budget.clone(), metrics.clone()),
            budget,
            metrics,
            authenticator,
            permissions,
            options: config.transport,
            session: config.session,
            outbound_queue: config.outbound_queue,
            node,
        });
        let mut server = Server {
            context,
            tcp: addresses(&listeners.tcp),
            http: addresses(&listeners.http),
            ws_path: config.http.ws_path.clone(),
            tasks: JoinSet::new(),
            stopping: CancellationToken::new(),
            drain_time: config.drain_time,
            destination_bytes_max,
        };
        let mut sockjs = config.sockjs;
        if sockjs.client_url.is_none() && http::pages::has_sockjs_client() {
            // Relative to the page, so that it is found behind a proxy that knows only `ws-path`.
            sockjs.client_url = Some(http::pages::SOCKJS_CLIENT[1..].to_owned());
        }
        let sockjs = Arc::new(Endpoints::new(
            Stomp::new(server.context.clone()),
            sockjs,
            server.context.input.clone(),
            server.context.unauthenticated_input.clone(),
            server.context.metrics.clone(),
        ));
        server.tasks.spawn(tick(server.context.clone(), sockjs.clone()));
        server.tasks.spawn(watch_users(server.context.clone()));
        let stopping = &server.stopping;
        let refusals = Arc::new(AtomicUsize::new(0));
        for listener in listeners.tcp {
            let served = sockets::serve_tcp(server.context.clone(), listener, refusals.clone());
            server.tasks.spawn(until_stopped(stopping.clone(), served));
        }
        let http = HttpServer::new(server.context.clone(), config.http, sockjs, stopping.clone());
        for listener in listeners.http {
            server.tasks.spawn(until_stopped(stopping.clone(), http.clone().serve(listener)));
        }
        Ok(server)
    }

    /// Returns the URLs at which clients can connect: one for each TCP listener, two for each HTTP listener.
    pub fn listening(&self) -> Vec<String> {
        let tcp = self.tcp.iter().map(|address| format!("tcp://{address}"));
        let http = self
            .http
            .iter()
            .flat_map(|address| [format!("http://{address}"), format!("ws://{address}{}", self.ws_path)]);
        tcp.chain(http).collect()
    }

    /// Publishes a message, as a SEND would; returns how many subscriptions (1 for a queue) it was given to.
    /// Headers that only the broker sets are left out. Waits for nobody: a program that publishes faster
    /// than its subscribers read makes slow consumers of them.
    pub fn publish(
        &self,
        destination: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<usize, PublishError> {
        let parsed = Destination::parse(destination, self.destination_bytes_max)
            .map_err(|error| PublishError(error.to_string()))?;
        let extra: Vec<_> = headers.iter().copied().filter(|(name, _)| !is_reserved(name)).collect();
        let none = Headers::default();
        let publication = Publication {
            destination: &parsed,
            shown: &parsed.shown(),
            headers: &none,
            extra: &extra,
            body,
            to_session: None,
        };
        let published = self.context.broker.publish(publication, Instant::now());
        published.map(|published| published.reached).map_err(|refusal| {
            if let Some(limit) = refusal.limit {
                self.context.metrics.limit_hit(limit);
            }
            PublishError(refusal.detail)
        })
    }

    /// Returns the counters of this broker.
    pub(crate) fn metrics(&self) -> Arc<Metrics> {
        self.context.metrics.clone()
    }

    /// A way to change what clients may do, for as long as the broker runs.
    pub fn rules(&self) -> Rules {
        Rules { context: Arc::downgrade(&self.context) }
    }

    /// Stops accepting, sends all waiting messages, closes every client and waits for them to leave, within the drain
    /// time. Returns the number of connections that had to be cut.
    pub async fn shut_down(mut self) -> usize {
        // Half of the cut time is left for the end of the process.
        let ends_at = Instant::now() + self.drain_time - cut_time(self.drain_time) / 2;
        self.stop();
        self.tasks.abort_all();
        while self.tasks.join_next().await.is_some() {}
        self.context.tasks.close();
        // STOMP connections end before that and log it; HTTP requests that hang do not.
        if tokio::time::timeout_at(ends_at.into(), self.context.tasks.wait()).await.is_err() {
            tracing::warn!(
                connections = self.context.tasks.len(),
                "drain time is over, cutting what is left"
            );
        }
        log_discarded(&self.context.metrics);
        self.context.log_last_refused_logins(Instant::now());
        self.context.tasks.len()
    }

    /// Serves until `shutdown` is ready, then shuts down politely.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        shutdown.await;
        tracing::info!("shutting down");
        self.shut_down().await;
    }

    fn stop(&self) {
        self.stopping.cancel();
        self.context.stop(Instant::now() + self.drain_time - cut_time(self.drain_time));
    }
}

/// Logs the number of messages that are lost when the process ends now, if there are any.
pub(crate) fn log_discarded(metrics: &Metrics) {
    let messages = metrics.queue_messages.get();
    if messages > 0 {
        tracing::warn!(messages, "discarding the messages of work queues: they are kept in memory only");
    }
}

/// Returns the last part of the drain time, which begins when clients are cut.
fn cut_time(drain_time: Duration) -> Duration {
    (drain_time / 8).min(CUT_TIME_MAX)
}

/// Has sources look for changes of their users, so that live sessions learn of them without a login.
async fn watch_users(context: Arc<ConnectionContext>) {
    let mut looks = tokio::time::interval(USER_CHECK_INTERVAL);
    loop {
        looks.tick().await;
        context.reload_users().await;
    }
}

/// What clients may do: see [`Server::rules`].
#[derive(Clone, Debug)]
pub struct Rules {
    context: Weak<ConnectionContext>,
}

impl Rules {
    /// These hold from now on; what is subscribed to is judged again.
    pub fn permit(&self, permissions: Permissions) {
        if let Some(context) = self.context.upgrade() {
            context.permit(permissions);
        }
    }

    /// Reads the users file now, rather than within a second of its change.
    pub async fn reload_users(&self) {
        if let Some(context) = self.context.upgrade() {
            context.reload_users().await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn addresses(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
}

/// Drives what is timed without a connection.
async fn tick(context: Arc<ConnectionContext>, sockjs: Arc<Endpoints<Stomp>>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = Instant::now();
        context.broker.expire(now);
        context.log_refused_logins(now);
        sockjs.expire(now);
    }
}

async fn until_stopped(stopping: CancellationToken, served: impl Future<Output = ()>) {
    tokio::select! {
        () = stopping.cancelled() => {}
        () = served => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_cut_before_the_drain_time_is_over() {
        for (drain_time, cut_time) in [(0, 0), (80, 10), (4000, 500), (8000, 500), (3_600_000, 500)] {
            let drain_time = Duration::from_millis(drain_time);
            assert_eq!(super::cut_time(drain_time), Duration::from_millis(cut_time), "{drain_time:?}");
        }
    }
}
