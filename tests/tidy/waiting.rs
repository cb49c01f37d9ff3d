//! Rules for tests. A test waits for an event and not for a time. No test is ignored.

use crate::source::Sources;

/// Finds tests that sleep or are ignored, and code that is not implemented.
fn sleeps_and_skips(sources: &Sources) -> Vec<String> {
    let mut findings = Vec::new();
    for file in &sources.files {
        for path in file.paths.iter().filter(|path| path.test || file.is_test) {
            if path.contains(&["thread", "sleep"]) || path.contains(&["time", "sleep"]) {
                findings.push(file.finding(path.line, "a test must not sleep. Wait for the event"));
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

/// Finds tests that assert a maximum time. On a busy machine an operation may take longer.
fn races_against_the_clock(sources: &Sources) -> Vec<String> {
    let mut findings = Vec::new();
    for file in &sources.files {
        for (at, token) in file.tokens.iter().enumerate().filter(|(_, token)| token.text == "<") {
            let text = |index: usize| file.tokens.get(index).map_or("", |token| token.text.as_str());
            let is_time = text(at.wrapping_sub(1)) == "took"
                || (text(at.wrapping_sub(1)), text(at.wrapping_sub(3))) == (")", "elapsed");
            // The tokens before `at`, back to the beginning of the statement.
            let statement = (0..at).rev().map(text).take_while(|text| ![";", "{", "}"].contains(text));
            let is_asserted = statement.into_iter().any(|text| text == "assert");
            let guards = (at..at + 6).any(|index| HANG_GUARDS.contains(&text(index)));
            if is_time && is_asserted && !guards {
                findings.push(
                    file.finding(token.line, "a test must not measure the machine. Count work instead"),
                );
            }
        }
    }
    findings
}

#[test]
fn tests_do_not_sleep_and_are_not_ignored() {
    crate::assert_none(&sleeps_and_skips(Sources::project()));
}

#[test]
fn tests_do_not_measure_the_speed_of_the_machine() {
    crate::assert_none(&races_against_the_clock(Sources::project()));
}

fn lines_found(rule: fn(&Sources) -> Vec<String>, path: &str, text: &str) -> Vec<usize> {
    crate::lines(&rule(&Sources::example([(path, text)])))
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
        ("fn f() { while started.elapsed() < second { act(); } assert!(took >= second); }", &[]),
    ] {
        assert_eq!(lines_found(races_against_the_clock, "tests/it/a.rs", text), lines, "{text}");
    }
}
