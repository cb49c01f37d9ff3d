//! Parses arbitrary bytes as the body of a request and as a WebSocket message. Checks that parsing does not panic, and
//! takes hardly more memory than the JSON. Checks that it returns the same strings as a JSON parser.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use stompbox_frames::sockjs::payload::{array, form, message};
use stompbox_frames::sockjs::{PayloadError, Payload};

fuzz_target!(|data: &[u8]| {
    let got = array(data);
    match serde_json::from_slice::<Value>(data) {
        Ok(Value::Array(values)) => {
            let expected: Option<Vec<_>> = values.iter().map(Value::as_str).collect();
            let strings = got.as_ref().ok().map(strings);
            assert_eq!(strings.as_deref(), expected.as_deref());
        }
        Ok(_) => assert_eq!(got, Err(PayloadError::Expected)),
        // The JSON parser also rejects unpaired surrogates, large numbers and deep nesting.
        Err(_) => {}
    }
    let sent = message(data);
    if let Ok(payload) = &got {
        assert_eq!(sent.as_ref(), Ok(payload));
    }
    for payload in [got, sent].iter().flatten() {
        assert!(payload.bytes() <= data.len() + (data.len() >> 20) + 4);
        strings(payload);
    }
    if let Ok(json) = form(data, Some("application/x-www-form-urlencoded")) {
        assert!(!json.is_empty() && json.len() <= data.len());
        let _ = array(&json);
    }
});

fn strings(payload: &Payload) -> Vec<&str> {
    let strings: Vec<_> = payload.iter().map(|string| std::str::from_utf8(string).expect("UTF-8")).collect();
    assert_eq!(strings.len(), payload.len());
    strings
}
