//! Simultaneous reconnection of all clients, as after a network failure.

use crate::support::{Broker, Client, Wire, on_each_wire};

const CLIENTS: usize = 300;

on_each_wire! {
    fn all_of_300_clients_that_reconnect_at_once_are_accepted(wire: Wire) {
        let broker = Broker::start(&["--user", "alice:open-sesame"]);
        for leave in [drop, Client::reset, drop] {
            let mut clients: Vec<Client> = (0..CLIENTS).map(|_| broker.open(wire)).collect();
            for client in &mut clients {
                client.send(
                    "CONNECT\naccept-version:1.2\nhost:a\nlogin:alice\npasscode:open-sesame\n\n\0\
                     SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:done\n\n\0",
                );
            }
            for client in &mut clients {
                client.expect("CONNECTED", &[], "");
                client.expect("RECEIPT", &[("receipt-id", "done")], "");
            }
            assert_eq!(broker.metric("subscriptions"), CLIENTS as i64);
            clients.into_iter().for_each(leave);
        }
        broker.wait_for_metric("connections", 0);
        broker.wait_for_metric("subscriptions", 0);
        let label = format!("connections_accepted_total{{transport=\"{}\"}}", wire.label());
        assert_eq!(broker.metric(&label), 3 * CLIENTS as i64);
        assert_eq!(broker.metric("limit_hits_total"), 0);
    }
}
