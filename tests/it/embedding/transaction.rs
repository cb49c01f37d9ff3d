//! Transactions of clients in the process of the broker.

use super::{OPEN, assert_nothing_waits, next, server};
use futures_util::{FutureExt, StreamExt};
use std::pin::{Pin, pin};
use stompbox::{Client, Config, Server};

/// Returns a client that has received the only message of `/queue/jobs` and has not acknowledged it.
async fn worker_with_a_job(server: &Server) -> (Client, stompbox::Received) {
    let mut worker = server.client(Some("worker"), &[]);
    worker.subscribe_with_acknowledgement("/queue/jobs").expect("subscribed");
    worker.publish("/queue/jobs", &[], "job").await.expect("published");
    let job = next(&mut worker).await;
    (worker, job)
}

fn set_rules(server: &Server, rules: &str) {
    server.rules().set_permissions(&Config::from_toml(&(OPEN.to_owned() + rules)).expect("valid"));
}

#[tokio::test]
async fn messages_are_published_in_order_at_the_commit() {
    let server = server(OPEN);
    let mut reader = server.client(Some("alice"), &[]);
    for destination in ["/topic/a", "/queue/b", "/user/queue/c"] {
        reader.subscribe(destination).expect("subscribed");
    }
    let mut writer = server.client(Some("bob"), &[]);
    let mut transaction = writer.transaction();
    let destinations = ["/topic/a", "/queue/b", "/user/alice/queue/c", "/topic/none", "/topic/a"];
    for (number, destination) in destinations.into_iter().enumerate() {
        transaction.publish(destination, &[("number", &*number.to_string())], "body").expect("permitted");
    }
    assert_nothing_waits(&mut reader);
    let published = transaction.commit().await.expect("committed");
    assert_eq!((published.subscriptions, published.sessions, published.services), (4, Some(1), None));
    for number in ["0", "1", "2", "4"] {
        let message = next(&mut reader).await;
        assert_eq!((message.header("number").as_deref(), message.body()), (Some(number), &b"body"[..]));
    }
    let empty = writer.transaction().commit().await.expect("committed");
    assert_eq!((empty.subscriptions, empty.sessions), (0, None));
}

#[tokio::test]
async fn rejected_commit_applies_no_step() {
    let server = server(&(OPEN.to_owned() + "queue-messages-max = 1\n"));
    let (mut worker, job) = worker_with_a_job(&server).await;
    let mut reader = server.client(None, &[]);
    reader.subscribe("/topic/done").expect("subscribed");
    let mut transaction = worker.transaction();
    transaction.acknowledge(&job).expect("added");
    transaction.publish("/topic/done", &[], "job").expect("permitted");
    transaction.publish("/queue/results", &[], "1").expect("permitted");
    transaction.publish("/queue/results", &[], "2").expect("permitted");
    let error = transaction.commit().await.expect_err("the queue is full");
    assert_eq!(error.limit(), Some("queue-messages-max"), "{error}");
    assert_nothing_waits(&mut reader);
    reader.subscribe("/queue/results").expect("subscribed");
    assert_nothing_waits(&mut reader);

    // The message still waits for its acknowledgement, once.
    let mut transaction = worker.transaction();
    transaction.acknowledge(&job).expect("added");
    transaction.publish("/queue/results", &[], "3").expect("permitted");
    transaction.commit().await.expect("committed");
    assert_eq!(next(&mut reader).await.body(), b"3");
    let mut transaction = worker.transaction();
    transaction.acknowledge(&job).expect("added");
    let error = transaction.commit().await.expect_err("acknowledged already");
    assert_eq!(error.summary(), "unknown delivery", "{error}");
}

#[tokio::test]
async fn acknowledgement_and_message_take_effect_together() {
    let server = server(OPEN);
    let (mut worker, job) = worker_with_a_job(&server).await;
    worker.publish("/queue/jobs", &[], "bad").await.expect("published");
    let bad = next(&mut worker).await;
    let mut transaction = worker.transaction();
    transaction.publish("/queue/results", &[], "result").expect("permitted");
    transaction.acknowledge(&job).expect("added");
    transaction.reject(&bad, false).expect("added");
    transaction.commit().await.expect("committed");
    drop(worker);

    let mut other = server.client(None, &[]);
    other.subscribe("/queue/jobs").expect("subscribed");
    assert_nothing_waits(&mut other);
    other.subscribe("/queue/results").expect("subscribed");
    assert_eq!(next(&mut other).await.body(), b"result");
    other.subscribe("/queue/dead.jobs").expect("subscribed");
    let dead = next(&mut other).await;
    assert_eq!(dead.body(), b"bad");
    // These messages need no acknowledgement.
    let mut transaction = other.transaction();
    transaction.acknowledge(&dead).expect("ignored");
    transaction.commit().await.expect("committed");
}

#[tokio::test]
async fn dropped_transaction_is_discarded() {
    let server = server(OPEN);
    let (mut worker, job) = worker_with_a_job(&server).await;
    let mut transaction = worker.transaction();
    transaction.acknowledge(&job).expect("added");
    transaction.publish("/queue/results", &[], "result").expect("permitted");
    drop(transaction);
    drop(worker);
    let mut other = server.client(None, &[]);
    other.subscribe("/queue/results").expect("subscribed");
    other.subscribe("/queue/jobs").expect("subscribed");
    let message = next(&mut other).await;
    assert_eq!((message.body(), message.delivery_count()), (&b"job"[..], 2));
    assert_nothing_waits(&mut other);
}

#[tokio::test]
async fn transaction_limits_apply_and_a_rejected_request_prevents_the_commit() {
    let limits = "transaction-frames-max = 3\ntransaction-bytes-max = \"1KiB\"\n";
    let server = server(&(OPEN.to_owned() + limits));
    let (mut worker, job) = worker_with_a_job(&server).await;
    let mut transaction = worker.transaction();
    transaction.publish("/topic/a", &[], "1").expect("permitted");
    transaction.publish("/topic/a", &[], "2").expect("permitted");
    transaction.acknowledge(&job).expect("added");
    let error = transaction.publish("/topic/a", &[], "3").expect_err("three frames are allowed");
    assert_eq!(error.limit(), Some("transaction-frames-max"), "{error}");
    assert!(error.to_string().contains("The transaction already has 3 frames"), "{error}");
    let error = transaction.commit().await.expect_err("a request was rejected");
    assert_eq!(error.summary(), "transaction cannot be committed");

    let mut transaction = worker.transaction();
    transaction.publish("/topic/a", &[("x", "y")], vec![b'x'; 500]).expect("permitted");
    let error = transaction.publish("/topic/a", &[], vec![b'x'; 500]).expect_err("1 KiB is allowed");
    assert_eq!(error.limit(), Some("transaction-bytes-max"), "{error}");
    drop(transaction);

    let mut transaction = worker.transaction();
    let error = transaction.publish("/topic/*", &[], "x").expect_err("a pattern");
    assert_eq!(error.summary(), "invalid destination", "{error}");
    drop(transaction);
    worker.transaction().commit().await.expect("a rejected transaction does not affect the next one");
}

#[tokio::test]
async fn changed_rules_apply_to_an_open_transaction() {
    let server = server(OPEN);
    let (mut worker, job) = worker_with_a_job(&server).await;
    let mut reader = server.client(None, &[]);
    reader.subscribe("/topic/a").expect("subscribed");
    let mut transaction = worker.transaction();
    transaction.publish("/topic/a", &[], "1").expect("permitted");
    set_rules(&server, "permission = [\"deny send anyone /topic/b\"]\n");
    transaction.publish("/topic/a", &[], "2").expect("permitted");
    transaction.commit().await.expect("still permitted");
    for body in [b"1", b"2"] {
        assert_eq!(next(&mut reader).await.body(), body);
    }

    let mut transaction = worker.transaction();
    transaction.publish("/topic/c", &[], "1").expect("permitted");
    transaction.publish("/topic/a", &[], "1").expect("permitted");
    set_rules(&server, "permission = [\"deny send anyone /topic/a\"]\n");
    let error = transaction.commit().await.expect_err("denied now");
    assert_eq!(error.summary(), "transaction cannot be committed", "{error}");
    assert_nothing_waits(&mut reader);
    let mut transaction = worker.transaction();
    let error = transaction.publish("/topic/a", &[], "1").expect_err("denied");
    assert_eq!(error.summary(), "access denied", "{error}");
    drop(transaction);

    // The deliveries of a subscription that the rules deny return to their queue.
    let mut transaction = worker.transaction();
    transaction.acknowledge(&job).expect("added");
    set_rules(&server, "permission = [\"deny subscribe user:worker /queue/jobs\"]\n");
    let error = transaction.commit().await.expect_err("the subscription has ended");
    assert_eq!(error.summary(), "unknown delivery", "{error}");
    let mut transaction = worker.transaction();
    let error = transaction.acknowledge(&job).expect_err("the subscription has ended");
    assert_eq!(error.summary(), "transaction cannot be committed", "{error}");
    drop(transaction);
    reader.subscribe("/queue/jobs").expect("subscribed");
    assert_eq!(next(&mut reader).await.body(), b"job");
}

/// Number of messages of a large transaction.
const MESSAGES: usize = 5000;

#[tokio::test]
async fn large_commit_yields_and_is_not_undone_when_its_future_is_dropped() {
    let server = server(OPEN);
    let mut writer = server.client(None, &[]);
    let mut reader = server.client(None, &[]);
    reader.subscribe("/queue/a").expect("subscribed");
    for is_admitted in [false, true] {
        let mut transaction = writer.transaction();
        for number in 0..MESSAGES {
            transaction.publish("/queue/a", &[], number.to_string()).expect("permitted");
        }
        // A program can commit in a task of a multi-threaded runtime.
        let mut committing: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(transaction.commit());
        assert!(committing.as_mut().now_or_never().is_none(), "a large commit takes several polls");
        if !is_admitted {
            drop(committing);
            assert_nothing_waits(&mut reader);
            continue;
        }
        let first = loop {
            if let Some(message) = reader.next().now_or_never() {
                break message.expect("the stream goes on").expect("a message");
            }
            assert!(
                committing.as_mut().now_or_never().is_none(),
                "the first poll that publishes is not the last"
            );
        };
        assert_eq!(first.body(), b"0");
        drop(committing);
        for number in 1..MESSAGES {
            let message = next(&mut reader).now_or_never().expect("the remaining steps are applied");
            assert_eq!(message.body(), number.to_string().as_bytes());
        }
    }
    assert_nothing_waits(&mut reader);
}

#[tokio::test]
async fn commit_waits_for_busy_receivers() {
    let server = server(
        "default-permissions = \"open\"\noutbound-queue-bytes-max = \"64KiB\"\nframe-bytes-max = \"16KiB\"\nconnect-frame-bytes-max = \"16KiB\"\nslow-consumer-grace = \"1h\"\n",
    );
    let (mut reader, mut writer) = (server.client(None, &[]), server.client(None, &[]));
    reader.subscribe("/topic/a").expect("subscribed");
    let mut transaction = writer.transaction();
    for _ in 0..100 {
        transaction.publish("/topic/a", &[], vec![b'x'; 8192]).expect("permitted");
    }
    let mut committing = pin!(transaction.commit());
    for _ in 0..1000 {
        assert!(committing.as_mut().now_or_never().is_none(), "the receiver is busy");
    }
    let reading = async {
        for _ in 0..100 {
            next(&mut reader).await;
        }
    };
    let (published, ()) = tokio::join!(committing, reading);
    assert_eq!(published.expect("committed").subscriptions, 100);
}
