//! Splits Rust into tokens, and marks the tokens that exist only in tests.

/// An identifier, a punctuation mark or a literal. `::` is one mark, and the text of a string has only the opening
/// quote.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
    /// Whether the token is inside an item that exists only under `cfg(test)`.
    pub(crate) test: bool,
}

impl Token {
    /// Returns whether the token is an identifier, a keyword or a number.
    pub(crate) fn is_word(&self) -> bool {
        self.text.bytes().next().is_some_and(is_word)
    }
}

/// Splits Rust into tokens. Drops comments.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let (mut out, mut at, mut line) = (Vec::new(), 0, 1);
    while at < bytes.len() {
        let end = token_end(bytes, at);
        let piece = &text[at..end];
        let kept = match bytes[at] {
            byte if byte.is_ascii_whitespace() => None,
            b'/' if piece.len() > 1 => None,
            b'"' => Some(piece.trim_end_matches('"').to_string()),
            _ => Some(piece.to_string()),
        };
        out.extend(kept.map(|text| Token { text, line, test: false }));
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

/// Returns the length of `#"…"#` after an `r`. For an identifier such as `r#type`, returns the length of `#`.
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

/// Returns the length of a character literal, or 1 if the `'` begins a lifetime.
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

/// Words with which an item or a statement begins. Items and statements end with a semicolon or a block. Fields,
/// variants and match arms end with a comma.
const ITEM_WORDS: &[&str] = &[
    "async",
    "const",
    "enum",
    "extern",
    "fn",
    "impl",
    "let",
    "macro_rules",
    "mod",
    "static",
    "struct",
    "trait",
    "type",
    "unsafe",
    "use",
];

/// Marks the tokens of items under `#[cfg(test)]` or `#[cfg(all(test, …))]`. Does not mark items under `any(test, …)`,
/// because they also exist outside tests.
pub(crate) fn mark_tests(tokens: &mut [Token]) {
    let mut at = 0;
    while at < tokens.len() {
        let head: Vec<&str> = tokens[at..].iter().take(7).map(|token| token.text.as_str()).collect();
        let is_test = matches!(head.as_slice(), ["#", "[", "cfg", "(", "test", ")", ..])
            || matches!(head.as_slice(), ["#", "[", "cfg", "(", "all", "(", "test"]);
        let end = if is_test { item_end(tokens, at) } else { at + 1 };
        tokens[at..end].iter_mut().for_each(|token| token.test |= is_test);
        at = end;
    }
}

/// Returns the end of the item or statement that begins at `at`: after its semicolon or its block. A field, a variant
/// or a match arm ends after its comma, or where the surrounding block ends.
pub(crate) fn item_end(tokens: &[Token], at: usize) -> usize {
    let is_item = begins_item(tokens, at);
    let mut depth = 0_i32;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" if depth == 0 => return index,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    return index + 1;
                }
            }
            ";" if depth == 0 => return index + 1,
            "," if depth == 0 && !is_item => return index + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Returns whether an item or a `let` begins at `at`, possibly with attributes and a visibility.
fn begins_item(tokens: &[Token], at: usize) -> bool {
    let mut depth = 0;
    let outside = tokens[at.min(tokens.len())..].iter().filter(|token| {
        let closes = [")", "]"].contains(&token.text.as_str());
        depth += usize::from(["(", "["].contains(&token.text.as_str()));
        let is_outside = depth == 0;
        depth -= usize::from(closes && depth > 0);
        is_outside
    });
    let mut words = outside.filter(|token| token.text != "#" && token.text != "pub");
    words.next().is_some_and(|word| ITEM_WORDS.contains(&word.text.as_str()))
}

#[test]
fn only_what_is_under_cfg_test_is_marked() {
    let marked = |text: &str| {
        let mut tokens = tokens(text);
        mark_tests(&mut tokens);
        let words = tokens.iter().filter(|token| token.test && token.text.starts_with('t'));
        words.map(|token| token.text.clone()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(marked("#[cfg(test)] mod t1 { fn t2() {} } fn t3() {}"), "test t1 t2");
    assert_eq!(marked("#[cfg(all(test, unix))] pub(crate) fn t1<A, t2>() {} fn t3() {}"), "test t1 t2");
    assert_eq!(marked("#[cfg(any(test, unix))] fn t1() {}"), "");
    assert_eq!(marked("#[cfg(not(test))] fn t1() {}"), "");
    assert_eq!(marked("struct S { #[cfg(test)] t1: u8, t2: u8 } fn t3() {}"), "test t1");
    assert_eq!(marked("struct S { t1: u8, #[cfg(test)] #[expect(t2)] pub t3: u8 } fn t4() {}"), "test t2 t3");
    assert_eq!(marked("#[cfg(test)] use a::{t1, t2}; use t3;"), "test t1 t2");
}
