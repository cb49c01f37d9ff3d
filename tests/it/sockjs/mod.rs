//! Tests of each rule of the SockJS layer with echo services, and of STOMP over SockJS with the real broker.

#[path = "../../sockjs_echo/echo.rs"]
mod echo;
mod service;

mod cookies;
mod delivery;
mod headers;
mod http;
mod identity;
mod life;
mod paths;
mod policy;
mod polling;
mod quoting;
mod sending;
mod statics;
mod stomp;
mod streaming;
mod websocket;

use service::Service;
