//! The error of a rejected operation.

/// The error of a rejected operation, with the texts of the ERROR frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerError {
    /// The `message` header of ERROR.
    pub summary: &'static str,
    /// The body of ERROR: what was wrong, what was expected, and which option to change.
    pub detail: String,
    /// The name of the option whose limit was reached, if any.
    pub limit: Option<&'static str>,
}

impl BrokerError {
    /// Creates the error of an operation that would exceed the value `max` of the option `limit`. The sentence `usage`
    /// says what is in use.
    pub(super) fn full(limit: &'static str, max: usize, usage: &str) -> BrokerError {
        let detail =
            format!("{usage}. {limit} allows {max}. Try again later, or ask the operator to raise {limit}.");
        BrokerError { summary: "limit reached", detail, limit: Some(limit) }
    }
}
