//! Configuration errors and their locations.

use super::row::variable;
use std::fmt;

/// The location of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigSource {
    /// The default in the table of options.
    Default,
    /// A line of the configuration file.
    File {
        /// The path as the operator gave it.
        path: String,
        /// The line number, from 1.
        line: usize,
    },
    /// An environment variable that sets an option.
    Environment,
    /// A flag on the command line.
    Flag,
    /// A program that embeds the broker ([`Config::set`](crate::Config::set)).
    Program,
}

impl ConfigSource {
    /// Returns the sort key of a report: first the file by line, then the environment, flags, and defaults.
    pub(super) fn rank(&self) -> (u8, usize) {
        match self {
            ConfigSource::File { line, .. } => (0, *line),
            ConfigSource::Environment => (1, 0),
            ConfigSource::Flag | ConfigSource::Program => (2, 0),
            ConfigSource::Default => (3, 0),
        }
    }
}

/// A configuration error. `Display` writes a complete sentence for the operator and never shows a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The location of the error.
    pub source: ConfigSource,
    /// The key of the option. If an environment variable sets no known option, this is the name of the variable. For a
    /// TOML syntax error it is empty.
    pub key: String,
    /// A description of what is wrong and what was expected.
    pub text: String,
}

impl ConfigError {
    pub(super) fn new(source: ConfigSource, key: &str, text: impl Into<String>) -> ConfigError {
        ConfigError { source, key: key.to_owned(), text: text.into() }
    }

    /// Returns the error for an unknown option name, with a suggestion from `known`.
    pub(super) fn unknown<'a>(
        source: ConfigSource,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> ConfigError {
        let noun = match source {
            ConfigSource::File { .. } => "key",
            ConfigSource::Environment => "variable",
            _ => "option",
        };
        let text = match suggestion(name, known) {
            Some(similar) => {
                let quote = if matches!(source, ConfigSource::File { .. }) { "\"" } else { "" };
                let dashes = if matches!(source, ConfigSource::Flag) { "--" } else { "" };
                format!("unknown {noun}. Did you mean {quote}{dashes}{similar}{quote}?")
            }
            None => format!("unknown {noun}. Run stompbox --help to list all options"),
        };
        ConfigError::new(source, name, text)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConfigError { source, key, text } = self;
        match source {
            ConfigSource::Default | ConfigSource::Program => write!(f, "{key}: {text}"),
            ConfigSource::File { path, line } if key.is_empty() => write!(f, "{path}:{line}: {text}"),
            ConfigSource::File { path, line } => write!(f, "{path}:{line}: key {key:?}: {text}"),
            ConfigSource::Environment if key.starts_with("STOMPBOX_") => {
                write!(f, "environment variable {key}: {text}")
            }
            ConfigSource::Environment => write!(f, "environment variable {}: {text}", variable(key)),
            ConfigSource::Flag => write!(f, "--{key}: {text}"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// All errors of a configuration, at least one. `Display` writes one line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub(super) Vec<ConfigError>);

impl ConfigErrors {
    /// Returns the errors: first those in the file, in the order of its lines.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Returns the entry of `known` that is most similar to `name`, if it is similar enough to be a likely correction.
pub fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let similarity = |candidate: &str| {
        let name = name.to_ascii_lowercase().replace('_', "-");
        strsim::normalized_damerau_levenshtein(&name, &candidate.to_ascii_lowercase().replace('_', "-"))
    };
    let best = known.into_iter().map(|candidate| (similarity(candidate), candidate));
    let best = best.max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(similarity, _)| *similarity >= 0.6).map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_similar_names_are_suggested() {
        let known = ["frame-bytes-max", "connect-frame-bytes-max", "tcp", "STOMPBOX_TCP"];
        for (name, similar) in [
            ("frame-byte-max", Some("frame-bytes-max")),
            ("frame_bytes_max", Some("frame-bytes-max")),
            ("FRAME-BYTES-MAX", Some("frame-bytes-max")),
            ("tpc", Some("tcp")),
            ("STOMPBOX_TPC", Some("STOMPBOX_TCP")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(suggestion(name, known), similar, "{name}");
        }
    }

    #[test]
    fn error_names_its_source() {
        let file = ConfigSource::File { path: "a.toml".to_owned(), line: 3 };
        for (source, key, expected) in [
            (file.clone(), "tcp", "a.toml:3: key \"tcp\": wrong"),
            (file, "", "a.toml:3: wrong"),
            (
                ConfigSource::Environment,
                "frame-bytes-max",
                "environment variable STOMPBOX_FRAME_BYTES_MAX: wrong",
            ),
            (ConfigSource::Environment, "STOMPBOX_TPC", "environment variable STOMPBOX_TPC: wrong"),
            (ConfigSource::Flag, "tcp", "--tcp: wrong"),
            (ConfigSource::Default, "tcp", "tcp: wrong"),
        ] {
            assert_eq!(ConfigError::new(source, key, "wrong").to_string(), expected);
        }
    }
}
