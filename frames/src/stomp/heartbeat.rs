//! The `heart-beat` header.

/// `heart-beat:can,wants` in milliseconds; 0 is "cannot" or "do not want".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct HeartBeat {
    /// The sender of the header can send something every so many milliseconds.
    pub can: u32,
    /// The sender of the header wants something every so many milliseconds.
    pub wants: u32,
}
impl HeartBeat {
    /// Parses `"10000,10000"`; digits only (spaces around a number are tolerated), `None` if malformed.
    pub fn parse(value: &str) -> Option<HeartBeat> { let _ = value; unimplemented!() }
    /// The interval in which this side (`self`) sends to `peer`, milliseconds; 0: never.
    pub fn sends_to(self, peer: HeartBeat) -> u32 { let _ = peer; unimplemented!() }
}
impl std::fmt::Display for HeartBeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { let _ = f; unimplemented!() }
}
