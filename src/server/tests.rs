//! Tests of the broker as a whole: clients in its process while a store answers late, with an error, or never; and
//! the time of a stop.

use super::*;
use crate::broker::{Record, Ticket, TicketSender};
use crate::rejection::{Code, Rejection};
use futures_util::FutureExt;
use parking_lot::Mutex;
use std::pin::pin;

/// A store whose answers the test gives.
#[derive(Debug)]
struct Store {
    pending: Mutex<Vec<TicketSender>>,
    timeout: Duration,
}

impl Journal for Store {
    fn record(&self, record: Record<'_>) -> Option<Ticket> {
        if !matches!(record, Record::Published { .. } | Record::Enqueued { .. }) {
            return None;
        }
        let (sender, ticket) = Ticket::new();
        self.pending.lock().push(sender);
        Some(ticket)
    }

    fn ticket_timeout(&self) -> Duration {
        self.timeout
    }
}

impl Store {
    fn answer(&self, outcome: &Result<(), Rejection>) {
        self.pending.lock().drain(..).for_each(|sender| sender.complete(outcome.clone()));
    }
}

/// Starts a broker with a store. Returns the store, the broker, and a client that may do everything.
fn with_store(timeout: Duration) -> (Arc<Store>, Server, Client) {
    let store = Arc::new(Store { pending: Mutex::default(), timeout });
    let config = Config::from_toml("default-permissions = \"open\"\n").expect("a valid configuration");
    let server = Server::start_with_journal(config, Listeners::default(), Some(store.clone()));
    let server = server.expect("the broker starts");
    let client = server.client(None, &[]);
    (store, server, client)
}

const HOUR: Duration = Duration::from_secs(3600);

fn disk_is_full() -> Result<(), Rejection> {
    Err(Rejection::new(Code::NotStored, "not stored", "The disk is full."))
}

#[tokio::test]
async fn publish_waits_for_the_store_and_returns_its_error() {
    let (store, server, mut client) = with_store(HOUR);
    for (outcome, text) in [(Ok(()), None), (disk_is_full(), Some("not stored: The disk is full."))] {
        let mut publishing = pin!(client.publish("/queue/a", &[], "x"));
        assert!(publishing.as_mut().now_or_never().is_none(), "the store has not answered");
        store.answer(&outcome);
        let error = publishing.await.err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), text);
    }
    assert_eq!(server.metrics().queue_messages.get(), 2, "the broker does not undo what the store rejects");
    assert_eq!(client.publish("/topic/none", &[], "x").await.expect("no subscriber").subscriptions, 0);
}

#[tokio::test]
async fn store_that_never_answers_or_stops_rejects_the_message() {
    let (_store, _server, mut client) = with_store(Duration::from_millis(1));
    let error = client.publish("/queue/a", &[], "x").await.expect_err("no answer");
    assert!(error.to_string().contains("The store did not answer within 0.001 seconds."), "{error}");

    let (store, _server, mut client) = with_store(HOUR);
    let mut publishing = pin!(client.publish("/queue/a", &[], "x"));
    assert!(publishing.as_mut().now_or_never().is_none());
    store.pending.lock().clear();
    let error = publishing.await.expect_err("the store has stopped");
    assert_eq!(error.summary(), "not stored");
    assert!(error.to_string().contains("The store has stopped."), "{error}");
}

#[test]
fn cut_time_is_shorter_than_the_drain_time() {
    for (drain_time, cut_time) in [(0, 0), (80, 10), (4000, 500), (8000, 500), (3_600_000, 500)] {
        let drain_time = Duration::from_millis(drain_time);
        assert_eq!(super::cut_time(drain_time), Duration::from_millis(cut_time), "{drain_time:?}");
    }
}

#[tokio::test]
async fn commit_waits_for_the_store_and_returns_its_error() {
    let (store, server, mut client) = with_store(HOUR);
    for (outcome, text) in [(Ok(()), None), (disk_is_full(), Some("not stored: The disk is full."))] {
        let used = server.context.budget.used();
        let mut transaction = client.transaction();
        transaction.publish("/queue/a", &[], vec![b'x'; 1000]).expect("permitted");
        transaction.publish("/queue/b", &[], "y").expect("permitted");
        assert!(server.context.budget.used() > used + 1000, "open transactions are charged");
        assert_eq!(server.metrics().transactions.get(), 1);
        let mut committing = pin!(transaction.commit());
        while store.pending.lock().len() < 2 {
            assert!(committing.as_mut().now_or_never().is_none(), "the store has not answered");
        }
        store.answer(&outcome);
        let error = committing.await.err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), text);
    }
    let used = server.context.budget.used();
    let mut transaction = client.transaction();
    transaction.publish("/queue/a", &[], "x").expect("permitted");
    drop(transaction);
    assert_eq!((server.context.budget.used(), server.metrics().transactions.get()), (used, 0));
}
