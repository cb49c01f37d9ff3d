//! Rules that stand behind the operator's own.

use super::Rule;
use std::fmt;

/// What is allowed where no rule of the operator matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// What a browser needs and no more: reading topics, one's own messages, services, messages between users.
    Safe,
    /// Everything; subscribing to other users' destinations is refused by the session itself.
    Open,
}

const SAFE: &[&str] = &[
    "allow subscribe anyone /topic/**",
    "allow subscribe anyone /presence/topic/**",
    "allow all anyone /user/queue/**",
    "allow all anyone /user/topic/**",
    "allow send anyone /app/**",
    "allow send users /user/*/queue/**",
];
const OPEN: &[&str] = &["allow all anyone **"];

impl Preset {
    /// Parses `safe` or `open`.
    ///
    /// # Errors
    /// For another text, what was expected.
    pub fn parse(text: &str) -> Result<Preset, String> {
        match text {
            "safe" => Ok(Preset::Safe),
            "open" => Ok(Preset::Open),
            _ => Err(format!("invalid value {text:?}: expected safe or open")),
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Preset::Safe => "safe",
            Preset::Open => "open",
        }
    }

    /// What it says, in the grammar of [`Rule`].
    pub fn rules(self) -> &'static [&'static str] {
        match self {
            Preset::Safe => SAFE,
            Preset::Open => OPEN,
        }
    }

    /// Where its rules come from.
    pub(super) fn origin(self) -> &'static str {
        match self {
            Preset::Safe => "preset safe",
            Preset::Open => "preset open",
        }
    }

    pub(super) fn parsed(self) -> impl Iterator<Item = Rule> {
        self.rules().iter().map(|rule| Rule::parse(rule).expect("a preset's rules are rules"))
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
