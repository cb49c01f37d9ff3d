//! Log lines about connections: logins, wrong protocols, ignored headers, denied requests, and the ends of connections.

pub(crate) mod actions;
pub(crate) mod agent;
pub(crate) mod end;
pub(crate) mod ignored_headers;
pub(crate) mod logins;
pub(crate) mod wrong_protocols;
