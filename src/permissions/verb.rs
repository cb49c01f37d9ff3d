//! The actions that permission rules allow or deny.

/// An action that rules allow or deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Sending to a destination (SEND).
    Send,
    /// Subscribing to a destination (SUBSCRIBE).
    Subscribe,
}

impl Verb {
    /// Returns the word for the action in a rule.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Send => "send",
            Verb::Subscribe => "subscribe",
        }
    }
}
