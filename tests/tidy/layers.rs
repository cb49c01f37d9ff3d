//! Rules for imports between the modules of `src`. The tables are in `layout.rs`.

use crate::layout::{Layout, Module};
use crate::paths::Named;
use crate::source::{File, Sources};

/// Finds imports that the table does not allow, according to the row of the importing module.
fn layers(layout: &Layout, sources: &Sources) -> Vec<String> {
    let mut findings = Vec::new();
    for file in sources.shipped() {
        let Some(module) = layout.module(file.module()) else {
            findings.push(file.finding(1, format!("`{}` is missing in tests/tidy/layout.rs", file.module())));
            continue;
        };
        for path in file.shipped_paths() {
            if path.name.is_some() && path.segments.iter().all(|segment| is_upward(segment)) {
                findings.push(file.finding(path.line, "an alias for a parent module hides imports"));
            }
            let Some(other) = reached(file, path) else { continue };
            let rule = match layout.module(other) {
                Some(known) if known.name == module.name || module.may_import(known) => continue,
                Some(_) => format!("`{}` may not import `{other}`", module.name),
                None if ["frames", "lib", "main"].contains(&module.name) => continue,
                None => {
                    format!("`crate::{other}` is not a module. Import from the module that owns the item")
                }
            };
            findings.push(file.finding(path.line, rule));
        }
    }
    findings.dedup();
    findings
}

fn is_upward(segment: &str) -> bool {
    ["crate", "super", "self", "stompbox"].contains(&segment)
}

/// Returns the top-level module that a path leads to. Returns `None` if the path stays in the file's own top-level
/// module, or leads to another crate.
fn reached<'a>(file: &File, path: &'a Named) -> Option<&'a str> {
    let segment = |at: usize| path.segments.get(at).map(String::as_str);
    let in_frames = file.module() == "frames";
    match segment(0)? {
        "stompbox_frames" if !in_frames => Some("frames"),
        "stompbox" => segment(1),
        "crate" if !in_frames => segment(1),
        "self" | "super" if !in_frames => {
            let words = path.segments.iter().take_while(|segment| ["self", "super"].contains(&&***segment));
            let ups = words.clone().filter(|word| *word == "super").count();
            if ups > 0 && ups >= file.depth() + path.inline.len() { segment(words.count()) } else { None }
        }
        _ => None,
    }
}

/// Finds rows of the table that allow imports from a higher layer, or in both directions between two modules.
fn upward_rows(modules: &[Module]) -> Vec<String> {
    let mut findings = Vec::new();
    for (at, module) in modules.iter().enumerate() {
        let before = &modules[..at];
        if before.iter().any(|other| other.layer > module.layer || other.name == module.name) {
            findings.push(format!("{} is not in the order of the layers", module.name));
        }
        for name in module.beside {
            if !before.iter().any(|other| other.name == *name && other.layer == module.layer) {
                findings.push(format!(
                    "{} may import {name}, but {name} is not before it in their layer",
                    module.name
                ));
            }
        }
        for name in module.only.unwrap_or_default() {
            if !before.iter().any(|other| other.name == *name && other.layer < module.layer) {
                findings
                    .push(format!("{} may import {name}, but {name} is not in a lower layer", module.name));
            }
        }
    }
    findings
}

#[test]
fn modules_import_only_what_the_table_allows() {
    crate::assert_none(&layers(Layout::current(), Sources::project()));
}

#[test]
fn the_table_of_modules_allows_only_imports_downward() {
    crate::assert_none(&upward_rows(Layout::current().modules));
    crate::assert_none(&upward_rows(crate::layout::LAYOUT.modules));
}

#[test]
fn a_row_that_allows_an_import_upward_is_found() {
    let found = |modules: &[Module]| upward_rows(modules).len();
    let config = Module::new("config", 7);
    let server = Module::new("server", 7);
    assert_eq!(found(&[config, server.beside(&["config"])]), 0);
    assert_eq!(found(&[config.beside(&["server"]), server]), 1);
    assert_eq!(found(&[config.beside(&["server"]), server.beside(&["config"])]), 1);
    assert_eq!(found(&[server, Module::new("broker", 3)]), 1);
    assert_eq!(found(&[Module::new("broker", 3), server.beside(&["broker"])]), 1);
    assert_eq!(found(&[Module::new("broker", 3), server.only(&["broker"])]), 0);
    assert_eq!(found(&[Module::new("broker", 3).only(&["http"]), Module::new("http", 6)]), 1);
}

#[test]
fn an_import_of_a_higher_module_is_found() {
    let table: &[(&str, &str, &[usize])] = &[
        ("src/session/mod.rs", "use crate::auth::Principal;\n", &[]),
        ("src/session/mod.rs", "\nuse crate::broker::Broker;\n", &[2]),
        ("src/session/state.rs", "use super::super::broker::Broker;\n", &[1]),
        ("src/session/state.rs", "use self::super::super::broker::Broker;\n", &[1]),
        ("src/session/state.rs", "use super::broker::Broker; // a part of the session\n", &[]),
        ("src/outbound_queue.rs", "use super::{budget::Budget,\n auth::{Principal}};", &[2]),
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
        ("src/broker/mod.rs", "mod inner {\n use super::super::session::Session; }", &[2]),
        ("src/broker/mod.rs", "use crate as c;\nuse super as d;", &[1, 2]),
        ("src/broker/tests/whole.rs", "use crate::session::Session;", &[1]),
        ("src/http/mod.rs", "fn f(options: &crate::config::Config) {}", &[1]),
        ("src/http/mod.rs", "use crate::Config;", &[1]),
        ("src/http/mod.rs", "use crate::*;", &[1]),
        ("src/http/mod.rs", "use crate::wire::Wire; use crate::connection::Peer;", &[]),
        ("src/connection/mod.rs", "use crate::wire::Wire;\nuse crate::http::Request;", &[2]),
        ("src/wire/mod.rs", "use crate::connection::Peer;", &[1]),
        ("src/permissions/mod.rs", "use crate::auth::Principal;", &[]),
        ("src/auth/mod.rs", "use crate::permissions::Rule;", &[1]),
        ("src/store/mod.rs", "use crate::broker::Broker;\nuse crate::session::Session;", &[2]),
        ("src/metrics.rs", "use stompbox_frames::stomp::Frame;", &[1]),
        ("src/kitchen.rs", "", &[1]),
        ("frames/src/message.rs", "use crate::stomp::Headers; use stompbox::broker::Broker;", &[1]),
    ];
    assert_layers(table);
}

#[test]
fn an_import_upward_in_the_highest_layer_is_found() {
    let table: &[(&str, &str, &[usize])] = &[
        ("src/cli/mod.rs", "use crate::config::Config; use crate::http::serve;", &[]),
        ("src/cli/mod.rs", "use crate::server::Server; use crate::bench::Run;", &[]),
        ("src/server/mod.rs", "use crate::config::Config;\nuse crate::cli::Arguments;", &[2]),
        ("src/config/mod.rs", "use crate::http::Options;\nuse crate::server::Server;", &[2]),
        ("src/config/mod.rs", "use crate::cli::Arguments;", &[1]),
        ("src/bench/mod.rs", "use stompbox_frames::stomp::Frame;\nuse crate::config::Config;", &[2]),
        ("src/server/mod.rs", "use crate::bench::Run;", &[1]),
        ("src/main.rs", "use stompbox::cli;", &[]),
        ("src/config/mod.rs", "use stompbox::main;", &[1]),
    ];
    assert_layers(table);
}

fn assert_layers(table: &[(&str, &str, &[usize])]) {
    for (path, text, lines) in table {
        let found = layers(&crate::layout::LAYOUT, &Sources::example([(*path, *text)]));
        assert_eq!(crate::lines(&found), *lines, "{path}: {text}");
    }
}

#[test]
fn only_tests_that_are_declared_as_such_may_import_anything() {
    let found = |declaration| {
        layers(
            &crate::layout::LAYOUT,
            &Sources::example([
                ("src/lib.rs", "mod broker;"),
                ("src/broker/mod.rs", declaration),
                ("src/broker/tests/mod.rs", "mod whole;"),
                ("src/broker/tests/whole.rs", "use crate::session::Session;"),
            ]),
        )
    };
    assert_eq!(crate::lines(&found("#[cfg(test)] mod tests;")), []);
    assert_eq!(crate::lines(&found("mod tests;")), [1]);
}
