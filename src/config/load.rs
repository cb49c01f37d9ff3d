//! Loading: combines the layers to one [`Config`].

use super::entry::ConfigEntry;
use super::error::{ConfigError, ConfigSource};
use super::row::{OptionRow, ValueKind};
use super::sections::Config;
use super::{check, environment, file, table};
use crate::auth::Secret;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;

/// An option that was set, in a form that may be displayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The key of the option.
    pub key: &'static str,
    /// The values, with secrets replaced by `***`.
    pub display_values: Vec<String>,
    /// The values as written. `Debug` does not show them.
    pub values: Vec<Secret>,
    /// The location in the highest layer that sets the option.
    pub source: ConfigSource,
}

/// A valid configuration, with the settings that it was built from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The options of all modules.
    pub config: Config,
    /// The options that were set, in the order of the table.
    pub settings: Vec<Setting>,
    /// One warning for each option that was set under an earlier name. The warning gives the present name.
    pub warnings: Vec<ConfigError>,
}

impl Loaded {
    /// Returns whether the option was set in any layer above the defaults.
    pub fn is_explicit(&self, key: &str) -> bool {
        self.settings.iter().any(|setting| setting.key == key)
    }
}

/// Builds the configuration from the defaults, the file, the environment and the flags, in this order. The path of the
/// file is `config`. If this is `None`, the environment variable `STOMPBOX_CONFIG` contains the path.
///
/// # Errors
/// Returns all configuration errors: first those in the file by line, then those in the environment and in flags.
pub fn load(
    config: Option<&str>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    flags: Vec<ConfigEntry>,
) -> Result<Loaded, Vec<ConfigError>> {
    let environment = environment::parse(variables);
    let path = match (config, &environment.file) {
        (Some(path), _) => Some((ConfigSource::Flag, path)),
        (None, Some(path)) => Some((ConfigSource::Environment, path.as_str())),
        (None, None) => None,
    };
    let mut layers = Layers::default();
    if let Some((source, path)) = path {
        match file::read(path) {
            Ok(text) => {
                let (entries, config_errors) = file::parse(path, &text);
                layers.add(entries, config_errors);
            }
            Err(error) => layers.config_errors.push(ConfigError::new(source, "config", error)),
        }
    }
    layers.add(environment.entries, environment.config_errors);
    layers.add(flags, Vec::new());
    layers.finish()
}

/// Builds the configuration from the defaults and the text of a configuration file.
pub(super) fn parse_toml(text: &str) -> Result<Config, Vec<ConfigError>> {
    let mut layers = Layers::default();
    let (given, config_errors) = file::parse("configuration", text);
    layers.add(given, config_errors);
    layers.finish().map(|loaded| loaded.config)
}

#[derive(Default)]
struct Layers {
    config: Config,
    /// The entry of each option in the highest layer that sets it.
    entries: HashMap<&'static str, ConfigEntry>,
    config_errors: Vec<ConfigError>,
    warnings: Vec<ConfigError>,
}

impl Layers {
    /// Applies a layer on top of the earlier ones.
    fn add(&mut self, layer: Vec<ConfigEntry>, config_errors: Vec<ConfigError>) {
        self.config_errors.extend(config_errors);
        self.check_names(&layer);
        for entry in layer {
            let ConfigEntry { row, texts, source, .. } = &entry;
            if let ValueKind::Secrets { clear } | ValueKind::List { clear, .. } = row.kind {
                clear(&mut self.config);
            }
            let joined = [texts.join(",")];
            let texts = if matches!(row.kind, ValueKind::CommaList) { &joined[..] } else { &texts[..] };
            for text in texts {
                if let Err(error) = row.apply(&mut self.config, text) {
                    self.config_errors.push(ConfigError::new(source.clone(), row.key, error));
                }
            }
            self.entries.insert(row.key, entry);
        }
    }

    /// Warns about earlier names of options. If one layer sets an option under both names, this is an error.
    fn check_names(&mut self, layer: &[ConfigEntry]) {
        for entry in layer {
            let Some(earlier) = entry.earlier_name else { continue };
            let present = entry.row.key;
            let is_repeated =
                layer.iter().any(|other| other.row.key == present && other.earlier_name.is_none());
            if is_repeated {
                let text =
                    format!("this option is now named {present}, and both names are set. Remove {earlier}");
                self.config_errors.push(ConfigError::new(entry.source.clone(), earlier, text));
            } else {
                let text = format!("this option is now named {present}. The earlier name still works");
                self.warnings.push(ConfigError::new(entry.source.clone(), earlier, text));
            }
        }
    }

    /// Runs the checks that span several options. Returns the configuration or all errors. Skips a check if one of its
    /// options is invalid by itself.
    fn finish(mut self) -> Result<Loaded, Vec<ConfigError>> {
        let invalid_keys: HashSet<String> =
            self.config_errors.iter().map(|error| error.key.clone()).collect();
        let contradictions: Vec<_> = check::contradictions(&self.config, |key| invalid_keys.contains(key))
            .map(|(keys, text)| self.cross_option_error(keys, text))
            .collect();
        self.config_errors.extend(contradictions);
        if !self.config_errors.is_empty() {
            self.config_errors.sort_by_key(|error| error.source.rank());
            return Err(self.config_errors);
        }
        let setting = |row: &'static OptionRow| {
            let entry = self.entries.get(row.key)?;
            let display_values = entry.texts.iter().map(|text| row.display_value(text)).collect();
            let values = entry.texts.iter().map(|text| Secret::new(text)).collect();
            Some(Setting { key: row.key, display_values, values, source: entry.source.clone() })
        };
        let settings = table::rows().filter_map(setting).collect();
        Ok(Loaded { settings, config: self.config, warnings: self.warnings })
    }

    /// Returns an error that points to the first of the keys that was set.
    fn cross_option_error(&self, keys: &[&'static str], text: String) -> ConfigError {
        let set = keys.iter().find_map(|key| Some((*key, self.entries.get(key)?.source.clone())));
        let (key, source) = set.unwrap_or((keys[0], ConfigSource::Default));
        ConfigError::new(source, key, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A temporary file that is removed when this value is dropped.
    struct File(PathBuf);

    impl File {
        fn new(name: &str, text: &str) -> File {
            let path = std::env::temp_dir().join(format!("stompbox-{}-{name}.toml", std::process::id()));
            std::fs::write(&path, text).expect("a temporary file");
            File(path)
        }

        fn path(&self) -> &str {
            self.0.to_str().expect("UTF-8")
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
    }

    fn flags(pairs: &[(&str, &str)]) -> Vec<ConfigEntry> {
        let mut flags: Vec<ConfigEntry> = Vec::new();
        for (key, value) in pairs {
            match flags.iter_mut().find(|entry| entry.row.key == *key) {
                Some(entry) => entry.texts.push((*value).to_owned()),
                None => flags.push(ConfigEntry {
                    row: table::find(key).expect("an option"),
                    texts: vec![(*value).to_owned()],
                    source: ConfigSource::Flag,
                    earlier_name: None,
                }),
            }
        }
        flags
    }

    fn messages(config_errors: &[ConfigError]) -> Vec<String> {
        config_errors.iter().map(ConfigError::to_string).collect()
    }

    fn names(loaded: &Loaded) -> Vec<&str> {
        loaded.config.users.static_users.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn higher_layer_replaces_a_lower_one() {
        let file = File::new("precedence", "max-deliveries = 2\nqueues-max = 2\nbacklog = 2\n");
        let environment = [("STOMPBOX_QUEUES_MAX", "3"), ("STOMPBOX_BACKLOG", "3")];
        let loaded =
            load(Some(file.path()), variables(&environment), flags(&[("backlog", "4")])).expect("valid");
        let config = &loaded.config;
        assert_eq!(config.broker.queue_messages_max, 1_000_000, "the default");
        assert_eq!(config.broker.max_deliveries, 2, "the file's");
        assert_eq!(config.broker.queues_max, 3, "the environment's");
        assert_eq!(config.transport.backlog, 4, "the flag's");
        assert!(loaded.is_explicit("max-deliveries") && !loaded.is_explicit("queue-messages-max"));
        let sources: Vec<_> = loaded.settings.iter().map(|setting| (setting.key, &setting.source)).collect();
        let in_file = ConfigSource::File { path: file.path().to_owned(), line: 1 };
        assert_eq!(
            sources,
            [
                ("backlog", &ConfigSource::Flag),
                ("queues-max", &ConfigSource::Environment),
                ("max-deliveries", &in_file)
            ]
        );
    }

    #[test]
    fn earlier_names_of_options_are_accepted_with_a_warning_in_every_layer() {
        let file = File::new("renamed", "\nburst-patience = \"2s\"\npermissions = \"safe\"\n");
        let environment = variables(&[("STOMPBOX_BURST_PATIENCE", "3s")]);
        let earlier_flag = ConfigEntry {
            row: table::find("outbound-queue-bytes-max").expect("an option"),
            texts: vec!["8MiB".to_owned()],
            source: ConfigSource::Flag,
            earlier_name: Some("outbox-bytes-max"),
        };
        let loaded = load(Some(file.path()), environment, vec![earlier_flag]).expect("valid");
        assert_eq!(loaded.config.outbound_queue.outbound_queue_bytes_max, 8 * 1024 * 1024);
        assert_eq!(loaded.config.outbound_queue.slow_consumer_grace, std::time::Duration::from_secs(3));
        assert!(loaded.is_explicit("default-permissions"));
        let is_now = |name: &str| format!("this option is now named {name}. The earlier name still works");
        assert_eq!(
            messages(&loaded.warnings),
            [
                format!("{}:2: key \"burst-patience\": {}", file.path(), is_now("slow-consumer-grace")),
                format!("{}:3: key \"permissions\": {}", file.path(), is_now("default-permissions")),
                format!("environment variable STOMPBOX_BURST_PATIENCE: {}", is_now("slow-consumer-grace")),
                format!("--outbox-bytes-max: {}", is_now("outbound-queue-bytes-max")),
            ]
        );
    }

    #[test]
    fn option_set_by_both_of_its_names_in_one_layer_is_rejected() {
        let file = File::new("both", "burst-patience = \"2s\"\nslow-consumer-grace = \"3s\"\n");
        let errors = load(Some(file.path()), variables(&[]), Vec::new()).expect_err("both names");
        let text =
            "this option is now named slow-consumer-grace, and both names are set. Remove burst-patience";
        assert_eq!(messages(&errors), [format!("{}:1: key \"burst-patience\": {text}", file.path())]);
    }

    #[test]
    fn list_replaces_the_list_of_the_layer_below() {
        let file = File::new("list", "user = [\"a:1\", \"b:2\"]\n");
        let none = || variables(&[]);
        assert_eq!(names(&load(Some(file.path()), none(), Vec::new()).expect("valid")), ["a", "b"]);
        let environment = variables(&[("STOMPBOX_USER", "c:3")]);
        assert_eq!(names(&load(Some(file.path()), environment, Vec::new()).expect("valid")), ["c"]);
        let from_flags = flags(&[("user", "d:4"), ("user", "e:5")]);
        let loaded =
            load(Some(file.path()), variables(&[("STOMPBOX_USER", "c:3")]), from_flags).expect("valid");
        assert_eq!(names(&loaded), ["d", "e"]);
        assert_eq!(loaded.settings[0].display_values, ["d:***", "e:***"]);
    }

    #[test]
    fn several_addresses_may_be_flags_an_array_or_comma_separated() {
        let expected = ["127.0.0.1:7", "[::1]:7"];
        let tcp =
            |loaded: Loaded| loaded.config.listen_tcp.iter().map(ToString::to_string).collect::<Vec<_>>();
        let array = File::new("array", "tcp = [\"127.0.0.1:7\", \"[::1]:7\"]\n");
        let text = File::new("text", "tcp = \"127.0.0.1:7, [::1]:7\"\n");
        for file in [&array, &text] {
            assert_eq!(tcp(load(Some(file.path()), variables(&[]), Vec::new()).expect("valid")), expected);
        }
        let variable = || variables(&[("STOMPBOX_TCP", "127.0.0.1:7,[::1]:7")]);
        assert_eq!(tcp(load(None, variable(), Vec::new()).expect("valid")), expected);
        let from_flags = flags(&[("tcp", "127.0.0.1:7"), ("tcp", "[::1]:7")]);
        let loaded = load(None, variables(&[("STOMPBOX_TCP", "127.0.0.1:9")]), from_flags).expect("valid");
        assert_eq!(loaded.settings[0].display_values, expected);
        assert_eq!(tcp(loaded), expected, "a higher layer replaces the list");
        for settings in
            [&[("tcp", "127.0.0.1:7"), ("tcp", "off")], &[("tcp", "127.0.0.1:7"), ("tcp", "127.0.0.1:7")]]
        {
            let config_errors = load(None, variables(&[]), flags(settings)).expect_err("a contradiction");
            assert!(messages(&config_errors)[0].starts_with("--tcp: "), "{config_errors:?}");
        }
    }

    #[test]
    fn config_flag_takes_precedence_over_the_environment_variable() {
        let (one, other) = (File::new("one", "backlog = 1"), File::new("other", "backlog = 2"));
        let environment = || variables(&[("STOMPBOX_CONFIG", other.path())]);
        let by_flag = load(Some(one.path()), environment(), Vec::new()).expect("valid");
        assert_eq!(by_flag.config.transport.backlog, 1);
        let by_environment = load(None, environment(), Vec::new()).expect("valid");
        assert_eq!(by_environment.config.transport.backlog, 2);
        let config_errors =
            load(Some("/nonexistent/a.toml"), variables(&[]), Vec::new()).expect_err("no file");
        assert!(
            messages(&config_errors)[0]
                .starts_with("--config: cannot read /nonexistent/a.toml: No such file")
        );
        let config_errors = load(None, variables(&[("STOMPBOX_CONFIG", "/nonexistent/a.toml")]), Vec::new())
            .expect_err("no file");
        assert!(messages(&config_errors)[0].starts_with("environment variable STOMPBOX_CONFIG: cannot read"));
    }

    #[test]
    fn errors_of_every_layer_are_reported() {
        let file = File::new("errors", "tcp = \"here\"\nlinger = 5\n\nusr = [\"alice:secret\"]\n");
        let environment = variables(&[("STOMPBOX_TCP", "there"), ("STOMPBOX_USER", "secret")]);
        let from_flags = flags(&[("tcp", "everywhere"), ("connect-frame-bytes-max", "4MiB")]);
        let config_errors = load(Some(file.path()), environment, from_flags).expect_err("errors");
        let path = file.path();
        let address = "expected HOST:PORT or off. Examples are 127.0.0.1:61613, [::1]:61613 and localhost:0 (any \
                       free port)";
        assert_eq!(
            messages(&config_errors),
            [
                format!("{path}:1: key \"tcp\": invalid value \"here\": {address}"),
                format!(
                    "{path}:2: key \"linger\": invalid value \"5\": expected a number and its unit such as 500ms, 10s, \
                     1m or 2h"
                ),
                format!("{path}:4: key \"usr\": unknown key. Did you mean \"user\"?"),
                format!("environment variable STOMPBOX_TCP: invalid value \"there\": {address}"),
                "environment variable STOMPBOX_USER: invalid value (not shown): expected NAME:PASSCODE. Both parts \
                 must be set, and must not contain control characters"
                    .to_owned(),
                format!("--tcp: invalid value \"everywhere\": {address}"),
                "--connect-frame-bytes-max: connect-frame-bytes-max (4194304) is more than frame-bytes-max (2097152). \
                 Lower connect-frame-bytes-max or raise frame-bytes-max"
                    .to_owned(),
            ]
        );
    }

    #[test]
    fn debug_output_hides_secrets() {
        let from_flags = flags(&[("user", "alice:sesame")]);
        assert!(!format!("{from_flags:?}").contains("sesame"));
        let loaded = load(None, variables(&[]), from_flags).expect("valid");
        assert!(!format!("{loaded:?}").contains("sesame"));
    }

    #[test]
    fn error_for_contradictory_limits_names_where_the_limit_is_set() {
        let file = File::new("checks", "\noutbound-queue-bytes-max = \"1MiB\"\n");
        let config_errors = load(Some(file.path()), variables(&[]), Vec::new()).expect_err("too small");
        let text = messages(&config_errors).remove(0);
        let start = format!("{}:2: key \"outbound-queue-bytes-max\": ", file.path());
        assert!(config_errors.len() == 1 && text.starts_with(&start), "{text}");
    }

    #[test]
    fn errors_in_the_file_are_reported_in_the_order_of_lines() {
        let text = "frame-bytes-max = \"8MiB\"\nbacklgo = 1\nlinger = 5\nconnect-silence = \"61s\"\ntcp = \"here\"\n";
        let file = File::new("lines", text);
        let config_errors = load(Some(file.path()), variables(&[]), Vec::new()).expect_err("errors");
        let lines: Vec<_> = config_errors.iter().map(|error| error.source.rank().1).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5], "{:#?}", messages(&config_errors));
    }
}
