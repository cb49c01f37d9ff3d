//! The table of options as Markdown for `web/docs/options.md`. A test also compares the table of extension headers in
//! `web/docs/compatibility.md`.

use super::row::{OptionRow, ValueKind};
use super::table;
use std::fmt::Write;

/// Returns the section about options as Markdown, with its heading.
pub fn markdown() -> String {
    let mut text = String::from(
        "## Options\n\n\
         You can set each option in three places:\n\n\
         - a flag: `--key VALUE`. For a true/false option write `--key` or `--key=false`.\n\
         - an environment variable: `STOMPBOX_KEY`, in upper case and with `_` for `-`.\n\
         - a TOML file: `key = …`. `--config FILE` or the variable `STOMPBOX_CONFIG` names the file.\n\n\
         Flags override the environment. The environment overrides the file. The file overrides the defaults. \
         `stompbox check-config` reports errors without starting the broker.\n\n\
         A size is a number of bytes or has a unit: `64KiB`, `2MiB`, `1GiB`. `KB`, `MB` and `GB` are powers of 1000. \
         A time has a unit: `500ms`, `10s`, `1m`, `2h`.\n",
    );
    for group in table::GROUPS {
        let _ = write!(text, "\n### {}\n\n| option | default | meaning |\n|---|---|---|\n", group.heading);
        for row in group.rows {
            let _ = writeln!(text, "{}", line(row));
        }
    }
    text
}

fn line(row: &OptionRow) -> String {
    let value = match row.kind {
        ValueKind::Switch => String::new(),
        _ => format!(" {}", row.value.replace('|', "\\|")),
    };
    let default = match row.kind {
        ValueKind::Secrets { .. } | ValueKind::List { .. } | ValueKind::Secret => "none".to_owned(),
        ValueKind::Text if row.default.is_empty() => "none".to_owned(),
        _ => format!("`{}`", row.default),
    };
    // An unescaped star would start emphasis in Markdown.
    let help = row.full_help().replace('*', "\\*");
    format!("| `{}{value}` | {default} | {help} |", row.key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::extensions;

    /// `UPDATE_DOCS=1 cargo test documentation` rewrites the sections.
    #[test]
    fn documentation_matches_the_tables_of_options_and_headers() {
        for (page, section) in
            [("options.md", markdown()), ("compatibility.md", extensions::reference::markdown())]
        {
            let path = format!("{}/web/docs/{page}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(&path).expect(page);
            let heading = &section[..=section.find('\n').expect("a heading")];
            let start = text.find(heading).expect("the section");
            let end = text[start + 1..].find("\n## ").map_or(text.len(), |end| start + 1 + end);
            let mut renewed = text.clone();
            renewed.replace_range(start..end, &section);
            if std::env::var_os("UPDATE_DOCS").is_some() {
                std::fs::write(&path, renewed).expect(page);
                continue;
            }
            assert!(text == renewed, "web/docs/{page}: run UPDATE_DOCS=1 cargo test documentation");
        }
    }
}
