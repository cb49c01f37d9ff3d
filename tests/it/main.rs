//! What the finished binary does, seen from its sockets: a module per behaviour.

mod support;

mod acks;
mod auth;
mod bad_input;
mod bench;
mod charges;
mod command;
mod connect;
mod endings;
mod errors;
mod fairness;
mod heartbeats;
mod http;
mod idle;
mod kill;
mod limits;
mod log;
mod memory;
mod passwd;
mod queues;
mod receipts;
mod reconnect;
mod shutdown;
mod slow;
mod sockets;
mod sockjs;
mod temp_queues;
mod topics;
mod transactions;
mod users;
mod versions;
mod websocket;
