//! The bytes that a SockJS transport sends around each frame F. The prelude is sent before the first frame.
//!
//! | transport | prelude | frame |
//! |---|---|---|
//! | xhr | | F LF |
//! | xhr_streaming | 2048 `h` LF | F LF |
//! | eventsource | CR LF | `data: ` F CR LF CR LF |
//! | htmlfile | a page | `<script>` LF `p("` F `");` LF `</script>` CR LF |
//! | jsonp | | `/**/` callback `("` F `");` CR LF |
//! | websocket | | F |

use super::quote::Quoting;
use bytes::Bytes;

/// The envelope of a transport: the bytes around its frames, and its quoting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The way in which text in the frames of the transport is quoted.
    pub quoting: Quoting,
    prelude: Prelude,
    before: &'static str,
    /// The text between the callback's name and the frame. `None` if the frames need no callback.
    before_end: Option<&'static str>,
    after: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prelude {
    Fixed(&'static [u8]),
    /// The page [`PAGE`] with the callback's name.
    Page,
}

/// The envelope of POST xhr. Each response has one frame.
pub const XHR: Envelope = plain(b"", "\n");
/// The envelope of POST xhr_streaming. It has a prelude, because browsers first collect about 2 KiB of a response
/// before they pass it to the page.
pub const XHR_STREAMING: Envelope = plain(&STREAMING_PRELUDE, "\n");
/// The envelope of GET eventsource. Each frame is an event.
pub const EVENTSOURCE: Envelope = Envelope {
    quoting: Quoting::JsonPercent,
    prelude: Prelude::Fixed(b"\r\n"),
    before: "data: ",
    before_end: None,
    after: "\r\n\r\n",
};
/// The envelope of GET htmlfile. Each frame is a script in a page.
pub const HTMLFILE: Envelope = Envelope {
    quoting: Quoting::JsonTwice,
    prelude: Prelude::Page,
    before: "<script>\np(\"",
    before_end: None,
    after: "\");\n</script>\r\n",
};
/// The envelope of GET jsonp. Each response has one frame, as a script.
pub const JSONP: Envelope = Envelope {
    quoting: Quoting::JsonTwice,
    prelude: Prelude::Fixed(b""),
    before: "/**/",
    before_end: Some("(\""),
    after: "\");\r\n",
};
/// The envelope of GET websocket. Each frame is a text message.
pub const WEBSOCKET: Envelope = plain(b"", "");

const fn plain(prelude: &'static [u8], after: &'static str) -> Envelope {
    Envelope {
        quoting: Quoting::Plain,
        prelude: Prelude::Fixed(prelude),
        before: "",
        before_end: None,
        after,
    }
}

const STREAMING_PRELUDE: [u8; 2049] = {
    let mut prelude = [b'h'; 2049];
    prelude[2048] = b'\n';
    prelude
};

/// The page of htmlfile in two parts: the text before the callback's name, and the text after it.
const PAGE: [&str; 2] = [
    r#"<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent."#,
    r#";
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
  </script>"#,
];
/// Minimum size of the page in bytes. A shorter page is padded with spaces. Browsers run no script of a page until they
/// have received 1 KiB.
const PAGE_BYTES: usize = 1025;
const PAGE_END: &str = "\r\n\r\n";

impl Envelope {
    /// Returns the bytes before the first frame, which may be empty. Send them as a separate chunk. `callback` is the
    /// name of a [`Callback`](super::Callback). Only htmlfile uses it.
    pub fn prelude(&self, callback: &str) -> Bytes {
        match self.prelude {
            Prelude::Fixed(bytes) => Bytes::from_static(bytes),
            Prelude::Page => {
                let page = [PAGE[0], callback, PAGE[1]].concat();
                Bytes::from(format!("{page:PAGE_BYTES$}{PAGE_END}"))
            }
        }
    }

    /// Returns the bytes before a frame. `callback` is the name of a [`Callback`](super::Callback). Only jsonp uses it.
    pub fn before(&self, callback: &str) -> Bytes {
        match self.before_end {
            None => Bytes::from_static(self.before.as_bytes()),
            Some(end) => Bytes::from([self.before, callback, end].concat()),
        }
    }

    /// Returns the bytes after a frame.
    pub fn after(&self) -> Bytes {
        Bytes::from_static(self.after.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sockjs::SockJsFrame;
    use bytes::BytesMut;

    #[test]
    fn frames_are_wrapped_in_the_envelope_of_their_transport() {
        let close = SockJsFrame::Close { code: 3000, reason: "Go away!" };
        let cases = [
            (XHR, close, "c[3000,\"Go away!\"]\n"),
            (XHR_STREAMING, SockJsFrame::Heartbeat, "h\n"),
            (EVENTSOURCE, SockJsFrame::Heartbeat, "data: h\r\n\r\n"),
            (EVENTSOURCE, close, "data: c[3000,\"Go away!\"]\r\n\r\n"),
            (HTMLFILE, SockJsFrame::Heartbeat, "<script>\np(\"h\");\n</script>\r\n"),
            (HTMLFILE, close, "<script>\np(\"c[3000,\\\"Go away!\\\"]\");\n</script>\r\n"),
            (JSONP, SockJsFrame::Open, "/**/_jp.a1(\"o\");\r\n"),
            (JSONP, close, "/**/_jp.a1(\"c[3000,\\\"Go away!\\\"]\");\r\n"),
            (WEBSOCKET, SockJsFrame::Open, "o"),
        ];
        for (envelope, frame, expected) in cases {
            let mut out = BytesMut::new();
            out.extend_from_slice(&envelope.before("_jp.a1"));
            frame.write(envelope.quoting, &mut out);
            out.extend_from_slice(&envelope.after());
            assert_eq!(out, expected, "{frame:?}");
        }
    }

    #[test]
    fn preludes_are_long_enough_for_browsers_to_start_reading() {
        for envelope in [XHR, JSONP, WEBSOCKET] {
            assert_eq!(envelope.prelude("cb"), "");
        }
        assert_eq!(EVENTSOURCE.prelude(""), "\r\n");
        let streaming = XHR_STREAMING.prelude("");
        assert_eq!(streaming.len(), 2049);
        assert_eq!(streaming, ["h".repeat(2048).as_str(), "\n"].concat());
    }

    #[test]
    fn htmlfile_page_calls_its_parent() {
        let expected = r#"<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.{CB};
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
  </script>"#;
        for callback in ["x", "_jp.a1b2c3d", &"y".repeat(32)] {
            let page = HTMLFILE.prelude(callback);
            let page = std::str::from_utf8(&page).expect("UTF-8");
            assert_eq!(page.trim(), expected.replace("{CB}", callback));
            assert_eq!(page.len(), 1029);
            assert!(page.ends_with(" \r\n\r\n"));
        }
    }

    /// A browser ends a script element at the first `</script`, even inside a string.
    #[test]
    fn text_never_ends_the_surrounding_script() {
        let mut out = BytesMut::new();
        let reason = "</script><script>alert(1)</script><!--";
        out.extend_from_slice(&HTMLFILE.before(""));
        SockJsFrame::Close { code: 3000, reason }.write(HTMLFILE.quoting, &mut out);
        out.extend_from_slice(&HTMLFILE.after());
        let text = std::str::from_utf8(&out).expect("UTF-8");
        assert_eq!(text.matches('<').count(), 2, "{text}");
    }
}
