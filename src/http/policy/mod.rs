//! The policies that decide which requests the broker accepts. They check the header `Host`, the page that sent the
//! request, and the proxy that forwarded it.

pub(crate) mod forwarded;
pub(crate) mod host;
pub(crate) mod host_policy;
mod origin;
pub(crate) mod origin_error;
mod origin_pattern;
pub(crate) mod origin_policy;
pub(crate) mod proxy_user;
mod single_value;
