//! Quotes arbitrary text, whole and in two parts. Checks that unquoting returns the text. Unquotes arbitrary text.
//! Checks that quoting and unquoting the result again does not change it.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;
use stompbox_frames::sockjs::{Quoting, quote, unquote};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let [plain, percent, twice] = Quoting::ALL.map(|quoting| {
        let whole = quoted(quoting, data);
        assert_eq!(unquote(quoting, whole.as_bytes()).as_deref(), Some(&*text));
        assert!(!whole.bytes().any(|byte| byte < b' '));
        let middle = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let (left, right) = text.as_bytes().split_at(middle);
        assert_eq!(quoted(quoting, left) + &quoted(quoting, right), whole);
        if let Some(text) = unquote(quoting, data) {
            let again = quoted(quoting, text.as_bytes());
            assert_eq!(unquote(quoting, again.as_bytes()), Some(text));
        }
        whole
    });
    assert_eq!(percent_decode_str(&percent).decode_utf8().as_deref(), Ok(&*plain));
    assert!(!twice.contains('<'));
});

fn quoted(quoting: Quoting, text: &[u8]) -> String {
    let mut out = BytesMut::new();
    quote(quoting, text, &mut out);
    String::from_utf8(out.to_vec()).expect("UTF-8 is quoted to UTF-8")
}
