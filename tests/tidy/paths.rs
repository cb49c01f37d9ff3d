//! The paths in a source file. Groups such as `a::{b, c::d}` are expanded into several paths.

use crate::tokens::Token;

/// A path as it is written in the source.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    /// Whether the path exists only in tests.
    pub(crate) test: bool,
    /// The name that a `use` or a `type X = …` introduces for the path.
    pub(crate) name: Option<String>,
    /// Whether this is a `mod name;` that declares a file.
    pub(crate) is_mod: bool,
    /// The inline modules (`mod name { … }`) of this file that contain the path.
    pub(crate) inline: Vec<String>,
}

impl Named {
    /// Returns whether the path contains `part` as consecutive segments.
    pub(crate) fn contains(&self, part: &[&str]) -> bool {
        self.segments.windows(part.len()).any(|window| window == part)
    }
}

/// Returns all paths, including paths of one segment.
pub(crate) fn paths(tokens: &[Token]) -> Vec<Named> {
    let mut parser = Parser { tokens, at: 0, depth: 0, inline: Vec::new(), found: Vec::new() };
    while parser.at < tokens.len() {
        parser.next();
    }
    parser.found
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    /// Number of open braces.
    depth: usize,
    /// The inline modules that contain this place, each with the number of open braces outside of it.
    inline: Vec<(String, usize)>,
    found: Vec<Named>,
}

impl Parser<'_> {
    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }

    fn next(&mut self) {
        match (self.text(self.at), self.text(self.at + 1), self.text(self.at + 2)) {
            ("use", next, _) if next != "<" => self.import(),
            ("type", _, "=") => self.type_alias(),
            ("mod", _, ";") => self.declaration(),
            ("mod", _, "{") => {
                self.inline.push((self.text(self.at + 1).to_string(), self.depth));
                self.at += 2;
            }
            // Skips the path in `pub(in path)`, which names a parent module.
            ("pub", "(", "in" | "crate" | "self" | "super") if self.text(self.at + 3) != "::" => {
                while !["", ")"].contains(&self.text(self.at)) {
                    self.at += 1;
                }
            }
            ("{", ..) => {
                self.depth += 1;
                self.at += 1;
            }
            ("}", ..) => {
                self.depth = self.depth.saturating_sub(1);
                self.inline.retain(|(_, depth)| *depth < self.depth);
                self.at += 1;
            }
            _ if self.tokens[self.at].is_word() => self.path(&[], false),
            _ => self.at += 1,
        }
    }

    /// Parses `use …;`.
    fn import(&mut self) {
        self.at += 1;
        while !["", ";"].contains(&self.text(self.at)) {
            match self.text(self.at) {
                "{" => self.group(&[]),
                _ if self.tokens[self.at].is_word() => self.path(&[], true),
                _ => self.at += 1,
            }
        }
    }

    /// Parses `type Name = path`. The rest of the type is parsed like any other code.
    fn type_alias(&mut self) {
        let name = self.text(self.at + 1).to_string();
        self.at += 3;
        let first = self.found.len();
        if self.tokens.get(self.at).is_some_and(Token::is_word) {
            self.path(&[], false);
        }
        if let Some(path) = self.found.get_mut(first) {
            path.name = Some(name);
        }
    }

    fn declaration(&mut self) {
        let name = self.text(self.at + 1).to_string();
        self.add(vec![name], self.at, None);
        if let Some(path) = self.found.last_mut() {
            path.is_mod = true;
        }
        self.at += 3;
    }

    fn add(&mut self, segments: Vec<String>, at: usize, name: Option<String>) {
        let Token { line, test, .. } = self.tokens[at];
        let inline = self.inline.iter().map(|(name, _)| name.clone()).collect();
        self.found.push(Named { segments, line, test, name, is_mod: false, inline });
    }

    /// Parses one path. A path in a `use` introduces the name after `as`, or the name of its last segment.
    fn path(&mut self, prefix: &[String], in_use: bool) {
        let start = self.at;
        let mut segments = prefix.to_vec();
        while let Some(token) = self.tokens.get(self.at) {
            if token.text == "{" && in_use {
                return self.group(&segments);
            }
            if !token.is_word() && token.text != "*" {
                break;
            }
            segments.push(token.text.clone());
            self.at += 1;
            // Continues after `>` in `<Type>::function`.
            let in_angles = start > 0 && self.text(start - 1) == "<" && self.text(self.at) == ">";
            self.at += usize::from(in_angles && self.text(self.at + 1) == "::");
            if self.text(self.at) != "::" {
                break;
            }
            self.at += 1;
        }
        let mut name = None;
        if in_use {
            name = segments.iter().rfind(|segment| *segment != "self").cloned();
            if self.text(self.at) == "as" {
                name = Some(self.text(self.at + 1).to_string());
                self.at += 2;
            }
            if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
                segments.pop();
            }
        }
        self.add(segments, start, name);
    }

    /// Parses `{…}` in a `use`.
    fn group(&mut self, prefix: &[String]) {
        self.at += 1;
        while let Some(token) = self.tokens.get(self.at) {
            match token.text.as_str() {
                "}" => {
                    self.at += 1;
                    return;
                }
                "*" => self.path(prefix, true),
                "{" => self.group(prefix),
                _ if token.is_word() => self.path(prefix, true),
                _ => self.at += 1,
            }
        }
    }
}

#[test]
fn groups_names_and_modules_in_braces_are_expanded() {
    let found = |text: &str| {
        let paths = paths(&crate::tokens::tokens(text));
        let longer = paths.iter().filter(|path| path.segments.len() > 1 || path.name.is_some());
        let shown = longer.map(|path| {
            let name = path.name.as_ref().map(|name| format!("={name}")).unwrap_or_default();
            format!("{}{}{name}", path.inline.concat(), path.segments.join("::"))
        });
        shown.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(found("use a::{self, b as x, c::{D, *}};"), "a=a a::b=x a::c::D=D a::c::*=*",);
    assert_eq!(found("pub(in crate::a) fn f() { let x = a::b(c::D { e: 1 }); }"), "a::b c::D");
    assert_eq!(
        found("type T<A> = a::B; type U = a::C<d::E>; fn f() { <Instant>::now() }"),
        "a::B a::C=U d::E Instant::now"
    );
    assert_eq!(found("mod m { use super::A; } use super::B;"), "msuper::A=A super::B=B");
    assert_eq!(found("struct S(pub (crate) a::B, pub (crate::C, D));"), "a::B crate::C");
    assert_eq!(found("use a::b as c; c::d();"), "a::b=c c::d");
}
