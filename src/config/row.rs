//! A row of the table of options.

use super::sections::Config;
use std::borrow::Cow;

/// Parses one value and stores it in the configuration.
pub(super) type Setter = fn(&mut Config, &str) -> Result<(), String>;

/// A row of the table of options: the complete definition of one option.
#[derive(Debug)]
pub struct OptionRow {
    /// The name of the option: `--key` on the command line, the key in the file, and `STOMPBOX_KEY` in the environment.
    pub key: &'static str,
    /// The placeholder of the value in the help, such as `BYTES`.
    pub value: &'static str,
    /// The default value, as an operator would write it.
    pub default: &'static str,
    /// The help text. It says what the option sets, the unit, and what happens at the limit.
    pub help: &'static str,
    /// The type of the value, and whether the option may be repeated.
    pub kind: ValueKind,
    /// Parses one value and stores it in the configuration. The error says what was expected. It shows the value,
    /// except for a secret.
    pub(super) set: Setter,
}

/// The type of an option. It determines the TOML type in the file, and whether the option may be repeated.
#[derive(Clone, Copy, Debug)]
pub enum ValueKind {
    /// A single string, without a unit.
    Text,
    /// A list: one string with commas, or an array of strings. The flag may be repeated.
    CommaList,
    /// A number, or a string with a unit.
    Number,
    /// A boolean. The flag needs no value. In the file and the environment the value is `true` or `false`.
    Switch,
    /// A repeatable option whose values contain a secret after the first colon.
    Secrets {
        /// Empties the list before a higher layer fills it.
        clear: fn(&mut Config),
    },
    /// A repeatable option. In the environment `;` separates its values.
    List {
        /// Empties the list before a higher layer fills it.
        clear: fn(&mut Config),
        /// Whether the values are secrets.
        hidden: bool,
    },
    /// A single string that is a secret.
    Secret,
}

/// A group of options under one heading of the help and the documentation.
#[derive(Debug)]
pub struct OptionGroup {
    /// The heading of the group.
    pub heading: &'static str,
    /// The options of the group.
    pub rows: &'static [OptionRow],
}

impl OptionRow {
    /// Sets the option from one text. If the text is invalid, the configuration stays unchanged.
    pub fn apply(&self, config: &mut Config, text: &str) -> Result<(), String> {
        (self.set)(config, text)
    }

    /// Sets the option to its default.
    pub(super) fn reset(&self, config: &mut Config) {
        match self.kind {
            ValueKind::Secrets { clear } | ValueKind::List { clear, .. } => clear(config),
            _ => self.apply(config, self.default).expect("every default is valid, as a test checks"),
        }
    }

    /// Returns whether the option is repeatable ([`ValueKind::Secrets`] or [`ValueKind::List`]). In the file, such an
    /// option is an array.
    pub fn is_list(&self) -> bool {
        matches!(self.kind, ValueKind::Secrets { .. } | ValueKind::List { .. })
    }

    /// Returns the help text as the command line and the documentation show it.
    pub fn full_help(&self) -> Cow<'static, str> {
        if self.is_list() {
            format!("{} In the file, write an array of strings.", self.help).into()
        } else {
            self.help.into()
        }
    }

    /// Returns the name of the option's environment variable.
    pub fn variable(&self) -> String {
        variable(self.key)
    }

    /// Returns a value in a form that may be displayed. `***` replaces secrets.
    pub fn display_value(&self, text: &str) -> String {
        match self.kind {
            ValueKind::Secrets { .. } => format!("{}:***", text.split(':').next().unwrap_or_default()),
            ValueKind::List { hidden: true, .. } | ValueKind::Secret => "***".to_owned(),
            _ => text.to_owned(),
        }
    }
}

/// Returns the name of the environment variable for a key.
pub(super) fn variable(key: &str) -> String {
    format!("STOMPBOX_{}", key.to_ascii_uppercase().replace('-', "_"))
}
