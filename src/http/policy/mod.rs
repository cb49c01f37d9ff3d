//! The policies that decide which requests are accepted: by the header `Host`, by the page that sent the request, and
//! by the proxy that forwarded it.

pub(crate) mod forwarded;
pub(crate) mod host;
pub(crate) mod host_policy;
mod origin;
pub(crate) mod origin_error;
mod origin_pattern;
pub(crate) mod origin_policy;
pub(crate) mod proxy_user;
mod single_value;
