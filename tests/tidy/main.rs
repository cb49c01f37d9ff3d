//! Rules about the source code that the compiler does not check: dependencies between modules and files, what pure
//! modules must not use, lengths of files and functions, sizes of folders, and how tests may wait.
//!
//! Each rule is a function from the sources to findings. One test runs it over the project, and others show on small
//! examples that it can fail. The architecture that the rules enforce is in [`layout`].

mod cycles;
mod folders;
mod layers;
mod layout;
mod lengths;
mod modules;
mod paths;
mod purity;
mod source;
mod tokens;
mod waiting;

#[track_caller]
fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n{} findings\n", findings.join("\n"), findings.len());
}

/// Returns the lines that findings are about.
fn lines(findings: &[String]) -> Vec<usize> {
    let line = |finding: &String| finding.split(':').nth(1).and_then(|line| line.parse().ok()).unwrap_or(0);
    findings.iter().map(line).collect()
}
