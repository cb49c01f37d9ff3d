//! A client may die at any step: everything it held is given back.

use crate::support::{Broker, Client, Wire, on_each_wire};

/// A conversation that touches everything a session can hold.
const STEPS: &[fn(&mut Client)] = &[
    |client| client.send("CONN"),
    |client| {
        client.send("ECT\naccept-version:1.2\nhost:a\n\n\0");
        client.expect("CONNECTED", &[], "");
    },
    |client| client.subscribe("t", "/topic/a", "ack:client\n"),
    |client| client.subscribe("w", "/topic/a.#", ""),
    |client| client.subscribe("q", "/queue/a", "ack:client-individual\n"),
    |client| client.subscribe("x", "/temp-queue/x", ""),
    |client| {
        client.send("SEND\ndestination:/topic/a\n\nhi\0");
        let mut got = [client.message().0, client.message().0];
        got.sort();
        assert_eq!(got, ["t", "w"]);
    },
    |client| {
        client.send("SEND\ndestination:/queue/a\nreply-to:/temp-queue/y\n\nhi\0");
        assert_eq!(client.message().0, "q");
    },
    |client| {
        client.send("SEND\ndestination:/temp-queue/x\n\nhi\0");
        assert_eq!(client.message().0, "x");
    },
    |client| client.done("BEGIN\ntransaction:t\nreceipt:done\n\n\0"),
    |client| client.done("SEND\ndestination:/queue/a\ntransaction:t\nreceipt:done\n\nparked\0"),
    |client| client.send("SEND\ndestination:/queue/b\ncontent-length:100000\n\nbegun"),
];

/// What must be zero again. The queue's messages are drained first by somebody else.
const GAUGES: &[&str] = &[
    "subscriptions",
    "topics",
    "transactions",
    "queue_messages",
    "queue_bytes",
    "queues",
    "outbox_bytes",
    "budget_bytes",
];

/// Plays the first `steps` steps, leaves by `leave`, and looks at what is left.
fn die_after(broker: &Broker, wire: Wire, steps: usize, leave: fn(Client)) {
    let mut client = broker.open(wire);
    for step in &STEPS[..steps] {
        step(&mut client);
    }
    leave(client);
    broker.until(&format!("connections{{transport=\"{}\"}}", wire.label()), 0);
    if broker.metric("queue_messages") > 0 {
        let mut heir = broker.connect(Wire::Tcp);
        heir.subscribe("1", "/queue/a", "");
        heir.expect("MESSAGE", &[("redelivered", "true")], "hi");
        heir.disconnect();
    }
    for gauge in GAUGES {
        broker.until(gauge, 0);
    }
}

on_each_wire! {
    fn a_client_that_is_reset_leaves_nothing_behind(wire: Wire) {
        let broker = Broker::start(&[]);
        for steps in 0..=STEPS.len() {
            die_after(&broker, wire, steps, Client::reset);
        }
        broker.assert_serves();
    }

    fn a_client_that_closes_leaves_nothing_behind(wire: Wire) {
        let broker = Broker::start(&[]);
        for steps in 0..=STEPS.len() {
            die_after(&broker, wire, steps, drop);
        }
        broker.assert_serves();
    }
}
