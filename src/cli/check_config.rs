//! `stompbox check-config`: the report about a valid configuration.

use crate::config::{ConfigSource, Loaded, Setting, ValueKind, table};

/// Returns the report about a valid configuration. The report lists the settings that differ from the defaults, as TOML
/// and with their locations, and then the permission rules. It shows no secrets.
pub(super) fn report(loaded: &Loaded) -> String {
    let mut text = String::from("configuration is valid\n");
    for setting in &loaded.settings {
        let row = table::find(setting.key).expect("settings come from rows");
        if setting.display_values.iter().map(String::as_str).eq([row.default]) {
            continue;
        }
        let value = match row.kind {
            ValueKind::Secrets { .. } | ValueKind::List { .. } => format!("{:?}", setting.display_values),
            ValueKind::CommaList if setting.display_values.len() > 1 => {
                format!("{:?}", setting.display_values)
            }
            ValueKind::Switch => setting.display_values.concat(),
            ValueKind::Number if is_integer(&setting.display_values.concat()) => {
                setting.display_values.concat()
            }
            ValueKind::Text | ValueKind::CommaList | ValueKind::Number | ValueKind::Secret => {
                format!("{:?}", setting.display_values.concat())
            }
        };
        text.push_str(&format!("{} = {value}  # {}\n", setting.key, location(setting)));
    }
    text.push_str(&rules(loaded));
    text
}

/// Returns the permission rules in the order in which they are evaluated.
fn rules(loaded: &Loaded) -> String {
    let (preset, reason) = loaded.config.preset();
    let mut text = format!(
        "\n# Permission rules. The first rule that matches decides.\n# Preset {preset}, because {reason}.\n"
    );
    for line in loaded.config.permissions().describe_rules() {
        text.push_str(&format!("# {line}\n"));
    }
    text
}

/// Returns whether TOML reads the text as an integer, so that it needs no quotes.
fn is_integer(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|number| number.to_string() == text)
}

fn location(setting: &Setting) -> String {
    let row = table::find(setting.key).expect("settings come from rows");
    match &setting.source {
        ConfigSource::Default => "default".to_owned(),
        ConfigSource::File { path, line } => format!("{path}:{line}"),
        ConfigSource::Environment => row.variable(),
        ConfigSource::Flag => format!("--{}", row.key),
        ConfigSource::Program => "set by the program".to_owned(),
    }
}
