//! The broker from outside, a module per behaviour.

mod command;
