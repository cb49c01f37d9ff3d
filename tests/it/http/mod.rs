//! HTTP and WebSocket: upgrades, pages, listeners and wrong protocols.

mod listening;
mod pages;
mod sockets;
mod websocket;
mod wrong_protocol;
