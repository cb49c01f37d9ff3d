//! The command: options, passwd, bench, the log and stopping.

mod bench;
mod command_line;
mod log;
mod passwd;
mod shutdown;
