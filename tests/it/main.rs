//! Tests of the finished binary through its sockets. Each folder tests one area, each file one kind of
//! behaviour.

mod support;

mod auth;
mod command;
mod destinations;
mod embedding;
mod http;
mod limits;
mod queues;
mod sockjs;
mod stomp;
