//! `stompbox passwd`: creates and changes a users file. Its flags are not options of the broker.

mod prompt;
mod replace;

pub(super) use prompt::ask;

use super::output::write_text;
use crate::auth::edit::{Change, Changed, edit};
use crate::auth::{Hash, Names, Passcode, Secret, is_read_as_token, record};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};
use replace::LockedFile;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The name of the command.
pub(super) const PASSWD: &str = "passwd";
pub(super) const ABOUT: &str = "Creates and changes a users file: names with hashes of their passcodes";

const AFTER_HELP: &str = "\
On a terminal the command prompts for the passcode twice. Otherwise the command reads one line from standard input. The file \
contains an argon2id hash of the passcode. A running broker applies the change within a second.\n\n\
Exit code 0 means success. 1 means that the file cannot be read or written, or that the user does not exist. 2 means that the \
arguments or the passcode are invalid.";

/// A function that asks for the passcode of the named user.
pub(super) type Ask<'a> = &'a mut dyn FnMut(&str) -> Result<Secret, String>;

/// An error of the command. The variant determines the exit code.
#[derive(Debug)]
enum PasswdError {
    /// An argument or the passcode is invalid.
    Arguments(String),
    /// The file is invalid, or cannot be read or written.
    File(String),
}

/// The action that the arguments request.
#[derive(Debug)]
struct PasswdAction {
    path: PathBuf,
    /// The name of the user. `None` means to list the users.
    name: Option<String>,
    roles: Option<Arc<[Box<str>]>>,
    /// Whether a new user may have a name that the broker accepts only with `user-names = any`.
    any_name: bool,
    delete: bool,
}

/// Parses the arguments after `stompbox passwd`, executes the action and reports the result.
pub(super) fn passwd(
    arguments: impl IntoIterator<Item = OsString>,
    ask: Ask<'_>,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> ExitCode {
    let arguments = std::iter::once(OsString::from("stompbox passwd")).chain(arguments);
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if error.use_stderr() => {
            return write_text(errors, &explain(&error), ExitCode::from(2));
        }
        Err(error) => return write_text(out, &error.render().to_string(), ExitCode::SUCCESS),
    };
    match parse_action(&matches).and_then(|action| execute(&action, ask)) {
        Ok(text) => write_text(out, &text, ExitCode::SUCCESS),
        Err(PasswdError::Arguments(error)) => {
            write_text(errors, &format!("error: {error}\n"), ExitCode::from(2))
        }
        Err(PasswdError::File(error)) => write_text(errors, &format!("error: {error}\n"), ExitCode::FAILURE),
    }
}

fn command() -> Command {
    Command::new("stompbox passwd")
        .bin_name("stompbox passwd")
        .about(ABOUT)
        .after_help(AFTER_HELP)
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .value_hint(ValueHint::FilePath)
                .value_parser(clap::value_parser!(PathBuf))
                .required(true)
                .help("The users file. The command creates the file if it does not exist"),
        )
        .arg(Arg::new("name").value_name("NAME").required_unless_present("list").help("The user"))
        .arg(Arg::new("role").long("role").value_name("ROLE").action(ArgAction::Append).help(
            "A role. Repeat the option for each role. Without the option a user keeps the present roles",
        ))
        .arg(Arg::new("any-name").long("any-name").action(ArgAction::SetTrue).conflicts_with("delete").help(
            "Accepts a new name that requires user-names = any in the broker, such as a name with spaces",
        ))
        .arg(
            Arg::new("delete")
                .long("delete")
                .action(ArgAction::SetTrue)
                .conflicts_with("role")
                .help("Deletes the user"),
        )
        .arg(
            Arg::new("list")
                .long("list")
                .action(ArgAction::SetTrue)
                .conflicts_with_all(["name", "role", "any-name", "delete"])
                .help("Lists the users and their roles"),
        )
}

/// Returns the error text of clap. For an unexpected argument, returns a text that does not show the argument, which
/// may be a passcode.
fn explain(error: &clap::Error) -> String {
    match error.kind() {
        ErrorKind::UnknownArgument => {
            "error: unexpected argument or unknown option. The command prompts for the passcode, so the passcode is \
             not an argument. See stompbox passwd --help\n"
                .to_owned()
        }
        _ => error.render().to_string(),
    }
}

fn parse_action(matches: &ArgMatches) -> Result<PasswdAction, PasswdError> {
    let name = matches.get_one::<String>("name").cloned();
    if let Some(name) = &name {
        record::check_name(name).map_err(PasswdError::Arguments)?;
    }
    let roles = matches.get_many::<String>("role");
    let roles = roles.map(|roles| record::roles(roles.flat_map(|role| role.split(','))));
    Ok(PasswdAction {
        path: matches.get_one::<PathBuf>("file").cloned().unwrap_or_default(),
        name,
        roles: roles.transpose().map_err(|error| PasswdError::Arguments(format!("--role: {error}")))?,
        any_name: matches.get_flag("any-name"),
        delete: matches.get_flag("delete"),
    })
}

fn execute(action: &PasswdAction, ask: Ask<'_>) -> Result<String, PasswdError> {
    match &action.name {
        None => list(&action.path),
        Some(name) if action.delete => delete(&action.path, name),
        Some(name) => set(action, name, ask),
    }
}

fn users(path: &Path) -> Result<Vec<record::Record>, PasswdError> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error.to_string()))?;
    record::parse(&text).map_err(|error| invalid_file(path, &error))
}

fn list(path: &Path) -> Result<String, PasswdError> {
    let records = users(path)?;
    let line = |user: &record::Record| match user.roles.is_empty() {
        true => format!("{}\n", record::encode(&user.name)),
        false => format!("{}: {}\n", record::encode(&user.name), user.roles.join(", ")),
    };
    Ok(records.iter().map(line).collect())
}

fn delete(path: &Path, name: &str) -> Result<String, PasswdError> {
    if !path.exists() {
        return Err(unreadable(path, "there is no such file"));
    }
    let locked = lock(path)?;
    match edit(locked.text(), name, Change::Delete).map_err(|error| invalid_file(path, &error))? {
        Some((text, _)) => {
            locked.replace(&text).map_err(|error| unwritable(path, &error))?;
            Ok(format!("{}: {} is deleted\n", path.display(), quoted(name)))
        }
        None => Err(PasswdError::File(format!("{}: there is no user {}", path.display(), quoted(name)))),
    }
}

fn set(action: &PasswdAction, name: &str, ask: Ask<'_>) -> Result<String, PasswdError> {
    let path = action.path.as_path();
    // Validates the file before the prompt, so that an error is reported before the passcode is typed twice.
    let users = if path.exists() { users(path)? } else { Vec::new() };
    if !action.any_name && !users.iter().any(|user| *user.name == *name) {
        let invalid_name = |error| {
            PasswdError::Arguments(format!(
                "{error}. If the broker has user-names = any, add the user with --any-name"
            ))
        };
        Names::Precis.check(name).map_err(invalid_name)?;
    }
    let passcode = ask(name).map_err(PasswdError::Arguments)?;
    check(passcode.reveal()).map_err(PasswdError::Arguments)?;
    let hash = Hash::make(passcode.reveal())
        .map_err(|_| PasswdError::File("not enough memory for a hash".to_owned()))?;
    drop(passcode);
    let locked = lock(path)?;
    let change = Change::Set { hash: &hash, roles: action.roles.as_deref() };
    let edited = edit(locked.text(), name, change).map_err(|error| invalid_file(path, &error))?;
    let (text, changed) = edited.expect("only a deletion requires that the user exists");
    locked.replace(&text).map_err(|error| unwritable(path, &error))?;
    let done = match (changed, &action.roles) {
        (Changed::Added, _) => "is added",
        (_, None) => "has a new passcode",
        (_, Some(_)) => "has a new passcode and new roles",
    };
    Ok(format!("{}: {} {done}\n", path.display(), quoted(name)))
}

/// Checks that a user can log in with the passcode.
fn check(passcode: &str) -> Result<(), String> {
    let bytes_max = Passcode::BYTES_MAX;
    match passcode {
        "" => Err("the passcode is empty; expected one line of text".to_owned()),
        long if long.len() > bytes_max => {
            Err(format!("the passcode is too long: expected at most {bytes_max} bytes"))
        },
        text if text.contains(|c: char| c.is_control()) => {
            Err("the passcode contains a control character; expected one line of text".to_owned())
        }
        token if is_read_as_token(token) => {
            Err("the passcode has the form of a token: three parts separated by dots, or Bearer and a word. The broker \
                 would check it as a token. Choose another passcode"
                .to_owned())
        }
        _ => Ok(()),
    }
}

fn lock(path: &Path) -> Result<LockedFile, PasswdError> {
    LockedFile::new(path).map_err(|error| unreadable(path, &error))
}

fn quoted(name: &str) -> String {
    format!("{name:?}")
}

fn unreadable(path: &Path, error: &str) -> PasswdError {
    PasswdError::File(format!("cannot read {}: {error}", path.display()))
}

fn unwritable(path: &Path, error: &str) -> PasswdError {
    PasswdError::File(format!("cannot write {}: {error}", path.display()))
}

fn invalid_file(path: &Path, error: &record::UserRecordError) -> PasswdError {
    PasswdError::File(format!("{}:{error}", path.display()))
}

#[cfg(test)]
mod tests;
