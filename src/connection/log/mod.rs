//! Log lines about connections: logins, ends of connections, and headers that are ignored.

pub(crate) mod end;
pub(crate) mod ignored_headers;
pub(crate) mod logins;
