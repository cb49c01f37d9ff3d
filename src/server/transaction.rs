//! Transactions of a [`Client`].

use super::client::Client;
use super::client_error::ClientError;
use super::client_publish::{Published, outcome};
use super::received::Received;
use crate::broker::{CommitProgress, Committed, StepwiseCommit, TransactionStep};
use crate::budget::Charge;
use crate::command::Settlement;
use crate::connection::PollBudget;
use crate::operations::{
    TransactionName, TransactionState, Uncommittable, publish_texts_bytes, request_bytes, settle_texts_bytes,
};
use crate::outbound_queue::{Delivery, Key, Tag};
use crate::rejection::{Code, Rejection};
use bytes::Bytes;
use std::fmt;
use std::time::Instant;

/// A client has one open transaction at a time, which therefore needs no name.
const NAME: TransactionName<'_> = TransactionName(None);

/// An open transaction of a [`Client`]: messages and acknowledgements that take effect together, in order, or not at
/// all. [`Client::transaction`] begins it. Dropping it discards its messages and acknowledgements.
///
/// If one of its functions returns an error, the transaction can no longer be committed.
///
/// ```
/// use futures_util::StreamExt;
/// use stompbox::{Config, Listeners, Server};
///
/// let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// runtime.block_on(async {
///     let server = Server::start(Config::default(), Listeners::default())?;
///     let mut worker = server.client(Some("worker"), &["service"]);
///     worker.subscribe_with_acknowledgement("/queue/orders")?;
///     worker.publish("/queue/orders", &[], "order 1").await?;
///
///     let order = worker.next().await.expect("the broker runs")?;
///     let mut transaction = worker.transaction();
///     transaction.publish("/queue/invoices", &[], "invoice 1")?;
///     transaction.acknowledge(&order)?;
///     transaction.commit().await?;
///     Ok::<_, Box<dyn std::error::Error>>(())
/// })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping a transaction discards it"]
pub struct Transaction<'a> {
    client: &'a mut Client,
    steps: Vec<TransactionStep>,
    /// The messages that `steps` settle.
    settled: Vec<(Key, Tag)>,
    state: TransactionState,
    /// The charge for the memory of `steps`.
    charge: Charge,
    /// Version of the rules with which all messages were checked.
    access_version: u64,
}

impl Client {
    /// Begins a transaction. It borrows the client, so the client can do nothing else until the transaction is committed
    /// or dropped.
    pub fn transaction(&mut self) -> Transaction<'_> {
        self.refresh_permissions();
        self.context.metrics.transactions.inc();
        Transaction {
            steps: Vec::new(),
            settled: Vec::new(),
            state: TransactionState::default(),
            charge: self.context.budget.charge(0),
            access_version: self.access_version,
            client: self,
        }
    }
}

impl Transaction<'_> {
    /// Adds a message, like [`Client::publish`]. Checks the permission at once. The commit publishes the message.
    ///
    /// # Errors
    /// The destination is invalid, a permission rule denies the request, or `transaction-frames-max` or
    /// `transaction-bytes-max` is reached.
    pub fn publish(
        &mut self,
        destination: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<(), ClientError> {
        let result = self.add_message(destination, headers, body.into());
        self.record(result)
    }

    /// Adds the acknowledgement of a message of a queue. Has no effect on messages that need no acknowledgement.
    ///
    /// If the message is acknowledged already, the commit is rejected.
    ///
    /// # Errors
    /// The subscription of the message has ended, another client received the message, or `transaction-frames-max` is
    /// reached.
    pub fn acknowledge(&mut self, message: &Received) -> Result<(), ClientError> {
        let result = self.add_settlement(message, Settlement::Accepted);
        self.record(result)
    }

    /// Adds the rejection of a message of a queue, see [`Client::reject`]. Has no effect on messages that need no
    /// acknowledgement.
    ///
    /// # Errors
    /// The subscription of the message has ended, another client received the message, or `transaction-frames-max` is
    /// reached.
    pub fn reject(&mut self, message: &Received, requeue: bool) -> Result<(), ClientError> {
        let result = self.add_settlement(message, Settlement::rejection(requeue));
        self.record(result)
    }

    /// Applies all messages and acknowledgements in order, or none. Returns the sums of the receivers of all messages.
    ///
    /// Like [`Client::publish`], waits for receivers whose outbound queues are more than half full. Messages of other
    /// clients may arrive between two messages of the transaction. If the rules have changed, the messages are checked
    /// again. If the returned future is dropped before it is ready, the transaction is applied as a whole or not at all.
    ///
    /// # Errors
    /// A request of the transaction was rejected, a permission rule denies a message, a limit is reached, or an
    /// acknowledged message does not wait for an acknowledgement. No step is then applied: the messages that the
    /// transaction acknowledges still wait for their acknowledgement. A store may also not confirm the transaction. It
    /// is then not known whether the transaction took effect.
    pub async fn commit(mut self) -> Result<Published, ClientError> {
        self.run().await.map_err(|rejection| self.client.failed(rejection))
    }

    fn add_message(
        &mut self,
        destination: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<(), Rejection> {
        let lines = [("destination", destination)].into_iter().chain(headers.iter().copied());
        let bytes = request_bytes(lines, &body);
        let publish = self.client.publish_command(destination, headers, body)?;
        let texts_bytes = publish_texts_bytes(&publish);
        self.add_step(TransactionStep::Publish(Box::new(publish)), bytes, texts_bytes)
    }

    fn add_settlement(&mut self, message: &Received, settlement: Settlement) -> Result<(), Rejection> {
        if !self.client.has_received(message) {
            let detail = "Another client received this message. Only that client can acknowledge it.";
            return Err(Rejection::new(Code::NotSettled, "nothing to settle", detail));
        }
        let Delivery { key, tag, .. } = message.delivery;
        let Some(settle) = self.client.client.settle(key, vec![tag], settlement) else { return Ok(()) };
        let Some(one) = self.client.subscriptions.get(&settle.key) else {
            let name = message.destination().into();
            self.state.mark_uncommittable(Uncommittable::SubscriptionEnded(name));
            return self.state.check_committable(NAME);
        };
        let consumer = one.subscription.consumer().filter(|_| one.acknowledges);
        let Some(consumer) = consumer else { return Ok(()) };
        let texts_bytes = settle_texts_bytes(settle.tags.len());
        let step = TransactionStep::Settle { consumer, tags: settle.tags, settlement: settle.settlement };
        self.add_step(step, 0, texts_bytes)?;
        self.settled.push((key, tag));
        Ok(())
    }

    /// Adds a step. The client has sent `bytes` bytes for it, to which the broker has added `texts_bytes` bytes.
    fn add_step(&mut self, step: TransactionStep, bytes: usize, texts_bytes: usize) -> Result<(), Rejection> {
        let limits = self.client.context.session.transaction_limits();
        self.state.check_capacity(NAME, limits, self.state.bytes(), bytes)?;
        self.state.add(bytes, texts_bytes);
        self.charge.resize(self.state.held_bytes());
        self.steps.push(step);
        Ok(())
    }

    /// Records that a request was rejected: the transaction then cannot be committed.
    fn record(&mut self, result: Result<(), Rejection>) -> Result<(), ClientError> {
        result.map_err(|rejection| {
            self.state.mark_uncommittable(Uncommittable::FrameRejected);
            self.client.failed(rejection)
        })
    }

    async fn run(&mut self) -> Result<Published, Rejection> {
        let mut portion = Portion::new();
        self.check_changed_rules(&mut portion).await;
        self.state.check_committable(NAME)?;
        let context = &self.client.context;
        let charge = std::mem::replace(&mut self.charge, context.budget.charge(0));
        let commit = context.broker.commit(std::mem::take(&mut self.steps), charge);
        for (key, tag) in &self.settled {
            self.client.subscriptions.get_mut(key).map(|one| one.unsettled.remove(tag));
        }
        let applied = apply(self.client, commit, &mut portion).await;
        if applied.is_err() {
            for (key, tag) in self.settled.drain(..) {
                self.client.subscriptions.get_mut(&key).map(|one| one.unsettled.insert(tag));
            }
        }
        let Committed { receivers, ticket } = applied?;
        let context = &self.client.context;
        outcome(ticket, context.broker.ticket_timeout()).await?;
        Ok(Published {
            subscriptions: receivers.subscriptions,
            sessions: receivers.sessions,
            services: receivers.services,
        })
    }

    /// Checks all messages again if the rules have changed, until the rules no longer change.
    async fn check_changed_rules(&mut self, portion: &mut Portion) {
        self.client.refresh_permissions();
        while self.access_version != self.client.access_version {
            self.access_version = self.client.access_version;
            for step in &self.steps {
                if let TransactionStep::Publish(publish) = step
                    && !self.client.client.may_send(&publish.audience)
                {
                    self.state.mark_uncommittable(Uncommittable::FrameRejected);
                    return;
                }
                portion.yield_if_used_up().await;
            }
            self.client.refresh_permissions();
        }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        self.client.context.metrics.transactions.dec();
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("steps", &self.steps.len()).finish_non_exhaustive()
    }
}

/// Applies all steps, or releases all reservations if a step is rejected.
async fn apply(
    client: &Client,
    mut commit: StepwiseCommit,
    portion: &mut Portion,
) -> Result<Committed, Rejection> {
    let mut result = Ok(Committed::default());
    loop {
        match commit.advance(Instant::now()) {
            Ok(CommitProgress::Prepared | CommitProgress::Settled) => {}
            Ok(CommitProgress::Published(published)) => {
                portion.0.add_pushes(published.reached);
                client.wait_for_others(&published.congested).await;
            }
            Ok(CommitProgress::Done(committed)) => return Ok(committed),
            Ok(CommitProgress::Released) => return result,
            Err(rejection) => result = Err(rejection),
        }
        portion.yield_if_used_up().await;
    }
}

/// The work that a commit does before it yields to the runtime.
struct Portion(PollBudget);

impl Portion {
    fn new() -> Portion {
        Portion(PollBudget::new(Instant::now()))
    }

    async fn yield_if_used_up(&mut self) {
        if self.0.is_used_up() {
            tokio::task::yield_now().await;
            *self = Portion::new();
        }
    }
}
