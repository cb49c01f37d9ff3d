//! Who is online.

/// A session that is online; dropping it ends that.
#[derive(Debug)]
pub struct Entry {}
