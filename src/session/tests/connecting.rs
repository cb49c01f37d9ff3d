//! Tests of CONNECT, versions, logins and connect timeouts.

use super::*;
use crate::auth::Cause;

const CONNECTED: &str = "session:s1 server:stompbox/0.1.0";

#[test]
fn client_program_is_read_from_connect() {
    for header in ["user-agent", "agent"] {
        let mut peer = Peer::new(Options::default());
        peer.send(&format!("CONNECT accept-version:1.2 {header}:pump/7"));
        assert!(
            matches!(&peer.actions[..], [Action::Authenticate(_), Action::Agent(agent)] if **agent == *"pump/7")
        );
    }
}

#[test]
fn highest_common_version_is_negotiated() {
    let table = [
        ("CONNECT", "1.0"),
        ("CONNECT accept-version:1.0", "1.0"),
        ("CONNECT accept-version:1.1,1.0", "1.1"),
        ("CONNECT accept-version:1.2,1.1,1.0", "1.2"),
        ("CONNECT accept-version:1.0,1.1,1.2,1.3,9", "1.2"),
        ("STOMP accept-version:1.1", "1.1"),
        ("STOMP accept-version:1.2 host:nowhere", "1.2"),
    ];
    for (frame, version) in table {
        let mut peer = Peer::new(Options::default());
        assert_eq!(peer.session.version(), Version::V1_2);
        peer.send(frame).expect("authenticate None None");
        assert_eq!(peer.session.version().as_str(), version);
        peer.accept_login(None);
        let heart_beat = if version == "1.0" { "" } else { " heart-beat:10000,10000" };
        peer.expect(&format!("CONNECTED version:{version} {CONNECTED}{heart_beat}\nestablished {version}"));
    }
}

#[test]
fn error_without_a_common_version_lists_the_supported_versions() {
    let mut peer = Peer::new(Options::default());
    peer.raw("CONNECT\naccept-version:2.0,3\nreceipt:r\n\n\0");
    let Some(Action::Write(frame)) = peer.actions.first() else { panic!("{:?}", peer.actions) };
    let text = String::from_utf8_lossy(frame).into_owned();
    for part in [
        "\nversion:1.0,1.1,1.2\n",
        "\ncontent-type:text/plain\n",
        "\n\nSupported protocol versions are 1.0 1.1 1.2\0\n",
    ] {
        assert!(text.contains(part), "{text}");
    }
    peer.expect_error("version mismatch");
}

#[test]
fn frames_before_connect_are_rejected() {
    for frame in
        ["SEND destination:/topic/a", "SUBSCRIBE", "DISCONNECT", "BEGIN", "ACK", "MESSAGE", "CONNECTED"]
    {
        Peer::new(Options::default()).send(frame).expect_error("not connected");
    }
    let mut peer = Peer::new(Options::default());
    peer.send("DISCONNECT receipt:7").expect("ERROR not connected receipt 7\nclose Rejected");
}

#[test]
fn second_connect_is_rejected() {
    for version in VERSIONS {
        for frame in ["CONNECT accept-version:1.2 receipt:r", "STOMP"] {
            Peer::connected(version).send(frame).expect_error("already connected");
        }
    }
}

#[test]
fn server_frames_from_a_client_are_rejected() {
    for frame in ["MESSAGE", "RECEIPT receipt-id:1", "CONNECTED", "ERROR"] {
        Peer::connected(Version::V1_2).send(frame).expect_error("unexpected command");
    }
}

#[test]
fn frames_during_authentication_are_rejected() {
    let mut peer = Peer::new(Options::default());
    peer.send("CONNECT accept-version:1.2").take();
    peer.send("SEND destination:/topic/a").expect_error("not connected");
    peer.accept_login(None).expect("");
}

#[test]
fn credentials_in_connect_are_not_unescaped() {
    let mut peer = Peer::new(Options::default());
    peer.raw("CONNECT\naccept-version:1.2\nlogin:a\\cb\npasscode:x:y\\n\n\n\0");
    peer.expect(r#"authenticate Some("a\\cb") Some("x:y\\n")"#);
}

#[test]
fn connected_names_the_authenticated_user() {
    let mut peer = Peer::new(Options::default());
    peer.send("CONNECT accept-version:1.2").take();
    peer.accept_login(Some("alice"));
    peer.expect(&format!(
        "CONNECTED version:1.2 {CONNECTED} heart-beat:10000,10000 user-name:alice\nestablished 1.2"
    ));
    assert_eq!((peer.session.user(), peer.session.id()), (Some("alice"), "s1"));
}

#[test]
fn line_break_in_a_user_name_does_not_inject_a_header() {
    let mut peer = Peer::new(Options::default());
    peer.send("CONNECT accept-version:1.2").take();
    peer.accept_login(Some("alice\nrole:admin"));
    peer.expect(&format!("CONNECTED version:1.2 {CONNECTED} heart-beat:10000,10000\nestablished 1.2"));
}

#[test]
fn failed_authentication_sends_error_and_closes() {
    let detail = "The passcode is wrong.";
    for (rejection, closing) in [
        (Rejection::new(Code::Unauthenticated, "go away", detail), "Unauthenticated"),
        (Rejection::by_limit(Limit::AuthWaiting, "go away", detail), "Limit(\"auth-waiting-max\")"),
    ] {
        let mut peer = Peer::new(Options::default());
        peer.send("CONNECT accept-version:1.1").take();
        let limit = rejection.limit;
        let failed = LoginError { rejection, reason: "x".into(), cause: Cause::Credentials };
        peer.session.authenticated(Err(failed), Arc::default(), peer.now, &mut peer.actions);
        let counted = limit.map_or(String::new(), |limit| format!("limit {limit}\n"));
        peer.expect(&format!("{counted}ERROR go away\nclose {closing}"));
        assert_eq!(peer.detail, detail);
    }
}

#[test]
fn authentication_result_without_a_pending_request_is_ignored() {
    Peer::new(Options::default()).accept_login(Some("alice")).expect("");
    Peer::connected(Version::V1_2).accept_login(Some("alice")).expect("");
}

#[test]
fn leading_spaces_of_a_login_are_trimmed_only_in_1_0() {
    for (accepted, login, passcode) in [
        ("", "alice", "s "),
        ("accept-version:1.0\n", "alice", "s "),
        ("accept-version:1.1\n", "  alice", " s "),
        ("accept-version:1.0,1.2\n", "  alice", " s "),
    ] {
        let mut peer = Peer::new(Options::default());
        peer.raw(&format!("CONNECT\n{accepted}login:  alice\npasscode: s \n\n\0"));
        let Some(Action::Authenticate(credentials)) = peer.actions.first() else {
            panic!("{:?}", peer.actions)
        };
        assert_eq!(credentials.login.as_deref(), Some(login), "{accepted}");
        assert_eq!(
            credentials.passcode.as_ref().map(crate::auth::Secret::reveal),
            Some(passcode),
            "{accepted}"
        );
    }
}

#[test]
fn silence_before_connect_closes_the_connection() {
    let mut peer = Peer::new(Options::default());
    assert_eq!(peer.until_deadline(), Some(10_000));
    peer.after(9_999).raw("\n").expect("");
    assert_eq!(peer.until_deadline(), Some(10_000));
    peer.after(9_999).expect("").after(1).expect("ERROR connect timeout\nclose ConnectTimeout");
    assert!(peer.detail.contains("`connect-silence`"), "{}", peer.detail);
    assert_eq!(peer.until_deadline(), None);
    peer.after(100_000).expect("");
}

#[test]
fn connect_timeout_applies_even_while_bytes_arrive() {
    let mut peer = Peer::new(Options::default());
    for _ in 0..7 {
        peer.after(8_000).raw("\n").expect("");
    }
    assert_eq!(peer.until_deadline(), Some(4_000));
    peer.after(4_000).expect("ERROR connect timeout\nclose ConnectTimeout");
    assert!(peer.detail.contains("`connect-timeout`"), "{}", peer.detail);
}

#[test]
fn connect_timeout_does_not_apply_to_authentication() {
    let mut peer = Peer::new(Options::default());
    peer.send("CONNECT accept-version:1.2 heart-beat:1000,1000").take();
    assert_eq!(peer.until_deadline(), None);
    peer.after(1_000_000).accept_login(None);
    assert_eq!(peer.take().len(), 2);
    peer.after(0).expect("");
}

#[test]
fn maximum_timeouts_do_not_overflow() {
    let options =
        Options { connect_silence: Duration::MAX, connect_timeout: Duration::MAX, ..Options::default() };
    let mut peer = Peer::new(options);
    assert_eq!(peer.until_deadline(), None);
    peer.after(1 << 40).expect("");
}
