//! http
pub mod health;
