//! Reads a passcode without echoing it.

use crate::users::{Passcode, Secret};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, BufRead, IsTerminal, Read, Stdin, Write};
use zeroize::Zeroizing;

/// Asks for the passcode of the user `name` twice on the terminal. If standard input is not a terminal, reads one line
/// from it.
///
/// # Errors
/// The input cannot be read or is invalid, the echo of the terminal cannot be turned off, or the two passcodes differ.
pub(in crate::cli) fn ask(name: &str) -> Result<Secret, String> {
    let input = io::stdin();
    if !input.is_terminal() {
        return line_of(&mut input.lock(), true);
    }
    let first = typed(&input, &format!("Passcode of {name:?}: "))?;
    let second = typed(&input, "The same again: ")?;
    if first == second { Ok(first) } else { Err("the two differ; nothing is changed".to_owned()) }
}

fn typed(input: &Stdin, prompt: &str) -> Result<Secret, String> {
    let _silent = EchoOff::new(input).map_err(|error| format!("cannot silence the terminal: {error}"))?;
    let mut errors = io::stderr();
    let _ = write!(errors, "{prompt}").and_then(|()| errors.flush());
    let line = line_of(&mut input.lock(), false);
    // Starts a new line, because the terminal did not echo the line end either.
    let _ = writeln!(errors);
    line
}

/// Returns the next line without its line end. With `is_all` it must be the last line of the input.
fn line_of(input: &mut dyn BufRead, is_all: bool) -> Result<Secret, String> {
    let most = Passcode::BYTES_MAX as u64 + 1;
    let mut line = Zeroizing::new(Vec::with_capacity(Passcode::BYTES_MAX + 1));
    let read = input.take(most).read_until(b'\n', &mut line);
    read.map_err(|error| format!("cannot read the passcode: {error}"))?;
    let is_ended = line.last() == Some(&b'\n');
    if is_ended {
        line.pop();
    } else if line.len() as u64 == most {
        return Err(format!("the passcode is longer than {} bytes", Passcode::BYTES_MAX));
    }
    if is_all && is_ended && !input.fill_buf().is_ok_and(<[u8]>::is_empty) {
        return Err("more than one line came; expected the passcode alone".to_owned());
    }
    match std::str::from_utf8(&line) {
        Ok(text) => Ok(Secret::new(text)),
        Err(_) => Err("the passcode is no UTF-8".to_owned()),
    }
}

/// Turns off the echo of the terminal until it is dropped.
struct EchoOff<'a> {
    terminal: &'a Stdin,
    before: Termios,
}

impl EchoOff<'_> {
    fn new(terminal: &Stdin) -> io::Result<EchoOff<'_>> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
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
            (&format!("{longest}x"), Err("the passcode is longer than 256 bytes")),
            ("a\nb", Err("more than one line came; expected the passcode alone")),
            ("a\n\n", Err("more than one line came; expected the passcode alone")),
        ] {
            let line = line_of(&mut input.as_bytes(), true);
            let line = line.as_ref().map(Secret::reveal).map_err(String::as_str);
            assert_eq!(line, expected, "{input:?}");
        }
        assert!(line_of(&mut &b"\xff\n"[..], true).is_err());
        let mut two = "one\ntwo\n".as_bytes();
        for expected in ["one", "two"] {
            assert_eq!(line_of(&mut two, false).expect("a line").reveal(), expected);
        }
    }
}
