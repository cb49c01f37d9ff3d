//! Parsers of option values. Each error says what was expected.

use super::listen::Listen;
use super::sections::LogFormat;
use crate::auth::{Names, Passcode, SourceKind, is_read_as_token};
use crate::http::metrics_page::MetricsFrom;
use crate::http::sockjs::{SockJsTransport, SockJsTransports};
use crate::permissions::Preset;
use hyper::header::HeaderName;
use std::ops::RangeInclusive;
use std::time::Duration;
use stompbox_frames::stomp::HeartBeat;
use tracing_subscriber::EnvFilter;

/// Longest time that an option accepts: 30 days. This limit keeps deadlines from overflowing.
const TIME_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Shortest heartbeat interval in milliseconds. With shorter intervals a broker would mostly send heartbeats.
const HEART_BEAT_MIN: u32 = 500;
const HEART_BEAT_MAX: u32 = 24 * 3600 * 1000;

const SIZE_UNITS: [(&str, u64); 7] = [
    ("b", 1),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
];
const TIME_UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// Stores a parsed value, or returns its error and leaves `slot` unchanged.
pub(super) fn store<T>(slot: &mut T, value: Result<T, String>) -> Result<(), String> {
    *slot = value?;
    Ok(())
}

/// Parses a whole number within `range`.
pub(crate) fn count<T: TryFrom<u64>>(text: &str, range: RangeInclusive<u64>) -> Result<T, String> {
    let number = parse_digits(text).filter(|number| range.contains(number));
    number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
        format!("invalid value {text:?}: expected a whole number from {} to {}", range.start(), range.end())
    })
}

/// Parses a number of bytes within `range`: `65536`, `64KiB`, `2MiB`, `1GiB`, `64KB`.
pub(crate) fn size(text: &str, range: RangeInclusive<u64>) -> Result<usize, String> {
    let bytes = match parse_quantity(text, &SIZE_UNITS) {
        Some(bytes) => bytes,
        None => {
            return Err(format!(
                "invalid value {text:?}: expected a number of bytes such as 65536, 64KiB, 2MiB or 1GiB"
            ));
        }
    };
    if !range.contains(&bytes) {
        return Err(format!("invalid value {text:?}: expected {} to {} bytes", range.start(), range.end()));
    }
    usize::try_from(bytes)
        .map_err(|_| format!("invalid value {text:?}: expected at most {} bytes on this machine", usize::MAX))
}

/// Parses a time from `least` to 30 days: `500ms`, `10s`, `1m`, `2h`. `0` needs no unit.
pub(crate) fn time(text: &str, least: Duration) -> Result<Duration, String> {
    let time = match text {
        "0" => Some(Duration::ZERO),
        _ if parse_digits(text).is_some() => None,
        _ => parse_quantity(text, &TIME_UNITS).map(Duration::from_millis),
    };
    match time {
        None => Err(format!(
            "invalid value {text:?}: expected a number and its unit such as 500ms, 10s, 1m or 2h"
        )),
        Some(time) if time < least => Err(format!("invalid value {text:?}: expected {least:?} or more")),
        Some(time) if time > TIME_MAX => Err(format!("invalid value {text:?}: expected 720h or less")),
        Some(time) => Ok(time),
    }
}

/// Parses a time in whole seconds, for socket options that the kernel counts in seconds. 0 means off.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let time = time(text, Duration::ZERO)?;
    if time.subsec_nanos() != 0 || time.as_secs() > 32_767 {
        return Err(format!("invalid value {text:?}: expected whole seconds up to 32767s, or 0 for off"));
    }
    Ok(time)
}

/// Parses `true` or `false`.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("invalid value {text:?}: expected true or false"))
}

/// Parses addresses to listen on, separated by commas, or `off`.
pub(super) fn listen(text: &str) -> Result<Vec<Listen>, String> {
    if text == "off" {
        return Ok(Vec::new());
    }
    let mut addresses: Vec<Listen> = Vec::new();
    for item in text.split(',').map(str::trim) {
        if item == "off" {
            return Err(format!("invalid value {text:?}: expected a list of addresses, or only off"));
        }
        let address = Listen::parse(item)?;
        if address.port != 0 && addresses.contains(&address) {
            return Err(format!("{item:?} is given twice; expected each address once"));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

/// Parses the path of the STOMP endpoint. Rejects the paths of the broker's own pages.
pub(super) fn path(text: &str) -> Result<String, String> {
    let is_reserved =
        ["/", "/assets", "/health", "/ready", "/metrics"].contains(&text) || text.ends_with('/');
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte));
    if is_reserved || !is_plain || !text.starts_with('/') || text.contains("//") {
        return Err(format!(
            "invalid value {text:?}: expected a path such as /ws. A path begins with / and does not end with /. It \
             contains only letters, digits and - . _ ~ /. It must not be /assets, /health, /ready or /metrics"
        ));
    }
    Ok(text.to_owned())
}

/// Parses a set of SockJS transports by name. An empty text is the empty set.
pub(super) fn transports(text: &str) -> Result<SockJsTransports, String> {
    names(text)?.iter().try_fold(SockJsTransports::NONE, |set, name| {
        let known = SockJsTransport::ALL.into_iter().find(|transport| transport.as_str() == name);
        known.map(|transport| set.with(transport)).ok_or_else(|| {
            let all = SockJsTransport::ALL.map(SockJsTransport::as_str).join(", ");
            format!("invalid value {name:?}: expected one or more of {all}, separated by commas")
        })
    })
}

/// Parses names separated by commas. An empty text is the empty list.
pub(super) fn names(text: &str) -> Result<Vec<String>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let names = text.split(',').map(str::trim);
    if names.clone().any(|name| name.is_empty() || name.contains(|c: char| c.is_control() || c == ';')) {
        return Err(format!("invalid value {text:?}: expected names separated by commas"));
    }
    Ok(names.map(str::to_owned).collect())
}

/// Parses the URL of a script: absolute, or a path on this server.
pub(super) fn url(text: &str) -> Result<String, String> {
    let is_absolute = ["/", "http://", "https://"].iter().any(|start| text.starts_with(start));
    if !is_absolute || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(format!(
            "invalid value {text:?}: expected auto, or a URL that begins with /, http:// or https://"
        ));
    }
    Ok(text.to_owned())
}

/// Parses `NAME:PASSCODE`. The text contains a secret, so errors do not show it.
pub(super) fn user(text: &str) -> Result<(String, Passcode), String> {
    let expected = "invalid value (not shown): expected NAME:PASSCODE. Both parts must be set, and must not contain \
                    control characters";
    let (name, passcode) = text.split_once(':').ok_or(expected)?;
    if name.is_empty() || passcode.is_empty() || text.contains(|c: char| c.is_control()) {
        return Err(expected.to_owned());
    }
    if is_read_as_token(passcode) {
        return Err(format!(
            "the passcode of {name:?} has the form of a token: three parts separated by dots, or Bearer and a word. \
             The broker would check it as a token. Choose another passcode"
        ));
    }
    let passcode = Passcode::new(passcode).ok_or_else(|| {
        format!("the passcode of {name:?} is too long: expected at most {} bytes", Passcode::BYTES_MAX)
    })?;
    Ok((name.to_owned(), passcode))
}

/// Parses the value of `user-names`: `precis` or `any`.
pub(super) fn user_names(text: &str) -> Result<Names, String> {
    Names::parse(text).ok_or_else(|| format!("invalid value {text:?}: expected precis or any"))
}

/// Parses the preset of permission rules. Returns `None` for `auto`, which derives the preset from other options.
pub(super) fn preset(text: &str) -> Result<Option<Preset>, String> {
    match text {
        "auto" => Ok(None),
        _ => Preset::parse(text)
            .map(Some)
            .map_err(|_| format!("invalid value {text:?}: expected auto, safe or open")),
    }
}

/// Parses the name of an HTTP header.
pub(super) fn header_name(text: &str) -> Result<HeaderName, String> {
    HeaderName::try_from(text).map_err(|_| {
        format!("invalid value {text:?}: expected the name of a header such as X-Forwarded-User")
    })
}

/// Parses the name of a claim of a JWT.
pub(super) fn claim_name(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty() && !text.contains(|c: char| c.is_control() || c.is_whitespace());
    is_name.then(|| text.to_owned()).ok_or_else(|| {
        format!("invalid value {text:?}: expected the name of a claim such as sub or realm.user")
    })
}

/// Parses the name of a cookie.
pub(super) fn cookie_name(text: &str) -> Result<String, String> {
    match names(text)?.as_slice() {
        [name] => Ok(name.clone()),
        _ => Err(format!("invalid value {text:?}: expected one name")),
    }
}

/// Parses the kinds of user sources that options can enable. Each kind may be listed once.
pub(super) fn source_kinds(text: &str) -> Result<Vec<SourceKind>, String> {
    let mut kinds = Vec::new();
    for name in names(text)? {
        match SourceKind::CONFIGURABLE.into_iter().find(|kind| kind.as_str() == name) {
            Some(kind) if kinds.contains(&kind) => {
                return Err(format!("{name:?} is given twice; expected each once"));
            }
            Some(kind) => kinds.push(kind),
            None => {
                let all = SourceKind::CONFIGURABLE.map(SourceKind::as_str).join(", ");
                return Err(format!(
                    "invalid value {name:?}: expected one or more of {all}, separated by commas"
                ));
            }
        }
    }
    Ok(kinds)
}

/// Parses heartbeat intervals in milliseconds: the one for sending, a comma, and the one for receiving.
pub(super) fn heart_beat(text: &str) -> Result<HeartBeat, String> {
    let number = |text: &str| {
        let number = parse_digits(text).and_then(|number| u32::try_from(number).ok());
        number.filter(|&number| number == 0 || (HEART_BEAT_MIN..=HEART_BEAT_MAX).contains(&number))
    };
    let pair = text.split_once(',');
    let pair = pair.and_then(|(can, wants)| Some((number(can.trim())?, number(wants.trim())?)));
    pair.map(|(can, wants)| HeartBeat { can, wants }).ok_or_else(|| {
        format!(
            "invalid value {text:?}: expected two numbers of milliseconds such as 10000,10000. Each is 0 (off) or \
             from {HEART_BEAT_MIN} to {HEART_BEAT_MAX}"
        )
    })
}

/// Parses the clients that may read the metrics: `loopback`, `any` or `off`.
pub(super) fn metrics_from(text: &str) -> Result<MetricsFrom, String> {
    match text {
        "loopback" => Ok(MetricsFrom::Loopback),
        "any" => Ok(MetricsFrom::Any),
        "off" => Ok(MetricsFrom::Off),
        _ => Err(format!("invalid value {text:?}: expected loopback, any or off")),
    }
}

/// Parses the format of the log: `text` or `json`.
pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("invalid value {text:?}: expected text or json")),
    }
}

/// Parses a log level, or directives such as `info,stompbox::session=debug`.
///
/// Rejects a single word that is not a level. `EnvFilter` would take the word for the name of a target, and the log
/// would be silent. Removes blanks around directives. `EnvFilter` counts such blanks and then cuts names in the wrong
/// place, even inside a character.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |word: &str| levels.iter().any(|level| level.eq_ignore_ascii_case(word));
    let is_valid = |directive: &&str| directive.contains(['=', '[']) || is_level(directive);
    let directives: Vec<&str> = text.split(',').map(str::trim).collect();
    let filter = directives.join(",");
    if directives.iter().all(is_valid) && EnvFilter::builder().parse(&filter).is_ok() {
        return Ok(filter);
    }
    Err(format!(
        "invalid value {text:?}: expected one of {}, or directives such as info,stompbox::session=debug",
        levels.join(", ")
    ))
}

fn parse_digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Parses a number and a unit, with at most one space between them. A number without a unit has the factor 1.
fn parse_quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let factor = match unit {
        "" => 1,
        _ => units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_parsed_with_and_without_units() {
        for (text, bytes) in [
            ("0", 0),
            ("65536", 65536),
            ("1b", 1),
            ("64KiB", 65536),
            ("64 KiB", 65536),
            ("64kib", 65536),
            ("64KB", 64_000),
            ("64kB", 64_000),
            ("2MiB", 2 << 20),
            ("2MB", 2_000_000),
            ("1GiB", 1 << 30),
            ("1GB", 1_000_000_000),
        ] {
            assert_eq!(size(text, 0..=u64::MAX), Ok(bytes), "{text}");
        }
        for text in [
            "",
            " ",
            "x",
            "KiB",
            "-1",
            "+1",
            "1.5MiB",
            "1K",
            "1  KiB",
            "1KiB ",
            "1TiBs",
            "18446744073709551616",
        ] {
            let error = size(text, 0..=u64::MAX).expect_err(text);
            let start = format!("invalid value {text:?}: expected a number of bytes such as 65536, 64KiB");
            assert!(error.starts_with(&start), "{error}");
        }
        assert!(size("17179869184GiB", 0..=u64::MAX).is_err(), "2^64 bytes");
        assert_eq!(size("9", 10..=20), Err("invalid value \"9\": expected 10 to 20 bytes".to_owned()));
        assert!(size("21", 10..=20).is_err());
    }

    #[test]
    fn durations_are_parsed_with_their_unit() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500),
            ("10s", 10_000),
            ("10 s", 10_000),
            ("1m", 60_000),
            ("2h", 7_200_000),
        ] {
            assert_eq!(time(text, Duration::ZERO), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "10", "s", "-1s", "1.5s", "1m30s", "10sec", "1d", "99999999999999999999s"] {
            let error = time(text, Duration::ZERO).expect_err(text);
            let start = format!("invalid value {text:?}: expected a number and its unit such as 500ms, 10s");
            assert!(error.starts_with(&start), "{error}");
        }
        assert_eq!(
            time("5ms", Duration::from_secs(1)),
            Err("invalid value \"5ms\": expected 1s or more".to_owned())
        );
        assert_eq!(
            time("721h", Duration::ZERO),
            Err("invalid value \"721h\": expected 720h or less".to_owned())
        );
        assert_eq!(seconds("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(seconds("0"), Ok(Duration::ZERO));
        assert!(seconds("1500ms").is_err() && seconds("10h").is_err());
    }

    #[test]
    fn counts_are_whole_numbers_within_their_range() {
        assert_eq!(count::<u32>("1", 1..=9), Ok(1));
        for text in ["0", "10", "", "1e3", "-1", "+1", " 1", "one", "99999999999999999999"] {
            let error = count::<u32>(text, 1..=9).expect_err(text);
            assert_eq!(error, format!("invalid value {text:?}: expected a whole number from 1 to 9"));
        }
        assert!(
            count::<u8>("256", 0..=1000).is_err(),
            "a value that does not fit the type is rejected, not truncated"
        );
    }

    #[test]
    fn heart_beat_is_two_intervals_of_zero_or_at_least_500_ms() {
        for (text, can, wants) in [
            ("10000,10000", 10_000, 10_000),
            ("0,0", 0, 0),
            ("500,0", 500, 0),
            ("0, 86400000", 0, 86_400_000),
        ] {
            assert_eq!(heart_beat(text), Ok(HeartBeat { can, wants }), "{text}");
        }
        for text in ["", "10000", "499,0", "0,1", "-1,0", "1,2,3", "10s,10s", "86400001,0", "4294967796,0"] {
            assert!(heart_beat(text).expect_err(text).contains("0 (off) or from 500"), "{text}");
        }
    }

    #[test]
    fn user_is_split_at_the_first_colon() {
        let (name, passcode) = user("alice:a:b").expect("a user");
        assert_eq!(name, "alice");
        assert!(passcode.matches("a:b"));
        let long = format!("alice:{}", "x".repeat(Passcode::BYTES_MAX + 1));
        for text in ["", "secret", ":secret", "alice:", "alice:secret\n", &long] {
            let error = user(text).expect_err("no user");
            assert!(!error.contains("secret:") && !error.contains("xxx"), "{error}");
        }
        assert_eq!(
            user(&long),
            Err("the passcode of \"alice\" is too long: expected at most 256 bytes".to_owned())
        );
    }

    #[test]
    fn keywords_are_parsed_exactly() {
        assert_eq!(switch("true"), Ok(true));
        assert_eq!(switch("false"), Ok(false));
        assert!(switch("yes").is_err());
        assert_eq!(listen("off"), Ok(Vec::new()));
        assert_eq!(metrics_from("any"), Ok(MetricsFrom::Any));
        assert_eq!(
            metrics_from("Any"),
            Err("invalid value \"Any\": expected loopback, any or off".to_owned())
        );
        assert_eq!(log_format("json"), Ok(LogFormat::Json));
        assert_eq!(log_format("xml"), Err("invalid value \"xml\": expected text or json".to_owned()));
    }

    #[test]
    fn listen_addresses_are_a_comma_separated_list() {
        let display = |text| listen(text).map(|list| list.iter().map(Listen::to_string).collect::<Vec<_>>());
        assert_eq!(display("127.0.0.1:1"), Ok(vec!["127.0.0.1:1".to_owned()]));
        assert_eq!(display("127.0.0.1:1, [::1]:1"), Ok(vec!["127.0.0.1:1".to_owned(), "[::1]:1".to_owned()]));
        assert_eq!(
            display("localhost:0,localhost:0").map(|list| list.len()),
            Ok(2),
            "port 0 may be repeated, since each gets a different port"
        );
        for (text, error) in [
            ("a:1,b:2,a:1", "\"a:1\" is given twice; expected each address once"),
            ("off,a:1", "invalid value \"off,a:1\": expected a list of addresses, or only off"),
            ("a:1, off", "invalid value \"a:1, off\": expected a list of addresses, or only off"),
        ] {
            assert_eq!(display(text), Err(error.to_owned()));
        }
        for text in ["", "a:1,", ",", "a:1 b:2"] {
            let error = listen(text).expect_err(text);
            let has_form = error.starts_with("invalid value \"") && error.contains("\": expected HOST:PORT");
            assert!(has_form, "{text}: {error}");
        }
    }

    #[test]
    fn authentication_order_lists_each_kind_at_most_once() {
        assert_eq!(source_kinds("hook, users-file"), Ok(vec![SourceKind::Hook, SourceKind::UsersFile]));
        assert_eq!(
            source_kinds(&SourceKind::CONFIGURABLE.map(SourceKind::as_str).join(",")),
            Ok(SourceKind::CONFIGURABLE.to_vec())
        );
        assert_eq!(source_kinds(""), Ok(Vec::new()));
        assert_eq!(source_kinds("hook,hook"), Err("\"hook\" is given twice; expected each once".to_owned()));
        for name in ["ldap", "certificate"] {
            let accepted = "proxy, token, users-file, user, hook, anonymous, separated by commas";
            let error = format!("invalid value {name:?}: expected one or more of {accepted}");
            assert_eq!(source_kinds(&format!("token,{name}")), Err(error));
        }
    }

    #[test]
    fn path_is_absolute_and_not_reserved() {
        for text in ["/ws", "/a/b", "/stomp.v1/~x"] {
            assert_eq!(path(text), Ok(text.to_owned()));
        }
        for text in [
            "", "ws", "/", "//", "/a//b", "/a b", "/a?b", "/a%20b", "/ws/", "/assets", "/health", "/ready",
            "/metrics",
        ] {
            assert!(path(text).expect_err(text).contains("expected a path such as /ws"), "{text}");
        }
    }

    #[test]
    fn log_filter_is_validated() {
        for text in ["info", "WARN", "off", "info,stompbox::session=debug", "stompbox[{peer}]=trace,error"] {
            assert_eq!(log_filter(text), Ok(text.to_owned()));
        }
        for (text, filter) in
            [(" info", "info"), (" வ=", "வ="), ("warn , stompbox=debug\t", "warn,stompbox=debug")]
        {
            assert_eq!(log_filter(text), Ok(filter.to_owned()));
        }
        for text in ["", "inof", "verbose", "stompbox", "info,", "stompbox=loud"] {
            let error = log_filter(text).expect_err(text);
            assert!(
                error.starts_with(&format!("invalid value {text:?}: expected one of off, error")),
                "{error}"
            );
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC*") {
            let _ = (size(&text, 0..=u64::MAX), time(&text, Duration::ZERO), heart_beat(&text), user(&text));
            let _ = (listen(&text), path(&text), log_filter(&text), count::<u8>(&text, 0..=u64::MAX));
        }

        #[test]
        fn milliseconds_are_parsed_exactly(millis in 1..3_600_000u64) {
            let time = Duration::from_millis(millis);
            prop_assert_eq!(super::time(&format!("{millis}ms"), Duration::ZERO), Ok(time));
        }
    }
}
