//! A client in the same process as the broker, for programs that embed it.
//!
//! It is subject to the same permissions and limits as a client that is connected over a socket, because both use
//! [`operations`](crate::operations). Its outbound queue is read by the program instead of a connection task.

use super::client_error::ClientError;
use super::received::{Received, SubscriptionId};
use crate::auth::Principal;
use crate::broker::{SessionRegistration, Subscription};
use crate::command::{ConsumerOptions, Settlement};
use crate::connection::ConnectionContext;
use crate::operations;
use crate::outbound_queue::{Delivery, Key, Label, OutboundQueue, Tag};
use crate::rejection::{Code, Limit, Rejection};
use futures_util::Stream;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// Size in bytes of the deliveries that are taken from the outbound queue at once.
const BATCH_BYTES: usize = 64 * 1024;

/// A client in the same process as the broker. [`Server::client`](super::Server::client) creates it.
///
/// The client is a [`Stream`] of the messages of all of its subscriptions. It must be polled: a client that does not
/// take its messages becomes a slow consumer, and the stream ends with an error. When the broker stops, the stream
/// returns the messages that wait, and ends.
///
/// Dropping the client ends its session. Messages of queues that it has not acknowledged return to their queues. If the
/// client is dropped by a panic, the oldest of them counts as failed (`max-deliveries`).
///
/// ```
/// use futures_util::StreamExt;
/// use stompbox::{Config, Listeners, Server};
///
/// let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// runtime.block_on(async {
///     let server = Server::start(Config::default(), Listeners::default())?;
///     let mut alice = server.client(Some("alice"), &[]);
///     alice.subscribe("/topic/news")?;
///
///     let mut bob = server.client(Some("bob"), &[]);
///     let published = bob.publish("/topic/news", &[("content-type", "text/plain")], "hello").await?;
///     assert_eq!(published.subscriptions, 1);
///
///     let message = alice.next().await.expect("the broker runs")?;
///     assert_eq!(message.body(), b"hello");
///     assert_eq!(message.header("content-type").as_deref(), Some("text/plain"));
///     Ok::<_, Box<dyn std::error::Error>>(())
/// })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct Client {
    pub(super) context: Arc<ConnectionContext>,
    pub(super) client: operations::Client,
    /// Version of the rules with which the subscriptions were last checked.
    pub(super) access_version: u64,
    outbound_queue: Arc<OutboundQueue>,
    pub(super) subscriptions: BTreeMap<Key, ClientSubscription>,
    last_key: Key,
    /// Number of bytes that the broker holds for the subscriptions.
    subscription_bytes: usize,
    /// Deliveries that are taken from the outbound queue and not yet returned.
    batch: VecDeque<Delivery>,
    /// Subscriptions that the rules deny now. The stream reports them.
    denied: VecDeque<Rejection>,
    /// Whether `batch` has the last deliveries, because the broker stops.
    is_last_batch: bool,
    has_ended: bool,
    /// The registration of the session as online. `None` after the end of the session.
    registration: Option<SessionRegistration>,
}

pub(super) struct ClientSubscription {
    pub(super) subscription: Subscription,
    /// Whether the program acknowledges the messages.
    pub(super) acknowledges: bool,
    /// The messages that the program has received and not acknowledged.
    pub(super) unsettled: BTreeSet<Tag>,
}

impl Client {
    pub(super) fn new(context: Arc<ConnectionContext>, principal: Principal) -> Client {
        let now = Instant::now();
        let (permissions, access_version) = context.permissions();
        let mut client = context.client();
        client.set_principal(principal);
        client.set_permissions(permissions);
        let outbound_queue = context.register(now);
        let user = client.principal().name.clone();
        outbound_queue.set_label(Arc::new(Label { session: client.id().into(), user }));
        let registration = context.broker.register_session(&outbound_queue, now);
        Client {
            context,
            client,
            access_version,
            outbound_queue,
            subscriptions: BTreeMap::new(),
            last_key: 0,
            subscription_bytes: 0,
            batch: VecDeque::new(),
            denied: VecDeque::new(),
            is_last_batch: false,
            has_ended: false,
            registration: Some(registration),
        }
    }

    /// Subscribes to a destination or pattern. A message of a queue counts as processed when the stream returns it.
    ///
    /// # Errors
    /// The destination is invalid, a permission rule denies the request, or a limit is reached.
    pub fn subscribe(&mut self, destination: &str) -> Result<SubscriptionId, ClientError> {
        self.begin_subscription(destination, false).map_err(|error| self.failed(error))
    }

    /// Subscribes like [`Client::subscribe`]. A message of a queue counts as processed when the program acknowledges it
    /// with [`Client::acknowledge`].
    ///
    /// # Errors
    /// The destination is invalid, a permission rule denies the request, or a limit is reached.
    pub fn subscribe_with_acknowledgement(
        &mut self,
        destination: &str,
    ) -> Result<SubscriptionId, ClientError> {
        self.begin_subscription(destination, true).map_err(|error| self.failed(error))
    }

    fn begin_subscription(
        &mut self,
        destination: &str,
        acknowledges: bool,
    ) -> Result<SubscriptionId, Rejection> {
        self.check_open()?;
        self.refresh_permissions();
        let subscribable = self.client.subscribable(destination)?;
        if subscribable.temp_queue().is_some() {
            let detail =
                "A client in the broker's process has no temporary queues. Subscribe to a user destination.";
            return Err(Rejection::new(Code::Invalid, "temporary queue not opened", detail));
        }
        let options = &self.context.session;
        options.check_subscriptions(self.subscriptions.len())?;
        let options = ConsumerOptions {
            prefetch: options.prefetch(None),
            prefetch_bytes: options.prefetch_bytes,
            text_only: false,
            presence_names: false,
        };
        let key = self.last_key.checked_add(1).ok_or_else(Rejection::subscription_keys)?;
        let (subscribe, _) = self.client.subscribe(subscribable, key, options, false)?;
        self.context.check_subscription(self.subscription_bytes, &subscribe.selector)?;
        let subscription = self.context.broker.subscribe(&subscribe, &self.outbound_queue, Instant::now())?;
        self.last_key = key;
        self.subscription_bytes += subscription.bytes();
        let unsettled = BTreeSet::new();
        self.subscriptions.insert(key, ClientSubscription { subscription, acknowledges, unsettled });
        Ok(SubscriptionId { session: self.outbound_queue.session_id(), key })
    }

    /// Ends a subscription. The stream returns no further message of it. Has no effect if the subscription has ended
    /// before, or belongs to another client.
    pub fn unsubscribe(&mut self, subscription: SubscriptionId) {
        if subscription.session == self.outbound_queue.session_id() {
            self.end_subscription(subscription.key);
        }
    }

    fn end_subscription(&mut self, key: Key) {
        let Some(ended) = self.subscriptions.remove(&key) else { return };
        self.subscription_bytes -= ended.subscription.bytes();
        let (unread, others): (VecDeque<_>, VecDeque<_>) =
            self.batch.drain(..).partition(|delivery| delivery.key == key);
        self.batch = others;
        let tags: Vec<_> = unread.iter().map(|delivery| delivery.tag).filter(|tag| *tag != 0).collect();
        ended.subscription.mark_unwritten(&tags);
        drop(ended);
        self.resume_blocked(Instant::now());
    }

    /// Acknowledges a message of a queue: it is removed from the queue. Has no effect on messages of topics, on messages
    /// that are acknowledged already, and on messages that another client received. Does not wait for a store, and does
    /// not report an error of it.
    pub fn acknowledge(&mut self, message: &Received) {
        self.settle(message, Settlement::Accepted);
    }

    /// Rejects a message of a queue. With `requeue`, the queue delivers it again. Otherwise the message moves to the
    /// dead letter queue. Does not wait for a store, and does not report an error of it.
    pub fn reject(&mut self, message: &Received, requeue: bool) {
        self.settle(message, Settlement::rejection(requeue));
    }

    fn settle(&mut self, message: &Received, settlement: Settlement) {
        if !self.has_received(message) {
            return;
        }
        let Delivery { key, tag, .. } = message.delivery;
        let Some(settle) = self.client.settle(key, vec![tag], settlement) else { return };
        if let Some(one) = self.subscriptions.get_mut(&settle.key) {
            one.unsettled.remove(&tag);
            one.subscription.settle(&settle.tags, settle.settlement, Instant::now());
        }
    }

    /// Returns whether this client received the message. Another client can have equal keys and tags.
    pub(super) fn has_received(&self, message: &Received) -> bool {
        message.session == self.outbound_queue.session_id()
    }

    /// Returns whether this outbound queue belongs to this client.
    pub(super) fn is_own_queue(&self, outbound_queue: &OutboundQueue) -> bool {
        outbound_queue.session_id() == self.outbound_queue.session_id()
    }

    /// Checks that the session has not ended.
    pub(super) fn check_open(&self) -> Result<(), Rejection> {
        if !self.has_ended {
            return Ok(());
        }
        let detail = "The session of this client has ended, because the broker stops or the client took its messages \
                      too slowly. Create another client.";
        Err(Rejection::new(Code::Invalid, "session has ended", detail))
    }

    /// Applies changed rules to later requests and to the subscriptions.
    pub(super) fn refresh_permissions(&mut self) {
        if self.access_version == self.context.access_version() {
            return;
        }
        let (permissions, access_version) = self.context.permissions();
        self.access_version = access_version;
        self.client.set_permissions(permissions);
        let denied: Vec<_> = self
            .subscriptions
            .iter()
            .filter_map(|(key, one)| {
                let rejection = self.client.check_subscription(&one.subscription.selector()).err()?;
                Some((*key, rejection))
            })
            .collect();
        for (key, rejection) in denied {
            self.end_subscription(key);
            self.denied.push_back(rejection);
        }
    }

    fn resume_blocked(&self, now: Instant) {
        if self.outbound_queue.take_blocked() {
            self.subscriptions.values().for_each(|one| one.subscription.resume(now));
        }
    }

    pub(super) fn failed(&self, rejection: Rejection) -> ClientError {
        if let Some(limit) = rejection.limit {
            self.context.metrics.limit_hit(limit);
        }
        if rejection.denial.is_some() {
            self.context.metrics.access_denied.inc();
        }
        ClientError(rejection)
    }

    /// Ends the session: closes the outbound queue, and returns messages that the stream has not returned. If the
    /// program has failed, the oldest message of each subscription that it has not acknowledged counts as failed. The
    /// program was probably processing it.
    fn end(&mut self) {
        if std::thread::panicking() {
            let now = Instant::now();
            for one in self.subscriptions.values() {
                if let Some(&oldest) = one.unsettled.first() {
                    one.subscription.settle(&[oldest], Settlement::Lost, now);
                }
            }
        }
        self.has_ended = true;
        self.registration = None;
        let waiting = self.outbound_queue.close();
        let unread = std::mem::take(&mut self.batch).into_iter().chain(waiting);
        for delivery in unread.filter(|delivery| delivery.tag != 0) {
            if let Some(one) = self.subscriptions.get(&delivery.key) {
                one.subscription.mark_unwritten(&[delivery.tag]);
            }
        }
        self.subscriptions.clear();
        self.subscription_bytes = 0;
    }
}

impl Stream for Client {
    type Item = Result<Received, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let client = &mut *self;
        loop {
            if client.has_ended {
                return Poll::Ready(None);
            }
            client.refresh_permissions();
            if let Some(rejection) = client.denied.pop_front() {
                return Poll::Ready(Some(Err(client.failed(rejection))));
            }
            let now = Instant::now();
            if let Some(delivery) = client.batch.pop_front() {
                let Some(one) = client.subscriptions.get_mut(&delivery.key) else { continue };
                if delivery.tag != 0 && one.acknowledges {
                    one.unsettled.insert(delivery.tag);
                } else if delivery.tag != 0 {
                    one.subscription.settle(&[delivery.tag], Settlement::Accepted, now);
                }
                let session = client.outbound_queue.session_id();
                return Poll::Ready(Some(Ok(Received::new(delivery, session))));
            }
            let is_stopping = client.context.is_stopping();
            if client.is_last_batch {
                client.end();
                continue;
            }
            let bytes_max = if is_stopping { usize::MAX } else { BATCH_BYTES };
            let mut batch = Vec::new();
            match client.outbound_queue.poll_take(cx, &mut batch, bytes_max, now) {
                // The broker may have stopped, or the rules may have changed, before the waker was registered.
                Poll::Pending if client.context.is_stopping() => client.is_last_batch = true,
                Poll::Pending if client.access_version != client.context.access_version() => {}
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(_)) => {
                    client.is_last_batch = is_stopping;
                    client.batch = batch.into();
                    client.resume_blocked(now);
                }
                Poll::Ready(Err(_)) => {
                    client.end();
                    let detail = "The program took its messages too slowly. The broker dropped waiting messages. Poll \
                                  the client more often, or raise outbound-queue-bytes-max.";
                    let rejection = Rejection::by_limit(Limit::OutboundQueueBytes, "slow consumer", detail);
                    return Poll::Ready(Some(Err(client.failed(rejection))));
                }
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.end();
        self.context.unregister(&self.outbound_queue);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("user", &self.client.user())
            .field("subscriptions", &self.subscriptions.len())
            .finish_non_exhaustive()
    }
}
