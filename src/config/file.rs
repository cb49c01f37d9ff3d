//! The file layer: flat TOML with the keys of the table of options.

use super::entry::ConfigEntry;
use super::error::{ConfigError, ConfigSource};
use super::row::{OptionRow, ValueKind};
use super::table;
use std::io::Read;
use toml::de::{DeTable, DeValue};

/// Largest size of a configuration file in bytes.
const BYTES_MAX: u64 = 1024 * 1024;

/// Reads the whole file.
///
/// # Errors
/// Returns a text if the file cannot be read, is larger than 1 MiB, or is not UTF-8.
pub(super) fn read(path: &str) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot read {path}: {error}");
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(cannot)?;
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(format!("{path} is larger than 1 MiB; expected a TOML file of options"));
    }
    String::from_utf8(bytes).map_err(|_| format!("{path} is not UTF-8; expected a TOML file of options"))
}

/// Parses the file. Returns its options in the order of the file. Also returns an error for each syntax error, each
/// unknown key and each value of a wrong type.
pub(super) fn parse(path: &str, text: &str) -> (Vec<ConfigEntry>, Vec<ConfigError>) {
    let source =
        |offset: usize| ConfigSource::File { path: path.to_owned(), line: line_number(text, offset) };
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut entries = Vec::new();
    let mut config_errors: Vec<(usize, ConfigError)> = Vec::new();
    for error in errors {
        let offset = error.span().map_or(0, |span| span.start);
        config_errors.push((offset, ConfigError::new(source(offset), "", error.message())));
    }
    let mut items: Vec<_> = table.get_ref().iter().collect();
    items.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in items {
        let (offset, name) = (key.span().start, key.get_ref().as_ref());
        let result = match table::find_by_any_name(|key| key == name) {
            None => Err(unknown(source(offset), name, value.get_ref())),
            Some((row, earlier_name)) => match texts(row, value.get_ref()) {
                Ok(texts) => Ok(ConfigEntry { row, texts, source: source(offset), earlier_name }),
                Err(error) => Err(ConfigError::new(source(offset), name, error)),
            },
        };
        match result {
            Ok(entry) => entries.push(entry),
            Err(error) => config_errors.push((offset, error)),
        }
    }
    config_errors.sort_by_key(|(offset, _)| *offset);
    (entries, config_errors.into_iter().map(|(_, error)| error).collect())
}

fn unknown(source: ConfigSource, name: &str, value: &DeValue<'_>) -> ConfigError {
    if value.is_table() {
        return ConfigError::new(
            source,
            name,
            "unknown section; expected options at the top level, without sections or dots",
        );
    }
    ConfigError::unknown(source, name, table::rows().map(|row| row.key))
}

/// Converts a TOML value to the texts that a flag would have. The error names the type of the value. It does not show
/// the value, because the value may be a secret.
fn texts(row: &OptionRow, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let wrong_type =
        |expected: &str| Err(format!("invalid value of type {}: expected {expected}", type_of(value)));
    match (row.kind, value) {
        (
            ValueKind::Text | ValueKind::CommaList | ValueKind::Number | ValueKind::Secret,
            DeValue::String(text),
        ) => Ok(vec![text.clone().into_owned()]),
        (ValueKind::Number, DeValue::Integer(number)) => Ok(vec![decimal(number)]),
        (ValueKind::Switch, DeValue::Boolean(on)) => Ok(vec![on.to_string()]),
        (ValueKind::CommaList, DeValue::Array(items)) if items.is_empty() => Err(format!(
            "invalid value: the array is empty; expected {:?} or at least one {}",
            "off", row.value
        )),
        (
            ValueKind::Secrets { .. } | ValueKind::List { .. } | ValueKind::CommaList,
            DeValue::Array(items),
        ) => {
            let texts = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
            texts.collect::<Option<_>>().ok_or_else(|| {
                format!(
                    "invalid value: the array contains a value that is not a string; expected [\"{}\", …]",
                    row.value
                )
            })
        }
        (ValueKind::Text | ValueKind::Secret, _) => wrong_type(&format!("a string, \"{}\"", row.value)),
        (ValueKind::CommaList, _) => {
            wrong_type(&format!("a string, \"{0}\", or an array of strings, [\"{0}\", …]", row.value))
        }
        (ValueKind::Number, _) if row.value == "N" => wrong_type("a whole number"),
        (ValueKind::Number, _) => wrong_type(&format!("a string with a unit, such as {:?}", row.default)),
        (ValueKind::Switch, _) => wrong_type("true or false, without quotes"),
        (ValueKind::Secrets { .. } | ValueKind::List { .. }, _) => {
            wrong_type(&format!("an array of strings, [\"{}\", …]", row.value))
        }
    }
}

/// Returns the number in decimal digits. TOML allows other bases, too.
fn decimal(number: &toml::de::DeInteger<'_>) -> String {
    let value = i128::from_str_radix(number.as_str(), number.radix());
    value.map_or_else(|_| number.as_str().to_owned(), |value| value.to_string())
}

fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "float",
        DeValue::Boolean(_) => "boolean",
        DeValue::Datetime(_) => "date",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "table",
    }
}

fn line_number(text: &str, offset: usize) -> usize {
    let before = &text.as_bytes()[..offset.min(text.len())];
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Vec<(&'static str, Vec<String>)> {
        let (entries, config_errors) = parse("a.toml", text);
        assert_eq!(config_errors, []);
        entries.into_iter().map(|entry| (entry.row.key, entry.texts)).collect()
    }

    #[test]
    fn strings_numbers_booleans_and_arrays_are_read() {
        let text = "# first\ntcp = \"off\"\nmax-deliveries = 1_000\nframe-bytes-max = 0x1_0000\nuser = [\"a:b\", \"c:d\"]\n\
                    allow-anonymous = true\nlinger = '0s'\n";
        let expected = [
            ("tcp", vec!["off"]),
            ("max-deliveries", vec!["1000"]),
            ("frame-bytes-max", vec!["65536"]),
            ("user", vec!["a:b", "c:d"]),
            ("allow-anonymous", vec!["true"]),
            ("linger", vec!["0s"]),
        ];
        let expected =
            expected.map(|(key, texts)| (key, texts.into_iter().map(str::to_owned).collect::<Vec<_>>()));
        assert_eq!(entries(text), expected);
    }

    #[test]
    fn every_error_names_its_line_and_key() {
        for (text, expected) in [
            (
                "\n\nframe-byte-max = 1",
                "a.toml:3: key \"frame-byte-max\": unknown key. Did you mean \"frame-bytes-max\"?",
            ),
            ("colour = 1", "a.toml:1: key \"colour\": unknown key. Run stompbox --help to list all options"),
            (
                "tcp = 61613",
                "a.toml:1: key \"tcp\": invalid value of type integer: expected a string, \"ADDR\", or an array of strings, [\"ADDR\", …]",
            ),
            (
                "\ntcp = []",
                "a.toml:2: key \"tcp\": invalid value: the array is empty; expected \"off\" or at least one ADDR",
            ),
            (
                "tcp = [61613]",
                "a.toml:1: key \"tcp\": invalid value: the array contains a value that is not a string; expected [\"ADDR\", …]",
            ),
            (
                "\nws-path = [\"/a\"]",
                "a.toml:2: key \"ws-path\": invalid value of type array: expected a string, \"PATH\"",
            ),
            (
                "max-deliveries = 1.5",
                "a.toml:1: key \"max-deliveries\": invalid value of type float: expected a whole number",
            ),
            (
                "frame-bytes-max = true",
                "a.toml:1: key \"frame-bytes-max\": invalid value of type boolean: expected a string with a unit, such as \"2MiB\"",
            ),
            (
                "linger = 10:00:00",
                "a.toml:1: key \"linger\": invalid value of type date: expected a string with a unit, such as \"5s\"",
            ),
            (
                "allow-anonymous = \"true\"",
                "a.toml:1: key \"allow-anonymous\": invalid value of type string: expected true or false, without quotes",
            ),
            (
                "user = \"alice:secret\"",
                "a.toml:1: key \"user\": invalid value of type string: expected an array of strings, [\"NAME:PASSCODE\", …]",
            ),
            (
                "user = [\"alice:secret\", 7]",
                "a.toml:1: key \"user\": invalid value: the array contains a value that is not a string; expected [\"NAME:PASSCODE\", …]",
            ),
            (
                "[limits]\nframe-bytes-max = 1",
                "a.toml:1: key \"limits\": unknown section; expected options at the top level, without sections or dots",
            ),
        ] {
            let (_, config_errors) = parse("a.toml", text);
            assert_eq!(
                config_errors.iter().map(ConfigError::to_string).collect::<Vec<_>>(),
                [expected],
                "{text}"
            );
        }
    }

    #[test]
    fn malformed_toml_is_reported_with_its_line_and_without_secrets() {
        let (_, config_errors) = parse("a.toml", "tcp = \"off\"\nuser = [\"alice:secret]\nlinger = \n");
        assert!(!config_errors.is_empty());
        for error in &config_errors {
            let text = error.to_string();
            assert!(text.starts_with("a.toml:2: ") || text.starts_with("a.toml:3: "), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
        let (_, config_errors) = parse("a.toml", "tcp = \"off\"\ntcp = \"off\"\n");
        assert_eq!(config_errors.len(), 1);
        assert!(config_errors[0].to_string().starts_with("a.toml:2: duplicate key"), "{}", config_errors[0]);
    }

    #[test]
    fn all_errors_are_reported_in_the_order_of_lines() {
        let (entries, config_errors) = parse("a.toml", "zzz = 1\ntcp = \"off\"\nhttp = 1\naaa = 1\n");
        assert_eq!(entries.len(), 1);
        assert_eq!(
            config_errors.iter().map(|error| error.key.as_str()).collect::<Vec<_>>(),
            ["zzz", "http", "aaa"]
        );
    }

    #[test]
    fn missing_file_is_reported_with_its_path() {
        let error = read("/nonexistent/stompbox.toml").expect_err("no file");
        assert!(error.starts_with("cannot read /nonexistent/stompbox.toml: No such file"), "{error}");
    }
}
