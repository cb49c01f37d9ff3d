//! The broker from outside.
