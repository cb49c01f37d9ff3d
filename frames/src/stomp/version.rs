//! Protocol versions and their negotiation.

/// A version of the protocol, ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Version { V1_0, V1_1, V1_2 }
impl Version {
    /// `"1.0"`, `"1.1"` or `"1.2"`.
    pub fn as_str(self) -> &'static str { unimplemented!() }
    /// The highest version in `accept` (the value of `accept-version`; `None`: 1.0 only) that is spoken here.
    pub fn negotiate(accept: Option<&str>) -> Option<Version> { let _ = accept; unimplemented!() }
}
