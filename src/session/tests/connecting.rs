//! CONNECT, versions, logins, connect timeouts.

use super::*;
use crate::users::Cause;

const CONNECTED: &str = "session:s1 server:stompbox/0.1.0";

#[test]
fn a_client_may_say_which_program_it_is() {
    for header in ["user-agent", "agent"] {
        let mut peer = Peer::new(Options::default());
        peer.send(&format!("CONNECT accept-version:1.2 {header}:pump/7"));
        assert!(
            matches!(&peer.actions[..], [Action::Authenticate(_), Action::Agent(agent)] if **agent == *"pump/7")
        );
    }
}

#[test]
fn the_highest_common_version_is_spoken() {
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
        peer.let_in(None);
        let heart_beat = if version == "1.0" { "" } else { " heart-beat:10000,10000" };
        peer.expect(&format!("CONNECTED version:{version} {CONNECTED}{heart_beat}\nestablished {version}"));
    }
}

#[test]
fn without_a_common_version_the_known_ones_are_told() {
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
fn before_connect_only_connect_is_handled() {
    for frame in
        ["SEND destination:/topic/a", "SUBSCRIBE", "DISCONNECT", "BEGIN", "ACK", "MESSAGE", "CONNECTED"]
    {
        Peer::new(Options::default()).send(frame).expect_error("not connected");
    }
    let mut peer = Peer::new(Options::default());
    peer.send("DISCONNECT receipt:7").expect("ERROR not connected receipt 7\nclose Rejected");
}

#[test]
fn a_second_connect_is_refused() {
    for version in VERSIONS {
        for frame in ["CONNECT accept-version:1.2 receipt:r", "STOMP"] {
            Peer::connected(version).send(frame).expect_error("already connected");
        }
    }
}

#[test]
fn a_frame_of_a_server_is_refused() {
    for frame in ["MESSAGE", "RECEIPT receipt-id:1", "CONNECTED", "ERROR"] {
        Peer::connected(Version::V1_2).send(frame).expect_error("unexpected command");
    }
}

#[test]
fn no_frame_is_handled_while_authenticating() {
    let mut peer = Peer::new(Options::default());
    peer.send("CONNECT accept-version:1.2").take();
    peer.send("SEND destination:/topic/a").expect_error("not connected");
    peer.let_in(None).expect("");
}

#[test]
fn credentials_are_taken_literally() {
    let mut peer = Peer::new(Options::default());
    peer.raw("CONNECT\naccept-version:1.2\nlogin:a\\cb\npasscode:x:y\\n\n\n\0");
    peer.expect(r#"authenticate Some("a\\cb") Some("x:y\\n")"#);
}

#[test]
fn a_signed_in_user_is_named() {
    let mut peer = Peer::new(Options::default());
    peer.send("CONNECT accept-version:1.2").take();
    peer.let_in(Some("alice"));
    peer.expect(&format!(
        "CONNECTED version:1.2 {CONNECTED} heart-beat:10000,10000 user-name:alice\nestablished 1.2"
    ));
    assert_eq!((peer.session.user(), peer.session.id()), (Some("alice"), "s1"));
}

#[test]
fn a_user_name_cannot_forge_a_header() {
    let mut peer = Peer::new(Options::default());
    peer.send("CONNECT accept-version:1.2").take();
    peer.let_in(Some("alice\nrole:admin"));
    peer.expect(&format!("CONNECTED version:1.2 {CONNECTED} heart-beat:10000,10000\nestablished 1.2"));
}

#[test]
fn who_is_not_let_in_is_told_so() {
    for (limit, closing) in
        [(None, "Unauthenticated"), (Some("auth-waiting-max"), "Limit(\"auth-waiting-max\")")]
    {
        let mut peer = Peer::new(Options::default());
        peer.send("CONNECT accept-version:1.1").take();
        let refused = Refused {
            summary: "go away",
            detail: "You are wrong.".into(),
            reason: "x".into(),
            cause: Cause::Credentials,
            limit,
        };
        peer.session.authenticated(Err(refused), Arc::default(), peer.now, &mut peer.actions);
        let counted = limit.map_or(String::new(), |limit| format!("limit {limit}\n"));
        peer.expect(&format!("{counted}ERROR go away\nclose {closing}"));
        assert_eq!(peer.detail, "You are wrong.");
    }
}

#[test]
fn an_answer_that_nobody_waits_for_is_ignored() {
    Peer::new(Options::default()).let_in(Some("alice")).expect("");
    Peer::connected(Version::V1_2).let_in(Some("alice")).expect("");
}

#[test]
fn leading_spaces_of_a_login_are_padding_in_1_0_alone() {
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
            credentials.passcode.as_ref().map(crate::users::Secret::reveal),
            Some(passcode),
            "{accepted}"
        );
    }
}

#[test]
fn silence_before_connect_ends_the_connection() {
    let mut peer = Peer::new(Options::default());
    assert_eq!(peer.waits(), Some(10_000));
    peer.after(9_999).raw("\n").expect("");
    assert_eq!(peer.waits(), Some(10_000));
    peer.after(9_999).expect("").after(1).expect("ERROR connect timeout\nclose ConnectTimeout");
    assert!(peer.detail.contains("`connect-silence`"), "{}", peer.detail);
    assert_eq!(peer.waits(), None);
    peer.after(100_000).expect("");
}

#[test]
fn connect_must_come_in_time_however_slowly() {
    let mut peer = Peer::new(Options::default());
    for _ in 0..7 {
        peer.after(8_000).raw("\n").expect("");
    }
    assert_eq!(peer.waits(), Some(4_000));
    peer.after(4_000).expect("ERROR connect timeout\nclose ConnectTimeout");
    assert!(peer.detail.contains("`connect-timeout`"), "{}", peer.detail);
}

#[test]
fn authentication_may_take_as_long_as_it_takes() {
    let mut peer = Peer::new(Options::default());
    peer.send("CONNECT accept-version:1.2 heart-beat:1000,1000").take();
    assert_eq!(peer.waits(), None);
    peer.after(1_000_000).let_in(None);
    assert_eq!(peer.take().len(), 2);
    peer.after(0).expect("");
}

#[test]
fn endless_timeouts_do_not_overflow() {
    let options =
        Options { connect_silence: Duration::MAX, connect_timeout: Duration::MAX, ..Options::default() };
    let mut peer = Peer::new(options);
    assert_eq!(peer.waits(), None);
    peer.after(1 << 40).expect("");
}
