//! The early end of a measurement.

/// The reason why a measurement ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The user pressed Ctrl-C.
    Interrupted,
    /// A connection failed, or deliveries have stalled.
    Failed(String),
}
