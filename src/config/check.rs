//! Checks that span several options, such as `frame-bytes-max` against `outbound-queue-bytes-max`.

use super::listen::Listen;
use super::sections::Config;
use crate::auth::http_client::HttpClient;
use crate::auth::sources::token::Tokens;
use crate::auth::{SourceKind, check_users_file};
use crate::http::policy::forwarded::Proxies;
use std::time::Duration;

/// Space in bytes for the headers that the broker adds to a message.
const FRAME_OVERHEAD_BYTES: usize = 1024;

/// A check that involves one or several options.
pub(super) struct OptionCheck {
    /// The options that the check involves. The error points to the first of them that was set.
    pub(super) keys: &'static [&'static str],
    /// Returns the error text, which says what to do, or `None` if the values are valid.
    pub(super) find_error: fn(&Config) -> Option<String>,
}

const CHECKS: &[OptionCheck] = &[
    OptionCheck { keys: &["tcp", "http"], find_error: no_listener },
    OptionCheck { keys: &["tcp", "http"], find_error: same_address_twice },
    OptionCheck { keys: &["tcp", "http"], find_error: overlapping_addresses },
    OptionCheck {
        keys: &["tcp", "user", "users-file", "allow-anonymous"],
        find_error: |c| exposed_without_users(&c.listen_tcp, c),
    },
    OptionCheck {
        keys: &["http", "user", "users-file", "allow-anonymous"],
        find_error: |c| exposed_without_users(&c.listen_http, c),
    },
    OptionCheck {
        keys: &["users-file", "user-names"],
        find_error: |c| check_users_file(c.users.users_file.as_ref()?, c.users.names).err(),
    },
    OptionCheck { keys: &["user", "user-names"], find_error: invalid_static_user },
    OptionCheck { keys: &["permission", "user-names"], find_error: invalid_name_in_rule },
    OptionCheck { keys: &["connect-timeout", "connect-silence"], find_error: silence_beyond_timeout },
    OptionCheck { keys: &["jwt-secret", "jwt-key-file", "jwt-jwks"], find_error: invalid_token_keys },
    OptionCheck { keys: &["proxy-user-header", "trusted-proxies"], find_error: no_trusted_proxy },
    OptionCheck { keys: &["connect-frame-bytes-max", "frame-bytes-max"], find_error: connect_beyond_frame },
    OptionCheck {
        keys: &["frame-bytes-max", "outbound-queue-bytes-max"],
        find_error: frame_beyond_outbound_queue,
    },
    OptionCheck { keys: &["ws-message-bytes-max", "frame-bytes-max"], find_error: frame_beyond_message },
    OptionCheck { keys: &["redelivery-backoff", "redelivery-backoff-max"], find_error: backoff_beyond_max },
];

/// Returns the contradictions between options: the keys of the options, and the text of the error. Skips the checks of
/// options for which `is_invalid` returns true.
pub(super) fn contradictions(
    config: &Config,
    is_invalid: impl Fn(&str) -> bool,
) -> impl Iterator<Item = (&'static [&'static str], String)> {
    let checks = CHECKS.iter().filter(move |check| !check.keys.iter().any(|key| is_invalid(key)));
    checks.filter_map(|check| Some((check.keys, (check.find_error)(config)?)))
}

fn no_listener(c: &Config) -> Option<String> {
    let is_off = c.listen_tcp.is_empty() && c.listen_http.is_empty();
    is_off.then(|| {
        "tcp and http are both off, so no client can connect. Set an address for one of them".to_owned()
    })
}

fn same_address_twice(c: &Config) -> Option<String> {
    let is_http = |address: &&Listen| address.port != 0 && c.listen_http.contains(address);
    let address = c.listen_tcp.iter().find(is_http)?;
    Some(format!("tcp and http both listen at {address}. Change the port of one of them"))
}

/// Reports a wildcard address that includes another configured address with the same port. The system does not let a
/// program listen at both. Other checks report identical addresses. The broker resolves host names other than
/// `localhost` only when it starts, so this check does not compare them.
fn overlapping_addresses(c: &Config) -> Option<String> {
    let with_option = |option| move |listen| (option, listen);
    let all: Vec<(&str, &Listen)> = c
        .listen_tcp
        .iter()
        .map(with_option("tcp"))
        .chain(c.listen_http.iter().map(with_option("http")))
        .collect();
    all.iter().find_map(|&(option, wildcard)| {
        let (other_option, other) = all.iter().find(|(_, other)| wildcard.includes(other))?;
        Some(format!(
            "{wildcard} (option {option}) includes {other} (option {other_option}). Remove one of them, or change its \
             port"
        ))
    })
}

fn exposed_without_users(addresses: &[Listen], c: &Config) -> Option<String> {
    let listen = addresses.iter().find(|address| !address.is_loopback())?;
    if SourceKind::ALL.into_iter().any(|kind| c.users.has(kind)) {
        return None;
    }
    Some(format!(
        "{listen} can be reached from other machines, but no source of users is configured. Set user (NAME:PASSCODE) \
         or users-file. To accept every client, set allow-anonymous"
    ))
}

fn invalid_static_user(c: &Config) -> Option<String> {
    c.users.static_users.iter().find_map(|(name, _)| c.users.names.check(name).err())
}

/// Reports a rule for a user whose name `user-names` does not accept. Such a rule would never apply.
fn invalid_name_in_rule(c: &Config) -> Option<String> {
    c.permissions.rules.iter().find_map(|rule| {
        let error = c.users.names.check(rule.user()?).err()?;
        Some(format!("{rule}: {error}"))
    })
}

fn invalid_token_keys(c: &Config) -> Option<String> {
    Tokens::new(c.users.token.clone(), HttpClient::default()).err()
}

fn no_trusted_proxy(c: &Config) -> Option<String> {
    let is_ignored = c.users.proxy && c.http.proxies == Proxies::default();
    is_ignored.then(|| {
        "proxy-user-header is set, but trusted-proxies is not. Set trusted-proxies to the addresses of your proxies"
            .to_owned()
    })
}

fn silence_beyond_timeout(c: &Config) -> Option<String> {
    check_order("connect-silence", c.session.connect_silence, "connect-timeout", c.session.connect_timeout)
}

fn backoff_beyond_max(c: &Config) -> Option<String> {
    let broker = &c.broker;
    check_order(
        "redelivery-backoff",
        broker.redelivery_backoff,
        "redelivery-backoff-max",
        broker.redelivery_backoff_max,
    )
}

fn check_order(lower_key: &str, lower: Duration, upper_key: &str, upper: Duration) -> Option<String> {
    (lower > upper).then(|| {
        format!(
            "{lower_key} ({lower:?}) is longer than {upper_key} ({upper:?}). Lower {lower_key} or raise {upper_key}"
        )
    })
}

fn connect_beyond_frame(c: &Config) -> Option<String> {
    let (connect, frame) = (c.transport.connect_limits.frame_bytes_max, c.transport.limits.frame_bytes_max);
    (connect > frame).then(|| {
        format!(
            "connect-frame-bytes-max ({connect}) is more than frame-bytes-max ({frame}). Lower \
             connect-frame-bytes-max or raise frame-bytes-max"
        )
    })
}

fn frame_beyond_message(c: &Config) -> Option<String> {
    let (frame, message) = (c.transport.limits.frame_bytes_max, c.sockjs.ws_message_bytes_max);
    (frame as u64 > message).then(|| {
        format!(
            "frame-bytes-max ({frame}) is more than ws-message-bytes-max ({message}), so the largest frame does not \
             fit into a WebSocket message. Lower frame-bytes-max or raise ws-message-bytes-max"
        )
    })
}

fn frame_beyond_outbound_queue(c: &Config) -> Option<String> {
    let (frame, outbound_queue) =
        (c.transport.limits.frame_bytes_max, c.outbound_queue.outbound_queue_bytes_max);
    (frame.saturating_add(FRAME_OVERHEAD_BYTES) > outbound_queue).then(|| {
        format!(
            "frame-bytes-max ({frame}) plus 1 KiB for the broker's headers is more than outbound-queue-bytes-max \
             ({outbound_queue}). No client can receive the largest frame. Lower frame-bytes-max or raise \
             outbound-queue-bytes-max"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table;

    fn errors_of(settings: &[(&str, &str)]) -> Vec<String> {
        let mut config = Config::default();
        for (key, value) in settings {
            table::find(key).expect("an option").apply(&mut config, value).expect("a valid value");
        }
        CHECKS.iter().filter_map(|check| (check.find_error)(&config)).collect()
    }

    #[test]
    fn defaults_are_consistent() {
        assert_eq!(errors_of(&[]), [] as [&str; 0]);
    }

    #[test]
    fn public_address_requires_users_or_allow_anonymous() {
        for settings in [
            &[("tcp", "127.0.0.1:0"), ("http", "[::1]:0")][..],
            &[("tcp", "0.0.0.0:61613"), ("user", "alice:a")],
            &[("http", "[::]:8080"), ("allow-anonymous", "true")],
            &[("tcp", "localhost:61613"), ("http", "off")],
        ] {
            assert_eq!(errors_of(settings), [] as [&str; 0], "{settings:?}");
        }
        for (settings, listen) in [
            (("tcp", "0.0.0.0:61613"), "0.0.0.0:61613"),
            (("http", "[::]:8080"), "[::]:8080"),
            (("http", "127.0.0.1:8080, [::1]:8080, 192.0.2.1:8080"), "192.0.2.1:8080"),
            (("http", "broker.example:8080"), "broker.example:8080"),
        ] {
            assert_eq!(
                errors_of(&[settings]),
                [format!(
                    "{listen} can be reached from other machines, but no source of users is configured. Set user \
                     (NAME:PASSCODE) or users-file. To accept every client, set allow-anonymous"
                )]
            );
        }
    }

    #[test]
    fn error_for_contradictory_limits_names_both_options() {
        for (settings, names) in [
            (&[("tcp", "off"), ("http", "off")][..], ["tcp", "http"]),
            (&[("tcp", "127.0.0.1:7,[::1]:7"), ("http", "[::1]:7")], ["tcp and http", "[::1]:7"]),
            (
                &[("tcp", "127.0.0.1:7,0.0.0.0:7"), ("allow-anonymous", "true")],
                ["0.0.0.0:7 (option tcp) includes", "127.0.0.1:7 (option tcp)"],
            ),
            (
                &[("tcp", "0.0.0.0:7"), ("http", "localhost:7"), ("allow-anonymous", "true")],
                ["0.0.0.0:7 (option tcp) includes", "localhost:7 (option http)"],
            ),
            (
                &[("tcp", "[::1]:7"), ("http", "[::]:7"), ("allow-anonymous", "true")],
                ["[::]:7 (option http) includes", "[::1]:7 (option tcp)"],
            ),
            (&[("tcp", "localhost:7,127.0.0.1:7")], ["localhost:7 (option tcp) includes", "127.0.0.1:7"]),
            (
                &[("connect-frame-bytes-max", "4MiB")],
                ["connect-frame-bytes-max (4194304)", "frame-bytes-max (2097152)"],
            ),
            (
                &[("frame-bytes-max", "4MiB")],
                ["frame-bytes-max (4194304)", "outbound-queue-bytes-max (4194304)"],
            ),
            (
                &[("outbound-queue-bytes-max", "2MiB")],
                ["frame-bytes-max (2097152)", "outbound-queue-bytes-max (2097152)"],
            ),
            (
                &[("ws-message-bytes-max", "1MiB")],
                ["frame-bytes-max (2097152)", "ws-message-bytes-max (1048576)"],
            ),
            (&[("connect-silence", "61s")], ["connect-silence (61s)", "connect-timeout (60s)"]),
            (&[("redelivery-backoff", "1s")], ["redelivery-backoff (1s)", "redelivery-backoff-max (250ms)"]),
        ] {
            let errors = errors_of(settings);
            assert_eq!(errors.len(), 1, "{settings:?}: {errors:?}");
            assert!(names.iter().all(|name| errors[0].contains(name)), "{errors:?}");
        }
    }

    #[test]
    fn distinct_addresses_may_share_a_port() {
        for addresses in [
            "[::]:7,0.0.0.0:7",
            "[::]:7,127.0.0.1:7",
            "0.0.0.0:7,[::1]:7",
            "0.0.0.0:0,127.0.0.1:0",
            "0.0.0.0:7,127.0.0.1:8",
        ] {
            let errors = errors_of(&[("tcp", addresses), ("http", "off"), ("allow-anonymous", "true")]);
            assert_eq!(errors, [] as [&str; 0], "{addresses}");
        }
    }

    #[test]
    fn largest_frame_may_just_fit_the_outbound_queue() {
        assert_eq!(errors_of(&[("frame-bytes-max", "4193280")]), [] as [&str; 0]);
        assert_eq!(errors_of(&[("frame-bytes-max", "4193281")]).len(), 1);
    }

    #[test]
    fn every_check_names_existing_options() {
        assert!(CHECKS.iter().flat_map(|check| check.keys).all(|key| table::find(key).is_some()));
    }
}
