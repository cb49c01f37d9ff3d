//! JSON in both directions: the characters that are escaped, and the escapes that are understood.

use super::Service;
use crate::support::sockjs::{Frame, Transport};
use std::ops::RangeInclusive;

/// Code points that must be escaped for clients.
const ESCAPED: [RangeInclusive<u32>; 5] =
    [0x0000..=0x001F, 0x200C..=0x200F, 0x2028..=0x202F, 0x2060..=0x206F, 0xFFF0..=0xFFFF];

/// Code points that clients escape when they send, from the table of sockjs-client.
const ESCAPED_BY_CLIENTS: &str = "\
    0000-001f 0022 007f-009f 00ad 0300-0333 033d-0346 034a-034c 0350-0352 0357-0358 035c-0362 0374 037e 0387 \
    0591-05af 05c4 0600-0604 0610-0617 0653-0654 0657-065b 065d-065e 06df-06e2 06eb-06ec 070f 0730 0732-0733 \
    0735-0736 073a 073d 073f-0741 0743 0745 0747 07eb-07f1 0951 0958-095f 09dc-09dd 09df 0a33 0a36 0a59-0a5b 0a5e \
    0b5c-0b5d 0e38-0e39 0f43 0f4d 0f52 0f57 0f5c 0f69 0f72-0f76 0f78 0f80-0f83 0f93 0f9d 0fa2 0fa7 0fac 0fb9 \
    17b4-17b5 1939-193a 1a17 1b6b 1cda-1cdb 1dc0-1dcf 1dfc 1dfe 1f71 1f73 1f75 1f77 1f79 1f7b 1f7d 1fbb 1fbe 1fc9 \
    1fcb 1fd3 1fdb 1fe3 1feb 1fee-1fef 1ff9 1ffb 1ffd 2000-20ff 2126 212a-212b 2329-232a 2adc 302b-302c aab2-aab3 \
    f900-fa0d fa10 fa12 fa15-fa1e fa20 fa22 fa25-fa26 fa2a-fa2d fa30-fa6d fa70-fad9 fb1d fb1f fb2a-fb36 fb38-fb3c \
    fb3e fb40-fb41 fb43-fb44 fb46-fb4e feff fff0-ffff";

fn chars(range: RangeInclusive<u32>) -> impl Iterator<Item = char> {
    range.filter_map(char::from_u32)
}

/// Returns an array of one string in which every UTF-16 code unit is an escape.
fn all_escaped(text: &str) -> String {
    let escapes: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    format!("[\"{escapes}\"]")
}

#[test]
fn every_escape_of_clients_is_understood() {
    let service = Service::start();
    let mut text = String::new();
    for range in ESCAPED_BY_CLIENTS.split(' ') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let [first, last] = [first, last].map(|digits| u32::from_str_radix(digits, 16).expect("hexadecimal"));
        text.extend(chars(first..=last));
    }
    for transport in Transport::ALL {
        let mut session = service.open(transport);
        session.send_json(&all_escaped(&text));
        session.expect_message(&text);
        session.send_json(&all_escaped(&text).to_uppercase().replace("\\U", "\\u"));
        session.expect_message(&text);
    }
}

#[test]
fn every_character_comes_back_escaped_or_not() {
    let service = Service::start();
    let text: String =
        chars(0..=0xFFFF).chain(chars(0x1_0000..=0x1_00FF)).chain(chars(0x10_FF00..=0x10_FFFF)).collect();
    for transport in Transport::ALL {
        let mut session = service.open(transport);
        session.send(&[&text]);
        assert!(session.message() == text, "as it is over {transport:?}");
        session.send_json(&all_escaped(&text));
        assert!(session.message() == text, "escaped over {transport:?}");
    }
}

#[test]
fn characters_that_browsers_mangle_are_escaped_in_lower_case() {
    let service = Service::start();
    let mut session = service.open(Transport::XhrStreaming);
    for range in ESCAPED {
        for char in chars(range) {
            let expected = match char {
                '\u{8}' => "\\b".to_string(),
                '\u{c}' => "\\f".to_string(),
                '\n' => "\\n".to_string(),
                '\r' => "\\r".to_string(),
                '\t' => "\\t".to_string(),
                other => format!("\\u{:04x}", u32::from(other)),
            };
            session.send(&[&char.to_string()]);
            let chunk = loop {
                if let Some(chunk) = session.chunk() {
                    break chunk;
                }
            };
            assert_eq!(chunk, format!("a[\"{expected}\"]\n"));
        }
    }
}

#[test]
fn no_transport_sends_characters_unescaped_that_browsers_mangle() {
    let service = Service::start();
    let text: String = ESCAPED.into_iter().flat_map(chars).chain("\u{1f600}\u{10ffff}".chars()).collect();
    for transport in Transport::HTTP {
        let mut session = service.open(transport);
        session.send(&[&text]);
        let chunk = session.chunk().expect("a frame");
        let frame = chunk.trim_end();
        let raw = frame.chars().find(|char| {
            u32::from(*char) > 0xFFFF || ESCAPED.iter().any(|range| range.contains(&u32::from(*char)))
        });
        // Only the envelope of htmlfile contains line ends.
        let expected = (transport == Transport::HtmlFile).then_some('\n');
        assert_eq!(raw, expected, "{transport:?}: {frame}");
    }
}

#[test]
fn characters_beyond_16_bits_are_sent_as_a_pair_of_surrogates() {
    let service = Service::start();
    let mut session = service.open(Transport::XhrPolling);
    session.send(&["\u{10000}\u{1f600}\u{10ffff}"]);
    assert_eq!(session.chunk().as_deref(), Some("a[\"\\ud800\\udc00\\ud83d\\ude00\\udbff\\udfff\"]\n"));
}

#[test]
fn surrogates_without_a_pair_become_replacement_characters() {
    let service = Service::start();
    for transport in Transport::ALL {
        let mut session = service.open(transport);
        for (json, message) in [
            (r#"["\ud800"]"#, "\u{fffd}"),
            (r#"["\udfff"]"#, "\u{fffd}"),
            (r#"["a\udbffb"]"#, "a\u{fffd}b"),
            (r#"["\udc00\ud800"]"#, "\u{fffd}\u{fffd}"),
            (r#"["\ud83d\ud83d\ude00"]"#, "\u{fffd}\u{1f600}"),
            (r#"["\ud83d\u0041"]"#, "\u{fffd}A"),
            (r#"["\ud83d\n"]"#, "\u{fffd}\n"),
        ] {
            session.send_json(json);
            session.expect_message(message);
        }
    }
}

#[test]
fn every_escape_of_json_is_understood() {
    let service = Service::start();
    for transport in Transport::ALL {
        let mut session = service.open(transport);
        session.send_json(r#" [ "\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\ude00" , "" ] "#);
        session.expect_message("\"\\/\u{8}\u{c}\n\r\tA\u{e9}\u{20ac}\u{1f600}");
        session.expect_message("");
    }
}

#[test]
fn messages_of_one_request_stay_separate_and_in_order() {
    let service = Service::start();
    let messages: Vec<String> = (0..1000).map(|number| format!("{number},\"][\"")).collect();
    let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
    for transport in Transport::ALL {
        let mut session = service.open(transport);
        session.send(&messages);
        for message in &messages {
            session.expect_message(message);
        }
    }
}

#[test]
fn an_empty_message_is_a_message() {
    let service = Service::start();
    for transport in Transport::ALL {
        let mut session = service.open(transport);
        session.send(&[""]);
        assert_eq!(session.frame(), Frame::Messages(vec![String::new()]), "{transport:?}");
    }
}
