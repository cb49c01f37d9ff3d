//! STOMP commands. A command is the first line of a frame.

/// A client or server command of STOMP 1.0, 1.1 or 1.2. Names of commands are case-sensitive. The clauses are sections
/// of the STOMP 1.2 specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// CONNECT of a client: opens a session (section "Connecting").
    Connect,
    /// STOMP of a client: the same as CONNECT, from version 1.1 on (section "CONNECT or STOMP Frame").
    Stomp,
    /// SEND of a client: sends a message to a destination (section "SEND").
    Send,
    /// SUBSCRIBE of a client: requests the messages of a destination (section "SUBSCRIBE").
    Subscribe,
    /// UNSUBSCRIBE of a client: ends a subscription (section "UNSUBSCRIBE").
    Unsubscribe,
    /// ACK of a client: confirms that a message is processed (section "ACK").
    Ack,
    /// NACK of a client: rejects a message, from version 1.1 on (section "NACK").
    Nack,
    /// BEGIN of a client: opens a transaction (section "BEGIN").
    Begin,
    /// COMMIT of a client: applies all frames of a transaction (section "COMMIT").
    Commit,
    /// ABORT of a client: discards all frames of a transaction (section "ABORT").
    Abort,
    /// DISCONNECT of a client: ends the session (section "DISCONNECT").
    Disconnect,
    /// CONNECTED of a server: accepts CONNECT (section "CONNECTED Frame").
    Connected,
    /// MESSAGE of a server: delivers a message to a subscription (section "MESSAGE").
    Message,
    /// RECEIPT of a server: confirms that a frame is processed (section "RECEIPT").
    Receipt,
    /// ERROR of a server: reports an error, before the server closes the connection (section "ERROR").
    Error,
}

/// The properties of a command.
struct Row {
    command: Command,
    wire: &'static str,
    may_have_body: bool,
    is_literal: bool,
}

const fn row(command: Command, wire: &'static str) -> Row {
    Row { command, wire, may_have_body: false, is_literal: false }
}

const fn literal(command: Command, wire: &'static str) -> Row {
    Row { command, wire, may_have_body: false, is_literal: true }
}

const fn with_body(command: Command, wire: &'static str) -> Row {
    Row { command, wire, may_have_body: true, is_literal: false }
}

/// The rows are in the order of the enum, so that a command is the index of its row.
const TABLE: [Row; 15] = [
    literal(Command::Connect, "CONNECT"),
    literal(Command::Stomp, "STOMP"),
    with_body(Command::Send, "SEND"),
    row(Command::Subscribe, "SUBSCRIBE"),
    row(Command::Unsubscribe, "UNSUBSCRIBE"),
    row(Command::Ack, "ACK"),
    row(Command::Nack, "NACK"),
    row(Command::Begin, "BEGIN"),
    row(Command::Commit, "COMMIT"),
    row(Command::Abort, "ABORT"),
    row(Command::Disconnect, "DISCONNECT"),
    literal(Command::Connected, "CONNECTED"),
    with_body(Command::Message, "MESSAGE"),
    row(Command::Receipt, "RECEIPT"),
    with_body(Command::Error, "ERROR"),
];

/// A bit set of the commands that may have a body.
const WITH_BODY: u32 = {
    let (mut bits, mut index) = (0, 0);
    while index < TABLE.len() {
        bits |= (TABLE[index].may_have_body as u32) << index;
        index += 1;
    }
    bits
};

const _: () = {
    let mut index = 0;
    while index < TABLE.len() {
        assert!(TABLE[index].command as usize == index);
        index += 1;
    }
};

impl Command {
    /// Returns the command with this name. Returns `None` if no command has the name.
    #[inline]
    pub fn from_wire(name: &[u8]) -> Option<Command> {
        // A match compiles to a test of the length and one comparison. This is faster than a search in the table.
        Some(match name {
            b"CONNECT" => Command::Connect,
            b"STOMP" => Command::Stomp,
            b"SEND" => Command::Send,
            b"SUBSCRIBE" => Command::Subscribe,
            b"UNSUBSCRIBE" => Command::Unsubscribe,
            b"ACK" => Command::Ack,
            b"NACK" => Command::Nack,
            b"BEGIN" => Command::Begin,
            b"COMMIT" => Command::Commit,
            b"ABORT" => Command::Abort,
            b"DISCONNECT" => Command::Disconnect,
            b"CONNECTED" => Command::Connected,
            b"MESSAGE" => Command::Message,
            b"RECEIPT" => Command::Receipt,
            b"ERROR" => Command::Error,
            _ => return None,
        })
    }

    /// Returns whether the name of a command begins with these bytes.
    pub fn may_begin_with(start: &[u8]) -> bool {
        TABLE.iter().any(|row| row.wire.as_bytes().starts_with(start))
    }

    /// Returns the name of the command in capital letters, as in a frame.
    pub fn as_str(self) -> &'static str {
        TABLE[self as usize].wire
    }

    /// Returns whether frames with this command may have a body. Only SEND, MESSAGE and ERROR may have one (STOMP 1.2,
    /// section "Body").
    #[inline]
    pub fn may_have_body(self) -> bool {
        WITH_BODY >> self as u32 & 1 == 1
    }

    /// Returns whether headers of frames with this command are literal, without escapes. This is true for CONNECT,
    /// STOMP and CONNECTED (STOMP 1.2, section "Value Encoding").
    pub fn is_literal(self) -> bool {
        TABLE[self as usize].is_literal
    }
}

impl std::fmt::Display for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_is_the_index_of_its_row() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.command as usize, index);
            assert_eq!(Command::from_wire(row.command.as_str().as_bytes()), Some(row.command));
        }
    }

    #[test]
    fn commands_are_case_sensitive_and_exact() {
        for wire in ["send", "Send", "SEND ", " SEND", "SENDX", "SEN", "", "SEND\r"] {
            assert_eq!(Command::from_wire(wire.as_bytes()), None, "{wire:?}");
        }
    }

    #[test]
    fn may_begin_with_accepts_prefixes_of_commands() {
        for (start, expected) in [
            ("", true),
            ("S", true),
            ("CONNECT", true),
            ("UNSUB", true),
            ("SX", false),
            ("send", false),
            ("SENDX", false),
        ] {
            assert_eq!(Command::may_begin_with(start.as_bytes()), expected, "{start:?}");
        }
    }

    #[test]
    fn only_send_message_and_error_have_a_body() {
        let with: Vec<_> =
            TABLE.iter().filter(|row| row.command.may_have_body()).map(|row| row.wire).collect();
        assert_eq!(with, ["SEND", "MESSAGE", "ERROR"]);
    }

    #[test]
    fn only_handshake_frames_are_literal() {
        let literal: Vec<_> =
            TABLE.iter().filter(|row| row.command.is_literal()).map(|row| row.wire).collect();
        assert_eq!(literal, ["CONNECT", "STOMP", "CONNECTED"]);
    }
}
