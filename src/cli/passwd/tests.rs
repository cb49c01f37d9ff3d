//! Tests of the command without a terminal.

use super::*;
use std::fs;

/// A temporary directory that is removed on drop.
struct TempDirectory(PathBuf);

impl TempDirectory {
    fn new(name: &str) -> TempDirectory {
        let path = std::env::temp_dir().join(format!("stompbox-passwd-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        TempDirectory(path)
    }

    fn text(&self) -> String {
        fs::read_to_string(self.0.join("users")).expect("a file")
    }

    /// Runs the command and returns its exit code, standard output and standard error. In the outputs, the path of the
    /// file is replaced by `users`.
    fn run(&self, arguments: &[&str], passcode: Result<&str, &str>) -> (ExitCode, String, String) {
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let path = self.0.join("users");
        let arguments = std::iter::once(path.into()).chain(arguments.iter().map(OsString::from));
        let mut ask = |_: &str| passcode.map(Secret::new).map_err(str::to_owned);
        let code = passwd(arguments, &mut ask, &mut out, &mut errors);
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).expect("UTF-8");
            text.replace(&format!("{}/", self.0.display()), "")
        };
        (code, text(out), text(errors))
    }
}

impl Drop for TempDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn clap_accepts_the_definition_of_the_flags() {
    command().debug_assert();
}

#[test]
fn users_are_added_changed_and_deleted() {
    let home = TempDirectory::new("life");
    let done = |arguments: &[&str], passcode: &str| {
        let (code, out, errors) = home.run(arguments, Ok(passcode));
        assert_eq!((code, errors.as_str()), (ExitCode::SUCCESS, ""), "{arguments:?}");
        assert!(passcode.is_empty() || !out.contains(passcode) && !home.text().contains(passcode), "{out}");
        out
    };
    assert_eq!(
        done(&["alice", "--role", "service", "--role=a,b"], "open sesame"),
        "users: \"alice\" is added\n"
    );
    let first = home.text();
    assert!(first.starts_with("alice:$argon2id$v=19$m=19456,t=2,p=1$") && first.ends_with(":service,a,b\n"));
    assert_eq!(done(&["b:b#%"], "sesame"), "users: \"b:b#%\" is added\n");
    assert_eq!(done(&["--list"], ""), "alice: service, a, b\nb%3Ab#%25\n");
    assert_eq!(done(&["alice"], "tulip"), "users: \"alice\" has a new passcode\n");
    assert_ne!(home.text().lines().next(), first.lines().next());
    assert_eq!(done(&["--list"], ""), "alice: service, a, b\nb%3Ab#%25\n", "the roles are unchanged");
    assert_eq!(done(&["alice", "--role=c"], "tulip"), "users: \"alice\" has a new passcode and new roles\n");
    assert_eq!(done(&["b:b#%", "--delete"], ""), "users: \"b:b#%\" is deleted\n");
    assert_eq!(done(&["--list"], ""), "alice: c\n");
    let user = record::parse(&home.text()).expect("a file").remove(0);
    assert_eq!(Hash::parse(user.hash.as_str()).expect("a hash"), *user.hash);
}

#[test]
fn invalid_input_is_reported_and_changes_nothing() {
    let home = TempDirectory::new("wrong");
    let long = "sesame".repeat(50);
    for (arguments, passcode, code, error) in [
        (&["a"][..], Ok(""), 2, "error: the passcode is empty; expected one line of text\n"),
        (&["a"], Ok(&*long), 2, "error: the passcode is too long: expected at most 256 bytes\n"),
        (
            &["a"],
            Ok("sesame\r"),
            2,
            "error: the passcode contains a control character; expected one line of text\n",
        ),
        (&["a"], Ok("eyJhbGciOiJI.sesame.x"), 2, "error: the passcode has the form of a token"),
        (
            &["a"],
            Err("the two passcodes differ. The users file is unchanged"),
            2,
            "error: the two passcodes differ. The users file is unchanged\n",
        ),
        (&[""], Ok("sesame"), 2, "error: invalid name: expected 1 to 1024 bytes\n"),
        (
            &["John Smith"],
            Ok("sesame"),
            2,
            "error: the user name \"John Smith\" has the character U+0020; expected a name that the PRECIS \
             profile UsernameCasePreserved allows: no spaces, no invisible characters. To accept every name, set \
             user-names = any. If the broker has user-names = any, add the user with --any-name\n",
        ),
        (
            &["a", "--role", "b c"],
            Ok("sesame"),
            2,
            "error: --role: invalid roles: expected roles of at most 64 bytes with commas between them",
        ),
        (
            &["a", "sesame"],
            Ok("x"),
            2,
            "error: unexpected argument or unknown option. The command prompts for the passcode",
        ),
        (&["a", "--passcode=sesame"], Ok("x"), 2, "error: unexpected argument or unknown option"),
        (
            &["a", "--delete", "--role=b"],
            Ok("x"),
            2,
            "error: the argument '--delete' cannot be used with '--role",
        ),
        (&["a", "--list"], Ok("x"), 2, "error: the argument"),
        (&[], Ok("x"), 2, "error: the following required arguments were not provided:\n  <NAME>"),
        (&["--list"], Ok("x"), 1, "error: cannot read users: "),
        (&["a", "--delete"], Ok("x"), 1, "error: cannot read users: there is no such file\n"),
    ] {
        let (exit, out, errors) = home.run(arguments, passcode);
        assert_eq!((exit, out.as_str()), (ExitCode::from(code), ""), "{arguments:?} {errors}");
        assert!(errors.starts_with(error), "{arguments:?}: {errors}");
        assert!(!errors.contains("sesame"), "{errors}");
        assert!(!home.0.join("users").exists(), "{arguments:?}");
    }
    let invalid_file = "# users\nalice:sesame\n";
    fs::write(home.0.join("users"), invalid_file).expect("a file");
    for arguments in [&["a"][..], &["alice", "--delete"], &["--list"]] {
        let (code, _, errors) = home.run(arguments, Ok("x"));
        assert_eq!(code, ExitCode::FAILURE);
        assert!(errors.starts_with("error: users:2: invalid hash: expected an argon2id hash"), "{errors}");
        assert_eq!(home.text(), invalid_file);
    }
    fs::write(home.0.join("users"), "# no users\n").expect("a file");
    let (code, _, errors) = home.run(&["a", "--delete"], Ok("x"));
    assert_eq!((code, errors.as_str()), (ExitCode::FAILURE, "error: users: there is no user \"a\"\n"));
}

#[test]
fn user_added_with_any_name_can_be_changed_and_deleted() {
    let home = TempDirectory::new("any-name");
    for (arguments, output) in [
        (&["John Smith", "--any-name"][..], "users: \"John Smith\" is added\n"),
        (&["John Smith"], "users: \"John Smith\" has a new passcode\n"),
        (&["John Smith", "--delete"], "users: \"John Smith\" is deleted\n"),
    ] {
        let (code, out, errors) = home.run(arguments, Ok("tulip"));
        assert_eq!((code, out.as_str(), errors.as_str()), (ExitCode::SUCCESS, output, ""), "{arguments:?}");
    }
}

#[test]
fn help_exits_successfully() {
    let (code, out, _) = TempDirectory::new("help").run(&["--help"], Ok(""));
    assert_eq!(code, ExitCode::SUCCESS);
    assert!(out.contains("stompbox passwd") && out.contains("Exit code 0 means success"), "{out}");
}
