//! Authentication: determines the principal behind a client's credentials.
//!
//! An [`Authenticator`] limits the concurrent checks and tries one [`Source`] of users after the other. To add an
//! authentication method, implement [`Source`] in a new file and create it in `sources::source`.

mod address_limiter;
mod authenticator;
mod claims;
mod credentials;
pub mod http_client;
mod keyed_digest;
mod login_error;
mod name;
mod now;
mod options;
pub(crate) mod password;
mod principal;
mod secret;
mod source;
pub(crate) mod sources;
mod throttle;

pub(crate) use crate::auth::password::hash::Hash;
pub use crate::auth::password::passcode::Passcode;
pub use crate::auth::sources::users_file::check_users_file;
pub(crate) use crate::auth::sources::users_file::{edit, record};
pub use authenticator::Authenticator;
pub use credentials::{ClientHandshake, Credentials, ProxyUser};
pub(crate) use credentials::{bare_token, is_read_as_token, scheme};
pub use login_error::{Cause, LoginError};
pub use name::Names;
pub use options::Options;
pub use principal::{Principal, SERVICE};
pub use secret::Secret;
pub use sources::kind::SourceKind;
pub(crate) use throttle::network;
