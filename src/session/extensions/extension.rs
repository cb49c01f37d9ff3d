//! The type of a row in the table of extension headers.

use crate::destination::{DestinationKind, Routing};
use stompbox_frames::stomp::Command;

/// A row of the table: an extension header, and its treatment in frames with some commands.
#[derive(Debug)]
pub(super) struct Extension {
    pub(super) name: &'static str,
    pub(super) commands: &'static [Command],
    /// The brokers that define the header.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the documentation names them"))]
    pub(super) brokers: &'static str,
    pub(super) treatment: Treatment,
    /// The values that request the feature.
    pub(super) condition: Condition,
    /// The reason for the treatment, and the alternative.
    pub(super) text: &'static str,
}

/// The treatment of a header that requests a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Stompbox implements the header.
    Honoured,
    /// A SUBSCRIBE with the header is rejected. A SEND with the header causes a warning. With `strict-headers`, it is
    /// rejected.
    Unsupported,
    /// The header causes a warning. It is never rejected, because many clients send it by default.
    WarnOnly,
    /// The header is ignored. The sender has no disadvantage.
    Ignored,
}

/// The values of a header that request a feature. An empty value requests none.
#[derive(Clone, Copy, Debug)]
pub(super) enum Condition {
    /// Every value that is not empty.
    Always,
    /// Every value except these, ignoring case.
    Unless(&'static [&'static str]),
    /// For a work queue, every value except these, ignoring case. For other destinations, no value.
    OfQueueUnless(&'static [&'static str]),
    /// Every destination of a temporary queue.
    TempQueue,
    /// `ANYCAST` for a topic, user or presence destination. `MULTICAST` for a queue or a service. Any other value for
    /// every destination.
    OtherRouting,
}

impl Extension {
    /// Returns whether the header may cause a rejection or a warning.
    pub(super) const fn is_checked(&self) -> bool {
        matches!(self.treatment, Treatment::Unsupported | Treatment::WarnOnly)
    }
}

impl Condition {
    pub(super) fn matches(self, value: &str, destination: &str) -> bool {
        let value = value.trim();
        let is_none_of = |values: &[&str]| !values.iter().any(|other| other.eq_ignore_ascii_case(value));
        match self {
            _ if value.is_empty() => false,
            Condition::Always => true,
            Condition::Unless(values) => is_none_of(values),
            Condition::OfQueueUnless(values) => {
                destination.starts_with(DestinationKind::Queue.prefix()) && is_none_of(values)
            }
            Condition::TempQueue => value.starts_with(DestinationKind::TempQueue.prefix()),
            Condition::OtherRouting => match value {
                "ANYCAST" => is_routed(destination, &[Routing::Broadcast, Routing::User, Routing::Report]),
                "MULTICAST" => is_routed(destination, &[Routing::Queue, Routing::Service]),
                _ => true,
            },
        }
    }
}

/// Returns whether messages to the destination are routed in one of these ways.
fn is_routed(destination: &str, routings: &[Routing]) -> bool {
    let mut kinds = DestinationKind::all().filter(|kind| routings.contains(&kind.routing()));
    kinds.any(|kind| destination.starts_with(kind.prefix()))
}
