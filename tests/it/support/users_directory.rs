//! A directory with a users file, and the command that creates the file.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A directory with a users file, removed when the test ends.
pub(crate) struct UsersDirectory(pub(crate) PathBuf);

impl UsersDirectory {
    pub(crate) fn new(name: &str) -> UsersDirectory {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        UsersDirectory(path)
    }

    /// Returns the path of the users file.
    pub(crate) fn users(&self) -> String {
        self.0.join("users").to_str().expect("UTF-8").to_owned()
    }

    /// Returns the command `stompbox passwd users …`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stompbox"));
        command.arg("passwd").arg("users").args(arguments).current_dir(&self.0);
        command
    }

    /// Runs `stompbox passwd users …` and returns its exit code, standard output and standard error.
    pub(crate) fn passwd(&self, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command runs");
        // A command that needs no input may have ended already.
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("the command ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Runs `stompbox passwd users …`, which must succeed without messages.
    #[track_caller]
    pub(crate) fn passwd_ok(&self, arguments: &[&str], input: &str) {
        let (code, _, errors) = self.passwd(arguments, input);
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

impl Drop for UsersDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
