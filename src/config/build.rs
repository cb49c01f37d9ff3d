//! Building a [`Config`] in a program, without the command.

use super::error::{ConfigError, ConfigErrors, ConfigSource};
use super::load::parse_toml;
use super::sections::Config;
use super::{check, table};

impl Config {
    /// Reads the options from the text of a configuration file (TOML). Options that are not in the text have their
    /// defaults.
    ///
    /// # Errors
    /// Returns all errors of the text: invalid syntax, unknown options, invalid values and contradictory options.
    pub fn from_toml(text: &str) -> Result<Config, ConfigErrors> {
        parse_toml(text).map_err(ConfigErrors)
    }

    /// Sets one option from the text that the command accepts as its value, such as `64KiB` or `10s`. An option that
    /// can be given several times (`user`, `permission`, …) gets one more value.
    ///
    /// # Errors
    /// Returns an error if no option has this name or the value is invalid. The configuration then stays unchanged.
    pub fn set(&mut self, option: &str, value: &str) -> Result<(), ConfigError> {
        let row = table::find(option).ok_or_else(|| {
            ConfigError::unknown(ConfigSource::Program, option, table::rows().map(|row| row.key))
        })?;
        row.apply(self, value).map_err(|error| ConfigError::new(ConfigSource::Program, option, error))
    }

    /// Checks that the options do not contradict each other, such as `frame-bytes-max` and
    /// `outbound-queue-bytes-max`. [`Server`](crate::Server) makes the same check when it starts.
    ///
    /// # Errors
    /// Returns one error for each contradiction.
    pub fn check(&self) -> Result<(), ConfigErrors> {
        let errors: Vec<_> = check::contradictions(self, |_| false)
            .map(|(keys, text)| ConfigError::new(ConfigSource::Program, keys[0], text))
            .collect();
        if errors.is_empty() { Ok(()) } else { Err(ConfigErrors(errors)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_set_by_their_names() {
        let mut config = Config::default();
        config.set("frame-bytes-max", "64KiB").expect("valid");
        config.set("user", "alice:a").expect("valid");
        config.set("user", "bob:b").expect("valid");
        assert_eq!(config.transport.limits.frame_bytes_max, 64 * 1024);
        assert_eq!(config.users.static_users.len(), 2);
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn unknown_option_and_invalid_value_are_rejected() {
        let mut config = Config::default();
        let error = config.set("frame-byte-max", "1MiB").expect_err("no such option").to_string();
        assert_eq!(error, "frame-byte-max: unknown option. Did you mean frame-bytes-max?");
        let error = config.set("max-deliveries", "many").expect_err("not a number").to_string();
        assert!(error.starts_with("max-deliveries: invalid value \"many\": expected "), "{error}");
        assert_eq!(config.broker.max_deliveries, Config::default().broker.max_deliveries);
    }

    #[test]
    fn contradicting_options_are_found() {
        let mut config = Config::default();
        config.set("frame-bytes-max", "8MiB").expect("valid by itself");
        let errors = config.check().expect_err("larger than an outbound queue");
        assert!(errors.to_string().contains("outbound-queue-bytes-max"), "{errors}");
    }

    #[test]
    fn toml_text_is_checked_as_a_whole() {
        let config = Config::from_toml("linger = \"2s\"\nuser = [\"alice:a\"]\n").expect("valid");
        assert_eq!(config.transport.linger, std::time::Duration::from_secs(2));
        let errors = Config::from_toml("linger = 2\ncolour = \"red\"\n").expect_err("two errors");
        let errors: Vec<_> = errors.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(errors, ["linger", "colour"]);
    }
}
