//! No file may import itself through other files. A reader can then learn the files one after another, beginning with
//! those that import no others.

use crate::source::Sources;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The imports of each file outside its tests: the imported files, and the names of the items imported from them.
pub(crate) type Imports<'a> = BTreeMap<&'a str, BTreeMap<String, BTreeSet<String>>>;

/// Returns the imports between the files of `src` and `frames/src`: each `use`, each path in the code, and each `mod`.
/// With a `mod`, a parent imports its child. An item that a module re-exports counts as imported from the file of this
/// module.
pub(crate) fn imports(sources: &Sources) -> Imports<'_> {
    let mut imports = Imports::new();
    for file in sources.shipped() {
        // Skips paths of one segment. They are local names, or the `use` that introduces them counts.
        let longer =
            |path: &&crate::paths::Named| path.segments.len() > 1 || path.name.is_some() || path.is_mod;
        for path in file.shipped_paths().filter(longer) {
            let Some(target) = sources.modules.target(file, path) else { continue };
            if target.path == file.path {
                continue;
            }
            let item = match target.item.first() {
                Some(item) => item.clone(),
                None => format!("mod {}", target.module[target.module.len() - 1]),
            };
            imports.entry(&file.path).or_default().entry(target.path).or_default().insert(item);
        }
    }
    imports
}

/// Finds the shortest cycle of imports through each file. Reports each cycle once, although the search from each of its
/// files finds it.
fn cycles(sources: &Sources) -> Vec<String> {
    let imports = imports(sources);
    let mut found = BTreeSet::new();
    for start in imports.keys() {
        let Some(mut cycle) = shortest_cycle(&imports, start) else { continue };
        let first = (0..cycle.len()).min_by_key(|at| cycle[*at]).unwrap_or(0);
        cycle.rotate_left(first);
        found.insert(cycle);
    }
    let mut findings: Vec<_> = found.iter().map(|cycle| (cycle.len(), describe(&imports, cycle))).collect();
    findings.sort();
    findings.into_iter().map(|(_, finding)| finding).collect()
}

/// Returns the files of the shortest cycle that begins at `start`.
fn shortest_cycle<'a>(imports: &'a Imports, start: &'a str) -> Option<Vec<&'a str>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut todo = VecDeque::from([start]);
    while let Some(file) = todo.pop_front() {
        for next in imports.get(file).into_iter().flat_map(BTreeMap::keys) {
            if next == start {
                let mut cycle = vec![file];
                while let Some(before) = came_from.get(cycle[cycle.len() - 1]) {
                    cycle.push(before);
                }
                cycle.reverse();
                return Some(cycle);
            }
            if !came_from.contains_key(next.as_str()) {
                came_from.insert(next, file);
                todo.push_back(next);
            }
        }
    }
    None
}

fn describe(imports: &Imports, cycle: &[&str]) -> String {
    let mut text = format!("import cycle: {}", cycle[0]);
    for (at, file) in cycle.iter().enumerate() {
        let next = cycle[(at + 1) % cycle.len()];
        let items: Vec<&str> = imports[file][next].iter().map(String::as_str).collect();
        let more = if items.len() > 3 { ", …" } else { "" };
        text += &format!(" -> {next} ({}{more})", items[..items.len().min(3)].join(", "));
    }
    text
}

#[test]
fn files_do_not_import_each_other_in_a_circle() {
    crate::assert_none(&cycles(Sources::project()));
}

#[test]
fn an_import_cycle_is_found() {
    let found = |files: &[(&'static str, &'static str)]| {
        let roots = [("src/lib.rs", "mod broker;"), ("frames/src/lib.rs", "mod message; mod stomp;")];
        cycles(&Sources::example(roots.into_iter().chain(files.iter().copied())))
    };
    let broker = |parent, queue, topic| {
        found(&[
            ("src/broker/mod.rs", parent),
            ("src/broker/queue.rs", queue),
            ("src/broker/topic.rs", topic),
        ])
    };
    // A child imports an item that its parent defines or re-exports: a cycle, because the parent imports its child.
    assert_eq!(
        broker("mod queue; struct Options;", "use super::Options;", ""),
        ["import cycle: src/broker/mod.rs -> src/broker/queue.rs (mod queue) -> src/broker/mod.rs (Options)"]
    );
    assert_eq!(broker("mod queue; mod topic; use topic::Topic;", "use super::Topic;", "").len(), 1);
    // A child imports a type from the file that defines it: no cycle.
    assert_eq!(
        broker("mod queue; mod topic; pub use topic::Topic;", "use super::topic::Topic;", ""),
        [""; 0]
    );
    assert_eq!(
        broker(
            "mod queue; mod topic;",
            "use super::topic::Topic;",
            "fn f(q: &crate::broker::queue::Queue) {}"
        ),
        ["import cycle: src/broker/queue.rs -> src/broker/topic.rs (Topic) -> src/broker/queue.rs (Queue)"]
    );
    // An alias for a module does not hide an import.
    assert_eq!(broker("mod queue; mod topic;", "use super as b; fn f() { b::topic::g() }", "").len(), 1);
    // Imports in tests do not count.
    assert_eq!(
        broker("mod queue; struct Options;", "#[cfg(test)] mod tests { use super::super::Options; }", ""),
        [""; 0]
    );
    assert_eq!(broker("#[cfg(test)] mod queue; struct Options;", "use super::Options;", ""), [""; 0]);
    // The path in a visibility, such as `pub(super)`, is no import.
    assert_eq!(broker("mod queue;", "pub(super) fn f() {} pub(in crate::broker) fn g() {}", ""), [""; 0]);
    assert_eq!(
        found(&[
            ("frames/src/message.rs", "use crate::stomp::Frame;"),
            ("frames/src/stomp.rs", "mod encode; use encode::Encoder;"),
            ("frames/src/stomp/encode.rs", "fn f() { crate::message::Message::new() }"),
        ]),
        ["import cycle: frames/src/message.rs -> frames/src/stomp.rs (Frame) -> frames/src/stomp/encode.rs \
             (Encoder, mod encode) -> frames/src/message.rs (Message)"]
    );
}
