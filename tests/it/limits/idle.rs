//! Memory of an idle connection.

use crate::support::client::publish;
use crate::support::sockjs::{Session, Transport};
use crate::support::{Broker, Client, Wire, on_each_wire};

/// Upper bound of the memory of an idle connection. The documentation of the module `connection` gives 3.2 KiB for the
/// release build and 4.1 KiB for others. A buffer that an idle connection keeps would add at least 4 KiB.
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

/// Upper bound of the memory of a SockJS session that streams. It needs the memory of a WebSocket connection and two
/// HTTP connections of hyper: one for the stream, and one on which the client sends. Each HTTP connection has a buffer
/// for the next request head.
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
fn sockjs_streams_use_little_memory_and_release_it_when_they_vanish() {
    let broker = Broker::start(&["--heart-beat=0,0"]);
    let mut first = streams(&broker, 100);
    let before = broker.resident_bytes();
    let more = streams(&broker, 300);
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown / more.len() <= BYTES_PER_STREAM_MAX, "{} per stream", grown / more.len());
    drop(more);
    broker.wait_for_metric("connections{transport=\"sockjs-xhr-streaming\"}", 100);
    broker.wait_for_metric("subscriptions", 100);
    let (full, again) = (broker.resident_bytes(), streams(&broker, 300));
    let grown = broker.resident_bytes().saturating_sub(full);
    assert!(grown <= full / 2, "the memory of closed streams is not reused: {grown} bytes more");
    publish(&broker, "/topic/idle", "still here");
    for session in &mut first {
        session.expect("MESSAGE", &[], "still here");
    }
    drop((first, again));
    broker.wait_for_metric("subscriptions", 0);
    broker.wait_for_metric("memory_used_bytes", 0);
}

on_each_wire! {
    fn an_idle_connection_holds_no_buffers(wire: Wire) {
        let broker = Broker::start(&["--heart-beat=0,0"]);
        // The first connections cause the allocations that happen only once: threads, code, the first blocks of the
        // allocator.
        let first = idle(&broker, wire, 200);
        let before = broker.resident_bytes();
        let mut more = idle(&broker, wire, 800);
        // A large message passes through each connection and must leave no buffer behind.
        publish(&broker, "/topic/idle", &"x".repeat(20_000));
        for client in &mut more {
            client.message();
        }
        broker.wait_for_metric("outbound_queue_bytes", 0);
        let grown = broker.resident_bytes().saturating_sub(before);
        assert!(grown / more.len() <= BYTES_PER_CONNECTION_MAX, "{} per connection", grown / more.len());
        drop((first, more));
        broker.wait_for_metric(&format!("connections{{transport=\"{}\"}}", wire.label()), 0);
    }
}
