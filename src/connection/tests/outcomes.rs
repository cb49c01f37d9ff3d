//! Receipts of requests that a store confirms later: late, out of order, with an error, or never.

use super::client::{Client, Wakes};
use super::commits::Reader;
use super::*;
use crate::broker::{Record, RecordedQueue, Ticket, TicketSender};
use crate::rejection::{Code, Rejection};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A store whose answers the test gives.
#[derive(Debug, Default)]
struct Store {
    /// Events that are not confirmed, by the body of the message or the positions of the settled messages.
    pending: Mutex<Vec<(String, TicketSender)>>,
    /// All events in order.
    records: Mutex<Vec<String>>,
    timeout: Option<Duration>,
}

impl Journal for Store {
    fn record(&self, record: Record<'_>) -> Option<Ticket> {
        let body =
            |message: &crate::outbound_queue::Message| String::from_utf8_lossy(message.body()).into_owned();
        let name = |queue: RecordedQueue<'_>| queue.destination.as_str().to_owned();
        let (event, key) = match record {
            Record::Published { destination, message } => {
                (format!("published {} {}", destination.as_str(), body(message)), Some(body(message)))
            }
            Record::Enqueued { queue, position, message } => {
                let event = format!("enqueued {} {position} {}", name(queue), body(message));
                (event, Some(body(message)))
            }
            Record::Delivered { queue, position, count, .. } => {
                (format!("delivered {} {position} {count}", name(queue)), None)
            }
            Record::Settled { queue, positions, settlement } => {
                let event = format!("settled {} {positions:?} {settlement:?}", name(queue));
                (event, Some(format!("{positions:?}")))
            }
            Record::Requeued { queue, deliveries } => {
                (format!("requeued {} {deliveries:?}", name(queue)), None)
            }
            Record::Moved { queue, position, to, to_position, .. } => {
                let event = format!("moved {} {position} {} {to_position}", name(queue), name(to));
                (event, Some(format!("moved {position}")))
            }
            Record::Dropped { queue, position } => (format!("dropped {} {position}", name(queue)), None),
            Record::Closed { .. } => ("closed".to_owned(), None),
        };
        self.records.lock().push(event);
        let (sender, ticket) = Ticket::new();
        self.pending.lock().push((key?, sender));
        Some(ticket)
    }

    fn ticket_timeout(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(3600))
    }
}

impl Store {
    fn confirm(&self, name: &str, outcome: Result<(), Rejection>) {
        let mut pending = self.pending.lock();
        let at = pending.iter().position(|(pending, _)| pending == name).expect(name);
        let (_, sender) = pending.remove(at);
        sender.complete(outcome);
    }

    fn confirm_all(&self) {
        self.pending.lock().drain(..).for_each(|(_, sender)| sender.complete(Ok(())));
    }
}

fn with_store(store: Store) -> (Arc<Store>, Arc<ConnectionContext>) {
    let store = Arc::new(store);
    (store.clone(), context_with_journal(config(), Some(store)))
}

fn send(destination: &str, body: &str) -> String {
    format!("SEND\ndestination:{destination}\nreceipt:{body}\n\n{body}\0")
}

/// Returns the receipts that the client has read, in order.
fn receipts(client: &Client) -> Vec<&str> {
    let receipts = client.text.split("RECEIPT\nreceipt-id:").skip(1);
    receipts.map(|rest| rest.lines().next().unwrap_or_default()).collect()
}

/// Polls a few times, so that everything that is ready is done.
async fn settle_down(client: &mut Client) {
    for _ in 0..20 {
        let _ = client.poll().await;
    }
}

#[tokio::test]
async fn receipts_wait_for_the_store_and_keep_their_order() {
    let (store, context) = with_store(Store::default());
    let mut client = Client::connect(&context, "").await;
    client.send(&(send("/queue/q", "1") + &send("/queue/q", "2") + &send("/queue/q", "3"))).await;
    settle_down(&mut client).await;
    assert_eq!(receipts(&client), [""; 0]);
    assert_eq!(context.metrics.queue_messages.get(), 3, "the connection goes on while outcomes are pending");
    store.confirm("3", Ok(()));
    store.confirm("2", Ok(()));
    settle_down(&mut client).await;
    assert_eq!(receipts(&client), [""; 0]);
    store.confirm("1", Ok(()));
    client.until("receipt-id:3").await;
    assert_eq!(receipts(&client), ["1", "2", "3"]);
}

#[tokio::test]
async fn error_of_the_store_rejects_the_request_and_only_this_one_with_soft_errors() {
    let full = || Err(Rejection::new(Code::NotStored, "not stored", "The disk is full."));
    let (store, context) = with_store(Store::default());
    let mut client = Client::connect(&context, "soft-errors:true\n").await;
    client.send("SUBSCRIBE\nid:e\ndestination:/user/queue/errors\nreceipt:e\n\n\0").await;
    client.until("receipt-id:e").await;
    client.send(&(send("/queue/q", "1") + &send("/queue/q", "2"))).await;
    settle_down(&mut client).await;
    store.confirm("1", full());
    settle_down(&mut client).await;
    // The report is a message to the client, which the store confirms, too.
    store.confirm_all();
    client.until("The disk is full.").await;
    client.until("RECEIPT\nreceipt-id:2").await;
    assert!(client.text.contains("message:not stored\n") && client.text.contains("receipt-id:1\n"));

    let mut strict = Client::connect(&context, "").await;
    strict.send(&(send("/queue/q", "3") + &send("/queue/q", "4"))).await;
    settle_down(&mut strict).await;
    store.confirm("3", full());
    strict.until("ERROR\nmessage:not stored\n").await;
    strict.stream = None;
    strict.until_closed().await;
}

#[tokio::test]
async fn store_that_never_answers_or_stops_rejects_the_request() {
    let (_store, context) = with_store(Store { timeout: Some(Duration::from_millis(1)), ..Store::default() });
    let mut client = Client::connect(&context, "").await;
    client.send(&send("/queue/q", "1")).await;
    client.until("ERROR\nmessage:not stored\n").await;
    assert!(client.text.contains("The store did not answer within 0.001 seconds."), "{}", client.text);

    let (store, context) = with_store(Store::default());
    let mut client = Client::connect(&context, "").await;
    client.send(&send("/queue/q", "1")).await;
    settle_down(&mut client).await;
    store.pending.lock().clear();
    client.until("ERROR\nmessage:not stored\n").await;
    assert!(client.text.contains("The store has stopped."), "{}", client.text);
}

#[tokio::test]
async fn connection_stops_reading_while_many_outcomes_are_pending() {
    const SENDS: usize = 3000;
    let (store, context) = with_store(Store::default());
    let mut client = Client::connect(&context, "").await;
    let frames: String = (0..SENDS).map(|n| send("/queue/q", &n.to_string())).collect();
    client.send(&frames).await;
    settle_down(&mut client).await;
    let mut pending = 0;
    while store.pending.lock().len() > pending {
        pending = store.pending.lock().len();
        settle_down(&mut client).await;
    }
    assert_eq!(pending, 1024);
    for _ in 0..SENDS {
        store.confirm_all();
        settle_down(&mut client).await;
        if receipts(&client).len() == SENDS {
            break;
        }
    }
    let expected: Vec<String> = (0..SENDS).map(|n| n.to_string()).collect();
    assert_eq!(receipts(&client), expected);
}

#[tokio::test]
async fn connection_stops_reading_while_many_receipts_wait_for_one_outcome() {
    const FRAMES: usize = 3000;
    let (store, context) = with_store(Store::default());
    let mut client = Client::connect(&context, "").await;
    let others = (0..FRAMES).map(|n| format!("SEND\ndestination:/topic/nobody\nreceipt:{n}\n\n\0"));
    client.send(&(send("/queue/q", "slow") + &others.collect::<String>())).await;
    settle_down(&mut client).await;
    settle_down(&mut client).await;
    assert_eq!(receipts(&client), [""; 0]);
    let published = context.metrics.messages_published.get();
    assert!(published <= 1024, "{published} frames were handled");
    store.confirm_all();
    client.until(&format!("receipt-id:{}\n", FRAMES - 1)).await;
}

#[tokio::test]
async fn client_that_closes_its_sending_side_gets_the_receipts_of_its_last_requests() {
    let (store, context) = with_store(Store::default());
    let mut client = Client::connect(&context, "").await;
    client.send(&(send("/queue/q", "1") + &send("/queue/q", "2"))).await;
    client.stream.as_mut().expect("the client is connected").shutdown().await.expect("shut down");
    settle_down(&mut client).await;
    store.confirm("2", Ok(()));
    settle_down(&mut client).await;
    store.confirm("1", Ok(()));
    client.until_closed().await;
    assert_eq!(receipts(&client), ["1", "2"]);
}

#[tokio::test]
async fn receipts_with_equal_values_belong_to_their_own_requests() {
    let (store, context) = with_store(Store::default());
    let mut client = Client::connect(&context, "").await;
    let send = |body| format!("SEND\ndestination:/queue/q\nreceipt:r\n\n{body}\0");
    client.send(&(send("1") + &send("2"))).await;
    settle_down(&mut client).await;
    store.confirm("2", Ok(()));
    settle_down(&mut client).await;
    assert_eq!(receipts(&client), [""; 0], "the first request is not stored");
    store.confirm("1", Ok(()));
    settle_down(&mut client).await;
    assert_eq!(receipts(&client), ["r", "r"]);
}

#[tokio::test]
async fn transactions_and_acknowledgements_report_back() {
    let (store, context) = with_store(Store::default());
    let mut client = Client::connect(&context, "").await;
    client.send("SUBSCRIBE\nid:1\ndestination:/queue/q\nack:client-individual\nreceipt:s\n\n\0").await;
    client.until("receipt-id:s").await;
    client.send("BEGIN\ntransaction:t\n\n\0").await;
    for body in ["a", "b"] {
        client.send(&format!("SEND\ndestination:/queue/q\ntransaction:t\n\n{body}\0")).await;
    }
    client.send("COMMIT\ntransaction:t\nreceipt:c\n\n\0").await;
    client.until("\n\nb\0").await;
    store.confirm("b", Ok(()));
    settle_down(&mut client).await;
    assert_eq!(receipts(&client), ["s"]);
    store.confirm("a", Ok(()));
    client.until("receipt-id:c").await;
    let ack = client.text.lines().find_map(|line| line.strip_prefix("ack:")).expect("an ack").to_owned();
    client.send(&format!("ACK\nid:{ack}\nreceipt:acked\n\n\0")).await;
    settle_down(&mut client).await;
    assert_eq!(receipts(&client), ["s", "c"]);
    store.confirm("[1]", Ok(()));
    client.until("receipt-id:acked").await;
    let expected = [
        "enqueued /queue/q 1 a",
        "delivered /queue/q 1 1",
        "enqueued /queue/q 2 b",
        "delivered /queue/q 2 1",
        "settled /queue/q [1] Accepted",
    ];
    assert_eq!(*store.records.lock(), expected);
}

#[tokio::test]
async fn stopping_broker_waits_for_outcomes_and_then_ends() {
    let (store, context) = with_store(Store::default());
    let (mut waiting, mut abandoned) =
        (Client::connect(&context, "").await, Client::connect(&context, "").await);
    waiting.send(&send("/queue/q", "1")).await;
    abandoned.send(&send("/queue/q", "2")).await;
    settle_down(&mut waiting).await;
    settle_down(&mut abandoned).await;
    context.stop(Instant::now() + Duration::from_secs(2));
    settle_down(&mut waiting).await;
    store.confirm("1", Ok(()));
    waiting.until("receipt-id:1").await;
    waiting.until_closed().await;
    // The other outcome never arrives. The connection ends after half of the drain time, without its receipt.
    let connection = abandoned.connection.take().expect("the connection is open");
    let mut stream = abandoned.stream.take().expect("the client is connected");
    let reading = async move {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.expect("valid UTF-8");
        rest
    };
    let ended = tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(connection, reading) });
    let ((), rest) = ended.await.expect("the connection ends");
    assert_eq!(rest, "");
}

/// A client whose connection is polled only when it is woken, like a task of the runtime.
struct Woken {
    client: Client,
    wakes: Arc<Wakes>,
    store: Arc<Store>,
    context: Arc<ConnectionContext>,
}

impl Woken {
    async fn connect() -> Woken {
        let store = Arc::new(Store::default());
        let mut config = config();
        config.outbound_queue.slow_consumer_grace = Duration::from_secs(3600);
        let context = context_with_journal(config, Some(store.clone()));
        let client = Client::connect(&context, "").await;
        Woken { client, wakes: Wakes::new(), store, context }
    }

    /// Sends frames, and runs the connection until it waits for an event. Returns the number of polls.
    async fn send(&mut self, frames: &str) -> usize {
        self.client.send(frames).await;
        self.client.run(&self.wakes).await
    }

    /// Confirms one event, which must wake the connection. Runs the connection.
    async fn confirm(&mut self, name: &str) {
        assert!(!self.wakes.is_woken());
        self.store.confirm(name, Ok(()));
        assert!(self.wakes.is_woken(), "{name} does not wake the connection");
        self.client.run(&self.wakes).await;
    }
}

#[tokio::test]
async fn outcome_wakes_a_connection_whose_poll_budget_was_used_up() {
    const SENDS: usize = 500;
    let mut woken = Woken::connect().await;
    let frames: String = (0..SENDS).map(|n| send("/queue/q", &n.to_string())).collect();
    assert!(woken.send(&frames).await > 3, "several polls use up their budget");
    for n in 0..SENDS {
        woken.confirm(&n.to_string()).await;
        assert_eq!(receipts(&woken.client).len(), n + 1);
    }
}

#[tokio::test]
async fn outcome_wakes_a_connection_that_waits_for_a_slow_receiver() {
    let mut woken = Woken::connect().await;
    let reader = Reader::subscribe(&woken.context, "/topic/t");
    let large = format!("SEND\ndestination:/topic/t\n\n{}\0", "x".repeat(900_000));
    woken.send(&(send("/queue/q", "1") + &large.repeat(3))).await;
    woken.confirm("1").await;
    assert_eq!(receipts(&woken.client), ["1"]);
    woken.send(&send("/queue/q", "2")).await;
    assert_eq!(woken.context.metrics.queue_messages.get(), 1, "the connection waits for the receiver");
    assert!(!reader.bodies().is_empty());
    woken.client.run(&woken.wakes).await;
    woken.confirm("2").await;
    assert_eq!(receipts(&woken.client), ["1", "2"]);
}

#[tokio::test]
async fn outcome_wakes_a_connection_that_waits_for_many_outcomes() {
    let mut woken = Woken::connect().await;
    let frames: String = (0..1025).map(|n| send("/queue/q", &n.to_string())).collect();
    woken.send(&frames).await;
    assert_eq!(woken.context.metrics.queue_messages.get(), 1024, "the last frame is not handled");
    woken.confirm("0").await;
    assert_eq!(woken.context.metrics.queue_messages.get(), 1025);
    woken.confirm("1024").await;
    woken.confirm("1").await;
    assert_eq!(receipts(&woken.client), ["0", "1"]);
}

#[tokio::test]
async fn outcome_of_a_transaction_wakes_the_connection_that_committed_it_in_several_polls() {
    const SENDS: usize = 500;
    let mut woken = Woken::connect().await;
    let step = |n: usize| format!("SEND\ndestination:/queue/q\ntransaction:t\n\n{n}\0");
    let steps: String = (0..SENDS).map(step).collect();
    woken.send(&format!("BEGIN\ntransaction:t\n\n\0{steps}")).await;
    assert!(woken.send("COMMIT\ntransaction:t\nreceipt:c\n\n\0").await > 3, "COMMIT takes several polls");
    woken.store.confirm_all();
    assert!(woken.wakes.is_woken());
    woken.client.run(&woken.wakes).await;
    assert_eq!(receipts(&woken.client), ["c"]);
}

#[tokio::test]
async fn outcome_wakes_a_connection_of_a_stopping_broker() {
    let mut woken = Woken::connect().await;
    woken.send(&send("/queue/q", "1")).await;
    woken.context.stop(Instant::now() + Duration::from_secs(3600));
    woken.client.run(&woken.wakes).await;
    woken.confirm("1").await;
    assert_eq!(receipts(&woken.client), ["1"]);
    woken.client.until_closed().await;
}
