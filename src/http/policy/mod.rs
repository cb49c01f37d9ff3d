//! Which requests are accepted: by the host they name, the page they come from, and the proxy that forwards them.

pub(crate) mod forwarded;
pub(crate) mod host;
pub(crate) mod host_policy;
mod origin;
pub(crate) mod origin_error;
mod origin_pattern;
pub(crate) mod origin_policy;
pub(crate) mod proxy_user;
mod single_value;
