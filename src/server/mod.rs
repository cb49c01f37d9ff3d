//! A running broker: its listeners and background tasks, and the API for programs that embed it.

mod bind;
mod client;
mod client_error;
mod client_publish;
mod listeners;
mod listening;
mod metrics;
mod publish_error;
mod received;
mod rules;
mod start_error;
#[cfg(test)]
mod tests;
mod ticker;
mod transaction;

pub use crate::rejection::Actor;
pub use bind::BindError;
pub use client::Client;
pub use client_error::ClientError;
pub use client_publish::Published;
pub use listeners::Listeners;
pub use publish_error::PublishError;
pub use received::{Received, SubscriptionId};
pub use rules::Rules;
pub use start_error::StartError;
pub use transaction::Transaction;

use self::ticker::{tick, watch_users};
use crate::auth::{Authenticator, Principal};
use crate::broker::{Broker, Journal};
use crate::budget::Budget;
use crate::config::Config;
use crate::connection::{ConnectionContext, ConnectionContextParts, listen, random_node};
use crate::http::sockjs::Endpoints;
use crate::http::{self, HttpServer, Stomp};
use crate::metrics::Metrics;
use crate::operations;
use crate::permissions::{Permissions, Preset};
use crate::rejection::Rejection;
use bytes::Bytes;
use parking_lot::Mutex;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Maximum length of the cut time, which is the last eighth of the drain time. When the cut time begins, the broker
/// closes the remaining connections without waiting for their clients. The connections then log their end, and the
/// process ends.
const CUT_TIME_MAX: Duration = Duration::from_millis(500);

/// A running broker.
///
/// If no source of users is configured, the broker accepts every client. [`Server::bind`] then rejects addresses that
/// other machines can reach. To accept every client of other machines, set `allow-anonymous`.
///
/// [`Server::shut_down`] ends the broker gracefully. If the server is dropped instead, its listeners close and its
/// connections begin to close. The broker then does not wait for them.
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
///         let mut received = Vec::new();
///         while !received.ends_with(b"RECEIPT\nreceipt-id:r\n\n\0\n") {
///             let mut byte = [0];
///             socket.read_exact(&mut byte)?;
///             received.push(byte[0]);
///         }
///         Ok::<_, std::io::Error>(socket)
///     });
///     let mut client = client.await??;
///
///     let reached = server.publish("/topic/news", &[("content-type", "text/plain")], b"hello")?;
///     assert_eq!(reached, 1);
///     server.shut_down().await;
///
///     let mut received = String::new();
///     client.read_to_string(&mut received)?;
///     assert!(received.starts_with("MESSAGE\nsubscription:1\n") && received.ends_with("\n\nhello\0\n"));
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
    /// Routes the messages that the program itself publishes. It may send to every destination.
    program: Mutex<operations::Client>,
}

impl Server {
    /// Starts a broker that listens at the addresses in `config`. Must be called within a tokio runtime, like all
    /// functions of this type.
    ///
    /// # Errors
    /// Returns [`StartError::Bind`] if the broker cannot listen at an address. Returns [`StartError::Config`] or
    /// [`StartError::Users`] if the options are invalid.
    pub async fn bind(config: Config) -> Result<Server, StartError> {
        config.check()?;
        Server::bind_checked(config).await
    }

    /// Starts a broker like [`Server::bind`], with a configuration that was checked when it was loaded.
    pub(crate) async fn bind_checked(config: Config) -> Result<Server, StartError> {
        let listeners =
            listening::bind(&config.listen_tcp, &config.listen_http, config.transport.backlog).await?;
        Server::start_checked(config, listeners)
    }

    /// Starts a broker on sockets that are open already. The addresses in `config` are used only to decide what users
    /// may do by default (`default-permissions`).
    ///
    /// # Errors
    /// Returns [`StartError::Config`] or [`StartError::Users`] if the options are invalid.
    pub fn start(config: Config, listeners: Listeners) -> Result<Server, StartError> {
        config.check()?;
        Server::start_checked(config, listeners)
    }

    fn start_checked(config: Config, listeners: Listeners) -> Result<Server, StartError> {
        Server::start_with_journal(config, listeners, None)
    }

    fn start_with_journal(
        config: Config,
        listeners: Listeners,
        journal: Option<Arc<dyn Journal>>,
    ) -> Result<Server, StartError> {
        let permissions = config.permissions();
        let authenticator = Authenticator::new(config.users).map_err(StartError::Users)?;
        let node = random_node();
        let budget = Budget::new(config.memory_bytes_max);
        let metrics = Metrics::new();
        metrics.create_series(metrics::labels());
        let context = ConnectionContext::new(ConnectionContextParts {
            broker: Broker::with_journal(config.broker, node, budget.clone(), metrics.clone(), journal),
            budget,
            metrics,
            authenticator,
            permissions,
            options: config.transport,
            session: config.session,
            operations: config.operations,
            outbound_queue: config.outbound_queue,
            node,
        });
        let mut program = context.client();
        program.set_permissions(Arc::new(Permissions::new(Preset::Open, Vec::new(), Vec::new())));
        let mut server = Server {
            context,
            tcp: addresses(&listeners.tcp),
            http: addresses(&listeners.http),
            ws_path: config.http.ws_path.clone(),
            tasks: JoinSet::new(),
            stopping: CancellationToken::new(),
            drain_time: config.drain_time,
            program: Mutex::new(program),
        };
        let mut sockjs = config.sockjs;
        if sockjs.client_url.is_none() && http::site::has_sockjs_client() {
            // The URL is relative to the page, so that browsers find the script behind a proxy that forwards only
            // `ws-path`.
            sockjs.client_url = Some(http::site::SOCKJS_CLIENT[1..].to_owned());
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
        let rejections = Arc::new(AtomicUsize::new(0));
        for listener in listeners.tcp {
            let service = listen::serve_tcp(server.context.clone(), listener, rejections.clone());
            server.tasks.spawn(until_stopped(stopping.clone(), service));
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

    /// Publishes a message of the program itself, without checking permissions. Returns the number of subscriptions to
    /// which the message is delivered. For a queue, this number is 1.
    ///
    /// The destination and the headers `to` and `session` have the same meaning as in a SEND frame. Leaves out headers
    /// that only the broker may set. The message has no `user-name`, and a message to a service has no `session`.
    ///
    /// Does not wait for subscribers or for a store. If a program publishes faster than the subscribers read, they
    /// become slow consumers. [`Client::publish`] waits for them.
    ///
    /// # Errors
    /// Returns [`PublishError`] if the destination is invalid or the broker rejects the message, for example because a
    /// limit is reached.
    pub fn publish(
        &self,
        destination: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<usize, PublishError> {
        self.route(destination, headers, body).map_err(|error| {
            if let Some(limit) = error.limit {
                self.context.metrics.limit_hit(limit);
            }
            PublishError(error.detail)
        })
    }

    fn route(&self, destination: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<usize, Rejection> {
        let headers = headers.iter().copied().collect();
        let mut program = self.program.lock();
        let route = program.route(destination, &headers)?.ok_or_else(Rejection::renewal_in_process)?;
        let mut publish = program.publish(route, None, headers, Bytes::copy_from_slice(body));
        drop(program);
        // The program has no session to which a service could reply.
        publish.extra.clear();
        Ok(self.context.broker.publish(&publish, Instant::now())?.reached)
    }

    /// Returns a new client in this process. `user` is the name of its user; without a name the client is anonymous.
    /// `roles` are the roles of the user. A client with the role `service` may do everything. The program itself decides
    /// who the user is: no source of users is asked.
    pub fn client(&self, user: Option<&str>, roles: &[&str]) -> Client {
        let principal = user.map_or_else(Principal::anonymous, |name| Principal::named(name, "program"));
        let roles = roles.iter().map(|role| Box::from(*role)).collect();
        Client::new(self.context.clone(), Principal { roles, ..principal })
    }

    /// Returns the counters and gauges of this broker.
    pub(crate) fn metrics(&self) -> Arc<Metrics> {
        self.context.metrics.clone()
    }

    /// Returns a handle that changes what clients may do. It does not keep the broker running.
    pub fn rules(&self) -> Rules {
        Rules { context: Arc::downgrade(&self.context) }
    }

    /// Stops accepting connections, sends all waiting messages and closes all connections. Waits for the clients to
    /// leave, at most for the drain time. Returns the number of connections that were still open at the end of this
    /// time.
    pub async fn shut_down(mut self) -> usize {
        // Half of the cut time remains for the process to end.
        let ends_at = Instant::now() + self.drain_time - cut_time(self.drain_time) / 2;
        self.stop();
        self.tasks.abort_all();
        while self.tasks.join_next().await.is_some() {}
        self.context.tasks.close();
        // By this time STOMP connections have ended and logged their end. HTTP requests may still hang.
        if tokio::time::timeout_at(ends_at.into(), self.context.tasks.wait()).await.is_err() {
            tracing::warn!(
                connections = self.context.tasks.len(),
                "drain time is over. The broker closes the remaining connections."
            );
        }
        log_discarded_messages(&self.context.metrics);
        self.context.log_last_failed_logins(Instant::now());
        self.context.tasks.len()
    }

    /// Serves until `shutdown` is ready, then shuts down gracefully.
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

/// Logs the number of messages in work queues, if any. These messages are lost when the process ends.
pub(crate) fn log_discarded_messages(metrics: &Metrics) {
    let messages = metrics.queue_messages.get();
    if messages > 0 {
        tracing::warn!(
            messages,
            "discarding the messages of work queues. The broker keeps these messages only in memory."
        );
    }
}

/// Returns the cut time: the last part of the drain time ([`CUT_TIME_MAX`]).
fn cut_time(drain_time: Duration) -> Duration {
    (drain_time / 8).min(CUT_TIME_MAX)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn addresses(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
}

async fn until_stopped(stopping: CancellationToken, service: impl Future<Output = ()>) {
    tokio::select! {
        () = stopping.cancelled() => {}
        () = service => {}
    }
}
