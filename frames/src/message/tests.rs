//! Tests of messages as their receivers decode them.

use super::*;
use crate::sockjs::{quote, unquote};
use crate::stomp::{Command, Decoder, Frame, Limits};
use proptest::prelude::*;

const LIMITS: Limits =
    Limits { frame_bytes_max: 1 << 20, header_count_max: 1000, header_bytes_max: 1 << 16, to_bytes_max: 0 };

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().copied().collect()
}

fn message(destination: &str, user: &[(&str, &str)], extra: &[(&str, &str)], body: &[u8]) -> Message {
    let headers = headers(user);
    Message::new(MessageParts { id: "n-1", destination, headers: &headers, extra, body }, |_| ())
}

/// Returns the tail that the message stores.
fn tail(message: &Message, version: Version) -> &Bytes {
    stored(message.tail(version, |(), _| Some(())))
}

fn stored(copy: Cow<'_, Bytes>) -> &Bytes {
    match copy {
        Cow::Borrowed(kept) => kept,
        Cow::Owned(bytes) => panic!("a copy that is not stored: {bytes:?}"),
    }
}

fn text(message: &Message, version: Version) -> String {
    String::from_utf8(tail(message, version).to_vec()).expect("UTF-8")
}

fn received(version: Version, delivery: DeliveryHeaders<'_>, message: &Message) -> Frame {
    let mut out = BytesMut::new();
    prefix(&mut out, version, delivery);
    out.extend_from_slice(tail(message, version));
    let mut decoder = Decoder::new(LIMITS);
    decoder.set_version(version);
    decoder.feed(&out);
    let frame = decoder.next().expect("a valid frame").expect("a whole frame");
    assert_eq!(decoder.next().expect("no error").map(|_| ()), None);
    assert_eq!(decoder.buffered(), 0);
    frame
}

fn pairs(frame: &Frame) -> Vec<(String, String)> {
    frame.headers.iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

#[test]
fn tail_has_its_headers_in_order_and_ends_in_nul_and_lf() {
    let message =
        message("/topic/a", &[("x", "1"), ("content-type", "text/plain"), ("y", "")], &[("seq", "7")], b"hi");
    let expected = "destination:/topic/a\nmessage-id:n-1\nseq:7\nx:1\ncontent-type:text/plain\ny:\ncontent-length:2\n\nhi\0\n";
    assert_eq!(text(&message, Version::V1_2), expected);
    assert_eq!(message.id(), "n-1");
    assert_eq!(message.destination(), "/topic/a");
    assert_eq!(message.body(), b"hi");
    assert!(message.size() > expected.len() && message.size() < expected.len() + 300);
}

#[test]
fn empty_body_has_a_content_length() {
    assert_eq!(
        text(&message("/a", &[], &[], b""), Version::V1_2),
        "destination:/a\nmessage-id:n-1\ncontent-length:0\n\n\0\n"
    );
}

#[test]
fn only_the_first_of_repeated_headers_is_sent() {
    let many: Vec<(String, String)> = (0..40).map(|at| (format!("h{}", at % 25), at.to_string())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (&**name, &**value)).collect();
    for count in [2, 5, 16, 17, 25, 26, 40] {
        let frame =
            received(Version::V1_2, DeliveryHeaders::default(), &message("/a", &many[..count], &[], b""));
        let sent = pairs(&frame);
        let user: Vec<_> = sent.iter().filter(|(name, _)| name.starts_with('h')).collect();
        assert_eq!(user.len(), count.min(25));
        assert!(user.iter().enumerate().all(|(at, (_, value))| *value == at.to_string()), "{user:?}");
    }
    let message = message("/a", &[("x", "1"), ("y", "2"), ("x", "3"), ("y", "4"), ("x", "5")], &[], b"");
    assert!(text(&message, Version::V1_2).contains("\nx:1\ny:2\ncontent-length"));
}

#[test]
fn reserved_headers_of_the_sender_are_dropped() {
    for name in RESERVED {
        for name in [
            name.to_string(),
            format!(" {name}"),
            format!("{name}\u{a0}"),
            format!("\n{name}\r"),
            format!("\u{feff}{name}\t"),
            name.to_uppercase(),
            format!(" {}\t", name.to_uppercase()),
            title_case(name),
            name.replace('s', "\u{17f}"),
            name.replace('k', "\u{212a}"),
            name.replace('i', "\u{131}"),
            name.replace('i', "\u{130}"),
        ] {
            assert!(is_reserved(&name), "{name:?}");
            let message = message("/a", &[(&name, "forged"), ("kept", "1")], &[], b"");
            for version in Version::ALL {
                let tail = text(&message, version);
                assert!(!tail.contains("forged") && tail.contains("kept:1"), "{name:?}: {tail:?}");
            }
        }
    }
}

/// Returns `user-name` as `User-Name`.
fn title_case(name: &str) -> String {
    let parts = name.split('-').map(|part| part[..1].to_uppercase() + &part[1..]);
    parts.collect::<Vec<_>>().join("-")
}

#[test]
fn names_similar_to_reserved_ones_are_kept() {
    for name in ["user_name", "username", "x-user-name", "user-names", "sessions", "user--name", "to", "é"] {
        assert!(!is_reserved(name), "{name:?}");
        let message = message("/a", &[(name, "kept")], &[], b"");
        assert!(text(&message, Version::V1_2).contains("kept"), "{name:?}");
    }
    assert!(RESERVED.iter().all(|name| *name == name.to_lowercase() && name.len() < 32));
}

#[test]
fn extra_headers_replace_those_of_the_sender_in_any_case() {
    for name in ["Reply-To", "REPLY-TO", " reply-to", "Reply-To\t"] {
        let tail = text(&message("/a", &[(name, "forged")], &[("reply-to", "mine")], b""), Version::V1_2);
        assert!(tail.contains("reply-to:mine") && !tail.contains("forged"), "{tail:?}");
    }
}

#[test]
fn extra_headers_replace_those_of_the_sender() {
    let user = [("reply-to", "forged"), ("x", "1"), ("a:b", "forged")];
    let extra = [("reply-to", "/temp-queue/~1"), ("user-name", "ann"), ("a:b", "mine")];
    let tail = text(&message("/a", &user, &extra, b""), Version::V1_2);
    let expected = "destination:/a\nmessage-id:n-1\nreply-to:/temp-queue/~1\nuser-name:ann\na\\cb:mine\nx:1\ncontent-length:0\n\n\0\n";
    assert_eq!(tail, expected);
}

#[test]
fn extra_headers_cannot_replace_destination_message_id_and_length() {
    let extra = [("content-length", "9"), ("destination", "/b"), ("message-id", "n-2")];
    assert_eq!(
        text(&message("/a", &[], &extra, b""), Version::V1_2),
        text(&message("/a", &[], &[], b""), Version::V1_2)
    );
}

#[test]
fn headers_are_escaped_as_each_version_requires() {
    let message = message("/a", &[("a:b\\", "1:2\n3\r4\\")], &[], b"\0");
    let cases = [
        (Version::V1_2, "a\\cb\\\\:1\\c2\\n3\\r4\\\\\n"),
        (Version::V1_1, "a\\cb\\\\:1\\c2\\n3 4\\\\\n"),
        (Version::V1_0, "a_b\\:1:2 3 4\\\n"),
    ];
    for (version, expected) in cases {
        let expected = format!("destination:/a\nmessage-id:n-1\n{expected}content-length:1\n\n\0\0\n");
        assert_eq!(text(&message, version), expected, "{version}");
    }
}

#[test]
fn versions_share_a_tail_if_their_encodings_are_equal() {
    let ptr_eq = |message: &Message, one, other| tail(message, one).as_ptr() == tail(message, other).as_ptr();
    use Version::*;
    let plain = message("/a", &[("x", "1")], &[], b"b\\");
    assert!(ptr_eq(&plain, V1_2, V1_1) && ptr_eq(&plain, V1_2, V1_0));
    let colon = message("/a", &[("x", "1:\\r")], &[], b"");
    assert!(ptr_eq(&colon, V1_2, V1_1) && !ptr_eq(&colon, V1_2, V1_0));
    let cr = message("/a", &[("x", "\r")], &[], b"");
    assert!(!ptr_eq(&cr, V1_2, V1_1) && !ptr_eq(&cr, V1_2, V1_0));
    assert!(ptr_eq(&cr, V1_1, V1_1) && ptr_eq(&cr.clone(), V1_0, V1_0), "the tail is encoded once");
}

fn quoted(message: &Message, version: Version, quoting: Quoting) -> &Bytes {
    stored(message.quoted_tail(version, quoting, |(), _| Some(())))
}

#[test]
fn quoted_tail_is_the_tail_up_to_its_nul() {
    let user = [("a:b\\", "1:2\n3\r4\\"), ("c", "</script>%")];
    for body in ["", "{\"x\":\"é😀\u{2028}\"}\0\n", "plain"] {
        let message = message("/topic/é", &user, &[], body.as_bytes());
        for version in Version::ALL {
            for quoting in Quoting::ALL {
                let unquoted = unquote(quoting, quoted(&message, version, quoting)).expect("a quoted text");
                assert_eq!(unquoted + "\n", text(&message, version), "{version} {quoting:?}");
            }
        }
    }
}

#[test]
fn quoted_prefix_and_tail_form_the_quoted_message() {
    let message = message("/topic/a", &[("x", "%")], &[], "\"é\"".as_bytes());
    let mut head = BytesMut::new();
    prefix(&mut head, Version::V1_2, DeliveryHeaders { subscription: Some("s\"1"), ack: None, count: 1 });
    for quoting in Quoting::ALL {
        let mut string = BytesMut::new();
        quote(quoting, &head, &mut string);
        string.extend_from_slice(quoted(&message, Version::V1_2, quoting));
        let expected = [&head[..], tail(&message, Version::V1_2).strip_suffix(b"\n").expect("LF")].concat();
        assert_eq!(unquote(quoting, &string).map(String::into_bytes), Some(expected));
    }
}

#[test]
fn non_utf8_body_is_quoted_with_replacement_characters() {
    let message = message("/a", &[], &[], b"a\xff\xc3");
    let quoted = quoted(&message, Version::V1_2, Quoting::Plain);
    assert!(quoted.ends_with(b"\\n\\na\\ufffd\\ufffd\\u0000"), "{quoted:?}");
}

#[test]
fn versions_that_share_a_tail_share_its_quoted_form() {
    use Version::*;
    let cases = [("1", [true, true]), ("1:\\r", [true, false]), ("\r", [false, false])];
    for (value, expected) in cases {
        let message = message("/a", &[("x", value)], &[], b"");
        for quoting in Quoting::ALL {
            let pointer = |version| quoted(&message, version, quoting).as_ptr();
            assert_eq!([V1_1, V1_0].map(|version| pointer(version) == pointer(V1_2)), expected);
            assert_eq!(
                pointer(V1_1),
                quoted(&message.clone(), V1_1, quoting).as_ptr(),
                "the tail is quoted once"
            );
        }
        let pointers: std::collections::HashSet<_> =
            Quoting::ALL.map(|quoting| quoted(&message, V1_0, quoting).as_ptr()).into();
        assert_eq!(pointers.len(), 3, "each quoting has its own copy");
    }
}

#[test]
fn each_quoted_form_has_one_guard_that_lives_as_long_as_the_message() {
    let guard = Arc::new(());
    let headers = headers(&[("x", "1:2")]);
    let parts = MessageParts { id: "1", destination: "/a", headers: &headers, extra: &[], body: b"x" };
    let message = Message::new(parts, |_| guard.clone());
    let mut reported = Vec::new();
    for version in Version::ALL.into_iter().chain(Version::ALL) {
        for quoting in Quoting::ALL {
            let held = message.quoted_tail(version, quoting, |own, bytes| {
                reported.push(bytes);
                Some(Arc::clone(own))
            });
            assert!(reported.last().is_some_and(|bytes| *bytes >= held.len()));
        }
    }
    assert_eq!(reported.len(), 6, "one tail for 1.0, and one for 1.1 and 1.2");
    assert_eq!(Arc::strong_count(&guard), 1 + 1 + 6);
    drop(message);
    assert_eq!(Arc::strong_count(&guard), 1);
}

#[test]
fn message_that_is_never_quoted_takes_two_pointers_for_quoting() {
    assert_eq!(size_of::<OnceLock<Box<Copies<Arc<()>, QUOTINGS>>>>(), 2 * size_of::<usize>());
}

#[test]
fn each_copy_has_a_guard_of_its_size_that_lives_as_long_as_the_message() {
    let guard = Arc::new(());
    let headers = headers(&[("x", "1:2\r")]);
    let parts = MessageParts { id: "1", destination: "/a", headers: &headers, extra: &[], body: b"x" };
    let message = Message::new(parts, |_| guard.clone());
    let mut reported = 0;
    for version in [Version::V1_1, Version::V1_0, Version::V1_2, Version::V1_1] {
        let accept = |own: &Arc<()>, bytes| {
            reported += bytes;
            Some(Arc::clone(own))
        };
        assert!(matches!(message.tail(version, accept), Cow::Borrowed(_)));
    }
    let copies = [Version::V1_1, Version::V1_0].map(|version| message.tail(version, |_, _| None).len());
    assert!(reported >= copies.iter().sum(), "{reported} of {copies:?}");
    assert_eq!(Arc::strong_count(&guard), 1 + 1 + 2);
    drop(message);
    assert_eq!(Arc::strong_count(&guard), 1);
}

#[test]
fn copy_without_a_guard_is_not_stored() {
    let message = message("/a", &[("x", "\r")], &[], b"x");
    for _ in 0..2 {
        let mut requested = 0;
        let copy = message.tail(Version::V1_0, |(), bytes| {
            requested = bytes;
            None
        });
        assert!(matches!(copy, Cow::Owned(_)) && requested >= copy.len());
        let quoted = message.quoted_tail(Version::V1_0, Quoting::Plain, |(), _| None);
        assert!(matches!(quoted, Cow::Owned(_)));
    }
    assert_eq!(*message.tail(Version::V1_0, |(), _| None), *tail(&message, Version::V1_0));
}

#[test]
fn escaped_destination_counts_towards_the_size_of_the_message() {
    let held = |destination: &str| {
        let headers = headers(&[]);
        let parts = MessageParts { id: "1", destination, headers: &headers, extra: &[], body: b"" };
        let mut held = 0;
        let _message: Message<()> = Message::new(parts, |bytes| held = bytes);
        held
    };
    let name = "x".repeat(1000);
    assert!(held(&format!("/topic/{name}:")) >= held(&format!("/topic/{name}-")) + 1000);
}

#[test]
fn destination_and_id_are_returned_unescaped() {
    let headers = headers(&[]);
    let parts =
        MessageParts { id: "n:1", destination: "/topic/é\\:\n", headers: &headers, extra: &[], body: b"x" };
    let message: Message = Message::new(parts, |_| ());
    assert_eq!((message.id(), message.destination(), message.body()), ("n:1", "/topic/é\\:\n", &b"x"[..]));
    let again = message.readdressed("n:2", "/queue/dead:x", &[], |_| ());
    assert_eq!((again.id(), again.destination(), again.body()), ("n:2", "/queue/dead:x", &b"x"[..]));
}

#[test]
fn readdressed_message_keeps_headers_that_are_not_replaced() {
    let user = [("x", "1:2"), ("reason", "forged"), ("y", "3")];
    let message = message("/queue/a", &user, &[("user-name", "ann")], b"body");
    let dead = message.readdressed("n-2", "/queue/dead.a", &[("reason", "max:20"), ("y", "4")], |_| ());
    let expected = "destination:/queue/dead.a\nmessage-id:n-2\nreason:max\\c20\ny:4\nuser-name:ann\nx:1\\c2\ncontent-length:4\n\nbody\0\n";
    assert_eq!(text(&dead, Version::V1_2), expected);
    assert!(!dead.ptr_eq(&message) && dead.ptr_eq(&dead.clone()));
}

#[test]
fn guard_receives_the_size_and_lives_as_long_as_the_last_clone() {
    let guard = Arc::new(());
    let headers = headers(&[]);
    let parts = MessageParts { id: "1", destination: "/a", headers: &headers, extra: &[], body: b"x" };
    let mut reported = 0;
    let message = Message::new(parts, |size| {
        reported = size;
        guard.clone()
    });
    assert_eq!(reported, message.size());
    let clone = message.clone();
    drop(message);
    assert_eq!(Arc::strong_count(&guard), 2);
    drop(clone);
    assert_eq!(Arc::strong_count(&guard), 1);
}

#[test]
fn message_is_text_if_its_body_is_utf8() {
    for (body, expected) in [(&b""[..], true), ("é\0".as_bytes(), true), (b"\xff", false), (b"\xc3", false)]
    {
        assert_eq!(message("/é", &[("é", "é")], &[], body).is_text(), expected, "{body:?}");
    }
}

#[test]
fn prefix_has_the_headers_of_one_delivery() {
    let cases = [
        (Version::V1_2, DeliveryHeaders::default(), "MESSAGE\n"),
        (
            Version::V1_2,
            DeliveryHeaders { subscription: Some("s:1"), ack: Some("a\r"), count: 1 },
            "MESSAGE\nsubscription:s\\c1\nack:a\\r\n",
        ),
        (
            Version::V1_1,
            DeliveryHeaders { subscription: Some("s:1"), ack: None, count: 0 },
            "MESSAGE\nsubscription:s\\c1\n",
        ),
        (
            Version::V1_0,
            DeliveryHeaders { subscription: Some("s:1"), ack: None, count: 2 },
            "MESSAGE\nsubscription:s:1\nredelivered:true\ndelivery-count:2\n",
        ),
        (
            Version::V1_2,
            DeliveryHeaders { subscription: None, ack: None, count: u32::MAX },
            "MESSAGE\nredelivered:true\ndelivery-count:4294967295\n",
        ),
    ];
    for (version, delivery, expected) in cases {
        let mut out = BytesMut::new();
        prefix(&mut out, version, delivery);
        assert_eq!(out, expected, "{version} {delivery:?}");
    }
}

/// Returns a header name or value as a client of `version` reads it.
fn as_received(version: Version, part: &str, is_name: bool) -> String {
    let part = part.replace('\0', " ");
    match version {
        Version::V1_2 => part,
        Version::V1_1 => part.replace('\r', " "),
        Version::V1_0 => {
            let part = part.replace(['\r', '\n'], " ");
            if is_name { part.replace(':', "_") } else { part.trim_start_matches(' ').to_owned() }
        }
    }
}

proptest! {
    #[test]
    fn every_version_receives_the_headers_and_body_that_were_sent(
        destination in "/[a-c:\\\\\r\n]{0,5}",
        user in prop::collection::vec(("u[a-c:\\\\\r\n é]{0,3}", "[a-c:\\\\\r\n é]{0,6}"), 0..24),
        body in prop::collection::vec(any::<u8>(), 0..40),
        sent_in in 0usize..3,
    ) {
        let sent_in = Version::ALL[sent_in];
        let pairs: Vec<_> = user.iter().map(|(name, value)| (&**name, &**value)).collect();
        let sent = encode::frame(Command::Send, sent_in, &pairs, b"");
        let mut decoder = Decoder::new(LIMITS);
        decoder.set_version(sent_in);
        decoder.feed(&sent);
        let sent = decoder.next().expect("valid").expect("whole");
        let parts = MessageParts {
            id: "n-1",
            destination: &destination,
            headers: &sent.headers,
            extra: &[],
            body: &body,
        };
        let message: Message = Message::new(parts, |_| ());
        let mut kept: Vec<(String, String)> = Vec::new();
        for (name, value) in sent.headers.iter() {
            if !kept.iter().any(|(other, _)| *other == name) {
                kept.push((name.into_owned(), value.into_owned()));
            }
        }
        prop_assert_eq!(message.body(), &body[..]);
        prop_assert_eq!(message.destination(), &destination);
        for version in Version::ALL {
            let delivery = DeliveryHeaders { subscription: Some("s"), ack: None, count: 1 };
            let frame = received(version, delivery, &message);
            prop_assert_eq!(frame.command, Command::Message);
            prop_assert_eq!(&frame.body[..], &body[..]);
            let mut expected = vec![
                ("subscription".to_owned(), "s".to_owned()),
                ("destination".to_owned(), as_received(version, &destination, false)),
                ("message-id".to_owned(), "n-1".to_owned()),
            ];
            let user_headers = kept
                .iter()
                .map(|(name, value)| (as_received(version, name, true), as_received(version, value, false)));
            expected.extend(user_headers);
            expected.push(("content-length".to_owned(), body.len().to_string()));
            prop_assert_eq!(super::tests::pairs(&frame), expected);
        }
    }
}
