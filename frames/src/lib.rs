//! Every wire format of the broker, pure: no I/O, no clock, no log, no task.
//!
//! - [`stomp`] finds, parses and encodes STOMP 1.0, 1.1 and 1.2 frames;
//! - [`message`] is what a broker sends to many subscribers: encoded once, shared by all;
//! - [`sockjs`] quotes what is sent to a SockJS client and reads what it sends;
//! - [`websocket`] writes the head of a WebSocket frame from server to client.

pub mod message;
pub mod sockjs;
pub mod stomp;
pub mod websocket;

pub use bytes::Bytes;
