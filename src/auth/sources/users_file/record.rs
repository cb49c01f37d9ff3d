//! The format of a users file. Pure, so that it can be tested without a file.
//!
//! ```text
//! # a comment; blank lines are ignored, too
//! NAME:HASH:ROLES
//! alice:$argon2id$v=19$m=19456,t=2,p=1$SALT$OUTPUT:service,admin
//! bob%3A%25:$argon2id$v=19$m=19456,t=2,p=1$SALT$OUTPUT
//! ```
//! In NAME, `%`, `:`, control characters and a leading `#` are percent-encoded. Commas separate ROLES. A line may leave
//! them out, with or without the colon before them.

use crate::auth::password::hash::Hash;
use std::collections::HashMap;
use std::fmt;
use std::fmt::Write;
use std::sync::Arc;

/// Maximum length of a name, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 1024;
/// Maximum length of a role, in bytes.
const ROLE_BYTES_MAX: usize = 64;
/// Character that some editors put at the beginning of a file.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A user, from one line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Line number, from 1.
    pub(crate) line: usize,
    pub(crate) name: Arc<str>,
    pub(crate) hash: Arc<Hash>,
    pub(crate) roles: Arc<[Box<str>]>,
}

/// The error of an invalid line. It shows no hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserRecordError {
    /// Line number, from 1.
    pub(crate) line: usize,
    /// What is wrong with the line, and what was expected.
    pub(crate) what: String,
}

impl fmt::Display for UserRecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.what)
    }
}

/// Parses all users of a file.
///
/// # Errors
/// The error describes the first invalid line.
pub(crate) fn parse(text: &str) -> Result<Vec<Record>, UserRecordError> {
    let mut records = Vec::new();
    let mut lines: HashMap<Arc<str>, usize> = HashMap::new();
    for (line, text) in text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text).lines().enumerate() {
        let line = line + 1;
        if text.starts_with('#') || text.trim().is_empty() {
            continue;
        }
        let record = record(line, text).map_err(|what| UserRecordError { line, what })?;
        if let Some(other) = lines.insert(record.name.clone(), line) {
            let what =
                format!("duplicate user {:?}, already in line {other}: expected each name once", record.name);
            return Err(UserRecordError { line, what });
        }
        records.push(record);
    }
    Ok(records)
}

fn record(line: usize, text: &str) -> Result<Record, String> {
    let mut fields = text.splitn(3, ':');
    let (Some(name), Some(hash)) = (fields.next(), fields.next()) else {
        return Err("invalid line: expected NAME:HASH or NAME:HASH:ROLES".to_owned());
    };
    let name = decode(name)?;
    let hash = Hash::parse(hash)?;
    let roles = roles(fields.next().unwrap_or_default().split(','))?;
    Ok(Record { line, name: name.into(), hash: Arc::new(hash), roles })
}

/// Parses roles. Drops empty roles and duplicates. Keeps the order.
pub(crate) fn roles<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Arc<[Box<str>]>, String> {
    let mut roles: Vec<Box<str>> = Vec::new();
    for role in texts.map(str::trim).filter(|role| !role.is_empty()) {
        let is_plain =
            !role.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, ':' | ','));
        if !is_plain || role.len() > ROLE_BYTES_MAX {
            return Err(format!(
                "invalid roles: expected roles of at most {ROLE_BYTES_MAX} bytes with commas between them. A role has \
                 no spaces, colons or control characters"
            ));
        }
        if !roles.iter().any(|other| **other == *role) {
            roles.push(role.into());
        }
    }
    Ok(roles.into())
}

/// Formats a record as a line, without the line ending.
pub(crate) fn line(name: &str, hash: &Hash, roles: &[Box<str>]) -> String {
    let mut line = format!("{}:{}", encode(name), hash.as_str());
    if !roles.is_empty() {
        let _ = write!(line, ":{}", roles.join(","));
    }
    line
}

/// Percent-encodes the characters of a name that have a meaning in the file.
pub(crate) fn encode(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for (at, c) in name.char_indices() {
        let is_special =
            matches!(c, '%' | ':') || c.is_control() || at == 0 && matches!(c, '#' | BYTE_ORDER_MARK);
        if is_special {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(text, "%{byte:02X}");
            }
        } else {
            text.push(c);
        }
    }
    text
}

fn decode(text: &str) -> Result<String, String> {
    const EXPECTED: &str = "invalid name: expected %25 in place of %, and %3A in place of :";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, remaining @ ..] = rest {
        rest = match (first, remaining) {
            (b'%', [high, low, remaining @ ..]) => {
                let digit =
                    |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                bytes.push(digit(high).zip(digit(low)).map(|(high, low)| high << 4 | low).ok_or(EXPECTED)?);
                remaining
            }
            (b'%', _) => return Err(EXPECTED.to_owned()),
            _ => {
                bytes.push(*first);
                remaining
            }
        };
    }
    let name = String::from_utf8(bytes).map_err(|_| EXPECTED)?;
    check_name(&name)?;
    Ok(name)
}

/// Checks that a user may have this name.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(format!("invalid name: expected 1 to {NAME_BYTES_MAX} bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HASH: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    #[test]
    fn users_are_parsed_and_comments_and_blank_lines_are_skipped() {
        let text = format!(
            "\u{feff}# users\n\nalice:{HASH}:service,admin\n  \r\nb%3Ab:{HASH}:\r\n%23x:{HASH}\n张三 /a:{HASH}: a , a,,b \n"
        );
        let records = parse(&text).expect("a file");
        let parsed: Vec<_> =
            records.iter().map(|record| (record.line, &*record.name, record.roles.join(" "))).collect();
        assert_eq!(
            parsed,
            [
                (3, "alice", "service admin".to_owned()),
                (5, "b:b", String::new()),
                (6, "#x", String::new()),
                (7, "张三 /a", "a b".to_owned())
            ]
        );
        assert_eq!(records[0].hash.as_str(), HASH);
        assert_eq!(parse(""), Ok(Vec::new()));
    }

    #[test]
    fn errors_name_the_line_and_do_not_contain_the_hash() {
        let long = "n".repeat(NAME_BYTES_MAX + 1);
        for (text, line, what) in [
            ("alice".to_owned(), 1, "invalid line: expected NAME:HASH or NAME:HASH:ROLES"),
            (format!("\n# a\n:{HASH}"), 3, "invalid name: expected 1 to 1024 bytes"),
            (format!("{long}:{HASH}"), 1, "invalid name: expected 1 to 1024 bytes"),
            (format!("a%:{HASH}"), 1, "invalid name: expected %25 in place of %"),
            (format!("a%2:{HASH}"), 1, "invalid name: expected %25 in place of %"),
            (format!("a%xx:{HASH}"), 1, "invalid name: expected %25 in place of %"),
            (format!("a%+1:{HASH}"), 1, "invalid name: expected %25 in place of %"),
            (format!("a%FF:{HASH}"), 1, "invalid name: expected %25 in place of %"),
            ("alice:sesame".to_owned(), 1, "invalid hash: expected an argon2id hash"),
            (
                "alice:$2y$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe".to_owned(),
                1,
                "stompbox passwd",
            ),
            (
                format!("alice:{HASH}:a b"),
                1,
                "invalid roles: expected roles of at most 64 bytes with commas between them",
            ),
            (
                format!("alice:{HASH}:a:b"),
                1,
                "invalid roles: expected roles of at most 64 bytes with commas between them",
            ),
            (
                format!("alice:{HASH}\nbob:{HASH}\n%61lice:{HASH}"),
                3,
                "duplicate user \"alice\", already in line 1",
            ),
        ] {
            let error = parse(&text).expect_err(&text);
            assert_eq!(error.line, line, "{text}: {error}");
            assert!(error.what.starts_with(what) || error.what.contains(what), "{text}: {error}");
            assert!(!error.what.contains("c29tZ") && !error.what.contains("sesame"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn written_records_are_parsed_unchanged(
            name in "\\PC{1,20}|[#%:\\x00-\\x20\u{feff}]{1,5}",
            roles in prop::collection::vec("[a-z]{1,5}", 0..3),
        ) {
            let hash = Hash::parse(HASH).expect("a hash");
            let roles = super::roles(roles.iter().map(String::as_str)).expect("roles");
            let text = line(&name, &hash, &roles);
            let records = parse(&text).expect("a file");
            prop_assert_eq!(records.len(), 1, "{}", text);
            prop_assert_eq!(&*records[0].name, &*name);
            prop_assert_eq!(&records[0].roles, &roles);
        }

        #[test]
        fn parsing_never_panics(text in "[%:,#a\\n$\\PC]*") {
            let _ = parse(&text);
        }
    }
}
