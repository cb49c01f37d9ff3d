//! Rules for pure modules, whose results depend only on arguments. They use no clock, socket, file, lock, random
//! number, task or log, and import only pure modules.

use crate::layout::{Allowance, Layout};
use crate::modules::expansions;
use crate::source::{File, Sources};

/// Consecutive segments of a path, or keywords, that pure modules must not use. `Instant` without `now` is allowed,
/// because time is an argument. `HashMap` and `HashSet` are allowed, too, but their order must not be observable.
const IMPURE: &[&[&str]] = &[
    &["Instant", "now"],
    &["SystemTime"],
    &["std", "*"],
    &["std", "env"],
    &["std", "fs"],
    &["std", "net"],
    &["std", "os"],
    &["std", "process"],
    &["std", "thread"],
    &["stdin"],
    &["stdout"],
    &["stderr"],
    &["TcpListener"],
    &["TcpStream"],
    &["UdpSocket"],
    &["sync", "atomic"],
    &["sync", "mpsc"],
    &["Condvar"],
    &["Mutex"],
    &["RwLock"],
    &["RandomState"],
    &["parking_lot"],
    &["dashmap"],
    &["futures_util"],
    &["getrandom"],
    &["hyper"],
    &["hyper_util"],
    &["rand"],
    &["rustix"],
    &["socket2"],
    &["tokio"],
    &["tokio_util"],
    &["tracing"],
    &["async"],
    &["await"],
];
/// Macros and methods that pure modules must not use. They are recognised by `!` after the name, or `.` before it.
const IMPURE_MACROS: &[&str] = &["dbg", "eprint", "eprintln", "print", "println"];
const IMPURE_METHODS: &[&str] = &["elapsed"];
/// Names for which pure modules must not introduce an alias, because another file could use the alias unnoticed.
const KEEP_NAMES: &[&str] = &["Instant", "std", "core"];

fn impurities(layout: &Layout, sources: &Sources) -> Vec<String> {
    let mut findings = Vec::new();
    for file in sources.shipped().filter(|file| !file.is_test && layout.is_pure(&file.path)) {
        for path in file.shipped_paths() {
            let meanings = expansions(file, path);
            let is_used = |what: &&&[&str]| meanings.iter().any(|path| path.contains(what));
            if let Some(what) = IMPURE.iter().find(is_used) {
                findings.push(file.finding(path.line, format!("`{}` in a pure module", what.join("::"))));
            }
            let last =
                path.segments.last().filter(|last| path.name.as_ref().is_some_and(|name| name != *last));
            if last.is_some_and(|last| KEEP_NAMES.contains(&last.as_str())) {
                findings.push(file.finding(path.line, "an alias for a clock or for std in a pure module"));
            }
        }
        findings.extend(impure_calls(file));
        findings.extend(impure_imports(layout, sources, file));
    }
    findings
}

fn impure_calls(file: &File) -> Vec<String> {
    let mut findings = Vec::new();
    for two in file.tokens.windows(2).filter(|two| !two[0].test) {
        let (first, second) = (two[0].text.as_str(), two[1].text.as_str());
        if second == "!" && IMPURE_MACROS.contains(&first) {
            findings.push(file.finding(two[0].line, format!("`{first}!` in a pure module")));
        }
        if first == "." && IMPURE_METHODS.contains(&second) {
            findings.push(file.finding(two[1].line, format!("`{second}` reads the clock in a pure module")));
        }
    }
    findings
}

/// Finds imports from files of the crate that are not pure, except the items that the table allows.
fn impure_imports(layout: &Layout, sources: &Sources, file: &File) -> Vec<String> {
    let mut findings = Vec::new();
    let longer = |path: &&crate::paths::Named| path.segments.len() > 1 || path.name.is_some();
    for path in file.shipped_paths().filter(longer) {
        let Some(used) = sources.modules.target(file, path) else { continue };
        let used = sources.modules.definition(sources, used);
        let item = used.item.join("::");
        // Importing a whole module is allowed, because its items are checked where they are used.
        let is_allowed = used.path == file.path
            || layout.is_pure(&used.path)
            || (item.is_empty() && path.name.is_some())
            || layout.allowances.iter().any(|allowance| allows(allowance, &used.module, &item));
        if !is_allowed {
            let used_path = [&used.module[1..], &used.item[..]].concat().join("::");
            findings.push(
                file.finding(path.line, format!("a pure module imports `{used_path}` of {}", used.path)),
            );
        }
    }
    findings
}

fn allows(allowance: &Allowance, module: &[String], item: &str) -> bool {
    let is_module = module.get(1).is_some_and(|top| top == allowance.module);
    is_module && allowance.items.contains(&item)
}

#[test]
fn pure_modules_use_no_clock_socket_file_lock_random_number_task_or_log() {
    crate::assert_none(&impurities(Layout::current(), Sources::project()));
}

#[test]
fn each_allowance_has_a_reason() {
    let allowances = [Layout::current(), &crate::layout::LAYOUT].map(|layout| layout.allowances);
    assert!(allowances.into_iter().flatten().all(|allowance| !allowance.reason.is_empty()));
}

fn assert_impurities(table: &[(&str, &str, &[usize])]) {
    for (path, text, lines) in table {
        let found = impurities(&crate::layout::LAYOUT, &Sources::example([(*path, *text)]));
        assert_eq!(crate::lines(&found), *lines, "{path}: {text}");
    }
}

#[test]
fn a_clock_socket_lock_or_task_in_a_pure_module_is_found() {
    assert_impurities(&[
        ("src/session/mod.rs", "use std::time::Instant; fn f(now: Instant) {}", &[]),
        ("src/session/mod.rs", "\nfn f() { Instant::now(); }", &[2]),
        ("src/session/timers.rs", "use std::{net::TcpStream, sync::{Arc, Mutex, OnceLock}};", &[1, 1]),
        ("src/destination.rs", "use parking_lot::RwLock;", &[1]),
        ("src/destination.rs", "async fn f() {}", &[1]),
        ("frames/src/message.rs", "use std::sync::OnceLock;", &[]),
        ("frames/src/message.rs", "fn f() { tracing::info!(\"x\"); }", &[1]),
        ("frames/src/message.rs", "#[cfg(test)] mod tests { fn f() { Instant::now(); } }", &[]),
        ("src/broker/mod.rs", "use std::sync::Mutex;", &[]),
        ("src/session_log.rs", "use std::sync::Mutex;", &[]),
        ("src/http/sockjs/session/lifecycle.rs", "use tokio::sync::mpsc;", &[1]),
        ("src/session/tests.rs", "use tokio::sync::mpsc;", &[1]),
    ]);
}

#[test]
fn a_file_thread_process_atomic_or_output_in_a_pure_module_is_found() {
    assert_impurities(&[
        ("src/session/mod.rs", "use std::{fs, env,\n thread,\n process::Command};", &[1, 1, 2, 3]),
        ("src/session/mod.rs", "use std::sync::atomic::AtomicBool;\nuse std::sync::Condvar;", &[1, 2]),
        ("src/session/mod.rs", "use std::hash::{DefaultHasher, RandomState};", &[1]),
        ("src/session/mod.rs", "use std::collections::HashMap; fn f() { HashMap::new() }", &[]),
        ("src/session/mod.rs", "fn f() {\n println!(\"x\");\n dbg!(1); }\nfn println() {}", &[2, 3]),
        ("src/session/mod.rs", "fn f(since: Instant) {\n since.elapsed(); }", &[2]),
        ("src/session/mod.rs", "#[cfg(test)] mod tests { fn f() { println!(\"x\"); } }", &[]),
        ("src/session/mod.rs", "fn f() { let _ = env!(\"CARGO_PKG_VERSION\"); }", &[]),
    ]);
}

#[test]
fn a_clock_under_another_name_in_a_pure_module_is_found() {
    assert_impurities(&[
        ("src/session/mod.rs", "use std::time::Instant as T;\nfn f() { T::now() }", &[1, 2]),
        ("src/session/mod.rs", "use std::time::{self as t};\nfn f() { t::Instant::now() }", &[2]),
        ("src/session/mod.rs", "type T = std::time::Instant;\ntype U = T;\nfn f() { U::now() }", &[1, 3]),
        ("src/session/mod.rs", "\nfn f() { <Instant>::now() }", &[2]),
        ("src/session/mod.rs", "use std::time::SystemTime as T;", &[1]),
        ("src/session/mod.rs", "use std as s;\nfn f() { s::fs::read(\"x\") }", &[1, 2]),
        ("src/session/mod.rs", "use std::time::{Duration as D, Instant}; fn f(now: Instant) {}", &[]),
    ]);
}

#[test]
fn an_import_of_an_impure_module_by_a_pure_module_is_found() {
    let found = |text| {
        let found = impurities(
            &crate::layout::LAYOUT,
            &Sources::example([
                (
                    "src/lib.rs",
                    "mod auth; mod destination; mod metrics; mod outbound_queue; mod session; mod work;",
                ),
                ("src/auth/mod.rs", "mod principal; pub use principal::Principal; pub struct Authenticator;"),
                ("src/auth/principal.rs", ""),
                ("src/destination/mod.rs", ""),
                ("src/metrics.rs", ""),
                ("src/outbound_queue.rs", ""),
                ("src/work.rs", ""),
                ("src/session/mod.rs", text),
            ]),
        );
        crate::lines(&found)
    };
    assert_eq!(found("use crate::destination::Destination;"), []);
    assert_eq!(found("use crate::auth::Principal;"), [], "its file is pure");
    assert_eq!(found("use crate::auth::Authenticator;"), [1]);
    assert_eq!(found("use crate::outbound_queue::{Key, Tag,\n OutboundQueue};"), [2]);
    assert_eq!(found("use crate::work;\nfn f() { work::add(1) }"), []);
    assert_eq!(found("use crate::work;\nfn f() { work::done() }"), [2]);
    assert_eq!(found("use crate::outbound_queue::Tag;\nfn f() { Tag::draw() }"), [2]);
    assert_eq!(found("use crate::metrics;\nfn f() { metrics::count() }"), [2]);
    assert_eq!(found("use crate::metrics::*;"), [1]);
    assert_eq!(found("fn f(x: &super::metrics::Metrics) {}"), [1]);
    assert_eq!(found("#[cfg(test)] mod tests { use crate::metrics::Metrics; }"), []);
}
