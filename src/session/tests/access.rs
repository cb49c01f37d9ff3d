//! Tests of permissions, `soft-errors`, expiry and renewal.

use super::*;
use crate::auth::Cause;
use crate::permissions::{Permissions, Preset, Rule};
use std::sync::Arc;

fn rules(rules: &[&str]) -> Arc<Permissions> {
    let rules = rules.iter().map(|rule| Rule::parse(rule).expect(rule)).collect();
    Arc::new(Permissions::new(Preset::Safe, rules, Vec::new()))
}

/// Returns an authenticated peer with the preset `safe` and the rules `first` before it.
fn safe(name: &str, first: &[&str]) -> Peer {
    let mut peer = Peer::user(name, "");
    peer.session.set_permissions(rules(first), &mut peer.actions);
    peer.expect("");
    peer
}

fn soft(first: &[&str]) -> Peer {
    let mut peer = Peer::new(Options::default());
    peer.send("CONNECT accept-version:1.2 soft-errors:true").accept_login(Some("alice")).take();
    peer.session.set_permissions(rules(first), &mut peer.actions);
    peer
}

fn expiring(milliseconds: u64) -> Peer {
    let mut peer = Peer::new(Options::default());
    peer.send("CONNECT accept-version:1.2");
    let expires = Some(peer.now + Duration::from_millis(milliseconds));
    peer.accept_login_as(Principal { expires, ..Principal::named("alice", "token") }).take();
    peer
}

#[test]
fn rules_cannot_deny_a_session_its_own_error_queue() {
    let mut peer = soft(&["deny all anyone **"]);
    peer.send("SUBSCRIBE id:e destination:/user/queue/errors")
        .expect("subscribe 1 /user/alice/queue/errors 250");
    peer.session.set_permissions(rules(&["deny all anyone **"]), &mut peer.actions);
    peer.expect("");
    peer.send("SUBSCRIBE id:2 destination:/user/queue/*");
    assert!(peer.take().iter().any(|line| line.starts_with("denied subscribe /user/queue/*")));
}

#[test]
fn safe_preset_grants_and_denies_as_documented() {
    for frame in [
        "SUBSCRIBE id:1 destination:/topic/a",
        "SUBSCRIBE id:1 destination:/topic/**",
        "SUBSCRIBE id:1 destination:/presence/topic/a",
        "SUBSCRIBE id:1 destination:/user/queue/a",
        "SUBSCRIBE id:1 destination:/temp-queue/a",
        "SEND destination:/app/a",
        "SEND destination:/user/bob/queue/a",
        "SEND destination:/user/queue/a",
        "SEND destination:/users/queue/a to:bob",
        "SEND destination:/user/~s2/topic/a",
        "SEND destination:/temp-queue/~x",
    ] {
        let mut peer = safe("alice", &[]);
        peer.send(frame);
        assert!(!peer.take().iter().any(|line| line.starts_with("ERROR")), "{frame}");
    }
    for (verb, destination) in [
        ("SEND", "/topic/a"),
        ("SEND", "/queue/a"),
        ("SUBSCRIBE", "/queue/a"),
        ("SUBSCRIBE", "/app/a"),
        ("SUBSCRIBE", "/presence/users"),
        ("SEND", "/user/bob/topic/a"),
    ] {
        let mut peer = safe("alice", &[]);
        peer.send(&format!("{verb} id:1 receipt:r destination:{destination}"));
        let verb = verb.to_lowercase();
        peer.expect(&format!(
            "denied {verb} {destination}: no rule allows it (preset safe)\nERROR access denied receipt r\nclose AccessDenied"
        ));
        assert!(peer.detail.contains(destination), "{}", peer.detail);
    }
    let mut service = Peer::user("backend", "service");
    service.session.set_permissions(rules(&["deny all anyone **"]), &mut service.actions);
    service.send("SEND destination:/topic/a").expect("publish /topic/a");
    service.send("SUBSCRIBE id:1 destination:/app/**").expect("subscribe 1 /app/** 250");
}

#[test]
fn permission_is_checked_for_every_recipient() {
    let mut peer = safe("alice", &["deny send anyone /user/carol/**"]);
    peer.send("SEND destination:/users/queue/x to:bob,carol").expect(
        "denied send /user/carol/queue/x: deny send anyone /user/carol/**\nERROR access denied\nclose AccessDenied",
    );
}

#[test]
fn granted_permission_is_cached_until_the_rules_change() {
    let mut peer = safe("alice", &["allow send users /topic/a"]);
    peer.send("SEND destination:/topic/a\nSEND destination:/topic/a")
        .expect("publish /topic/a\npublish /topic/a");
    peer.session.set_permissions(rules(&[]), &mut peer.actions);
    peer.send("SEND destination:/topic/a").expect(
        "denied send /topic/a: no rule allows it (preset safe)\nERROR access denied\nclose AccessDenied",
    );
}

#[test]
fn rule_change_rechecks_active_subscriptions() {
    let mut peer = safe("alice", &[]);
    peer.send("SUBSCRIBE id:1 destination:/topic/a\nSUBSCRIBE id:2 destination:/temp-queue/t").take();
    peer.session.set_permissions(rules(&["deny subscribe anyone /topic/b"]), &mut peer.actions);
    peer.expect("");
    peer.session.set_permissions(rules(&["deny subscribe anyone /topic/a"]), &mut peer.actions);
    peer.expect(
        "denied subscribe /topic/a: deny subscribe anyone /topic/a\nERROR access denied\nclose AccessDenied",
    );

    let mut peer = soft(&[]);
    peer.send("SUBSCRIBE id:1 destination:/topic/**\nSUBSCRIBE id:2 destination:/topic/b").take();
    peer.session.set_permissions(rules(&["deny subscribe anyone /topic/a"]), &mut peer.actions);
    peer.expect(
        "unsubscribe 1\ndenied subscribe /topic/**: deny subscribe anyone /topic/a\n\
         report message:access denied refused:/topic/**",
    );
    peer.send("UNSUBSCRIBE id:2").expect("unsubscribe 2");
}

#[test]
fn soft_error_drops_only_the_rejected_frame() {
    let mut peer = soft(&[]);
    peer.send("SEND destination:/topic/a receipt:r1")
        .expect(
            "denied send /topic/a: no rule allows it (preset safe)\n\
             report message:access denied receipt-id:r1 refused:/topic/a",
        )
        .send("SUBSCRIBE id:1 destination:/queue/a receipt:r2")
        .expect(
            "denied subscribe /queue/a: no rule allows it (preset safe)\n\
             report message:access denied receipt-id:r2 refused:/queue/a",
        )
        .send("SEND destination:nowhere receipt:r3")
        .expect("report message:invalid destination receipt-id:r3 refused:nowhere")
        .send("SUBSCRIBE id:1 destination:/topic/a")
        .expect("subscribe 1 /topic/a 250");
    // A rejected frame of any other command still ends the session.
    peer.send("ABORT transaction:nothing").expect_error("unknown transaction");
}

#[test]
fn soft_errors_cover_ack_nack_and_unsubscribe() {
    let mut peer = soft(&[]);
    peer.send("SUBSCRIBE id:1 destination:/topic/a ack:client").take();
    for (frame, message) in [
        ("ACK id:nothing", "nothing to settle"),
        ("NACK id:nothing", "nothing to settle"),
        ("ACK", "missing header"),
        ("NACK id:nothing requeue:perhaps", "malformed requeue header"),
        ("ACK id:nothing transaction:t", "nothing to settle"),
        ("UNSUBSCRIBE", "missing header"),
    ] {
        peer.send(&format!("{frame} receipt:r")).expect(&format!("report message:{message} receipt-id:r"));
    }
    // A transaction with a rejected frame cannot be committed.
    peer.send("BEGIN transaction:t\nACK id:nothing transaction:t").expect("report message:nothing to settle");
    peer.send("COMMIT transaction:t").expect_error("transaction cannot be committed");
}

#[test]
fn soft_errors_are_off_unless_connect_requests_them() {
    for value in ["false", "", "yes", "TRUE"] {
        let mut peer = Peer::new(Options::default());
        peer.send(&format!("CONNECT accept-version:1.2 soft-errors:{value}")).accept_login(None).take();
        peer.send("SEND destination:nowhere").expect_error("invalid destination");
    }
}

#[test]
fn soft_errors_undo_actions_that_the_broker_rejects() {
    let mut peer = soft(&["allow all users /queue/**"]);
    let rejection = Rejection::by_limit(Limit::Queues, "limit reached", "Full.");
    peer.send("SEND destination:/queue/a receipt:r1\nSEND destination:/queue/b receipt:r2").take();
    peer.complete("r2").expect("");
    let receipt = peer.receipt("r1");
    peer.session.action_rejected(RejectedAction::Publish, Some(receipt), &rejection, &mut peer.actions);
    peer.expect("limit queues-max\nreport message:limit reached receipt-id:r1\nRECEIPT receipt-id:r2");
    peer.send("SUBSCRIBE id:1 destination:/queue/a receipt:r3").expect("subscribe 1 /queue/a 250 receipt r3");
    let receipt = peer.receipt("r3");
    peer.session.action_rejected(RejectedAction::Subscribe(1), Some(receipt), &rejection, &mut peer.actions);
    peer.expect("limit queues-max\nreport message:limit reached receipt-id:r3");
    peer.send("SUBSCRIBE id:1 destination:/topic/a").expect("subscribe 2 /topic/a 250");
    peer.session.action_rejected(RejectedAction::Other, None, &rejection, &mut peer.actions);
    peer.expect_limit_without_remedy("queues-max", "limit reached");
}

#[test]
fn transaction_with_a_rejected_frame_cannot_be_committed() {
    let mut peer = soft(&["allow send users /topic/a"]);
    peer.send("BEGIN transaction:t\nSEND destination:/topic/a transaction:t\nSEND destination:/topic/b transaction:t")
        .expect(
            "denied send /topic/b: no rule allows it (preset safe)\nreport message:access denied refused:/topic/b",
        )
        .send("COMMIT transaction:t")
        .expect_error("transaction cannot be committed");
}

#[test]
fn rule_change_rechecks_frames_of_open_transactions() {
    let mut peer = safe("alice", &["allow send users /topic/a"]);
    peer.send("BEGIN transaction:t\nSEND destination:/topic/a transaction:t\nBEGIN transaction:u").take();
    peer.send("SEND destination:/users/queue/x to:bob,carol transaction:u").take();
    peer.session.set_permissions(rules(&["allow send users /topic/a"]), &mut peer.actions);
    peer.session.set_permissions(
        rules(&["allow send users /topic/a", "deny send anyone /user/carol/**"]),
        &mut peer.actions,
    );
    peer.expect("").send("COMMIT transaction:t").expect("commit [publish /topic/a]");
    peer.send("COMMIT transaction:u").expect_error("transaction cannot be committed");
}

#[test]
fn clients_cannot_send_to_error_queues() {
    for frame in [
        "SEND destination:/user/bob/queue/errors",
        "SEND destination:/user/~s2/queue/errors",
        "SEND destination:/user/queue/errors",
        "SEND destination:/users/queue/errors to:bob",
    ] {
        let mut peer = Peer::user("alice", "service");
        peer.send(frame).expect(
            "denied send /user/queue/errors: only the broker may send to /user/queue/errors\n\
             ERROR access denied\nclose AccessDenied",
        );
    }
    let mut peer = Peer::user("alice", "");
    peer.send("SUBSCRIBE id:1 destination:/user/queue/errors")
        .expect("subscribe 1 /user/alice/queue/errors 250");
}

#[test]
fn token_expires_at_its_exact_time() {
    let mut peer = expiring(5_000);
    assert_eq!(peer.until_deadline(), Some(5_000));
    peer.after(4_999).expect("");
    assert!(!peer.session.is_expired(peer.now));
    peer.after(1).expect("ERROR token expired\nclose Expired");
    // A frame that arrives before the timer fires is rejected, too.
    let mut peer = expiring(5_000);
    peer.now += Duration::from_secs(5);
    assert!(peer.session.is_expired(peer.now));
    peer.send("SEND destination:/topic/a receipt:r").expect("ERROR token expired receipt r\nclose Expired");
    let mut peer = expiring(5_000);
    peer.now += Duration::from_secs(5);
    peer.send("SEND destination:/auth/refresh receipt:r = abc")
        .expect("ERROR token expired receipt r\nclose Expired");
}

#[test]
fn token_is_renewed_by_send_to_auth_refresh() {
    for frame in [
        "SEND destination:/auth/refresh receipt:r = new",
        "SEND destination:/auth/refresh receipt:r = Bearer_new",
        "SEND destination:/auth/refresh receipt:r Authorization:Bearer_new",
        "SEND destination:/auth/refresh receipt:r passcode:new",
        "SEND destination:/auth/refresh receipt:r access_token:new",
    ] {
        let mut peer = expiring(5_000);
        peer.session.set_permissions(rules(&["deny all anyone **"]), &mut peer.actions);
        peer.send_with_spaces(frame).expect("renew new receipt r");
        let principal = Principal {
            expires: Some(peer.now + Duration::from_secs(60)),
            ..Principal::named("alice", "token")
        };
        let receipt = peer.receipt("r");
        peer.session.token_renewed(Ok(principal), Some(receipt), &mut peer.actions);
        peer.expect("RECEIPT receipt-id:r");
        peer.after(59_999).expect("").after(1).expect("ERROR token expired\nclose Expired");
    }
}

#[test]
fn failed_token_renewal_ends_the_session() {
    let failed = LoginError {
        rejection: Rejection::new(Code::Unauthenticated, "login failed", "No."),
        reason: "x".into(),
        cause: Cause::Credentials,
    };
    for (result, expected) in [
        (Err(failed), "ERROR login failed receipt r\nclose Unauthenticated"),
        (Ok(Principal::named("bob", "token")), "ERROR token refused receipt r\nclose Unauthenticated"),
        (Ok(Principal::anonymous()), "ERROR token refused receipt r\nclose Unauthenticated"),
    ] {
        let mut peer = expiring(5_000);
        peer.send("SEND destination:/auth/refresh receipt:r = new").take();
        peer.session.token_renewed(result, Some("r".into()), &mut peer.actions);
        peer.expect(expected);
    }
    expiring(5_000).send("SEND destination:/auth/refresh").expect_error("missing token");
    expiring(5_000)
        .send("BEGIN transaction:t\nSEND destination:/auth/refresh transaction:t = a")
        .expect_error("token cannot be renewed here");
    expiring(5_000).send("SUBSCRIBE id:1 destination:/auth/refresh").expect_error("invalid destination");
}

#[test]
fn token_renewal_rechecks_active_subscriptions() {
    let mut peer = expiring(5_000);
    peer.session.set_permissions(rules(&["allow subscribe role:editor /queue/**"]), &mut peer.actions);
    let editor = Principal { roles: ["editor".into()].into(), ..Principal::named("alice", "token") };
    peer.session.token_renewed(Ok(editor), None, &mut peer.actions);
    peer.send("SUBSCRIBE id:1 destination:/queue/a").expect("subscribe 1 /queue/a 250");
    peer.session.token_renewed(Ok(Principal::named("alice", "token")), None, &mut peer.actions);
    peer.expect(
        "denied subscribe /queue/a: no rule allows it (preset safe)\nERROR access denied\nclose AccessDenied",
    );
}

#[test]
fn session_of_a_removed_account_is_closed() {
    let mut peer = safe("alice", &[]);
    peer.session.update_principal(Some(Principal::named("alice", "users-file")), &mut peer.actions);
    peer.expect("");
    peer.session.update_principal(None, &mut peer.actions);
    peer.expect("ERROR access revoked\nclose Expired");
}
