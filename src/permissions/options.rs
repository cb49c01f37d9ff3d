//! The options of permissions.

use super::preset::Preset;
use super::rule::Rule;

/// Configuration of permissions: the operator's rules and the preset.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// The preset, with the rules that follow the operator's rules (`default-permissions`). `None` means `auto`: other
    /// options determine the preset.
    pub preset: Option<Preset>,
    /// The operator's rules, in order (`permission`).
    pub rules: Vec<Rule>,
}
