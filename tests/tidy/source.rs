//! The source files of the project. Determines which files contain only tests.

use crate::modules::Modules;
use crate::paths::{Named, paths};
use crate::tokens::{Token, mark_tests, tokens};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::Path;
use std::sync::LazyLock;

/// A source file, with its tokens and the paths that it names.
pub(crate) struct File {
    /// Path relative to the root of the project.
    pub(crate) path: String,
    pub(crate) lines: usize,
    pub(crate) tokens: Vec<Token>,
    pub(crate) paths: Vec<Named>,
    /// Whether the whole file exists only in tests and benchmarks.
    pub(crate) is_test: bool,
}

impl File {
    fn new(path: &str, text: &str) -> File {
        let mut tokens = tokens(text);
        mark_tests(&mut tokens);
        let paths = paths(&tokens);
        File { path: path.to_string(), lines: text.lines().count(), tokens, paths, is_test: false }
    }

    /// Returns the top-level module of `src` that the file belongs to, or `frames`.
    pub(crate) fn module(&self) -> &str {
        let Some(inside) = self.path.strip_prefix("src/") else { return "frames" };
        inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
    }

    /// Returns the depth of the file's module below the crate root. The depth of the root is 0.
    pub(crate) fn depth(&self) -> usize {
        let inside = self.path.split_once("src/").map_or("", |(_, inside)| inside);
        match inside {
            "lib.rs" | "main.rs" => 0,
            _ => inside.trim_end_matches("/mod.rs").split('/').count(),
        }
    }

    /// Returns the folder that the file is in.
    pub(crate) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Returns the paths that exist outside tests.
    pub(crate) fn shipped_paths(&self) -> impl Iterator<Item = &Named> {
        self.paths.iter().filter(|path| !path.test && !self.is_test)
    }

    /// Returns the lines of the items under `cfg(test)`.
    pub(crate) fn test_lines(&self) -> BTreeSet<usize> {
        let runs = self.tokens.chunk_by(|left, right| left.test == right.test).filter(|run| run[0].test);
        runs.flat_map(|run| run[0].line..=run[run.len() - 1].line).collect()
    }

    pub(crate) fn finding(&self, line: usize, rule: impl Display) -> String {
        format!("{}:{line}: {rule}", self.path)
    }
}

/// Source files and the tree of their modules.
pub(crate) struct Sources {
    pub(crate) files: Vec<File>,
    pub(crate) modules: Modules,
}

impl Sources {
    /// Returns all sources of the project.
    pub(crate) fn project() -> &'static Sources {
        static PROJECT: LazyLock<Sources> = LazyLock::new(Sources::read);
        &PROJECT
    }

    fn read() -> Sources {
        let files = read(&["src", "tests", "frames/src", "frames/tests", "frames/benches"]);
        let roots = manifest_roots();
        Sources::new(files, &roots)
    }

    /// Creates a project from texts. The tests of the rules use such examples.
    pub(crate) fn example<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Sources {
        Sources::new(files.into_iter().map(|(path, text)| File::new(path, text)).collect(), &[])
    }

    fn new(mut files: Vec<File>, more_roots: &[String]) -> Sources {
        let modules = Modules::new(&files, more_roots);
        for file in &mut files {
            file.is_test = is_below_tests(&file.path) || modules.is_test(&file.path);
        }
        Sources { files, modules }
    }

    /// Returns the files of `src` and `frames/src`.
    pub(crate) fn shipped(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.starts_with("src/") || file.path.starts_with("frames/src/"))
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

/// Returns whether a file is in a folder of tests or benchmarks.
fn is_below_tests(path: &str) -> bool {
    ["tests/", "frames/tests/", "frames/benches/"].iter().any(|folder| path.starts_with(folder))
}

pub(crate) fn project_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads the sources below these folders of the project. Skips missing folders.
fn read(folders: &[&str]) -> Vec<File> {
    let mut files = Vec::new();
    let mut todo: Vec<_> = folders.iter().map(|folder| project_root().join(folder)).collect();
    while let Some(folder) = todo.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.expect("a folder can be listed").path()) {
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

/// Returns the files that a `path` in a manifest makes crate roots.
fn manifest_roots() -> Vec<String> {
    let manifests = [("Cargo.toml", ""), ("frames/Cargo.toml", "frames/")];
    let roots = manifests.iter().flat_map(|(manifest, prefix)| {
        let text = std::fs::read_to_string(project_root().join(manifest)).expect("a manifest can be read");
        let paths: Vec<&str> = text.split('"').filter(|piece| piece.ends_with(".rs")).collect();
        paths.into_iter().map(|path| format!("{prefix}{path}")).collect::<Vec<_>>()
    });
    roots.collect()
}

#[test]
fn a_file_is_a_test_only_if_its_mod_is_under_cfg_test() {
    let sources = Sources::example([
        (
            "src/lib.rs",
            "mod tests; #[cfg(test)] mod model; mod queue; #[cfg(test)] mod a; #[cfg(not(test))] mod a;",
        ),
        ("src/tests.rs", "mod inner;"),
        ("src/tests/inner.rs", ""),
        ("src/model.rs", "mod steps;"),
        ("src/model/steps.rs", ""),
        ("src/queue.rs", "#[cfg(any(test, unix))] mod tests;"),
        ("src/queue/tests.rs", ""),
        ("src/a.rs", ""),
        ("src/nowhere/tests.rs", ""),
        ("tests/it/main.rs", "mod support;"),
        ("tests/it/support.rs", ""),
    ]);
    let tests = sources.files.iter().filter(|file| file.is_test).map(|file| file.path.as_str());
    assert_eq!(
        tests.collect::<Vec<_>>(),
        ["src/model.rs", "src/model/steps.rs", "tests/it/main.rs", "tests/it/support.rs"]
    );
}
