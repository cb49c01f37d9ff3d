//! Configuration of permissions.

use super::preset::Preset;
use super::rule::Rule;

/// Configuration of permissions.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// The preset that follows the rules (`preset`); `None` to choose it by the rest of the configuration.
    pub preset: Option<Preset>,
    /// The operator's rules, in order (`permission`).
    pub rules: Vec<Rule>,
}
