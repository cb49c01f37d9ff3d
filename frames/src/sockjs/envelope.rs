//! What a transport puts before its first frame and around each one.
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

/// The envelope of a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// How frames are quoted in it.
    pub quoting: Quoting,
    prelude: Prelude,
    before: &'static str,
    /// The callback's name stands between `before` and this.
    before_end: Option<&'static str>,
    after: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prelude {
    Fixed(&'static [u8]),
    /// [`PAGE`], filled in.
    Page,
}

/// POST xhr: one frame in a response.
pub const XHR: Envelope = plain(b"", "\n");
/// POST xhr_streaming: browsers show nothing of a response before they have about 2 KiB of it.
pub const XHR_STREAMING: Envelope = plain(&STREAMING_PRELUDE, "\n");
/// GET eventsource.
pub const EVENTSOURCE: Envelope = Envelope {
    quoting: Quoting::JsonPercent,
    prelude: Prelude::Fixed(b"\r\n"),
    before: "data: ",
    before_end: None,
    after: "\r\n\r\n",
};
/// GET htmlfile.
pub const HTMLFILE: Envelope = Envelope {
    quoting: Quoting::JsonTwice,
    prelude: Prelude::Page,
    before: "<script>\np(\"",
    before_end: None,
    after: "\");\n</script>\r\n",
};
/// GET jsonp: one frame in a response.
pub const JSONP: Envelope = Envelope {
    quoting: Quoting::JsonTwice,
    prelude: Prelude::Fixed(b""),
    before: "/**/",
    before_end: Some("(\""),
    after: "\");\r\n",
};
/// GET websocket: a frame is a text message.
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

/// The page that htmlfile's scripts run in, up to the callback's name and behind it.
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
/// Spaces fill the page up to here: browsers run no script of it before they have 1 KiB.
const PAGE_BYTES: usize = 1025;
const PAGE_END: &str = "\r\n\r\n";

impl Envelope {
    /// What is sent before the first frame, in a chunk of its own; may be empty. `callback` is a
    /// [`Callback`](super::Callback)'s name; only htmlfile has a use for it.
    pub fn prelude(&self, callback: &str) -> Bytes {
        match self.prelude {
            Prelude::Fixed(octets) => Bytes::from_static(octets),
            Prelude::Page => {
                let page = [PAGE[0], callback, PAGE[1]].concat();
                Bytes::from(format!("{page:PAGE_BYTES$}{PAGE_END}"))
            }
        }
    }

    /// What stands before a frame. `callback` is a [`Callback`](super::Callback)'s name; only jsonp has a use
    /// for it.
    pub fn before(&self, callback: &str) -> Bytes {
        match self.before_end {
            None => Bytes::from_static(self.before.as_bytes()),
            Some(end) => Bytes::from([self.before, callback, end].concat()),
        }
    }

    /// What stands behind a frame.
    pub fn after(&self) -> Bytes {
        Bytes::from_static(self.after.as_bytes())
    }
}
