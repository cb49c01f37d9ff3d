//! One option.

use super::Config;
use std::borrow::Cow;

/// One option: everything that is known of it.
#[derive(Debug)]
pub struct Row {
    /// Its name: `--key`, the key in the file, and `STOMPBOX_KEY` in the environment.
    pub key: &'static str,
    /// What its value is called in the help.
    pub value: &'static str,
    /// Its default, as an operator would write it.
    pub default: &'static str,
    /// What it means, in which unit, and what happens at the limit.
    pub help: &'static str,
    /// How it is written.
    pub kind: Kind,
    /// Parses one value and puts it where it belongs. The error says what was expected and, unless the value
    /// is a secret, what was found.
    pub(super) set: fn(&mut Config, &str) -> Result<(), String>,
}

/// How an option is written: in the file a string, a number, a boolean or an array.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A string.
    Text,
    /// A list that is one string with commas, or an array of strings; it may be given many times.
    Texts,
    /// A number, or a string with a unit.
    Number,
    /// A flag without a value; `true` or `false` elsewhere.
    Switch,
    /// May be given many times. Its values are secrets behind their first colon.
    Secrets {
        /// Empties the list, before a higher layer fills it.
        clear: fn(&mut Config),
    },
    /// May be given many times; in the environment `;` separates its values.
    List {
        /// Empties the list, before a higher layer fills it.
        clear: fn(&mut Config),
        /// Whether its values are secrets.
        hidden: bool,
    },
    /// A string that is a secret.
    Secret,
}

/// Options under one heading.
#[derive(Debug)]
pub struct Group {
    /// The heading.
    pub heading: &'static str,
    /// Its options.
    pub rows: &'static [Row],
}

impl Row {
    /// Sets the option from one text. If the text is invalid, the configuration stays unchanged.
    pub fn apply(&self, config: &mut Config, text: &str) -> Result<(), String> {
        (self.set)(config, text)
    }

    /// Sets the option to its default.
    pub(super) fn reset(&self, config: &mut Config) {
        match self.kind {
            Kind::Secrets { clear } | Kind::List { clear, .. } => clear(config),
            _ => self.apply(config, self.default).expect("a test reads every default of the table"),
        }
    }

    /// Whether it may be given many times.
    pub fn is_list(&self) -> bool {
        matches!(self.kind, Kind::Secrets { .. } | Kind::List { .. })
    }

    /// Returns the description that `--help` and the README show.
    pub fn full_help(&self) -> Cow<'static, str> {
        if self.is_list() {
            format!("{} In the file: an array of strings.", self.help).into()
        } else {
            self.help.into()
        }
    }

    /// Its environment variable.
    pub fn variable(&self) -> String {
        variable(self.key)
    }

    /// A value as it may be shown.
    pub fn shown(&self, text: &str) -> String {
        match self.kind {
            Kind::Secrets { .. } => format!("{}:***", text.split(':').next().unwrap_or_default()),
            Kind::List { hidden: true, .. } | Kind::Secret => "***".to_owned(),
            _ => text.to_owned(),
        }
    }
}

/// The environment variable of a key.
pub(super) fn variable(key: &str) -> String {
    format!("STOMPBOX_{}", key.to_ascii_uppercase().replace('-', "_"))
}
