//! The limits on one frame. [`frame_scanner`](super::frame_scanner) checks them.

/// The limits on one frame. The decoder checks each limit before it uses memory for the part that it limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum size of a whole frame in bytes, from the command to the NUL (`frame-bytes-max`). Values above `u32::MAX`
    /// count as `u32::MAX`.
    pub frame_bytes_max: usize,
    /// Maximum number of header lines of a frame (`header-count-max`).
    pub header_count_max: usize,
    /// Maximum length of one header line in bytes (`header-bytes-max`). Name, colon and value count.
    pub header_bytes_max: usize,
    /// Maximum length in bytes of a header line `to`, which lists many users (`to-bytes-max`). Applies only if it
    /// exceeds `header_bytes_max`.
    pub to_bytes_max: usize,
}

/// A limit on one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameLimit {
    /// The size of a whole frame: [`Limits::frame_bytes_max`].
    FrameBytes,
    /// The number of header lines: [`Limits::header_count_max`].
    HeaderCount,
    /// The length of one header line: [`Limits::header_bytes_max`].
    HeaderBytes,
    /// The length of a header line `to`: [`Limits::to_bytes_max`].
    ToBytes,
}

impl FrameLimit {
    /// Returns what a client can do to stay within the limit, as the beginning of a sentence.
    pub fn advice(self) -> &'static str {
        match self {
            FrameLimit::FrameBytes => "Send a smaller frame",
            FrameLimit::HeaderCount => "Send fewer headers",
            FrameLimit::HeaderBytes => "Send a shorter header",
            FrameLimit::ToBytes => "Name fewer users",
        }
    }
}

impl Limits {
    /// Returns the maximum length of the header line that begins with `line`, in bytes.
    #[inline]
    pub(super) fn line_bytes_max(&self, line: &[u8]) -> usize {
        if line.starts_with(TO_PREFIX) {
            self.header_bytes_max.max(self.to_bytes_max)
        } else {
            self.header_bytes_max
        }
    }
}

/// Maximum length of a command line in bytes. All STOMP commands are shorter. The first lines of other protocols are
/// often longer.
pub(super) const COMMAND_BYTES_MAX: usize = 32;

pub(super) const TO_PREFIX: &[u8] = b"to:";
