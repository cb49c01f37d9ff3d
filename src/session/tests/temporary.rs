//! Tests of temporary queues.

use super::*;

#[test]
fn subscribe_opens_a_temporary_queue() {
    for version in VERSIONS {
        let mut peer = Peer::connected(version);
        peer.send("SUBSCRIBE id:1 destination:/temp-queue/a receipt:r");
        peer.expect("open /temp-queue/~0\nsubscribe 1 /temp-queue/~0 250 receipt r");
        peer.send("SUBSCRIBE id:2 destination:/temp-queue/a ack:client prefetch-count:1");
        peer.expect("subscribe 2 /temp-queue/~0 1");
        peer.send("SUBSCRIBE id:3 destination:/temp-queue/b").complete("r");
        peer.expect("open /temp-queue/~1\nsubscribe 3 /temp-queue/~1 250\nRECEIPT receipt-id:r");
        peer.send("UNSUBSCRIBE id:1\nUNSUBSCRIBE id:2\nSUBSCRIBE id:1 destination:/temp-queue/a");
        peer.expect("unsubscribe 1\nunsubscribe 2\nsubscribe 4 /temp-queue/~0 250");
    }
}

#[test]
fn reply_to_opens_and_subscribes_to_a_temporary_queue() {
    for version in VERSIONS {
        let mut peer = Peer::connected(version);
        peer.send("SEND destination:/queue/service reply-to:/temp-queue/a receipt:r = x");
        peer.expect(
            "open /temp-queue/~0
             subscribe 1 /temp-queue/~0 250
             publish /queue/service reply-to:/temp-queue/~0 = x receipt r",
        );
        assert_eq!(peer.deliver(1, 1, "m1"), DeliveryAction::Write { settle_when_written: true });
        assert_eq!(peer.prefix, "MESSAGE subscription:/temp-queue/a");
        peer.send("SEND destination:/queue/service reply-to:/temp-queue/a");
        peer.expect("publish /queue/service reply-to:/temp-queue/~0");
    }
}

#[test]
fn reply_to_uses_an_existing_subscription() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.send("SUBSCRIBE id:1 destination:/temp-queue/a").take();
    peer.send("SEND destination:/topic/a reply-to:/temp-queue/a");
    peer.expect("publish /topic/a reply-to:/temp-queue/~0");
    peer.send("UNSUBSCRIBE id:1\nSEND destination:/topic/a reply-to:/temp-queue/a");
    peer.expect("unsubscribe 1\nsubscribe 2 /temp-queue/~0 250\npublish /topic/a reply-to:/temp-queue/~0");
}

#[test]
fn explicit_subscription_replaces_the_implicit_one() {
    for id in ["1", "/temp-queue/a"] {
        let mut peer = Peer::limited(|options| options.subscriptions_max = 1);
        peer.send("SEND destination:/topic/a reply-to:/temp-queue/a").take();
        peer.send(&format!("SUBSCRIBE id:{id} destination:/temp-queue/a ack:client receipt:r"));
        peer.expect("unsubscribe 1\nsubscribe 2 /temp-queue/~0 250 receipt r");
        assert_eq!(peer.deliver(1, 1, "m1"), DeliveryAction::Skip);
        peer.complete("r").take();
        peer.send(&format!("UNSUBSCRIBE id:{id}")).expect("unsubscribe 2");
        peer.send("SEND destination:/topic/a reply-to:/temp-queue/a").take();
        assert_eq!(peer.deliver(3, 1, "m1"), DeliveryAction::Write { settle_when_written: true });
    }
}

#[test]
fn implicit_subscription_can_be_ended_by_its_name() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.send("SEND destination:/topic/a reply-to:/temp-queue/a").take();
    peer.send("UNSUBSCRIBE id:/temp-queue/a").expect("unsubscribe 1");
    peer.send("SUBSCRIBE id:/temp-queue/a destination:/temp-queue/a")
        .expect("subscribe 2 /temp-queue/~0 250");
}

#[test]
fn reply_to_is_rejected_if_the_implicit_subscription_id_is_in_use() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.send("SUBSCRIBE id:/temp-queue/a destination:/topic/a").take();
    peer.send("SEND destination:/topic/a reply-to:/temp-queue/a").expect_error("duplicate subscription");
}

#[test]
fn send_to_an_own_temporary_queue_is_published_to_its_address() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.send("SUBSCRIBE id:1 destination:/temp-queue/a").take();
    peer.send("SEND destination:/temp-queue/a = x").expect("publish /temp-queue/~0 as /temp-queue/a = x");
    peer.send("SEND destination:/temp-queue/~77 = x").expect("publish /temp-queue/~77 = x");
    peer.send("SEND destination:/temp-queue/b = x").expect_error("unknown temporary queue");
}

#[test]
fn other_reply_to_values_are_passed_on_unchanged() {
    let mut peer = Peer::connected(Version::V1_2);
    for reply_to in ["/queue/a", "anything", "", "/temp-queue/~5", "/temp-queue"] {
        peer.send(&format!("SEND destination:/topic/a reply-to:{reply_to}")).expect("publish /topic/a");
    }
    peer.send("SEND destination:/topic/a reply-to:/temp-queue/").expect_error("invalid destination");
}

#[test]
fn reply_to_in_a_transaction_subscribes_before_commit() {
    let mut peer = Peer::connected(Version::V1_2);
    peer.send("BEGIN transaction:t\nSEND destination:/topic/a transaction:t reply-to:/temp-queue/a = x");
    peer.expect("open /temp-queue/~0\nsubscribe 1 /temp-queue/~0 250");
    peer.send("COMMIT transaction:t").expect("commit [publish /topic/a reply-to:/temp-queue/~0 = x]");
}

#[test]
fn implicit_subscription_is_named_by_its_destination_in_1_0() {
    let mut peer = Peer::connected(Version::V1_0);
    peer.send("SEND destination:/topic/a reply-to:/temp-queue/a").take();
    peer.send("SUBSCRIBE destination:/temp-queue/a").expect("unsubscribe 1\nsubscribe 2 /temp-queue/~0 250");
    peer.send("UNSUBSCRIBE destination:/temp-queue/a").expect("unsubscribe 2");
}

#[test]
fn temporary_queues_are_limited() {
    for frame in
        ["SUBSCRIBE id:c destination:/temp-queue/c", "SEND destination:/topic/a reply-to:/temp-queue/c"]
    {
        let mut peer = Peer::limited_operations(|options| options.temp_queues_max = 2);
        peer.send(
            "SUBSCRIBE id:1 destination:/temp-queue/a\nSEND destination:/topic/a reply-to:/temp-queue/b",
        );
        peer.send("UNSUBSCRIBE id:1\nSUBSCRIBE id:2 destination:/temp-queue/a").take();
        peer.send(frame).expect_limit("temp-queues-max", "too many temporary queues");
    }
}

#[test]
fn temporary_queue_is_opened_again_after_its_first_subscription_was_rejected() {
    let mut peer = Peer::new(Options::default());
    peer.send("CONNECT accept-version:1.2 soft-errors:true").accept_login(None).take();
    peer.send("SUBSCRIBE id:1 destination:/temp-queue/a");
    peer.expect("open /temp-queue/~0\nsubscribe 1 /temp-queue/~0 250");
    let bytes = peer.session.subscription_bytes();
    let mut actions = Vec::new();
    let rejection = Rejection::by_limit(Limit::MemoryBytes, "limit reached", "no memory");
    peer.session.action_rejected(RejectedAction::Subscribe(1), None, &rejection, &mut actions);
    assert!(peer.session.subscription_bytes() < bytes, "the memory of the rejected subscription is released");
    peer.send("SUBSCRIBE id:1 destination:/temp-queue/a");
    peer.expect("open /temp-queue/~1\nsubscribe 2 /temp-queue/~1 250");
}

#[test]
fn implicit_subscriptions_count_towards_subscriptions_max() {
    let mut peer = Peer::limited(|options| options.subscriptions_max = 1);
    peer.send("SUBSCRIBE id:1 destination:/topic/a").take();
    peer.send("SEND destination:/topic/a reply-to:/temp-queue/a");
    peer.expect_limit("subscriptions-max", "too many subscriptions");
}

#[test]
fn invalid_temporary_queue_address_causes_an_error_and_no_panic() {
    let client = Client::new(Arc::default(), "s".into(), Arc::new(Box::new(String::new)));
    let session = Session::new(Arc::default(), client, Instant::now());
    let mut peer = Peer { session, ..Peer::new(Options::default()) };
    peer.send("CONNECT accept-version:1.2").accept_login(None).take();
    peer.send("SUBSCRIBE id:1 destination:/temp-queue/a")
        .expect("ERROR temporary queue not opened\nclose Unavailable");
}
