//! The frames of SockJS.
//!
//! ```text
//! frame = "o" | "h" | "a[" string *( "," string ) "]" | "c[" code "," string "]"
//! ```
//!
//! An array frame is put together by its writer out of [`ARRAY_OPEN`], quoted strings and [`ARRAY_CLOSE`],
//! so that a string's parts need not be copied.

use super::quote::{Quoting, quote};
use crate::stomp::encode::decimal;
use bytes::BytesMut;

/// Begins a frame of messages; the strings stand in [`Quoting::mark`]s, a `,` between two.
pub const ARRAY_OPEN: &[u8] = b"a[";
/// Ends a frame of messages.
pub const ARRAY_CLOSE: &[u8] = b"]";

/// A frame without messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The SockJS session is open: the first frame.
    Open,
    /// Nothing is to be said.
    Heartbeat,
    /// The SockJS session is closed: the last frame.
    Close {
        /// 1000 and 3000–4999 are an application's, the rest the protocol's.
        code: u16,
        /// Shown to the client's application.
        reason: &'a str,
    },
}

impl Frame<'_> {
    /// Appends the frame as it stands in an envelope of `quoting`.
    pub fn write(&self, quoting: Quoting, out: &mut BytesMut) {
        match *self {
            Frame::Open => out.extend_from_slice(b"o"),
            Frame::Heartbeat => out.extend_from_slice(b"h"),
            Frame::Close { code, reason } => {
                out.extend_from_slice(b"c[");
                decimal(out, usize::from(code));
                out.extend_from_slice(b",");
                out.extend_from_slice(quoting.mark());
                quote(quoting, reason.as_bytes(), out);
                out.extend_from_slice(quoting.mark());
                out.extend_from_slice(b"]");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_written_as_their_envelope_quotes_them() {
        let cases = [
            (Frame::Open, ["o"; 3]),
            (Frame::Heartbeat, ["h"; 3]),
            (
                Frame::Close { code: 3000, reason: "Go away!" },
                [r#"c[3000,"Go away!"]"#, r#"c[3000,"Go away!"]"#, r#"c[3000,\"Go away!\"]"#],
            ),
            (Frame::Close { code: 1002, reason: "" }, [r#"c[1002,""]"#, r#"c[1002,""]"#, r#"c[1002,\"\"]"#]),
            (
                Frame::Close { code: 65535, reason: "50%\"\u{2028}</script>" },
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
