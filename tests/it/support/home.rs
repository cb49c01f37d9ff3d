//! A users file and the command that makes it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A directory with a users file, gone when the test is over.
pub(crate) struct Home(pub(crate) PathBuf);

impl Home {
    pub(crate) fn new(name: &str) -> Home {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        Home(path)
    }

    /// The path of the file.
    pub(crate) fn users(&self) -> String {
        self.0.join("users").to_str().expect("UTF-8").to_owned()
    }

    /// `stompbox passwd users …`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stompbox"));
        command.arg("passwd").arg("users").args(arguments).current_dir(&self.0);
        command
    }

    /// Exit code, standard output and standard error of `stompbox passwd users …`.
    pub(crate) fn passwd(&self, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command runs");
        // A command that wants no input may be over already.
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("it ends");
        let text = |octets: Vec<u8>| String::from_utf8(octets).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// The same, which has nothing to complain about.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str], input: &str) {
        let (code, _, errors) = self.passwd(arguments, input);
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
