//! Clients in the process of the broker.

use super::{OPEN, assert_nothing_waits, next, server};
use futures_util::{FutureExt, StreamExt};
use stompbox::Config;

#[tokio::test]
async fn stream_returns_messages_of_all_subscriptions_in_order() {
    let server = server(OPEN);
    let (mut reader, mut writer) = (server.client(Some("alice"), &[]), server.client(None, &[]));
    let topic = reader.subscribe("/topic/a").expect("subscribed");
    let pattern = reader.subscribe("/topic/b.*").expect("subscribed");
    for (number, destination) in ["/topic/a", "/topic/b.1", "/topic/c", "/topic/a"].into_iter().enumerate() {
        let headers = [("number", &*number.to_string()), ("message-id", "forged")];
        writer.publish(destination, &headers, "body").await.expect("published");
    }
    for (subscription, number, destination) in
        [(topic, "0", "/topic/a"), (pattern, "1", "/topic/b.1"), (topic, "3", "/topic/a")]
    {
        let message = next(&mut reader).await;
        assert_eq!((message.subscription(), message.destination()), (subscription, destination));
        assert_eq!(message.header("number").as_deref(), Some(number));
        assert_ne!(message.id(), "forged");
        assert_eq!((message.body(), message.delivery_count()), (&b"body"[..], 1));
    }
    reader.unsubscribe(topic);
    writer.publish("/topic/a", &[], "late").await.expect("published");
    assert_nothing_waits(&mut reader);
}

#[tokio::test]
async fn publish_reports_sessions_and_services() {
    let server = server(OPEN);
    let mut phone = server.client(Some("alice"), &[]);
    let mut laptop = server.client(Some("alice"), &[]);
    phone.subscribe("/user/queue/chat").expect("subscribed");
    laptop.subscribe("/user/queue/chat").expect("subscribed");
    laptop.subscribe("/user/queue/*").expect("subscribed");
    let mut bob = server.client(Some("bob"), &[]);
    let published = bob.publish("/user/alice/queue/chat", &[], "hi").await.expect("published");
    assert_eq!((published.subscriptions, published.sessions, published.services), (3, Some(2), None));
    let message = next(&mut phone).await;
    assert_eq!(message.destination(), "/user/queue/chat");
    assert_eq!(message.header("user-name").as_deref(), Some("bob"));

    let mut service = server.client(Some("backend"), &["service"]);
    service.subscribe("/app/orders").expect("subscribed");
    let published = bob.publish("/app/orders", &[], "1").await.expect("published");
    assert_eq!((published.sessions, published.services), (None, Some(1)));
    let reply_to = next(&mut service).await.header("reply-to").expect("an address").into_owned();
    bob.subscribe("/user/queue/replies").expect("subscribed");
    service.publish(&reply_to, &[], "done").await.expect("published");
    assert_eq!(next(&mut bob).await.body(), b"done");
}

#[tokio::test]
async fn permissions_apply_to_publish_and_subscribe() {
    let server = server(
        "default-permissions = \"safe\"\npermission = [\"allow send role:editor /topic/news\", \"allow subscribe users /topic/news\"]\n",
    );
    let mut reader = server.client(Some("alice"), &[]);
    reader.subscribe("/topic/news").expect("allowed");
    let mut editor = server.client(Some("eve"), &["editor"]);
    editor.publish("/topic/news", &[], "x").await.expect("allowed");
    for (destination, summary) in [
        ("/topic/news", "access denied"),
        ("/user/queue/errors", "access denied"),
        ("nowhere", "invalid destination"),
        ("/topic/*", "invalid destination"),
        ("/auth/refresh", "token cannot be renewed here"),
    ] {
        let error = reader.publish(destination, &[], "x").await.expect_err(destination);
        assert_eq!(error.summary(), summary, "{error}");
    }
    for (destination, summary) in [
        ("/queue/other", "access denied"),
        ("/user/eve/queue/x", "access denied"),
        ("/temp-queue/x", "temporary queue not opened"),
    ] {
        let error = reader.subscribe(destination).expect_err(destination);
        assert_eq!(error.summary(), summary, "{error}");
    }
    assert_eq!(next(&mut reader).await.body(), b"x");
}

#[tokio::test]
async fn unacknowledged_messages_of_a_queue_return_in_order_when_the_client_is_dropped() {
    let server = server(OPEN);
    let mut writer = server.client(None, &[]);
    for number in 0..4 {
        writer.publish("/queue/jobs", &[], number.to_string()).await.expect("published");
    }
    let mut worker = server.client(None, &[]);
    worker.subscribe_with_acknowledgement("/queue/jobs").expect("subscribed");
    let first = next(&mut worker).await;
    worker.acknowledge(&first);
    worker.acknowledge(&first);
    let second = next(&mut worker).await;
    worker.reject(&second, false);
    next(&mut worker).await;
    drop(worker);

    let mut other = server.client(None, &[]);
    other.subscribe("/queue/jobs").expect("subscribed");
    other.subscribe("/queue/dead.jobs").expect("subscribed");
    let mut received = Vec::new();
    for _ in 0..3 {
        let message = next(&mut other).await;
        received.push((message.destination().to_owned(), message.body().to_owned()));
    }
    received.sort();
    let expected = [("/queue/dead.jobs", "1"), ("/queue/jobs", "2"), ("/queue/jobs", "3")];
    assert_eq!(received, expected.map(|(destination, body)| (destination.to_owned(), body.into())));
    drop(other);
    let mut last = server.client(None, &[]);
    last.subscribe("/queue/jobs").expect("subscribed");
    assert_nothing_waits(&mut last);
}

#[tokio::test]
async fn client_that_takes_no_messages_is_a_slow_consumer() {
    let server = server(
        "default-permissions = \"open\"\noutbound-queue-bytes-max = \"64KiB\"\nframe-bytes-max = \"16KiB\"\nconnect-frame-bytes-max = \"16KiB\"\nslow-consumer-grace = \"0s\"\n",
    );
    let (mut reader, mut writer) = (server.client(None, &[]), server.client(None, &[]));
    reader.subscribe("/topic/a").expect("subscribed");
    let mut accepted = 0;
    while writer.publish("/topic/a", &[], vec![b'x'; 8192]).await.expect("published").subscriptions == 1 {
        accepted += 1;
        assert!(accepted < 100, "the outbound queue overflows");
    }
    let error = reader.next().await.expect("an error").expect_err("the queue overflowed");
    assert_eq!((error.summary(), error.limit()), ("slow consumer", Some("outbound-queue-bytes-max")));
    assert!(reader.next().await.is_none(), "the session has ended");
}

#[tokio::test]
async fn changed_rules_end_subscriptions_that_they_deny() {
    let server = server(OPEN);
    let (mut reader, mut writer) = (server.client(Some("alice"), &[]), server.client(None, &[]));
    reader.subscribe("/topic/a").expect("subscribed");
    reader.subscribe("/topic/b").expect("subscribed");
    let rules = "default-permissions = \"open\"\npermission = [\"deny subscribe anyone /topic/a\"]\n";
    server.rules().set_permissions(&Config::from_toml(rules).expect("valid"));
    let error = reader.next().await.expect("an error").expect_err("denied");
    assert_eq!(error.summary(), "access denied", "{error}");
    for destination in ["/topic/a", "/topic/b"] {
        writer.publish(destination, &[], destination.to_owned()).await.expect("published");
    }
    assert_eq!(next(&mut reader).await.body(), b"/topic/b");
    assert_nothing_waits(&mut reader);
}

#[tokio::test]
async fn limits_apply_and_the_stream_ends_with_the_broker() {
    let server = server("default-permissions = \"open\"\nsubscriptions-max = 1\n");
    let mut client = server.client(None, &[]);
    let first = client.subscribe("/topic/a").expect("subscribed");
    let error = client.subscribe("/topic/b").expect_err("one subscription is allowed");
    assert_eq!(error.limit(), Some("subscriptions-max"), "{error}");
    client.unsubscribe(first);
    client.subscribe("/topic/b").expect("subscribed");
    let stopped = tokio::spawn(server.shut_down());
    assert!(client.next().await.is_none());
    stopped.await.expect("the broker stops");
}

#[tokio::test]
async fn message_of_another_client_cannot_be_acknowledged() {
    let server = server(OPEN);
    let (mut one, mut other) = (server.client(None, &[]), server.client(None, &[]));
    one.subscribe_with_acknowledgement("/queue/a").expect("subscribed");
    let subscription = other.subscribe_with_acknowledgement("/queue/b").expect("subscribed");
    one.publish("/queue/a", &[], "a").await.expect("published");
    one.publish("/queue/b", &[], "b").await.expect("published");
    let (a, b) = (next(&mut one).await, next(&mut other).await);
    other.acknowledge(&a);
    other.reject(&a, false);
    one.unsubscribe(subscription);
    assert_eq!(
        other.transaction().acknowledge(&a).expect_err("a foreign message").summary(),
        "nothing to settle"
    );
    drop((one, other));
    let mut last = server.client(None, &[]);
    for (queue, body) in [("/queue/a", a.body()), ("/queue/b", b.body())] {
        last.subscribe(queue).expect("subscribed");
        assert_eq!(next(&mut last).await.body(), body, "the message waits in its queue");
    }
}

#[tokio::test]
async fn worker_that_panics_loses_a_message_after_the_maximum_of_deliveries() {
    let server = server("default-permissions = \"open\"\nmax-deliveries = 2\n");
    server.client(None, &[]).publish("/queue/jobs", &[], "poison").await.expect("published");
    server.client(None, &[]).publish("/queue/jobs", &[], "good").await.expect("published");
    for _ in 0..2 {
        let mut worker = server.client(None, &[]);
        let work = async move {
            worker.subscribe_with_acknowledgement("/queue/jobs").expect("subscribed");
            let first = next(&mut worker).await;
            next(&mut worker).await;
            assert_ne!(first.body(), b"poison", "expected by the test");
        };
        assert!(tokio::spawn(work).await.expect_err("the worker fails").is_panic());
    }
    let mut last = server.client(None, &[]);
    last.subscribe("/queue/dead.jobs").expect("subscribed");
    assert_eq!(next(&mut last).await.body(), b"poison");
    last.subscribe("/queue/jobs").expect("subscribed");
    assert_eq!(next(&mut last).await.body(), b"good");
}

#[tokio::test]
async fn client_that_receives_its_own_messages_does_not_wait_for_itself() {
    let server = server(
        "default-permissions = \"open\"\noutbound-queue-bytes-max = \"1MiB\"\nframe-bytes-max = \"128KiB\"\n",
    );
    let mut client = server.client(None, &[]);
    client.subscribe("/topic/a").expect("subscribed");
    for _ in 0..10 {
        let publishing = client.publish("/topic/a", &[], vec![b'x'; 80_000]);
        assert_eq!(publishing.now_or_never().expect("no wait").expect("published").subscriptions, 1);
    }
    assert_eq!(next(&mut client).await.body().len(), 80_000);
}

#[tokio::test]
async fn limits_of_frames_apply_to_messages() {
    let limits = "header-count-max = 10\nheader-bytes-max = \"1KiB\"\nframe-bytes-max = \"64KiB\"\n";
    let server = server(&format!("{OPEN}{limits}"));
    let mut client = server.client(None, &[]);
    let (long, many) = ("x".repeat(1021), [("a", "1"); 10]);
    for (headers, body, limit) in [
        (&[("a", "1"), ("b", "2")][..], 60_000, None),
        (&[("a", "1")], 65_536, Some("frame-bytes-max")),
        (&many, 1, Some("header-count-max")),
        (&many[1..], 1, None),
        (&[("abc", &*long)], 1, Some("header-bytes-max")),
        (&[("ab", &*long)], 1, None),
    ] {
        let result = client.publish("/topic/a", headers, vec![b'x'; body]).await;
        assert_eq!(result.err().as_ref().and_then(|error| error.limit()), limit, "{headers:?} {body}");
    }
}

#[tokio::test]
async fn stream_returns_waiting_messages_before_it_ends_with_the_broker() {
    let server = server(OPEN);
    let (mut reader, mut writer) = (server.client(None, &[]), server.client(None, &[]));
    reader.subscribe("/topic/a").expect("subscribed");
    for number in 0..3 {
        writer.publish("/topic/a", &[], number.to_string()).await.expect("published");
    }
    server.shut_down().await;
    for number in 0..3 {
        assert_eq!(next(&mut reader).await.body(), number.to_string().as_bytes());
    }
    assert!(reader.next().await.is_none());
    let error = reader.publish("/topic/a", &[], "x").await.expect_err("the session has ended");
    assert_eq!(error.summary(), "session has ended");
    assert_eq!(
        reader.subscribe("/topic/a").expect_err("the session has ended").summary(),
        "session has ended"
    );
}

#[tokio::test]
async fn program_publishes_to_one_session_and_to_several_users() {
    let server = server(OPEN);
    let (mut phone, mut laptop) = (server.client(Some("bob"), &[]), server.client(Some("bob"), &[]));
    phone.subscribe("/user/queue/a").expect("subscribed");
    laptop.subscribe("/user/queue/a").expect("subscribed");
    let mut service = server.client(Some("backend"), &["service"]);
    service.subscribe("/app/hello").expect("subscribed");
    phone.publish("/app/hello", &[], "hi").await.expect("published");
    let message = next(&mut service).await;
    let session = message.header("session").expect("the session of the sender");
    assert_eq!(server.publish("/user/bob/queue/a", &[("session", &session)], b"one").expect("published"), 1);
    assert_eq!(server.publish("/user/bob/queue/a", &[], b"both").expect("published"), 2);
    assert_eq!(server.publish("/users/queue/a", &[("to", "bob,alice")], b"users").expect("published"), 2);
    for (client, bodies) in
        [(&mut phone, &[&b"one"[..], b"both", b"users"][..]), (&mut laptop, &[b"both", b"users"])]
    {
        for body in bodies {
            assert_eq!(next(client).await.body(), *body);
        }
    }
    assert_eq!(server.publish("/app/hello", &[], b"x").expect("published"), 1);
    let message = next(&mut service).await;
    assert!(message.header("session").is_none() && message.header("reply-to").is_none());
    assert!(server.publish("/auth/refresh", &[], b"").is_err());
}
