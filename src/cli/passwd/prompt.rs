//! Reads a passcode without echoing it.

use crate::auth::{Passcode, Secret};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, BufRead, IsTerminal, Read, Stdin, Write};
use zeroize::Zeroizing;

/// Asks for the passcode of the user `name` twice on the terminal. If standard input is not a terminal, reads one line
/// from it.
///
/// # Errors
/// Returns a text if the input cannot be read or is invalid, or if the two passcodes differ. Also returns a text if the
/// echo of the terminal cannot be turned off.
pub(in crate::cli) fn ask(name: &str) -> Result<Secret, String> {
    let input = io::stdin();
    if !input.is_terminal() {
        return read_line(&mut input.lock(), true);
    }
    let first = prompt(&input, &format!("Passcode of {name:?}: "))?;
    let second = prompt(&input, "Repeat the passcode: ")?;
    if first == second {
        Ok(first)
    } else {
        Err("the two passcodes differ. The users file is unchanged".to_owned())
    }
}

/// Writes the prompt and reads one line without echo.
fn prompt(input: &Stdin, prompt: &str) -> Result<Secret, String> {
    let _echo_off =
        EchoOff::new(input).map_err(|error| format!("cannot turn off the echo of the terminal: {error}"))?;
    let mut errors = io::stderr();
    let _ = write!(errors, "{prompt}").and_then(|()| errors.flush());
    let line = read_line(&mut input.lock(), false);
    // Starts a new line, because the terminal did not echo the line end either.
    let _ = writeln!(errors);
    line
}

/// Returns the next line without its line end. With `must_be_last`, further lines in the input are an error.
fn read_line(input: &mut dyn BufRead, must_be_last: bool) -> Result<Secret, String> {
    let bytes_max = Passcode::BYTES_MAX as u64 + 1;
    let mut line = Zeroizing::new(Vec::with_capacity(Passcode::BYTES_MAX + 1));
    let read = input.take(bytes_max).read_until(b'\n', &mut line);
    read.map_err(|error| format!("cannot read the passcode: {error}"))?;
    let is_ended = line.last() == Some(&b'\n');
    if is_ended {
        line.pop();
    } else if line.len() as u64 == bytes_max {
        return Err(format!("the passcode is too long: expected at most {} bytes", Passcode::BYTES_MAX));
    }
    if must_be_last && is_ended && !input.fill_buf().is_ok_and(<[u8]>::is_empty) {
        return Err("the input has more than one line; expected only the passcode".to_owned());
    }
    match std::str::from_utf8(&line) {
        Ok(text) => Ok(Secret::new(text)),
        Err(_) => Err("the passcode is not valid UTF-8".to_owned()),
    }
}

/// Keeps the echo of the terminal turned off until this value is dropped.
struct EchoOff<'a> {
    terminal: &'a Stdin,
    before: Termios,
}

impl EchoOff<'_> {
    fn new(terminal: &Stdin) -> io::Result<EchoOff<'_>> {
        let before = tcgetattr(terminal)?;
        let mut without_echo = before.clone();
        without_echo.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Flush, &without_echo)?;
        Ok(EchoOff { terminal, before })
    }
}

impl Drop for EchoOff<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_read_without_its_line_end() {
        let longest = "x".repeat(Passcode::BYTES_MAX);
        for (input, expected) in [
            ("sesame\n", Ok("sesame")),
            ("sesame", Ok("sesame")),
            (" a b ", Ok(" a b ")),
            ("", Ok("")),
            ("\n", Ok("")),
            ("sesame\r\n", Ok("sesame\r")),
            (&longest, Ok(&longest)),
            (&format!("{longest}\n"), Ok(&longest)),
            (&format!("{longest}x"), Err("the passcode is too long: expected at most 256 bytes")),
            ("a\nb", Err("the input has more than one line; expected only the passcode")),
            ("a\n\n", Err("the input has more than one line; expected only the passcode")),
        ] {
            let line = read_line(&mut input.as_bytes(), true);
            let line = line.as_ref().map(Secret::reveal).map_err(String::as_str);
            assert_eq!(line, expected, "{input:?}");
        }
        assert!(read_line(&mut &b"\xff\n"[..], true).is_err());
        let mut two = "one\ntwo\n".as_bytes();
        for expected in ["one", "two"] {
            assert_eq!(read_line(&mut two, false).expect("a line").reveal(), expected);
        }
    }
}
