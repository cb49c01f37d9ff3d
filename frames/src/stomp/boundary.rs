//! Finds one whole frame in a stream of octets, under limits, before anything is parsed.

/// What one frame may cost. Each is checked before memory is spent on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a whole frame, from the command to the NUL.
    pub frame_bytes_max: usize,
    /// Header lines of a frame.
    pub header_count_max: usize,
    /// Octets of one header line (name, colon and value).
    pub header_bytes_max: usize,
}
