//! Output of commands.

use std::io::Write;
use std::process::ExitCode;

/// Writes `text` and returns `code`. Ignores write errors such as EPIPE.
pub(super) fn write_text(to: &mut dyn Write, text: &str, code: ExitCode) -> ExitCode {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
    code
}
