//! What an idle connection costs.

use crate::support::client::publish;
use crate::support::{Broker, Client, Wire, on_each_wire};

/// See the page of `transport`: about 7 KiB in the release build; a buffer held would be 4 KiB or more on top
/// of what the larger frames of an unoptimised build need.
const BYTES_PER_CONNECTION_MAX: usize = 12 * 1024;

fn idle(broker: &Broker, wire: Wire, count: usize) -> Vec<Client> {
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let mut client = broker.connect(wire);
        client.subscribe("1", "/topic/idle", "");
        clients.push(client);
    }
    clients
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
