//! The client's side of SockJS framing: splits responses into frames, and frames into messages.

use crate::bench::error::BenchError;
use crate::bench::url::LinkTransport;
use memchr::memchr;
use percent_encoding::percent_decode;
use std::borrow::Cow;
use stompbox_frames::sockjs::payload;
use stompbox_frames::stomp::Decoder;

/// Maximum length of one line, in bytes.
const LINE_BYTES_MAX: usize = 64 << 20;

/// Splits a response into frames.
#[derive(Debug)]
pub(super) struct Lines {
    transport: LinkTransport,
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn new(transport: LinkTransport) -> Lines {
        Lines { transport, line: Vec::new() }
    }

    /// Processes bytes of a body, and passes complete frames to `sink`.
    pub(super) fn take(
        &mut self,
        mut input: &[u8],
        mut sink: impl FnMut(&[u8]) -> Result<(), BenchError>,
    ) -> Result<(), BenchError> {
        while let Some(end) = memchr(b'\n', input) {
            let line = match self.line.is_empty() {
                true => Cow::Borrowed(&input[..end]),
                false => {
                    self.line.extend_from_slice(&input[..end]);
                    Cow::Owned(std::mem::take(&mut self.line))
                }
            };
            input = &input[end + 1..];
            if let Some(frame) = frame_of(self.transport, line.trim_ascii_end()) {
                sink(&frame)?;
            }
        }
        if self.line.len() + input.len() > LINE_BYTES_MAX {
            return Err(BenchError::protocol("SockJS"));
        }
        self.line.extend_from_slice(input);
        Ok(())
    }
}

/// Returns the frame in a line of a response. Returns `None` if the line contains no frame.
fn frame_of(transport: LinkTransport, line: &[u8]) -> Option<Cow<'_, [u8]>> {
    match transport {
        LinkTransport::SockjsEventSource => {
            let data = line.strip_prefix(b"data:")?;
            let data = data.strip_prefix(b" ").unwrap_or(data);
            Some(percent_decode(data).into())
        }
        LinkTransport::SockjsHtmlFile => in_script(line.strip_prefix(b"p(")?),
        LinkTransport::SockjsJsonp => in_script(&line[memchr(b'(', line)? + 1..]),
        _ if line.is_empty() => None,
        _ => Some(Cow::Borrowed(line)),
    }
}

/// Returns the frame in the argument of a script: `"…");`.
fn in_script(argument: &[u8]) -> Option<Cow<'_, [u8]>> {
    let literal = argument.strip_suffix(b");")?;
    let text = payload::message(literal).ok()?;
    let frame = text.iter().next()?.to_vec();
    Some(Cow::Owned(frame))
}

/// Passes the messages of a frame to the decoder. Sets `is_open` if the frame opens the session.
pub(super) fn take_frame(frame: &[u8], is_open: &mut bool, decoder: &mut Decoder) -> Result<(), BenchError> {
    match frame {
        [b'o'] => *is_open = true,
        [b'h', ..] => {}
        [b'a', array @ ..] => {
            let strings = payload::array(array).map_err(|_| BenchError::protocol("SockJS"))?;
            strings.iter().for_each(|string| decoder.feed(string));
        }
        [b'c', ..] => {
            return Err(BenchError::Closed(format!(" (SockJS {})", String::from_utf8_lossy(frame))));
        }
        _ => return Err(BenchError::protocol("SockJS")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use stompbox_frames::sockjs::envelope::{EVENTSOURCE, HTMLFILE, JSONP, XHR, XHR_STREAMING};
    use stompbox_frames::sockjs::{ARRAY_CLOSE, ARRAY_OPEN, SockJsFrame, quote};
    use stompbox_frames::stomp::Limits;

    const LIMITS: Limits = Limits {
        frame_bytes_max: 1 << 20,
        header_count_max: 100,
        header_bytes_max: 1 << 16,
        to_bytes_max: 0,
    };

    #[test]
    fn frames_of_every_transport_are_read_at_every_split() {
        let text = "MESSAGE\ndestination:/topic/<a>\n\n100 % \"q\" \\ é </script>\0";
        for (transport, envelope) in [
            (LinkTransport::SockjsXhr, XHR_STREAMING),
            (LinkTransport::SockjsXhrPolling, XHR),
            (LinkTransport::SockjsEventSource, EVENTSOURCE),
            (LinkTransport::SockjsHtmlFile, HTMLFILE),
            (LinkTransport::SockjsJsonp, JSONP),
        ] {
            let mark = envelope.quoting.quotation_mark();
            let mut array = bytes::BytesMut::from(ARRAY_OPEN);
            array.extend_from_slice(mark);
            quote(envelope.quoting, text.as_bytes(), &mut array);
            array.extend_from_slice(mark);
            array.extend_from_slice(ARRAY_CLOSE);
            let mut open = bytes::BytesMut::new();
            SockJsFrame::Open.write(envelope.quoting, &mut open);
            let whole = |frame: &[u8]| [&envelope.before("_jp.a"), frame, &envelope.after()].concat();
            let wire = [&envelope.prelude("_jp.a")[..], &whole(&open), &whole(&array)].concat();
            for step in [1, 2, 5, 64, wire.len()] {
                let (mut lines, mut is_open) = (Lines::new(transport), false);
                let mut decoder = Decoder::new(LIMITS);
                for chunk in wire.chunks(step) {
                    let sink = |frame: &[u8]| take_frame(frame, &mut is_open, &mut decoder);
                    lines.take(chunk, sink).expect("SockJS");
                }
                let frame = decoder.next().expect("STOMP").expect("a frame");
                assert!(is_open && frame.body.ends_with(b"</script>"), "{transport:?} {step}");
            }
        }
    }

    #[test]
    fn close_frame_and_malformed_frame_end_the_connection() {
        for (frame, part) in [
            (&b"c[3000,\"Go away!\"]"[..], "(SockJS c[3000,\"Go away!\"])"),
            (b"a[1]", "not SockJS"),
            (b"x", "not SockJS"),
            (b"", "not SockJS"),
        ] {
            let error =
                take_frame(frame, &mut false, &mut Decoder::new(LIMITS)).expect_err("an end").to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
