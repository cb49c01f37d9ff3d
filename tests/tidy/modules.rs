//! The tree of modules that `mod name;` declares. Finds the file to which a path leads.

use crate::paths::Named;
use crate::source::{File, Sources};
use std::collections::BTreeMap;

/// The path of a module. The first segment stands for the crate: `stompbox`, `frames`, or the file path of another
/// crate root.
type ModulePath = Vec<String>;

/// All modules that can be reached through `mod` declarations from the crate roots.
pub(crate) struct Modules {
    files: BTreeMap<ModulePath, String>,
    /// The modules of files that can be reached without a `mod` in a test. `tests` has the modules of all other files.
    shipped: BTreeMap<String, ModulePath>,
    tests: BTreeMap<String, ModulePath>,
}

/// The file and module to which a path leads, and the item that it names in this module. For a path that names the
/// module itself, the item is empty.
#[derive(Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) module: ModulePath,
    pub(crate) path: String,
    pub(crate) item: Vec<String>,
}

impl Modules {
    pub(crate) fn new(files: &[File], more_roots: &[String]) -> Modules {
        let by_path: BTreeMap<&str, &File> = files.iter().map(|file| (file.path.as_str(), file)).collect();
        let mut modules =
            Modules { files: BTreeMap::new(), shipped: BTreeMap::new(), tests: BTreeMap::new() };
        let roots = files.iter().map(|file| &file.path);
        let roots = roots.filter(|path| is_root_by_place(path) || more_roots.contains(path));
        let mut shipped: Vec<(ModulePath, String)> =
            roots.map(|path| (vec![crate_name(path)], path.clone())).collect();
        let mut tests = Vec::new();
        // Visits all other code before tests, so that a file that both use does not count as a test.
        while let Some((module, path, is_test)) = next(&mut shipped, &mut tests) {
            let Some(file) = by_path.get(path.as_str()) else { continue };
            if modules.shipped.contains_key(&path) || modules.tests.contains_key(&path) {
                continue;
            }
            for declared in file.paths.iter().filter(|named| named.is_mod) {
                let child: ModulePath =
                    module.iter().chain(&declared.inline).chain(&declared.segments).cloned().collect();
                let todo = if is_test || declared.test { &mut tests } else { &mut shipped };
                let files = file_names(&path, module.len() == 1, declared);
                todo.extend(files.into_iter().map(|file| (child.clone(), file)));
            }
            let visited = if is_test { &mut modules.tests } else { &mut modules.shipped };
            visited.insert(path.clone(), module.clone());
            modules.files.insert(module, path);
        }
        modules
    }

    pub(crate) fn is_test(&self, path: &str) -> bool {
        self.tests.contains_key(path)
    }

    fn is_reached(&self, path: &str) -> bool {
        self.shipped.contains_key(path) || self.tests.contains_key(path)
    }

    fn of_file(&self, path: &str) -> Option<&ModulePath> {
        self.shipped.get(path).or_else(|| self.tests.get(path))
    }

    /// Returns the file to which a path in `file` leads: the file of the deepest module in the path. Resolves the names
    /// that `use` gives to modules. Returns `None` for paths into other crates and for local names.
    pub(crate) fn target(&self, file: &File, named: &Named) -> Option<Target> {
        expansions(file, named).iter().find_map(|named| self.direct_target(file, named))
    }

    fn direct_target(&self, file: &File, named: &Named) -> Option<Target> {
        let own = self.of_file(&file.path)?;
        let here: ModulePath = own.iter().chain(&named.inline).cloned().collect();
        let first = named.segments.first()?;
        let (mut module, mut rest) = match first.as_str() {
            "crate" => (own[..1].to_vec(), &named.segments[1..]),
            "stompbox" => (vec!["stompbox".to_string()], &named.segments[1..]),
            "stompbox_frames" => (vec!["frames".to_string()], &named.segments[1..]),
            "self" | "super" => {
                let words =
                    named.segments.iter().take_while(|segment| ["self", "super"].contains(&&***segment));
                let ups = words.clone().filter(|word| *word == "super").count();
                (here[..here.len().saturating_sub(ups).max(1)].to_vec(), &named.segments[words.count()..])
            }
            _ if self.files.contains_key(&child(&here, first)) => (here, &named.segments[..]),
            _ => return None,
        };
        while let [segment, after @ ..] = rest {
            // Outside `use`, the last segment is a function or a type, even if a module has the same name.
            let is_item = after.is_empty() && named.name.is_none() && !named.is_mod;
            if is_item || !self.files.contains_key(&child(&module, segment)) {
                break;
            }
            (module, rest) = (child(&module, segment), after);
        }
        // An inline module (`mod name { … }`) is a part of its file.
        while !self.files.contains_key(&module) {
            module.pop()?;
        }
        let path = self.files[&module].clone();
        Some(Target { module, path, item: rest.to_vec() })
    }

    /// Returns the file that defines an item. Follows the `use` declarations that re-export the item.
    pub(crate) fn definition(&self, sources: &Sources, mut target: Target) -> Target {
        for _ in 0..8 {
            let Some(file) = sources.file(&target.path) else { break };
            let Some(item) = target.item.first() else { break };
            let is_import = |path: &&Named| path.name.as_ref() == Some(item) && path.segments.len() > 1;
            let Some(import) = file.shipped_paths().find(is_import) else { break };
            let Some(mut next) = self.target(file, import) else { break };
            next.item.extend(target.item.drain(1..));
            if next.path == target.path {
                break;
            }
            target = next;
        }
        target
    }
}

/// Returns a path and its expansions. An expansion replaces the first segment by the path for which a `use` or a `type`
/// introduces this name. The next expansion is made from the previous one.
pub(crate) fn expansions(file: &File, named: &Named) -> Vec<Named> {
    let mut found = vec![named.clone()];
    // Stops after eight paths, because names in different functions can refer to each other in a circle.
    while let (Some(next), true) = (expand(file, &found[found.len() - 1]), found.len() < 8) {
        found.push(next);
    }
    found
}

fn expand(file: &File, named: &Named) -> Option<Named> {
    let first = named.segments.first()?;
    let mut names = file.paths.iter().filter(|path| path.name.as_ref() == Some(first));
    // Skips `use first::first`, which would replace the name by itself. Outside tests, also skips the imports of
    // tests.
    let import = names.find(|path| path.segments[0] != *first && (named.test || !path.test))?;
    let segments = [&import.segments[..], &named.segments[1..]].concat();
    Some(Named { segments, inline: import.inline.clone(), ..named.clone() })
}

fn child(module: &[String], name: &str) -> ModulePath {
    module.iter().cloned().chain([name.to_string()]).collect()
}

type Todo = Vec<(ModulePath, String)>;

fn next(shipped: &mut Todo, tests: &mut Todo) -> Option<(ModulePath, String, bool)> {
    let next = shipped.pop().map(|(module, path)| (module, path, false));
    next.or_else(|| tests.pop().map(|(module, path)| (module, path, true)))
}

/// Returns the two files that a `mod name;` may declare.
fn file_names(path: &str, is_root: bool, declared: &Named) -> [String; 2] {
    let stem = path.trim_end_matches(".rs");
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    let home = if is_root || stem.ends_with("/mod") { parent } else { stem };
    let place: Vec<&str> = [home].into_iter().chain(declared.inline.iter().map(String::as_str)).collect();
    let (place, name) = (place.join("/"), declared.segments.concat());
    [format!("{place}/{name}.rs"), format!("{place}/{name}/mod.rs")]
}

/// Returns whether Cargo treats a file as a crate root because of its folder and name.
fn is_root_by_place(path: &str) -> bool {
    let parts: Vec<&str> = path.trim_start_matches("frames/").split('/').collect();
    matches!(
        parts.as_slice(),
        ["src", "lib.rs" | "main.rs"] | ["tests" | "benches", _] | ["tests" | "benches", _, "main.rs"]
    )
}

fn crate_name(root: &str) -> String {
    match root {
        "src/lib.rs" => "stompbox".to_string(),
        "frames/src/lib.rs" => "frames".to_string(),
        _ => root.to_string(),
    }
}

/// Finds files that no `mod` declarations reach from a crate root.
fn dead_files(sources: &Sources) -> Vec<String> {
    let dead = sources.files.iter().filter(|file| !sources.modules.is_reached(&file.path));
    dead.map(|file| file.finding(1, "no `mod` declares this file, so it is dead code")).collect()
}

/// Finds `mod` declarations with a `path` attribute outside `tests`. These checks find the file of a module only by its
/// name.
fn renamed_files(sources: &Sources) -> Vec<String> {
    let mut findings = Vec::new();
    for file in sources.shipped() {
        for three in file.tokens.windows(3) {
            if (&*three[0].text, &*three[1].text, &*three[2].text) == ("#", "[", "path") {
                findings.push(file.finding(three[0].line, "a module must be in the file of its name"));
            }
        }
    }
    findings
}

#[test]
fn every_file_is_reached_by_a_mod() {
    crate::assert_none(&dead_files(Sources::project()));
}

#[test]
fn every_module_is_in_the_file_of_its_name() {
    crate::assert_none(&renamed_files(Sources::project()));
}

#[test]
fn a_file_without_a_mod_is_found() {
    let sources = Sources::example([
        ("src/lib.rs", "pub mod broker; mod outbound_queue;"),
        ("src/broker/mod.rs", "mod queue;"),
        ("src/broker/queue.rs", "#[cfg(test)] mod tests;"),
        ("src/broker/queue/tests.rs", ""),
        ("src/broker/subscriber_list.rs", ""),
        ("src/outbound_queue.rs", "// mod spare;"),
        ("src/spare.rs", ""),
        ("tests/it/main.rs", "mod support;"),
        ("tests/it/support/mod.rs", ""),
    ]);
    let found = dead_files(&sources);
    let paths: Vec<&str> = found.iter().filter_map(|finding| finding.split(':').next()).collect();
    assert_eq!(paths, ["src/broker/subscriber_list.rs", "src/spare.rs"]);
}

#[test]
fn a_module_in_a_file_of_another_name_is_found() {
    let lines = |text| crate::lines(&renamed_files(&Sources::example([("src/lib.rs", text)])));
    assert_eq!(lines("mod a;\n#[path = \"b.rs\"] mod c;"), [2]);
    assert_eq!(lines("mod a;\n#[doc = \"path\"] mod c;"), []);
}

#[test]
fn a_path_leads_to_the_file_of_its_deepest_module() {
    let sources = Sources::example([
        ("src/lib.rs", "mod broker; mod session;"),
        ("src/broker/mod.rs", "mod queue; pub use queue::Queue;"),
        ("src/broker/queue.rs", ""),
        ("src/session.rs", "use crate::broker::{self, queue as q}; mod m { use super::super::broker::X; }"),
    ]);
    let target = |from: &str, path: &str| {
        let tokens = crate::tokens::tokens(path);
        let named = crate::paths::paths(&tokens).remove(0);
        let file = sources.file(from).expect("the file is in the example");
        let target = sources.modules.target(file, &named)?;
        let defined = sources.modules.definition(&sources, target);
        Some(format!("{} {}", defined.path, defined.item.join("::")))
    };
    let queue = Some("src/broker/queue.rs Queue::new".to_string());
    assert_eq!(target("src/session.rs", "crate::broker::queue::Queue::new"), queue);
    assert_eq!(target("src/session.rs", "super::broker::Queue::new"), queue);
    assert_eq!(target("src/session.rs", "broker::queue::Queue::new"), queue);
    assert_eq!(target("src/session.rs", "q::Queue::new"), queue);
    assert_eq!(target("src/broker/mod.rs", "self::Queue::new"), queue);
    assert_eq!(target("src/lib.rs", "use broker::queue"), Some("src/broker/queue.rs ".to_string()));
    assert_eq!(target("src/lib.rs", "broker::queue"), Some("src/broker/mod.rs queue".to_string()));
    assert_eq!(target("src/session.rs", "std::sync::Arc"), None);
    assert_eq!(target("src/broker/queue.rs", "broker::Broker"), None);
}
