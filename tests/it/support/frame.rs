//! A STOMP frame as a client reads it. The reader is independent of the broker's own parser.

/// A frame from the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) command: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Frame {
    /// Returns the first frame in `bytes` and its length in bytes, including the NUL.
    pub(crate) fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
        let head_end = bytes.windows(2).position(|pair| pair == b"\n\n")?;
        let head = std::str::from_utf8(&bytes[..head_end]).expect("headers are UTF-8");
        assert!(!head.contains('\r'), "the broker must not send CR: {head:?}");
        let mut lines = head.split('\n');
        let command = lines.next().unwrap_or_default().to_string();
        let headers: Vec<_> = lines.map(|line| header(&command, line)).collect();
        let body = &bytes[head_end + 2..];
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = match length {
            Some((_, digits)) => digits.parse().expect("content-length is a number"),
            None => body.iter().position(|byte| *byte == 0)?,
        };
        let nul = body.get(length)?;
        assert_eq!(*nul, 0, "a NUL must end the frame: {head:?}");
        let frame = Frame { command, headers, body: body[..length].to_vec() };
        Some((frame, head_end + 2 + length + 1))
    }

    /// Returns the value of the first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// Returns the value of a header that must be present.
    #[track_caller]
    pub(crate) fn expect_header(&self, name: &str) -> &str {
        self.header(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// Returns the body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn header(command: &str, line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').expect("a header has a colon");
    match command {
        "CONNECTED" => (name.to_string(), value.to_string()),
        _ => (unescaped(name), unescaped(value)),
    }
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        out.push(match letter {
            '\\' => match letters.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('c') => ':',
                Some('\\') => '\\',
                other => panic!("invalid escape {other:?} in {text:?}"),
            },
            other => other,
        });
    }
    out
}
