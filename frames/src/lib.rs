//! Wire formats of the broker. All code is pure: no I/O, no clock, no log, no task.
//!
//! This crate is a part of `stompbox`. Its API changes together with the broker, at any time.
//!
//! - [`stomp`] finds, parses and encodes frames of STOMP 1.0, 1.1 and 1.2.
//! - [`message`] encodes a MESSAGE once for all its subscribers.
//! - [`sockjs`] quotes text for SockJS clients, and parses the strings that they send.
//! - [`websocket`] writes the header of a WebSocket frame from a server to a client.

#![warn(missing_docs)]

pub mod message;
pub mod sockjs;
pub mod stomp;
pub mod websocket;

pub use bytes::Bytes;
