//! Tests of user destinations, application services, and the headers that the broker sets about a sender.

use super::*;

/// Returns an authenticated peer of version 1.2.
fn alice() -> Peer {
    Peer::user("alice", "")
}

#[test]
fn own_user_destination_is_resolved_and_shown_without_the_user_name() {
    alice()
        .send("SEND destination:/user/queue/x = hi")
        .expect("publish /user/alice/queue/x as /user/queue/x user-name:alice = hi")
        .send("SEND destination:/user/alice/queue/x")
        .expect("publish /user/alice/queue/x as /user/queue/x user-name:alice")
        .send("SEND destination:/user/topic/x")
        .expect("publish /user/alice/topic/x as /user/topic/x user-name:alice")
        .send("SUBSCRIBE id:1 destination:/user/queue/x")
        .expect("subscribe 1 /user/alice/queue/x 250")
        .send("SUBSCRIBE id:2 destination:/user/alice/queue/y")
        .expect("subscribe 2 /user/alice/queue/y 250")
        .send("SUBSCRIBE id:3 destination:/user/queue/**")
        .expect("subscribe 3 /user/alice/queue/** 250");
}

#[test]
fn send_to_another_user_names_the_user_in_the_destination() {
    for (written, resolved) in [
        ("/user/bob/queue/x", "/user/bob/queue/x"),
        ("/user/john.doe/queue/x", "/user/john.doe/queue/x"),
        ("/user/a%2Fb/queue/x", "/user/a%2Fb/queue/x"),
        ("/user/a%20b/queue/x", "/user/a b/queue/x"),
        ("/user/%7Ebob/queue/x", "/user/%7Ebob/queue/x"),
        ("/user/%71ueue/queue/x", "/user/%71ueue/queue/x"),
        ("/user/小明/queue/x", "/user/小明/queue/x"),
        ("/user/~s9/queue/x", "/user/~s9/queue/x"),
    ] {
        alice()
            .send(&format!("SEND destination:{written}"))
            .expect(&format!("publish {resolved} as /user/queue/x user-name:alice"));
    }
}

#[test]
fn subscribe_to_another_users_destination_is_rejected() {
    for destination in [
        "/user/bob/queue/x",
        "/user/%62ob/queue/x",
        "/user/Alice/queue/x",
        "/user/alice%2F/queue/x",
        "/user/alice%20/queue/x",
        "/user/~alice/queue/x",
        "/user/~s2/queue/x",
        "/user/~s1/queue/x",
    ] {
        for peer in [&mut alice(), &mut Peer::user("alice", "service")] {
            peer.send(&format!("SUBSCRIBE id:1 receipt:r destination:{destination}"));
            peer.expect(&format!(
                "denied subscribe {destination}: no client may subscribe to destinations of another user\n\
                 ERROR access denied receipt r\nclose AccessDenied"
            ));
        }
    }
    for destination in [
        "/user/*/queue/x",
        "/user/**",
        "/user/#",
        "/user/>/queue/x",
        "/user/bob/queue/*",
        "/user/**/queue/x",
        "/users/queue/x",
    ] {
        alice()
            .send(&format!("SUBSCRIBE id:1 destination:{destination}"))
            .expect_error("invalid destination");
    }
}

#[test]
fn anonymous_session_has_its_own_user_destinations() {
    Peer::connected(Version::V1_2)
        .send("SUBSCRIBE id:1 destination:/user/queue/x")
        .expect("subscribe 1 /user/~s1/queue/x 250")
        .send("SUBSCRIBE id:2 destination:/user/~s1/queue/y")
        .expect("subscribe 2 /user/~s1/queue/y 250")
        .send("SEND destination:/user/queue/x")
        .expect("publish /user/~s1/queue/x as /user/queue/x");
}

#[test]
fn sender_cannot_set_the_user_name_header() {
    alice()
        .send("SEND destination:/user/bob/queue/x user-name:carol session:s7")
        .expect("publish /user/bob/queue/x as /user/queue/x user-name:alice only s7")
        .send("SEND destination:/topic/x user-name:carol session:s7")
        .expect("publish /topic/x");
    let operations = operations::Options { show_sender: true, ..operations::Options::default() };
    let mut peer = Peer::with_operations(Options::default(), operations);
    peer.send("CONNECT accept-version:1.2").accept_login(Some("alice")).take();
    peer.send("SEND destination:/topic/x").expect("publish /topic/x user-name:alice");
}

#[test]
fn to_header_sends_one_message_to_several_users() {
    alice()
        .send("SEND destination:/users/queue/x to:bob,a%2Cb,c receipt:r = hi")
        .expect("publish [bob a,b c] queue/x as /user/queue/x user-name:alice = hi receipt r");
    alice().send("SEND destination:/users/queue/x").expect_error("missing header");
    alice().send("SEND destination:/users/queue/x to:").expect_error("missing header");
    for to in ["a,,b", ",", "100%", "a,%zz"] {
        alice().send(&format!("SEND destination:/users/queue/x to:{to}")).expect_error("malformed to header");
    }
    alice()
        .send("SEND destination:/users/queue/x to:a,b session:s1")
        .expect_error("session header is not for this destination");
    let limited = |limit: fn(&mut operations::Options)| {
        let mut peer = Peer::limited_operations(limit);
        peer.send("SEND destination:/users/queue/x to:a,b");
        peer
    };
    limited(|options| options.to_names_max = 2).expect("publish [a b] queue/x as /user/queue/x");
    limited(|options| options.to_names_max = 1).expect_limit("to-names-max", "too many recipients");
    limited(|options| options.to_bytes_max = 2).expect_limit("to-bytes-max", "too many recipients");
}

#[test]
fn to_header_is_not_forwarded_to_recipients() {
    let mut peer = alice();
    peer.send("SEND destination:/users/queue/x to:bob,carol To:dave TO:erin kept:yes = hi");
    let Some(Action::Publish { publish, .. }) = peer.actions.first() else { panic!("{:?}", peer.actions) };
    assert!(publish.headers.iter().all(|(name, _)| name.to_lowercase() != "to"));
    assert_eq!(publish.header("kept").as_deref(), Some("yes"));
    assert_eq!(&publish.body[..], b"hi");
}

#[test]
fn send_to_app_adds_user_name_session_and_reply_to() {
    alice()
        .send("SEND destination:/app/a")
        .expect("publish /app/a reply-to:/user/~s1/queue/replies user-name:alice session:s1")
        .send("SEND destination:/app/a reply-to:/user/queue/mine")
        .expect("publish /app/a reply-to:/user/~s1/queue/mine user-name:alice session:s1")
        .send("SEND destination:/app/a reply-to:/temp-queue/t")
        .expect(
            "open /temp-queue/~0\nsubscribe 1 /temp-queue/~0 250\n\
             publish /app/a reply-to:/temp-queue/~0 user-name:alice session:s1",
        );
    Peer::connected(Version::V1_2)
        .send("SEND destination:/app/a user-name:alice session:s9")
        .expect("publish /app/a reply-to:/user/~s1/queue/replies session:s1");
}

#[test]
fn send_to_app_with_a_foreign_reply_to_is_rejected() {
    for reply in
        ["/topic/x", "/queue/x", "/user/bob/queue/x", "/user/~s2/queue/x", "/users/queue/x", "/app/b"]
    {
        alice()
            .send(&format!("SEND destination:/app/a reply-to:{reply}"))
            .expect_error("reply-to is not yours");
    }
    alice().send("SEND destination:/app/a reply-to:nowhere").expect_error("invalid destination");
    // In a message to other clients, `reply-to` is an ordinary header.
    alice().send("SEND destination:/topic/a reply-to:/topic/x").expect("publish /topic/a");
}

#[test]
fn presence_destinations_accept_subscribe_and_reject_send() {
    alice()
        .send("SUBSCRIBE id:1 destination:/presence/topic/a.b")
        .expect("subscribe 1 /presence/topic/a.b 250")
        .send("SUBSCRIBE id:2 destination:/presence/users presence-names:true")
        .expect("subscribe 2 /presence/users 250 names");
    for destination in ["/presence/topic/a", "/presence/users"] {
        alice().send(&format!("SEND destination:{destination}")).expect_error("invalid destination");
    }
    for destination in
        ["/presence/topic/*", "/presence/queue/a", "/presence/topic/", "/presence/**", "/presence/user"]
    {
        alice()
            .send(&format!("SUBSCRIBE id:1 destination:{destination}"))
            .expect_error("invalid destination");
    }
}
