//! Limits on one frame.

/// Limits on one frame. Each is checked before memory is spent on the part that it limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum size of a whole frame in bytes, from the command to the NUL. Values above `u32::MAX` count as
    /// `u32::MAX`.
    pub frame_bytes_max: usize,
    /// Maximum number of header lines of a frame.
    pub header_count_max: usize,
    /// Maximum length of one header line (name, colon and value) in bytes.
    pub header_bytes_max: usize,
    /// Maximum length of a `to` line, which lists many users, in bytes. Applies only if it exceeds `header_bytes_max`.
    pub to_bytes_max: usize,
}

impl Limits {
    /// Returns the maximum length of the header line that begins with `line`.
    #[inline]
    pub(super) fn line_bytes_max(&self, line: &[u8]) -> usize {
        if line.starts_with(TO_PREFIX) {
            self.header_bytes_max.max(self.to_bytes_max)
        } else {
            self.header_bytes_max
        }
    }
}

/// Maximum length of a command line in bytes. Every STOMP command is shorter. The first lines of other protocols are
/// often longer.
pub(super) const COMMAND_BYTES_MAX: usize = 32;

pub(super) const TO_PREFIX: &[u8] = b"to:";
