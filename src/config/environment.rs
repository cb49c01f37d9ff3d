//! The environment layer: `STOMPBOX_KEY`, with the key in upper case and underscores instead of dashes.

use super::entry::ConfigEntry;
use super::error::{ConfigError, ConfigSource};
use super::row::{ValueKind, variable};
use super::table;
use std::ffi::OsString;

const PREFIX: &str = "STOMPBOX_";
/// The variable with the path of the configuration file.
const FILE: &str = "STOMPBOX_CONFIG";
/// Prefixes of variables that are not options: those of `stompbox bench` and of the build script.
const OTHER_PREFIXES: [&str; 2] = ["STOMPBOX_BENCH_", "STOMPBOX_SKIP_WEB"];

/// The options in the environment.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// The path of the configuration file.
    pub(super) file: Option<String>,
    /// The options, in the order of the names of their variables.
    pub(super) entries: Vec<ConfigEntry>,
    /// The errors in variables whose names begin with `STOMPBOX_`.
    pub(super) config_errors: Vec<ConfigError>,
}

/// Parses the variables whose names begin with `STOMPBOX_`.
pub(super) fn parse(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Environment {
    let with_utf8_name = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
    let mut variables: Vec<(String, OsString)> = variables.into_iter().filter_map(with_utf8_name).collect();
    let is_foreign =
        |name: &str| OTHER_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || is_service_link(name);
    variables.retain(|(name, _)| name.starts_with(PREFIX) && !is_foreign(name));
    variables.sort();
    let mut environment = Environment::default();
    for (name, value) in variables {
        match value.into_string() {
            Ok(value) => environment.add_variable(&name, value),
            Err(_) => {
                environment.config_errors.push(ConfigError::new(
                    ConfigSource::Environment,
                    &name,
                    "invalid value: expected UTF-8 text",
                ));
            }
        }
    }
    environment
}

impl Environment {
    /// Adds the option that the variable sets. Adds an error if there is no such option.
    fn add_variable(&mut self, name: &str, value: String) {
        if name == FILE {
            self.file = Some(value);
            return;
        }
        let Some((row, earlier_name)) = table::find_by_any_name(|key| variable(key) == name) else {
            let known: Vec<String> =
                table::rows().map(|row| row.variable()).chain([FILE.to_owned()]).collect();
            let known = known.iter().map(String::as_str);
            self.config_errors.push(ConfigError::unknown(ConfigSource::Environment, name, known));
            return;
        };
        let texts = match row.kind {
            ValueKind::Secrets { .. } | ValueKind::List { .. } if value.is_empty() => Vec::new(),
            ValueKind::List { .. } => value.split(';').map(|text| text.trim().to_owned()).collect(),
            ValueKind::Secrets { .. } => value.split(',').map(str::to_owned).collect(),
            _ => vec![value],
        };
        self.entries.push(ConfigEntry { row, texts, source: ConfigSource::Environment, earlier_name });
    }
}

/// Returns whether Kubernetes sets this variable for a service. Such a variable is not an option. Kubernetes sets
/// variables for every service of the namespace. For a service named `stompbox` these are `STOMPBOX_SERVICE_HOST`,
/// `STOMPBOX_PORT_61613_TCP_ADDR` and so on.
fn is_service_link(name: &str) -> bool {
    let segments: Vec<&str> = name.split('_').collect();
    let is_number = |segment: &str| segment.bytes().all(|byte| byte.is_ascii_digit());
    let is_service = segments.windows(2).any(|pair| matches!(pair, ["SERVICE", "HOST" | "PORT"]));
    let is_port = segments.windows(2).any(|pair| pair[0] == "PORT" && is_number(pair[1]));
    is_service || is_port || segments.last() == Some(&"PORT")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(variables: &[(&str, &str)]) -> Environment {
        super::parse(variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
    }

    #[test]
    fn variables_are_named_after_their_key() {
        let environment = parse(&[
            ("STOMPBOX_FRAME_BYTES_MAX", "64KiB"),
            ("STOMPBOX_CONFIG", "a.toml"),
            ("STOMPBOX_USER", "alice:a,bob:b"),
            ("PATH", "/bin"),
            ("stompbox_tcp", "off"),
        ]);
        assert_eq!(environment.config_errors, []);
        assert_eq!(environment.file.as_deref(), Some("a.toml"));
        let entries: Vec<_> =
            environment.entries.iter().map(|entry| (entry.row.key, entry.texts.join(" "))).collect();
        assert_eq!(entries, [("frame-bytes-max", "64KiB".to_owned()), ("user", "alice:a bob:b".to_owned())]);
    }

    #[test]
    fn unknown_variable_is_an_error() {
        for (name, expected) in [
            (
                "STOMPBOX_FRAME_BYTE_MAX",
                "environment variable STOMPBOX_FRAME_BYTE_MAX: unknown variable. Did you mean STOMPBOX_FRAME_BYTES_MAX?",
            ),
            (
                "STOMPBOX_CONFGI",
                "environment variable STOMPBOX_CONFGI: unknown variable. Did you mean STOMPBOX_CONFIG?",
            ),
            (
                "STOMPBOX_TPC",
                "environment variable STOMPBOX_TPC: unknown variable. Did you mean STOMPBOX_TCP?",
            ),
        ] {
            let environment = parse(&[(name, "secret")]);
            assert_eq!(
                environment.config_errors.iter().map(ConfigError::to_string).collect::<Vec<_>>(),
                [expected]
            );
        }
    }

    #[test]
    fn empty_variable_replaces_the_list_of_the_layer_below() {
        let environment = parse(&[("STOMPBOX_USER", "")]);
        assert_eq!(environment.entries[0].texts, [] as [String; 0]);
    }

    #[test]
    fn kubernetes_service_variables_are_ignored() {
        for name in [
            "STOMPBOX_SERVICE_HOST",
            "STOMPBOX_SERVICE_PORT",
            "STOMPBOX_SERVICE_PORT_STOMP",
            "STOMPBOX_PORT",
            "STOMPBOX_PORT_61613_TCP",
            "STOMPBOX_PORT_61613_TCP_ADDR",
            "STOMPBOX_TCP_SERVICE_HOST",
            "STOMPBOX_TCP_PORT",
        ] {
            assert!(parse(&[(name, "tcp://10.0.0.1:61613")]).config_errors.is_empty(), "{name}");
        }
        assert!(table::rows().all(|row| !is_service_link(&row.variable())));
        assert!(!is_service_link("STOMPBOX_PORTS"));
    }

    #[cfg(unix)]
    #[test]
    fn non_utf8_value_is_an_error() {
        use std::os::unix::ffi::OsStringExt;
        let value = OsString::from_vec(vec![0xff]);
        let environment = super::parse([(OsString::from("STOMPBOX_TCP"), value)]);
        assert_eq!(
            environment.config_errors[0].to_string(),
            "environment variable STOMPBOX_TCP: invalid value: expected UTF-8 text"
        );
    }
}
