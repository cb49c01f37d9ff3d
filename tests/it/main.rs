//! What the finished binary does, seen from its sockets: a module per behaviour.

mod support;

mod acks;
mod bad_input;
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
mod memory;
mod queues;
mod receipts;
mod shutdown;
mod slow;
mod temp_queues;
mod topics;
mod transactions;
mod users;
mod versions;
mod websocket;
