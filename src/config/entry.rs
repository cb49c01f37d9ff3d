//! An option that was set.

use super::error::ConfigSource;
use super::row::OptionRow;

/// An option with its values in one layer.
#[derive(Clone)]
pub struct ConfigEntry {
    /// The row of the option.
    pub row: &'static OptionRow,
    /// The values as written. Only a repeatable option has several. The values may contain secrets.
    pub texts: Vec<String>,
    /// The location of the option.
    pub source: ConfigSource,
    /// The earlier name of the option ([`super::table::RENAMED`]), if the operator used it.
    pub earlier_name: Option<&'static str>,
}

impl std::fmt::Debug for ConfigEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigEntry")
            .field("key", &self.row.key)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
