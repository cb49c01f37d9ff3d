//! Checks whether the first bytes of a connection can be STOMP, before a whole line has arrived.
//!
//! Without this check, a client of another protocol that waits for an answer would get none until `connect-silence` is
//! over. The ERROR and the log would then give the misleading reason "connect timeout".

use super::protocol::{Guess, Port, Protocol, START_BYTES, recognise};
use stompbox_frames::stomp::Command;

/// The first bytes of a connection. Holds bytes back as long as they may still be another protocol.
#[derive(Debug, Default)]
pub(crate) struct FirstBytes {
    start: [u8; START_BYTES],
    length: u8,
    /// Number of bytes of `start` that were passed to the sink.
    forwarded: u8,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Undecided,
    Stomp,
    NotStomp(NotStomp),
}

/// Input that is not STOMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotStomp {
    /// A known protocol that belongs on another port.
    Foreign(Protocol),
    /// Other input that does not begin with a STOMP command.
    Other,
}

impl FirstBytes {
    /// Takes the next bytes of the input, and passes on to `sink` those that may be STOMP. Set `is_raw_stream` if the
    /// bytes come directly from a socket. Only such bytes are checked for other protocols.
    #[inline]
    pub(crate) fn feed(&mut self, is_raw_stream: bool, bytes: &[u8], sink: impl FnMut(&[u8])) {
        let mut sink = sink;
        if self.state == State::Stomp {
            sink(bytes);
        } else {
            self.feed_start(is_raw_stream, bytes, &mut sink);
        }
    }

    /// Returns the kind of input that was found instead of STOMP, or `None` if the input may be STOMP.
    pub(crate) fn not_stomp(&self) -> Option<NotStomp> {
        match self.state {
            State::NotStomp(found) => Some(found),
            State::Undecided | State::Stomp => None,
        }
    }

    /// Returns the bytes in `start` as printable text.
    pub(crate) fn display(&self) -> String {
        self.start[..self.length.into()].escape_ascii().to_string()
    }

    #[cold]
    fn feed_start(&mut self, is_raw_stream: bool, bytes: &[u8], sink: &mut dyn FnMut(&[u8])) {
        if self.state != State::Undecided {
            return;
        }
        let before = usize::from(self.length);
        let taken = bytes.len().min(START_BYTES - before);
        self.start[before..before + taken].copy_from_slice(&bytes[..taken]);
        self.length += taken as u8;
        let start = &self.start[..self.length.into()];
        let guess = if is_raw_stream { recognise(Port::Stomp, start) } else { Guess::NotForeign };
        match guess {
            // The guess is open only while `start` is not full, so `start` holds the whole input.
            Guess::Undecided => return,
            Guess::Foreign(protocol) => {
                self.state = State::NotStomp(NotStomp::Foreign(protocol));
                return;
            }
            Guess::NotForeign => {}
        }
        match first_line(start) {
            FirstLine::Other => self.state = State::NotStomp(NotStomp::Other),
            decided => {
                let held = &start[self.forwarded.into()..before];
                if !held.is_empty() {
                    sink(held);
                }
                self.forwarded = self.length;
                sink(bytes);
                if decided == FirstLine::Whole || start.len() == START_BYTES {
                    self.state = State::Stomp;
                }
            }
        }
    }
}

/// The result of comparing the first line with the STOMP commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FirstLine {
    /// The line may become a command.
    Begins,
    /// The line is a command.
    Whole,
    /// No command begins like this.
    Other,
}

fn first_line(start: &[u8]) -> FirstLine {
    let mut rest = start;
    while let [b'\n' | 0, behind @ ..] | [b'\r', b'\n', behind @ ..] = rest {
        rest = behind;
    }
    let end = rest.iter().position(|byte| *byte == b'\n');
    let first = &rest[..end.unwrap_or(rest.len())];
    let command = first.strip_suffix(b"\r").unwrap_or(first);
    match end {
        Some(_) if Command::from_wire(command).is_some() => FirstLine::Whole,
        None if Command::may_begin_with(command) => FirstLine::Begins,
        _ => FirstLine::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the bytes passed on and the protocol found, when the input arrives in pieces of `size` bytes.
    fn feed_in_pieces(is_raw_stream: bool, bytes: &[u8], size: usize) -> (Vec<u8>, Option<NotStomp>) {
        let mut first = FirstBytes::default();
        let mut forwarded = Vec::new();
        for piece in bytes.chunks(size) {
            first.feed(is_raw_stream, piece, |bytes| forwarded.extend_from_slice(bytes));
        }
        (forwarded, first.not_stomp())
    }

    #[test]
    fn stomp_passes_unchanged_at_every_split() {
        for bytes in [
            &b"CONNECT\naccept-version:1.2\n\n\0SEND\ndestination:/topic/a\n\nhi\0"[..],
            b"STOMP\r\n\r\n\0",
            b"\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\nCONNECT\n\n\0",
            b"\r\n\r\nCONNECT\n\n\0",
            b"UNSUBSCRIBE\r\nid:1\r\n\r\n\0",
        ] {
            for is_raw_stream in [true, false] {
                for size in 1..=bytes.len() {
                    let display = bytes.escape_ascii();
                    assert_eq!(
                        feed_in_pieces(is_raw_stream, bytes, size),
                        (bytes.to_vec(), None),
                        "{display} by {size}"
                    );
                }
            }
        }
    }

    #[test]
    fn bytes_that_cannot_start_a_command_are_detected_at_once() {
        for bytes in [
            &b"{"[..],
            b"[\"",
            b"<?xml",
            b"42[",
            b"hello",
            b"CONNEXION",
            b"HELLO\n",
            b"send\n",
            b" CONNECT\n",
            b"\n\n{\n",
            b"\xef\xbb\xbfCONNECT\n",
        ] {
            for size in 1..=bytes.len() {
                let (forwarded, found) = feed_in_pieces(false, bytes, size);
                assert_eq!(found, Some(NotStomp::Other), "{} by {size}", bytes.escape_ascii());
                assert!(forwarded.len() < bytes.len(), "the rest of the line is not needed");
            }
        }
    }

    #[test]
    fn other_protocol_on_a_raw_stream_is_detected_and_not_passed_on() {
        for (bytes, protocol) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], Protocol::Http),
            (b"CONNECT a:443 HTTP/1.1\r\n", Protocol::Http),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", Protocol::Proxy),
            (b"\x16\x03\x01\x02\0\x01\0\x01\xfc", Protocol::Tls),
        ] {
            for size in 1..=bytes.len() {
                let (forwarded, found) = feed_in_pieces(true, bytes, size);
                assert_eq!(found, Some(NotStomp::Foreign(protocol)), "{} by {size}", bytes.escape_ascii());
                assert_eq!(forwarded, b"");
            }
            assert_ne!(feed_in_pieces(false, bytes, bytes.len()).1, Some(NotStomp::Foreign(protocol)));
        }
    }
}
