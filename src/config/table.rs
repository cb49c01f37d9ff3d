//! The table of options: the only definition of each option, its default and its help. Each group is a file in
//! `options`.

use super::options::access::ACCESS;
use super::options::connections::CONNECTIONS;
use super::options::frames::FRAMES;
use super::options::listening::LISTENING;
use super::options::login::LOGIN;
use super::options::memory::MEMORY;
use super::options::presence::PRESENCE;
use super::options::queues::QUEUES;
use super::options::running::RUNNING;
use super::options::sessions::SESSIONS;
use super::options::sockjs::SOCKJS;
use super::options::token::TOKEN;
use super::options::users::USERS;
use super::options::web::WEB;
use super::row::{OptionGroup, OptionRow};
use super::sections::Config;

/// All options, in groups with headings.
pub const GROUPS: &[OptionGroup] = &[
    OptionGroup { heading: "Listening", rows: LISTENING },
    OptionGroup { heading: "Browsers and reverse proxies", rows: WEB },
    OptionGroup { heading: "Users", rows: USERS },
    OptionGroup { heading: "Tokens and authentication hook", rows: TOKEN },
    OptionGroup { heading: "Logins", rows: LOGIN },
    OptionGroup { heading: "Permissions and identity from the handshake", rows: ACCESS },
    OptionGroup { heading: "Connections", rows: CONNECTIONS },
    OptionGroup { heading: "SockJS", rows: SOCKJS },
    OptionGroup { heading: "Frames", rows: FRAMES },
    OptionGroup { heading: "Sessions", rows: SESSIONS },
    OptionGroup { heading: "Work queues", rows: QUEUES },
    OptionGroup { heading: "Presence", rows: PRESENCE },
    OptionGroup { heading: "Memory and slow consumers", rows: MEMORY },
    OptionGroup { heading: "Operation and logging", rows: RUNNING },
];

/// Returns all options in the order of the table.
pub fn rows() -> impl Iterator<Item = &'static OptionRow> {
    GROUPS.iter().flat_map(|group| group.rows)
}

impl Default for Config {
    fn default() -> Config {
        let mut config = Config::blank();
        for row in rows() {
            row.reset(&mut config);
        }
        config
    }
}

/// Renamed options: the earlier name and the present name. The broker accepts the earlier names with a warning.
pub const RENAMED: [(&str, &str); 3] = [
    ("outbox-bytes-max", "outbound-queue-bytes-max"),
    ("burst-patience", "slow-consumer-grace"),
    ("permissions", "default-permissions"),
];

/// Returns the option with the given key.
pub fn find(key: &str) -> Option<&'static OptionRow> {
    rows().find(|row| row.key == key)
}

/// Returns the option whose present or earlier key satisfies `is_named`. If this is the earlier key, the second value
/// contains it.
pub(super) fn find_by_any_name(
    is_named: impl Fn(&str) -> bool,
) -> Option<(&'static OptionRow, Option<&'static str>)> {
    let present = rows().find(|row| is_named(row.key)).map(|row| (row, None));
    let renamed = || {
        let (earlier, present) = RENAMED.iter().find(|(earlier, _)| is_named(earlier))?;
        Some((find(present)?, Some(*earlier)))
    };
    present.or_else(renamed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::row::variable;
    use std::collections::HashSet;

    #[test]
    fn every_default_is_valid() {
        for row in rows().filter(|row| !row.is_list()) {
            assert_eq!(row.apply(&mut Config::blank(), row.default), Ok(()), "{}", row.key);
        }
    }

    #[test]
    fn every_row_changes_the_configuration() {
        for row in rows() {
            let mut config = Config::default();
            let other = match (row.key, row.value) {
                ("tcp-keepalive", _) => "7s",
                ("allowed-origins", _) => "https://seven.example",
                ("allowed-hosts", _) => "seven.example",
                ("trusted-proxies", _) => "7.7.7.7",
                ("demo" | "jwt-require-exp" | "trailing-lf", _) => "false",
                ("default-permissions", _) => "safe",
                ("permission", _) => "allow send anyone /topic/seven",
                (_, "NETWORKS") => "7.7.7.7",
                (_, "ADDR") => "127.0.0.1:7",
                (_, "PATH") => "/seven",
                (_, "NAME:PASSCODE") => "seven:7",
                (_, "NAME") => "x-seven",
                (_, "FILE" | "FILE|URL") => "/seven",
                (_, "CLAIM" | "TEXT") => "seven",
                (_, "SECRET") => "seven-seven-seven-seven-seven-seven",
                (_, "URL") => "http://127.0.0.1:7/",
                ("user-names", _) => "any",
                ("auth-order", _) => "user,users-file",
                (_, "true|false") => "true",
                (_, "MS,MS") => "7000,0",
                (_, "TIME") => "7777ms",
                (_, "BYTES") => "7777777",
                (_, "N") => "777",
                (_, "loopback|any|off") => "any",
                ("sockjs-client-url", _) => "/seven.js",
                ("sockjs-transports", _) => "xhr-polling",
                ("sockjs-identity-cookies", _) => "seven",
                (_, "FILTER") => "warn",
                (_, "text|json") => "json",
                (key, value) => panic!("{key}: the test has no value for {value}"),
            };
            let other = if row.key == "destination-bytes-max" { "777" } else { other };
            row.apply(&mut config, other).expect(row.key);
            assert_ne!(format!("{config:?}"), format!("{:?}", Config::default()), "{}", row.key);
        }
    }

    #[test]
    fn keys_are_kebab_case_and_unique() {
        let mut seen = HashSet::new();
        for row in rows() {
            assert!(row.key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", row.key);
            assert!(seen.insert(row.key), "{} is in the table twice", row.key);
            assert!(row.help.ends_with('.') && row.help.len() > 20, "{}", row.key);
            let found = find_by_any_name(|key| variable(key) == row.variable());
            assert_eq!(found.map(|(row, earlier)| (row.key, earlier)), Some((row.key, None)));
        }
        assert_eq!(
            find("frame-bytes-max").map(OptionRow::variable).as_deref(),
            Some("STOMPBOX_FRAME_BYTES_MAX")
        );
    }

    #[test]
    fn repeated_user_is_rejected() {
        let mut config = Config::default();
        let row = find("user").expect("an option");
        row.apply(&mut config, "alice:one").expect("a user");
        assert_eq!(
            row.apply(&mut config, "alice:two"),
            Err("\"alice\" is given twice; expected each name once".to_owned())
        );
    }
}
