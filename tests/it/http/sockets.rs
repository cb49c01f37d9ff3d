//! Options of client sockets, as far as they are visible from outside the process (Linux).
#![cfg(target_os = "linux")]

use crate::support::client::publish;
use crate::support::{Broker, HANG_TIMEOUT, Wire};
use std::net::SocketAddr;
use std::time::Instant;

/// Returns the timer of the kernel for the broker's end of a connection: its kind (2: keep-alive, 0: none), and the
/// hundredths of a second until it expires. Returns `None` if the list of the kernel lacks the connection, which can
/// happen while other connections are opened and closed.
fn timer(broker: SocketAddr, client: SocketAddr) -> Option<(u8, u32)> {
    let in_kernel_format = |address: SocketAddr| match address {
        // The kernel prints the address as an integer in native byte order.
        SocketAddr::V4(v4) => format!("{:08X}:{:04X}", u32::from_ne_bytes(v4.ip().octets()), v4.port()),
        SocketAddr::V6(_) => panic!("the tests use 127.0.0.1"),
    };
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux has /proc");
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows
        .into_iter()
        .find(|row| row[1] == in_kernel_format(broker) && row[2] == in_kernel_format(client))?;
    let (which, when) = row[5].split_once(':').expect("tr:when");
    Some((which.parse().expect("a number"), u32::from_str_radix(when, 16).expect("a number in hexadecimal")))
}

#[test]
fn an_idle_connection_is_probed_after_tcp_keepalive() {
    for (flag, expected) in [("--tcp-keepalive=7s", 2), ("--tcp-keepalive=0s", 0)] {
        let broker = Broker::start(&[flag]);
        for (wire, address) in [(Wire::Tcp, broker.tcp), (Wire::WebSocket, broker.http)] {
            let client = broker.connect(wire);
            let started = Instant::now();
            // While data is unacknowledged, the kernel lists the retransmission timer instead.
            let (which, when) = loop {
                let timer = timer(address, client.address());
                if let Some(timer) = timer.filter(|(which, _)| *which == expected) {
                    break timer;
                }
                assert!(started.elapsed() < HANG_TIMEOUT, "{timer:?} over {wire:?} with {flag}");
            };
            // The broker adds up to a third to `tcp-keepalive`, so that it does not probe all connections at once.
            assert!(which == 0 || (1..=900).contains(&when), "{when} over {wire:?}");
            client.disconnect();
        }
    }
}

#[test]
fn a_peer_that_acknowledges_nothing_is_closed_after_tcp_user_timeout() {
    // Since Linux 5.11, data that waits for a closed receive window counts as unacknowledged. `stall-timeout` is long,
    // so that it cannot close the connection instead.
    let broker = Broker::start(&["--tcp-user-timeout=1s", "--stall-timeout=1h"]);
    for wire in Wire::ALL {
        let mut stalled = broker.connect(wire);
        stalled.subscribe("1", "/queue/a", "");
        let body = "x".repeat(500_000);
        for _ in 0..30 {
            publish(&broker, "/queue/a", &body);
        }
        broker.wait_for_metric(&format!("connections{{transport=\"{}\"}}", wire.label()), 0);
        drop(stalled);
    }
}
