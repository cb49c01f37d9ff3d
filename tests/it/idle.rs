//! What an idle connection costs.

use crate::support::client::publish;
use crate::support::sockjs::{Session, Transport};
use crate::support::{Broker, Client, Wire, on_each_wire};

/// See the page of `transport`: 3.2 KiB in the release build, 4.1 KiB in others; a buffer held would be 4 KiB or more on
/// top.
const BYTES_PER_CONNECTION_MAX: usize = 6 * 1024;

fn idle(broker: &Broker, wire: Wire, count: usize) -> Vec<Client> {
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let mut client = broker.connect(wire);
        client.subscribe("1", "/topic/idle", "");
        clients.push(client);
    }
    clients
}

/// A SockJS stream and the connection by which its client has sent: two of hyper's, each with a buffer for the next
/// head, beside what a WebSocket costs.
const BYTES_PER_STREAM_MAX: usize = 32 * 1024;

fn streams(broker: &Broker, count: usize) -> Vec<Session> {
    let mut sessions = Vec::with_capacity(count);
    for _ in 0..count {
        let mut session = Session::new(broker.http, "/ws", Transport::XhrStreaming).opened();
        session.connect("1.2");
        session.subscribe("1", "/topic/idle", "");
        sessions.push(session);
    }
    sessions
}

#[test]
fn sockjs_streams_hold_little_and_nothing_is_left_of_those_that_vanish() {
    let broker = Broker::start(&["--heart-beat=0,0"]);
    let mut first = streams(&broker, 100);
    let before = broker.resident_bytes();
    let more = streams(&broker, 300);
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown / more.len() <= BYTES_PER_STREAM_MAX, "{} per stream", grown / more.len());
    drop(more);
    broker.until("connections{transport=\"sockjs-xhr-streaming\"}", 100);
    broker.until("subscriptions", 100);
    let (full, again) = (broker.resident_bytes(), streams(&broker, 300));
    let grown = broker.resident_bytes().saturating_sub(full);
    assert!(grown <= full / 2, "the memory of those that vanished is used again, not {grown} more");
    publish(&broker, "/topic/idle", "still here");
    for session in &mut first {
        session.expect("MESSAGE", &[], "still here");
    }
    drop((first, again));
    broker.until("subscriptions", 0);
    broker.until("budget_bytes", 0);
}

on_each_wire! {
    fn an_idle_connection_holds_no_buffers(wire: Wire) {
        let broker = Broker::start(&["--heart-beat=0,0"]);
        // What is paid once: threads, code, the first blocks of the allocator.
        let first = idle(&broker, wire, 200);
        let before = broker.resident_bytes();
        let mut more = idle(&broker, wire, 800);
        // A large message has passed through each of them, and left nothing behind.
        publish(&broker, "/topic/idle", &"x".repeat(20_000));
        for client in &mut more {
            client.message();
        }
        broker.until("outbox_bytes", 0);
        let grown = broker.resident_bytes().saturating_sub(before);
        assert!(grown / more.len() <= BYTES_PER_CONNECTION_MAX, "{} per connection", grown / more.len());
        drop((first, more));
        broker.until(&format!("connections{{transport=\"{}\"}}", wire.label()), 0);
    }
}
