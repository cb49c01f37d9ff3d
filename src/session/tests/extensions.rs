//! Tests of the headers of other brokers.

use super::*;

#[test]
fn harmless_values_of_subscribe_headers_are_accepted() {
    for headers in [
        "durable:false persistent:false auto-delete:false exclusive:FALSE no-local:false activemq.noLocal:false",
        "activemq.exclusive:false activemq.retroactive:false x-single-active-consumer:false browser:false browser-end:false",
        "activemq.priority:0 activemq.maximumPendingMessageLimit:-1 activemq.dispatchAsync:true x-priority:0",
        "activemq.maximumPendingMessageLimit:0 activemq.subscriptionName: selector: x-queue-type:classic",
        "x-stream-offset:next subscription-type:ANYCAST destination-type:ANYCAST x-overflow:reject-publish",
        "Durable:true DURABLE:true durable-x:true xdurable:true",
        "durable:false durable:true",
    ] {
        let mut peer = Peer::connected(Version::V1_2);
        peer.send(&format!("SUBSCRIBE id:1 destination:/queue/a {headers}"))
            .expect("subscribe 1 /queue/a 250");
    }
    let mut peer = Peer::connected(Version::V1_2);
    peer.send("SUBSCRIBE id:1 destination:/topic/a auto-delete:true subscription-type:MULTICAST");
    peer.expect("subscribe 1 /topic/a 250");
    peer.send("UNSUBSCRIBE id:1 durable:true auto-delete:false activemq.subscriptionName:x")
        .expect("unsubscribe 1");
}

#[test]
fn soft_errors_keep_the_connection_after_a_rejected_header() {
    let mut peer = Peer::new(Options::default());
    peer.send("CONNECT accept-version:1.2 soft-errors:true").accept_login(None).take();
    peer.send("SUBSCRIBE id:1 destination:/queue/a browser:true receipt:r");
    peer.expect("report message:unsupported header receipt-id:r refused:/queue/a");
    peer.send("SUBSCRIBE id:1 destination:/queue/a").expect("subscribe 1 /queue/a 250");
}

#[test]
fn strict_headers_reject_send_in_a_transaction() {
    let mut peer = Peer::limited(|options| options.strict_headers = true);
    peer.send("BEGIN transaction:t").take();
    peer.send("SEND destination:/queue/a transaction:t ttl:5 = x").expect_error("unsupported header");
}

#[test]
fn persistent_messages_to_a_queue_cause_a_warning_and_are_accepted() {
    for strict in [false, true] {
        let mut peer = Peer::limited(|options| options.strict_headers = strict);
        peer.send("SEND destination:/topic/a persistent:true = x").expect("publish /topic/a = x");
        peer.send("SEND destination:/queue/a persistent:false = x").expect("publish /queue/a = x");
        peer.send("SEND destination:/queue/a persistent:true = x");
        peer.expect("ignored persistent\npublish /queue/a = x");
        peer.send("SEND destination:/queue/a persistent:true = x").expect("publish /queue/a = x");
    }
}

#[test]
fn harmless_values_of_send_headers_are_accepted() {
    let mut peer = Peer::limited(|options| options.strict_headers = true);
    for headers in [
        "expires:0 priority:4 delay:0 AMQ_SCHEDULED_DELAY:0 JMSXGroupSeq:0 ttl: retain:false durable:false",
        "correlation-id:1 type:t timestamp:5 app-id:a content-encoding:gzip amq-msg-type:text reply-to:/queue/b",
        "destination-type:ANYCAST x-anything:1 Priority:9",
        "_AMQ_EXPIRATION:0 JMSExpiration:0 JMSPriority:4 JMSDeliveryMode:NON_PERSISTENT JMSReplyTo:/queue/b",
        "JMSType:t JMSCorrelationID:1",
    ] {
        peer.send(&format!("SEND destination:/queue/a {headers} = x")).expect("publish /queue/a = x");
    }
}

// ---- prefetch ----

#[test]
fn prefetch_headers_of_all_dialects_are_honoured() {
    for (headers, granted) in [
        ("prefetch-count:7", "7"),
        ("x-prefetch-count:7", "7"),
        ("prefetch_count:7", "7"),
        ("activemq.prefetchSize:7", "7"),
        ("credit:7", "7"),
        ("credit:7,0", "7"),
        ("credit:7,2000", "7 bytes 2000"),
        ("credit:0,2000", "250 bytes 2000"),
        ("consumer-window-size:2000", "250 bytes 2000"),
        ("consumer-window-size:0", "1"),
        ("consumer-window-size:-1", "10000"),
        ("consumer-window-size:-1 prefetch-count:7", "7"),
        ("consumer-window-size:2000 activemq.prefetchSize:7", "7 bytes 2000"),
        ("consumer-window-size:99999999999999999999", "250"),
        ("prefetch-count:7 x-prefetch-count:7 credit:7,2000 consumer-window-size:2000", "7 bytes 2000"),
        ("consumer-window-size:0 prefetch-count:1", "1"),
        ("activemq.prefetchSize:4294967295", "10000"),
    ] {
        let mut peer = Peer::connected(Version::V1_1);
        peer.send(&format!("SUBSCRIBE id:1 destination:/queue/a {headers}"));
        peer.expect(&format!("subscribe 1 /queue/a {granted}"));
    }
}

#[test]
fn contradictory_prefetch_headers_are_rejected_with_both_names() {
    for (one, other) in [
        ("prefetch-count:7", "x-prefetch-count:8"),
        ("prefetch-count:7", "activemq.prefetchSize:8"),
        ("prefetch_count:7", "credit:8"),
        ("prefetch-count:7", "consumer-window-size:0"),
        ("credit:7,1000", "consumer-window-size:2000"),
    ] {
        let mut peer = Peer::connected(Version::V1_2);
        peer.send(&format!("SUBSCRIBE id:1 destination:/queue/a {one} {other}"));
        peer.expect_error("conflicting headers");
        for header in [one, other] {
            let (name, value) = header.split_once(':').expect("a header");
            assert!(peer.detail.contains(&format!("{name} (value \"{value}\")")), "{}", peer.detail);
        }
    }
}

#[test]
fn malformed_prefetch_is_rejected_with_the_expected_form() {
    for (header, expected) in [
        ("activemq.prefetchSize:0", "a whole number from 1 to 4294967295"),
        ("x-prefetch-count:-1", "a whole number from 1 to 4294967295"),
        ("prefetch_count:4294967296", "a whole number from 1 to 4294967295"),
        ("credit:", "COUNT or COUNT,BYTES"),
        ("credit:0", "COUNT or COUNT,BYTES"),
        ("credit:0,0", "COUNT or COUNT,BYTES"),
        ("credit:1,2,3", "COUNT or COUNT,BYTES"),
        ("credit:-1", "COUNT or COUNT,BYTES"),
        ("consumer-window-size:-2", "0 for one message at a time, or -1 for no limit"),
        ("consumer-window-size:10KiB", "0 for one message at a time, or -1 for no limit"),
        ("consumer-window-size:", "0 for one message at a time, or -1 for no limit"),
    ] {
        let mut peer = Peer::connected(Version::V1_2);
        peer.send(&format!("SUBSCRIBE id:1 destination:/queue/a {header}"));
        peer.expect_error("malformed prefetch header");
        let (name, value) = header.split_once(':').expect("a header");
        assert!(
            peer.detail.starts_with(&format!("Invalid value \"{value}\" of the header {name}: expected ")),
            "{}",
            peer.detail
        );
        assert!(peer.detail.contains(expected), "{}", peer.detail);
    }
}

// ---- destinations ----

#[test]
fn destination_options_and_lists_are_rejected() {
    for (form, remedy) in
        [("/queue/a?x=1", "%3F"), ("/queue/a,/queue/b", "%2C"), ("/queue/a,topic://b", "%2C")]
    {
        for (frame, summary) in [
            (format!("SEND destination:{form}"), "invalid destination"),
            (format!("SUBSCRIBE id:1 destination:{form}"), "invalid destination"),
            (format!("SEND destination:/queue/c reply-to:{form}"), "invalid reply-to"),
            (format!("SEND destination:/topic/c reply-to:{form}"), "invalid reply-to"),
            (format!("SEND destination:/app/c reply-to:{form}"), "invalid reply-to"),
        ] {
            let mut peer = Peer::connected(Version::V1_2);
            peer.send(&frame).expect_error(summary);
            assert!(peer.detail.contains(form) && peer.detail.contains(remedy), "{frame}: {}", peer.detail);
        }
    }
    let mut peer = Peer::connected(Version::V1_2);
    peer.send("SEND destination:/topic/a,b reply-to:/topic/c,d?e").expect("publish /topic/a,b");
    peer.send("SEND destination:/topic/a reply-to:amq.gen-x,/y?z=1").expect("publish /topic/a");
}
