//! Rules about the source code that the compiler does not check: dependencies between modules, lengths of files and
//! functions, what pure modules must not use, and how tests may wait.
//!
//! Each rule is a function from files to findings. One test runs it over the sources, and another one shows on a small
//! example that it can fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::Path;

/// A module of `src` (or the crate `frames`), its layer, and the modules that it may import.
struct Module(&'static str, u8, &'static [&'static str]);

/// All modules; `store` and `cluster` are reserved. A module may import only those in its third column.
const MODULES: &[Module] = &[
    Module("frames", 0, &[]),
    Module("metrics", 0, &[]),
    Module("budget", 0, &[]),
    Module("work", 0, &[]),
    Module("destination", 1, &["frames", "metrics", "budget", "work"]),
    Module("outbound_queue", 1, &["frames", "metrics", "budget", "work"]),
    Module("users", 2, &["frames", "metrics", "budget", "work", "destination", "outbound_queue"]),
    Module("session", 3, TO_USERS),
    Module("broker", 3, TO_USERS),
    Module("store", 4, TO_BROKER),
    Module("cluster", 4, TO_BROKER),
    Module("transport", 5, TO_SESSION),
    Module("http", 6, TO_TRANSPORT),
    Module("bench", 7, &["frames"]),
    Module("config", 7, ALL),
    Module("cli", 7, ALL),
    Module("server", 7, ALL),
    Module("lib", 7, ALL),
    Module("main", 7, ALL),
];
const TO_USERS: &[&str] = &["frames", "metrics", "budget", "work", "destination", "outbound_queue", "users"];
const TO_BROKER: &[&str] =
    &["frames", "metrics", "budget", "work", "destination", "outbound_queue", "users", "broker"];
const TO_SESSION: &[&str] =
    &["frames", "metrics", "budget", "work", "destination", "outbound_queue", "users", "session", "broker"];
const TO_TRANSPORT: &[&str] = &[
    "frames",
    "metrics",
    "budget",
    "work",
    "destination",
    "outbound_queue",
    "users",
    "session",
    "broker",
    "store",
    "cluster",
    "transport",
];
#[rustfmt::skip]
const ALL: &[&str] = &[
    "frames", "metrics", "budget", "work", "destination", "outbound_queue", "users", "session", "broker", "store",
    "cluster", "transport", "http", "bench", "config", "cli", "server",
];

/// Modules and files that must not use clocks, sockets, locks, random numbers or tasks.
const PURE: &[&str] = &[
    "frames/src/",
    "src/session",
    "src/destination",
    "src/transport/sockjs/session.rs",
    "src/users/file/record.rs",
    "src/users/file/edit.rs",
    "src/users/permissions",
];
/// What pure modules must not use: consecutive segments of a path, or a keyword.
const IMPURE: &[&[&str]] = &[
    &["Instant", "now"],
    &["SystemTime"],
    &["std", "net"],
    &["tokio"],
    &["tokio_util"],
    &["futures_util"],
    &["hyper"],
    &["socket2"],
    &["Mutex"],
    &["RwLock"],
    &["parking_lot"],
    &["dashmap"],
    &["getrandom"],
    &["rand"],
    &["tracing"],
    &["async"],
    &["await"],
];

const FILE_LINES_MAX: usize = 400;
const TEST_FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
const DIRECTORIES: &[&str] = &["src", "frames", "tests", "web"];
/// File names that do not describe the contents.
const VAGUE_NAMES: &[&str] = &["utils.rs", "common.rs", "types.rs", "helpers.rs", "manager.rs"];

/// A source file, split into tokens.
struct File {
    path: String,
    lines: usize,
    tokens: Vec<Token>,
}

/// An identifier, a punctuation mark (`::` is one), or a literal (a string begins with `"` and has no closing quote).
#[derive(Clone, Debug, PartialEq)]
struct Token {
    text: String,
    line: usize,
    /// Whether the token is inside an item that exists only under `cfg(test)`.
    test: bool,
}

impl File {
    fn new(path: &str, text: &str) -> File {
        let mut tokens = tokens(text);
        mark_tests(&mut tokens);
        File { path: path.to_string(), lines: text.lines().count(), tokens }
    }

    /// Returns whether the whole file contains tests: a test target, or a module called `tests`.
    fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs" || part == "benches")
    }

    fn module(&self) -> &str {
        let Some(inside) = self.path.strip_prefix("src/") else { return "frames" };
        inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
    }

    /// Returns the number of modules between the crate root and the contents of this file.
    fn depth(&self) -> usize {
        let inside = self.path.split_once("src/").map_or("", |(_, inside)| inside);
        match inside {
            "lib.rs" | "main.rs" => 0,
            _ => inside.trim_end_matches("/mod.rs").split('/').count(),
        }
    }

    fn finding(&self, line: usize, rule: impl Display) -> String {
        format!("{}:{line}: {rule}", self.path)
    }
}

// ---- parsing of Rust ----

/// Splits Rust into tokens without comments.
fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let (mut out, mut at, mut line) = (Vec::new(), 0, 1);
    while at < bytes.len() {
        let end = token_end(bytes, at);
        let piece = &text[at..end];
        let text = match bytes[at] {
            byte if byte.is_ascii_whitespace() => None,
            b'/' if piece.len() > 1 => None,
            b'"' => Some(piece.trim_end_matches('"').to_string()),
            _ => Some(piece.to_string()),
        };
        out.extend(text.map(|text| Token { text, line, test: false }));
        line += piece.matches('\n').count();
        at = end;
    }
    out
}

/// Returns the end of the token, comment or space that begins at `at`.
fn token_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    match rest[0] {
        b'/' if rest.starts_with(b"//") => at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()),
        b'/' if rest.starts_with(b"/*") => at + block_comment(rest),
        b'"' => at + string(rest),
        b'\'' => at + quote(rest),
        b':' if rest.starts_with(b"::") => at + 2,
        byte if is_word(byte) => {
            let word = rest.iter().position(|b| !is_word(*b)).unwrap_or(rest.len());
            match (&rest[..word], rest.get(word)) {
                (b"r" | b"br" | b"cr", Some(b'"' | b'#')) => at + word + raw_string(&rest[word..]),
                (b"b" | b"c", Some(b'"')) => at + word + string(&rest[word..]),
                (b"b", Some(b'\'')) => at + word + quote(&rest[word..]),
                _ => at + word,
            }
        }
        _ => at + 1,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Returns the length of `#"…"#` after an `r`. Of an identifier such as `r#type`, only the `#` is taken.
fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest.iter().take_while(|b| **b == b'#').count();
    if rest.get(hashes) != Some(&b'"') {
        return hashes;
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let inside = &rest[hashes + 1..];
    let length = inside.windows(close.len()).position(|w| w == close).unwrap_or(inside.len() - close.len());
    hashes + 1 + length + close.len()
}

/// Returns the length of a character literal, or of the tick of a lifetime.
fn quote(rest: &[u8]) -> usize {
    match rest {
        [_, b'\\', ..] => 3 + rest[3.min(rest.len())..].iter().position(|b| *b == b'\'').unwrap_or(0) + 1,
        [_, first, ..] => {
            let width = std::str::from_utf8(&rest[1..rest.len().min(5)])
                .unwrap_or_else(|error| std::str::from_utf8(&rest[1..1 + error.valid_up_to()]).unwrap_or("?"))
                .chars()
                .next()
                .map_or(1, char::len_utf8);
            if *first != b'\'' && rest.get(1 + width) == Some(&b'\'') { width + 2 } else { 1 }
        }
        _ => 1,
    }
}

/// Marks the items under `#[cfg(test)]` (or `all(test, …)`, `any(test, …)`).
fn mark_tests(tokens: &mut [Token]) {
    let mut at = 0;
    while at < tokens.len() {
        let head: Vec<&str> = tokens[at..].iter().take(7).map(|token| token.text.as_str()).collect();
        let is_test = matches!(head.as_slice(), ["#", "[", "cfg", "(", "test", ..])
            || matches!(head.as_slice(), ["#", "[", "cfg", "(", "all" | "any", "(", "test"]);
        let end = if is_test { item_end(tokens, at) } else { at + 1 };
        tokens[at..end].iter_mut().for_each(|token| token.test |= is_test);
        at = end;
    }
}

/// Returns the end of the item that begins at `at`: after its `;` or its block.
fn item_end(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_i32;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    return index + 1;
                }
            }
            ";" if depth == 0 => return index + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// A path in the source. Groups such as `a::{b, c::d}` are expanded into several paths.
struct PathUse {
    segments: Vec<String>,
    line: usize,
    test: bool,
}

impl PathUse {
    fn contains(&self, part: &[&str]) -> bool {
        self.segments.windows(part.len()).any(|window| window == part)
    }
}

fn paths(tokens: &[Token]) -> Vec<PathUse> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        at = if is_segment(&tokens[at]) { path(tokens, at, &[], &mut out) } else { at + 1 };
    }
    out
}

fn is_segment(token: &Token) -> bool {
    token.text.bytes().next().is_some_and(is_word)
}

/// Parses one path and returns its end.
fn path(tokens: &[Token], mut at: usize, prefix: &[String], out: &mut Vec<PathUse>) -> usize {
    let mut segments = prefix.to_vec();
    let Token { line, test, .. } = tokens[at];
    while let Some(token) = tokens.get(at) {
        if token.text == "{" {
            return group(tokens, at + 1, &segments, out);
        }
        if !is_segment(token) && token.text != "*" {
            break;
        }
        segments.push(token.text.clone());
        at += 1;
        if tokens.get(at).is_none_or(|token| token.text != "::") {
            break;
        }
        at += 1;
    }
    out.push(PathUse { segments, line, test });
    at
}

fn group(tokens: &[Token], mut at: usize, prefix: &[String], out: &mut Vec<PathUse>) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "}" => return at + 1,
            "*" => at = path(tokens, at, prefix, out),
            // `as other_name`
            "as" => at += 2,
            _ if is_segment(token) => at = path(tokens, at, prefix, out),
            _ => at += 1,
        }
    }
    at
}

// ---- the rules ----

/// Finds imports of modules that the importing module's row in [`MODULES`] does not name.
fn layers(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.contains("src/") && !file.is_test()) {
        let Some(Module(module, _, may)) = MODULES.iter().find(|module| module.0 == file.module()) else {
            findings.push(
                file.finding(1, format!("`{}` is missing in the table of tests/tidy.rs", file.module())),
            );
            continue;
        };
        for path in paths(&file.tokens).iter().filter(|path| !path.test) {
            let Some(other) = imported_module(file, path) else { continue };
            let known = MODULES.iter().any(|module| module.0 == other);
            if other != *module && known && !may.contains(&other) {
                findings.push(file.finding(path.line, format!("`{module}` may not import `{other}`")));
            } else if !known && *module != "frames" && !["lib", "main"].contains(module) {
                let rule = format!(
                    "`crate::{other}` is not a module in the table of tests/tidy.rs: import from the module that defines it"
                );
                findings.push(file.finding(path.line, rule));
            }
        }
    }
    findings.dedup();
    findings
}

/// Returns the module that a path leads to, if it leaves the file's own module.
fn imported_module<'a>(file: &File, path: &'a PathUse) -> Option<&'a str> {
    let segment = |at: usize| path.segments.get(at).map(String::as_str);
    let in_frames = file.module() == "frames";
    match segment(0)? {
        "stompbox_frames" if !in_frames => Some("frames"),
        "stompbox" => segment(1),
        "crate" if !in_frames => segment(1),
        "super" if !in_frames => {
            let ups = path.segments.iter().take_while(|segment| *segment == "super").count();
            if ups >= file.depth() { segment(ups) } else { None }
        }
        _ => None,
    }
}

fn long_files(files: &[File]) -> Vec<String> {
    let check = |file: &File| {
        let tests: BTreeSet<usize> = test_lines(file);
        let (lines, lines_max) = match file.is_test() {
            true => (file.lines, TEST_FILE_LINES_MAX),
            false => (file.lines - tests.len(), FILE_LINES_MAX),
        };
        let rule = format!(
            "{lines} lines without tests; expected at most {lines_max}: split the file by its concepts"
        );
        (lines > lines_max).then(|| file.finding(1, rule))
    };
    files.iter().filter_map(check).collect()
}

/// Returns the lines of the items under `cfg(test)`.
fn test_lines(file: &File) -> BTreeSet<usize> {
    let runs = file.tokens.chunk_by(|left, right| left.test == right.test).filter(|run| run[0].test);
    runs.flat_map(|run| run[0].line..=run[run.len() - 1].line).collect()
}

fn long_functions(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        for (at, pair) in file.tokens.windows(2).enumerate() {
            if pair[0].text != "fn" || !is_segment(&pair[1]) {
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

/// Finds files that no `mod` reaches from one of the `roots`.
fn dead_files(files: &[File], roots: &[String]) -> Vec<String> {
    let by_path: BTreeMap<&str, &File> = files.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut reached = BTreeSet::new();
    let mut todo: Vec<String> = roots.to_vec();
    while let Some(path) = todo.pop() {
        let Some(file) = by_path.get(path.as_str()) else { continue };
        if reached.insert(path.clone()) {
            todo.extend(declared(file, roots.contains(&path)));
        }
    }
    let unreached = files.iter().filter(|file| !reached.contains(&file.path));
    unreached.map(|file| file.finding(1, "no `mod` declares this file: remove it or declare it")).collect()
}

/// Returns the possible paths of the files that the `mod name;` lines of a file declare.
fn declared(file: &File, is_root: bool) -> Vec<String> {
    let stem = file.path.trim_end_matches(".rs");
    let parent = file.path.rsplit_once('/').map_or("", |(parent, _)| parent);
    let directory = if is_root || stem.ends_with("/mod") { parent } else { stem };
    let names = file.tokens.windows(3).filter(|three| three[0].text == "mod" && three[2].text == ";");
    names
        .flat_map(|three| {
            let name = &three[1].text;
            [format!("{directory}/{name}.rs"), format!("{directory}/{name}/mod.rs")]
        })
        .collect()
}

fn impurities(files: &[File]) -> Vec<String> {
    let pure = |file: &&File| !file.is_test() && PURE.iter().any(|module| is_in(&file.path, module));
    let mut findings = Vec::new();
    for file in files.iter().filter(pure) {
        for path in paths(&file.tokens).iter().filter(|path| !path.test) {
            if let Some(impure) = IMPURE.iter().find(|impure| path.contains(impure)) {
                findings.push(file.finding(path.line, format!("`{}` in a pure module", impure.join("::"))));
            }
        }
    }
    findings
}

/// Returns whether a path is the module's file, or is in its directory.
fn is_in(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| {
        module.ends_with('/') || rest.is_empty() || rest == ".rs" || rest.starts_with('/')
    })
}

fn stray_directories(names: &[String]) -> Vec<String> {
    let stray = names
        .iter()
        .filter(|name| !name.starts_with('.') && *name != "target" && !DIRECTORIES.contains(&name.as_str()));
    stray
        .map(|name| format!("{name}:1: unexpected top-level directory; expected one of {DIRECTORIES:?}"))
        .collect()
}

fn vague_file_names(files: &[File]) -> Vec<String> {
    let vague =
        files.iter().filter(|file| VAGUE_NAMES.iter().any(|name| file.path.ends_with(&format!("/{name}"))));
    vague.map(|file| file.finding(1, "a file name must describe the contents")).collect()
}

/// Finds tests that sleep or are ignored, and code that is not implemented.
fn sleeps_and_skips(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        for path in paths(&file.tokens).iter().filter(|path| path.test || file.is_test()) {
            if path.contains(&["thread", "sleep"]) || path.contains(&["time", "sleep"]) {
                findings.push(file.finding(path.line, "a test must not sleep: wait for the event"));
            }
        }
        for pair in file.tokens.windows(3) {
            let [first, second, third] = [&pair[0].text, &pair[1].text, &pair[2].text].map(String::as_str);
            if (first, second, third) == ("#", "[", "ignore") {
                findings.push(file.finding(pair[0].line, "a test must not be ignored"));
            }
            if ["todo", "unimplemented"].contains(&first) && second == "!" {
                findings.push(file.finding(pair[0].line, "code must be implemented"));
            }
        }
    }
    findings
}

/// Deadlines that only guard against a hang.
const HANG_GUARDS: &[&str] = &["HANG_TIMEOUT", "within"];

/// Finds tests that assert an upper limit on elapsed time, which a busy machine exceeds.
fn elapsed_time_limits(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        for (at, token) in file.tokens.iter().enumerate().filter(|(_, token)| token.text == "<") {
            let text = |index: usize| file.tokens.get(index).map_or("", |token| token.text.as_str());
            let is_time = text(at.wrapping_sub(1)) == "took"
                || (text(at.wrapping_sub(1)), text(at.wrapping_sub(3))) == (")", "elapsed");
            // Back to the beginning of the statement.
            let statement = (0..at).rev().map(text).take_while(|text| ![";", "{", "}"].contains(text));
            let is_asserted = statement.into_iter().any(|text| text == "assert");
            let guards = (at..at + 6).any(|index| HANG_GUARDS.contains(&text(index)));
            if is_time && is_asserted && !guards {
                findings
                    .push(file.finding(token.line, "a test must not limit elapsed time: count work instead"));
            }
        }
    }
    findings
}

// ---- tests of the sources ----

fn project_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads all sources below some directories of the project; missing directories are skipped.
fn read(directories: &[&str]) -> Vec<File> {
    let mut files = Vec::new();
    let mut todo: Vec<_> = directories.iter().map(|directory| project_root().join(directory)).collect();
    while let Some(directory) = todo.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for path in entries.map(|entry| entry.expect("a directory can be listed").path()) {
            let name = path.file_name().and_then(|name| name.to_str()).expect("file names are UTF-8");
            if path.is_dir() && name != "node_modules" && !name.starts_with('.') {
                todo.push(path);
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path).expect("a source can be read");
                let path = path.strip_prefix(project_root()).expect("the path is below the project");
                files.push(File::new(path.to_str().expect("file names are UTF-8"), &text));
            }
        }
    }
    files.sort_by(|left, right| left.path.cmp(&right.path));
    files
}

fn sources() -> Vec<File> {
    read(&["src", "frames/src"])
}

fn everything() -> Vec<File> {
    read(&["src", "tests", "frames/src", "frames/tests", "frames/benches"])
}

/// Returns the files that are crate roots for Cargo, by their location or by a `path` in a manifest.
fn roots(files: &[File]) -> Vec<String> {
    let by_location = |path: &&String| {
        let parts: Vec<&str> = path.trim_start_matches("frames/").split('/').collect();
        matches!(
            parts.as_slice(),
            ["src", "lib.rs" | "main.rs"] | ["tests" | "benches", _] | ["tests" | "benches", _, "main.rs"]
        )
    };
    let manifests = [("Cargo.toml", ""), ("frames/Cargo.toml", "frames/")];
    let by_manifest = manifests.iter().flat_map(|(manifest, prefix)| {
        let text = std::fs::read_to_string(project_root().join(manifest)).expect("a manifest can be read");
        let paths: Vec<&str> = text.split('"').filter(|piece| piece.ends_with(".rs")).collect();
        paths.into_iter().map(|path| format!("{prefix}{path}")).collect::<Vec<_>>()
    });
    files.iter().map(|file| &file.path).filter(by_location).cloned().chain(by_manifest).collect()
}

#[track_caller]
fn assert_none(findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn modules_import_only_what_the_table_allows() {
    assert_none(layers(&sources()));
}

#[test]
fn the_module_table_allows_only_lower_layers() {
    let layer = |name: &str| MODULES.iter().find(|module| module.0 == name).map(|module| module.1);
    for Module(module, at, may) in MODULES.iter().filter(|module| module.1 < 7) {
        for other in *may {
            assert!(
                layer(other).is_some_and(|other| other < *at),
                "{module} may import {other}, which is not in a lower layer"
            );
        }
    }
}

#[test]
fn files_are_short() {
    assert_none(long_files(&everything()));
}

#[test]
fn functions_are_short() {
    assert_none(long_functions(&everything()));
}

#[test]
fn every_file_is_reached_by_a_mod() {
    let files = everything();
    assert_none(dead_files(&files, &roots(&files)));
}

#[test]
fn pure_modules_use_no_clock_socket_lock_random_number_or_task() {
    assert_none(impurities(&sources()));
}

#[test]
fn there_are_no_other_top_level_directories() {
    let entries = std::fs::read_dir(project_root()).expect("the project can be listed");
    let entries = entries.map(|entry| entry.expect("the project can be listed"));
    let names = entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name());
    assert_none(stray_directories(
        &names.map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>(),
    ));
}

#[test]
fn file_names_describe_their_contents() {
    assert_none(vague_file_names(&everything()));
}

#[test]
fn tests_do_not_sleep_and_are_not_ignored() {
    assert_none(sleeps_and_skips(&everything()));
}

#[test]
fn tests_do_not_measure_the_speed_of_the_machine() {
    assert_none(elapsed_time_limits(&everything()));
}

// ---- tests of the rules ----

/// Runs a rule over one file and returns the lines of its findings.
fn lines_found(rule: impl Fn(&[File]) -> Vec<String>, path: &str, text: &str) -> Vec<usize> {
    let findings = rule(&[File::new(path, text)]);
    findings
        .iter()
        .map(|finding| finding.split(':').nth(1).and_then(|line| line.parse().ok()).unwrap_or(0))
        .collect()
}

#[test]
fn an_import_of_a_higher_module_is_found() {
    let table: &[(&str, &str, &[usize])] = &[
        ("src/session/mod.rs", "use crate::users::Principal;\n", &[]),
        ("src/session/mod.rs", "\nuse crate::broker::Broker;\n", &[2]),
        ("src/session/state.rs", "use super::super::broker::Broker;\n", &[1]),
        ("src/session/state.rs", "use super::broker::Broker; // a part of the session\n", &[]),
        ("src/outbound_queue.rs", "use super::{budget::Budget,\n users::{Principal}};", &[2]),
        (
            "src/broker/mod.rs",
            "use crate::{\n outbound_queue::Key as K,\n session::{Session, Action}};",
            &[3],
        ),
        ("src/broker/mod.rs", "fn f() { let _ = \"crate::session\"; /* crate::session */ }", &[]),
        (
            "src/broker/mod.rs",
            "#[cfg(test)]\nmod tests { use crate::session::Session; }\nuse crate::http;",
            &[3],
        ),
        ("src/broker/tests/whole.rs", "use crate::session::Session;", &[]),
        ("src/http/mod.rs", "fn f(options: &crate::config::Config) {}", &[1]),
        ("src/http/mod.rs", "use crate::Config;", &[1]),
        ("src/http/mod.rs", "use crate::*;", &[1]),
        ("src/cli/mod.rs", "use crate::config::Config; use crate::http::serve;", &[]),
        ("src/main.rs", "use stompbox::cli;", &[]),
        ("src/metrics.rs", "use stompbox_frames::stomp::Frame;", &[1]),
        ("src/kitchen.rs", "", &[1]),
        ("frames/src/message.rs", "use crate::stomp::Headers; use stompbox::broker::Broker;", &[1]),
    ];
    for (path, text, lines) in table {
        assert_eq!(lines_found(layers, path, text), *lines, "{path}: {text}");
    }
}

#[test]
fn a_long_file_is_found_and_its_tests_do_not_count() {
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "// line\n".repeat(700));
    let long = "fn f() {}\n".repeat(FILE_LINES_MAX);
    assert_eq!(lines_found(long_files, "src/a.rs", &format!("{long}{tests}")), []);
    assert_eq!(lines_found(long_files, "src/a.rs", &format!("{long}fn g() {{}}\n{tests}")), [1]);
    assert_eq!(lines_found(long_files, "tests/it/a.rs", &format!("{long}{long}")), []);
    assert_eq!(lines_found(long_files, "tests/it/a.rs", &format!("{long}{long}\n")), [1]);
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

#[test]
fn a_file_without_a_mod_is_found() {
    let file = |path: &str, text: &str| File::new(path, text);
    let files = [
        file("src/lib.rs", "pub mod broker; mod outbound_queue;"),
        file("src/broker/mod.rs", "mod queue;"),
        file("src/broker/queue.rs", "#[cfg(test)] mod tests;"),
        file("src/broker/queue/tests.rs", ""),
        file("src/broker/subscriber_list.rs", ""),
        file("src/outbound_queue.rs", "// mod spare;"),
        file("src/spare.rs", ""),
        file("tests/it/main.rs", "mod support;"),
        file("tests/it/support/mod.rs", ""),
    ];
    let found = dead_files(&files, &["src/lib.rs".to_string(), "tests/it/main.rs".to_string()]);
    let paths: Vec<&str> = found.iter().filter_map(|finding| finding.split(':').next()).collect();
    assert_eq!(paths, ["src/broker/subscriber_list.rs", "src/spare.rs"]);
}

#[test]
fn a_clock_socket_lock_or_task_in_a_pure_module_is_found() {
    let table: &[(&str, &str, &[usize])] = &[
        ("src/session/mod.rs", "use std::time::Instant; fn f(now: Instant) {}", &[]),
        ("src/session/mod.rs", "\nfn f() { Instant::now(); }", &[2]),
        ("src/session/timers.rs", "use std::{net::TcpStream, sync::{Arc, Mutex, OnceLock}};", &[1, 1]),
        ("src/destination.rs", "use parking_lot::RwLock;", &[1]),
        ("src/destination.rs", "async fn f() {}", &[1]),
        ("frames/src/message.rs", "use std::sync::OnceLock;", &[]),
        ("frames/src/message.rs", "fn f() { tracing::info!(\"x\"); }", &[1]),
        ("frames/src/message.rs", "#[cfg(test)] mod tests { fn f() { Instant::now(); } }", &[]),
        ("src/broker/mod.rs", "use std::sync::Mutex;", &[]),
        ("src/transport/sockjs/session.rs", "use tokio::sync::mpsc;", &[1]),
    ];
    for (path, text, lines) in table {
        assert_eq!(lines_found(impurities, path, text), *lines, "{path}: {text}");
    }
}

#[test]
fn a_stray_directory_is_found() {
    let names = ["src", "frames", "tests", "web", "target", ".git", "examples"].map(String::from);
    assert_eq!(stray_directories(&names).len(), 1);
}

#[test]
fn a_vague_file_name_is_found() {
    let found = |path: &str| lines_found(vague_file_names, path, "").len();
    assert_eq!((found("src/broker/utils.rs"), found("src/broker/queue.rs")), (1, 0));
}

#[test]
fn sleeps_ignored_tests_and_unimplemented_code_are_found() {
    let sleep =
        "fn f() { std::thread::sleep(second); }\n#[tokio::test] async fn g() { time::sleep(second).await }";
    let table: &[(&str, &str, &[usize])] = &[
        ("tests/it/a.rs", sleep, &[1, 2]),
        ("src/a.rs", sleep, &[]),
        ("src/a.rs", "#[cfg(test)]\nmod tests { use tokio::time::sleep; }", &[2]),
        ("src/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}", &[2]),
        ("src/a.rs", "fn f() {\n todo!() }\nfn g() { unimplemented!(\"later\") }", &[2, 3]),
        ("src/a.rs", "fn f(todo: u8) { time::sleep_until(todo) }", &[]),
    ];
    for (path, text, lines) in table {
        assert_eq!(lines_found(sleeps_and_skips, path, text), *lines, "{path}: {text}");
    }
}

#[test]
fn an_upper_limit_on_elapsed_time_is_found() {
    for (text, lines) in [
        ("fn f() {\n assert!(started.elapsed() < Duration::from_secs(2), \"slow\"); }", &[2][..]),
        ("fn f() { assert!(took < DELAY * 4); }", &[1]),
        ("fn f() { assert!(took >= DELAY && took < 5 * DELAY); }", &[1]),
        ("fn f() { assert!(took > DELAY); if took < DELAY { act(); } }", &[]),
        ("fn f() { assert!(started.elapsed() < HANG_TIMEOUT); }", &[]),
        ("fn f() { assert!(started.elapsed() < crate::support::HANG_TIMEOUT); }", &[]),
        ("fn f() { while started.elapsed() < second { act(); } assert!(took >= second); }", &[]),
    ] {
        assert_eq!(lines_found(elapsed_time_limits, "tests/it/a.rs", text), lines, "{text}");
    }
}
