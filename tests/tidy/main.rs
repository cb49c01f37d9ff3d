//! Rules about the source code that the compiler does not check. They concern dependencies between modules and files,
//! the purity of modules, lengths of files and functions, sizes of folders, and how tests may wait.
//!
//! Each rule is a function that takes the sources and returns findings. One test applies the rule to the project, and
//! others apply it to small examples with violations. The architecture that the rules enforce is in [`layout`].

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

/// Returns the line number of each finding.
fn lines(findings: &[String]) -> Vec<usize> {
    let line = |finding: &String| finding.split(':').nth(1).and_then(|line| line.parse().ok()).unwrap_or(0);
    findings.iter().map(line).collect()
}
