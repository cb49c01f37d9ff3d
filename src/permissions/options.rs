//! Configuration of permissions.

use super::preset::Preset;
use super::rule::Rule;

/// Configuration of permissions.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// The preset whose rules follow the operator's rules (`default-permissions`). `None` stands for `auto`: other
    /// options determine the preset.
    pub preset: Option<Preset>,
    /// The operator's rules, in order (`permission`).
    pub rules: Vec<Rule>,
}
