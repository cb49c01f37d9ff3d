//! Rules for folders. A folder has few files. File names describe the contents. There are no other top-level folders.

use crate::layout::Layout;
use crate::source::{Sources, project_root};
use std::collections::BTreeMap;

const FILES_MAX: usize = 16;
const TEST_FILES_MAX: usize = 20;
const TOP_LEVEL: &[&str] = &["src", "frames", "tests", "web"];
/// File names that do not describe the contents.
const VAGUE_NAMES: &[&str] = &["utils.rs", "common.rs", "types.rs", "helpers.rs", "manager.rs"];

/// Finds folders that directly contain too many `.rs` files, and unnecessary rows in the table of large folders.
fn oversized_folders(layout: &Layout, sources: &Sources) -> Vec<String> {
    let mut folders: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for file in &sources.files {
        let (files, files_max) = folders.entry(file.folder()).or_insert((0, TEST_FILES_MAX));
        *files += 1;
        if !file.is_test {
            *files_max = FILES_MAX;
        }
    }
    let mut findings = Vec::new();
    for (folder, (files, files_max)) in &folders {
        let row = layout.large_folders.iter().find(|row| row.0 == *folder);
        let files_max_here = row.map_or(*files_max, |row| row.1);
        if *files > files_max_here {
            findings.push(format!(
                "{folder}:1: {files} files; expected at most {files_max_here}. Make folders by concept"
            ));
        } else if row.is_some() && files <= files_max {
            findings.push(format!(
                "{folder}:1: this folder is no longer large. Remove it from tests/tidy/layout.rs"
            ));
        }
    }
    let gone = layout.large_folders.iter().filter(|row| !folders.contains_key(row.0));
    findings.extend(
        gone.map(|row| {
            format!("{}:1: this folder does not exist. Remove it from tests/tidy/layout.rs", row.0)
        }),
    );
    findings
}

fn stray_folders(names: &[String]) -> Vec<String> {
    let stray = names
        .iter()
        .filter(|name| !name.starts_with('.') && *name != "target" && !TOP_LEVEL.contains(&name.as_str()));
    stray
        .map(|name| format!("{name}:1: unexpected top-level folder; expected one of {TOP_LEVEL:?}"))
        .collect()
}

fn vague_file_names(sources: &Sources) -> Vec<String> {
    let is_vague = |path: &str| VAGUE_NAMES.iter().any(|name| path.ends_with(&format!("/{name}")));
    let vague = sources.files.iter().filter(|file| is_vague(&file.path));
    vague.map(|file| file.finding(1, "a file name must describe the contents")).collect()
}

#[test]
fn folders_have_few_files() {
    crate::assert_none(&oversized_folders(Layout::current(), Sources::project()));
}

#[test]
fn there_are_no_other_top_level_folders() {
    let entries = std::fs::read_dir(project_root()).expect("the project can be listed");
    let entries = entries.map(|entry| entry.expect("the project can be listed"));
    let names = entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name());
    let names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    crate::assert_none(&stray_folders(&names));
}

#[test]
fn file_names_describe_their_contents() {
    crate::assert_none(&vague_file_names(Sources::project()));
}

#[test]
fn a_large_folder_is_found() {
    let found = |folder: &str, files: usize, large_folders| {
        let layout = Layout { large_folders, ..crate::layout::LAYOUT };
        let paths: Vec<String> = (0..files).map(|file| format!("{folder}/f{file}.rs")).collect();
        let sources = Sources::example(paths.iter().map(|path| (path.as_str(), "")));
        oversized_folders(&layout, &sources).len()
    };
    assert_eq!(found("src/broker", FILES_MAX, &[]), 0);
    assert_eq!(found("src/broker", FILES_MAX + 1, &[]), 1);
    assert_eq!(found("frames/src/stomp", FILES_MAX + 1, &[]), 1);
    assert_eq!(found("tests/it", TEST_FILES_MAX, &[]), 0);
    assert_eq!(found("tests/it", TEST_FILES_MAX + 1, &[]), 1);
    assert_eq!(found("src/broker", FILES_MAX + 2, &[("src/broker", FILES_MAX + 2)]), 0);
    assert_eq!(found("src/broker", FILES_MAX + 3, &[("src/broker", FILES_MAX + 2)]), 1);
    assert_eq!(
        found("src/broker", FILES_MAX, &[("src/broker", FILES_MAX + 2)]),
        1,
        "a row that is not needed"
    );
    assert_eq!(found("src/broker", FILES_MAX, &[("src/users", FILES_MAX + 2)]), 1, "a folder that is gone");
}

#[test]
fn a_stray_folder_is_found() {
    let names = ["src", "frames", "tests", "web", "target", ".git", "examples"].map(String::from);
    assert_eq!(stray_folders(&names).len(), 1);
}

#[test]
fn a_vague_file_name_is_found() {
    let found = |path: &str| vague_file_names(&Sources::example([(path, "")])).len();
    assert_eq!((found("src/broker/utils.rs"), found("src/broker/queue.rs")), (1, 0));
}
