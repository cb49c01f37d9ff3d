//! Limits for the lengths of files and functions.

use crate::source::{File, Sources};
use crate::tokens::item_end;

/// Maximum number of lines of a file, without its `#[cfg(test)]` items.
const SHIPPED_LINES_MAX: usize = 400;
/// Maximum number of lines of a file, with its tests.
const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

fn long_files(sources: &Sources) -> Vec<String> {
    let judge = |file: &File| {
        let shipped = if file.is_test { 0 } else { file.lines - file.test_lines().len() };
        let rule = if shipped > SHIPPED_LINES_MAX {
            format!(
                "{shipped} lines without tests; expected at most {SHIPPED_LINES_MAX}. Split the file by concept"
            )
        } else if file.lines > FILE_LINES_MAX && file.is_test {
            format!("{} lines; expected at most {FILE_LINES_MAX}. Split the tests by subject", file.lines)
        } else if file.lines > FILE_LINES_MAX {
            format!("{} lines; expected at most {FILE_LINES_MAX}. Move the tests to a file", file.lines)
        } else {
            return None;
        };
        Some(file.finding(1, rule))
    };
    sources.files.iter().filter_map(judge).collect()
}

fn long_functions(sources: &Sources) -> Vec<String> {
    let mut findings = Vec::new();
    for file in &sources.files {
        for (at, pair) in file.tokens.windows(2).enumerate() {
            if pair[0].text != "fn" || !pair[1].is_word() {
                continue;
            }
            let end = item_end(&file.tokens, at);
            let lines = file.tokens[end - 1].line + 1 - pair[0].line;
            if lines > FUNCTION_LINES_MAX {
                let rule =
                    format!("`{}` has {lines} lines; expected at most {FUNCTION_LINES_MAX}", pair[1].text);
                findings.push(file.finding(pair[0].line, rule));
            }
        }
    }
    findings
}

#[test]
fn files_are_short() {
    crate::assert_none(&long_files(Sources::project()));
}

#[test]
fn functions_are_short() {
    crate::assert_none(&long_functions(Sources::project()));
}

fn lines_found(rule: fn(&Sources) -> Vec<String>, path: &str, text: &str) -> Vec<usize> {
    crate::lines(&rule(&Sources::example([(path, text)])))
}

#[test]
fn a_long_file_is_found_and_its_tests_count_less() {
    let tests = |lines| format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "// line\n".repeat(lines - 3));
    let code = |lines| "fn f() {}\n".repeat(lines);
    let found = |path, text: String| lines_found(long_files, path, &text);
    let rest = FILE_LINES_MAX - SHIPPED_LINES_MAX;
    assert_eq!(found("src/a.rs", code(SHIPPED_LINES_MAX) + &tests(rest)), []);
    assert_eq!(found("src/a.rs", code(SHIPPED_LINES_MAX) + &tests(rest + 1)), [1]);
    assert_eq!(found("src/a.rs", code(SHIPPED_LINES_MAX + 1) + &tests(10)), [1]);
    assert_eq!(found("src/a.rs", code(1) + &tests(FILE_LINES_MAX)), [1]);
    assert_eq!(found("tests/it/a.rs", code(FILE_LINES_MAX)), []);
    assert_eq!(found("tests/it/a.rs", code(FILE_LINES_MAX + 1)), [1]);
}

#[test]
fn a_long_file_of_tests_is_found() {
    let found = |declaration, lines| {
        let text = "fn f() {}\n".repeat(lines);
        let files = [("src/lib.rs", declaration), ("src/tests.rs", text.as_str())];
        crate::lines(&long_files(&Sources::example(files)))
    };
    assert_eq!(found("#[cfg(test)] mod tests;", FILE_LINES_MAX), []);
    assert_eq!(found("#[cfg(test)] mod tests;", FILE_LINES_MAX + 1), [1]);
    assert_eq!(found("mod tests;", SHIPPED_LINES_MAX + 1), [1]);
}

#[test]
fn a_long_function_is_found() {
    let function = |lines: usize| format!("\nfn f() {{\n{}}}\nfn g() {{}}\n", "    g();\n".repeat(lines - 2));
    assert_eq!(lines_found(long_functions, "src/a.rs", &function(FUNCTION_LINES_MAX)), []);
    assert_eq!(lines_found(long_functions, "src/a.rs", &function(FUNCTION_LINES_MAX + 1)), [2]);
    let decoys = "fn f<'a>(x: &'a str, y: [u8; 3]) -> char { let _ = ('{', '\\'', b'{', r#\"{\"#, \"{\\\"{\"); 'x' }\n";
    let text = format!("{decoys}{}", "const A: fn() = g;\n".repeat(FUNCTION_LINES_MAX));
    assert_eq!(lines_found(long_functions, "src/a.rs", &text), []);
}
