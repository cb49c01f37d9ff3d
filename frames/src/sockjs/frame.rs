//! The frames that a SockJS server sends.
//!
//! ```text
//! frame = "o" | "h" | "a[" string *( "," string ) "]" | "c[" code "," string "]"
//! ```
//!
//! [`SockJsFrame`] does not include the array frame `a[…]`, which contains messages. The caller writes [`ARRAY_OPEN`],
//! quoted strings and [`ARRAY_CLOSE`]. It therefore need not copy the parts of a string into one buffer.

use super::quote::{Quoting, quote};
use crate::stomp::encode::decimal;
use bytes::BytesMut;

/// The beginning of an array frame. The strings follow, with a `,` between two strings. Each string is in
/// [`Quoting::quotation_mark`]s.
pub const ARRAY_OPEN: &[u8] = b"a[";
/// The end of an array frame, after its strings.
pub const ARRAY_CLOSE: &[u8] = b"]";

/// A SockJS frame without messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SockJsFrame<'a> {
    /// The SockJS session is open. This is the first frame.
    Open,
    /// A heartbeat. It shows the client that the connection is alive.
    Heartbeat,
    /// The SockJS session is closed. This is the last frame.
    Close {
        /// The close code. 1000 and 3000 to 4999 are for applications. All other codes are for the protocol.
        code: u16,
        /// The reason. The application of the client can read it.
        reason: &'a str,
    },
}

impl SockJsFrame<'_> {
    /// Appends the frame. Quotes its text with `quoting`, which depends on the transport.
    pub fn write(&self, quoting: Quoting, out: &mut BytesMut) {
        match *self {
            SockJsFrame::Open => out.extend_from_slice(b"o"),
            SockJsFrame::Heartbeat => out.extend_from_slice(b"h"),
            SockJsFrame::Close { code, reason } => {
                out.extend_from_slice(b"c[");
                decimal(out, usize::from(code));
                out.extend_from_slice(b",");
                out.extend_from_slice(quoting.quotation_mark());
                quote(quoting, reason.as_bytes(), out);
                out.extend_from_slice(quoting.quotation_mark());
                out.extend_from_slice(b"]");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_written_in_the_quoting_of_their_envelope() {
        let cases = [
            (SockJsFrame::Open, ["o"; 3]),
            (SockJsFrame::Heartbeat, ["h"; 3]),
            (
                SockJsFrame::Close { code: 3000, reason: "Go away!" },
                [r#"c[3000,"Go away!"]"#, r#"c[3000,"Go away!"]"#, r#"c[3000,\"Go away!\"]"#],
            ),
            (
                SockJsFrame::Close { code: 1002, reason: "" },
                [r#"c[1002,""]"#, r#"c[1002,""]"#, r#"c[1002,\"\"]"#],
            ),
            (
                SockJsFrame::Close { code: 65535, reason: "50%\"\u{2028}</script>" },
                [
                    r#"c[65535,"50%\"\u2028</script>"]"#,
                    r#"c[65535,"50%25\"\u2028</script>"]"#,
                    r#"c[65535,\"50%\\\"\\u2028\u003c/script>\"]"#,
                ],
            ),
        ];
        for (frame, expected) in cases {
            for (quoting, expected) in Quoting::ALL.into_iter().zip(expected) {
                let mut out = BytesMut::from("before ");
                frame.write(quoting, &mut out);
                assert_eq!(out, format!("before {expected}"), "{frame:?} {quoting:?}");
            }
        }
    }
}
