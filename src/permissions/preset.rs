//! Predefined rules that follow the operator's rules.

use super::rule::Rule;
use std::fmt;

/// A set of predefined rules. They apply to requests that no rule of the operator decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Allows the requests that a web page needs. Each client may subscribe to topics and to their presence. It may use
    /// the destinations of its own user, and send to application services. Authenticated users may send to queues of
    /// other users.
    Safe,
    /// Allows everything. The session itself still denies subscriptions to destinations of other users.
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
    /// The text is another word.
    pub fn parse(text: &str) -> Result<Preset, String> {
        match text {
            "safe" => Ok(Preset::Safe),
            "open" => Ok(Preset::Open),
            _ => Err(format!("invalid value {text:?}: expected safe or open")),
        }
    }

    /// Returns the name of the preset.
    pub fn as_str(self) -> &'static str {
        match self {
            Preset::Safe => "safe",
            Preset::Open => "open",
        }
    }

    /// Returns the rules of the preset, in the grammar of [`Rule`].
    pub fn rules(self) -> &'static [&'static str] {
        match self {
            Preset::Safe => SAFE,
            Preset::Open => OPEN,
        }
    }

    /// Returns the origin of the rules, for the operator.
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
