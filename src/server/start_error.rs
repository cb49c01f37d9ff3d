//! The error of a broker that cannot start.

use super::bind::BindError;
use crate::config::ConfigErrors;

/// The error of a broker that cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The broker cannot listen at an address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Options contradict each other ([`Config::check`](crate::Config::check)).
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The options of a source of users are invalid. The text names the option.
    #[error("{0}")]
    Users(String),
}
