//! Listening on several addresses.

use crate::support::{Broker, Client, Wire};
use std::net::{IpAddr, SocketAddr, TcpStream};

/// Returns the addresses that the broker has announced for a scheme.
#[track_caller]
fn announced(broker: &Broker, scheme: &str) -> Vec<SocketAddr> {
    let urls = broker.urls.iter().filter_map(|url| url.strip_prefix(scheme)?.strip_prefix("://"));
    urls.map(|rest| rest.split('/').next().and_then(|address| address.parse().ok()).expect("an address"))
        .collect()
}

#[track_caller]
fn connect_and_disconnect(address: SocketAddr) {
    let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    let mut client = Client::new(Wire::Tcp, stream);
    client.send("CONNECT\naccept-version:1.2\nhost:a\n\n\0");
    client.expect("CONNECTED", &[], "");
    client.disconnect();
}

#[test]
fn every_listen_address_is_served_and_announced_on_its_own_line() {
    // `Broker::start` already listens on 127.0.0.1 for both.
    let broker = Broker::start(&["--tcp", "127.0.0.2:0,[::1]:0", "--http", "[::1]:0", "--http=127.0.0.2:0"]);
    let hosts = |scheme| announced(&broker, scheme).iter().map(|at| at.ip().to_string()).collect::<Vec<_>>();
    assert_eq!(hosts("tcp"), ["127.0.0.1", "127.0.0.2", "::1"]);
    assert_eq!(hosts("http"), ["127.0.0.1", "::1", "127.0.0.2"]);
    assert_eq!(hosts("ws"), hosts("http"));
    announced(&broker, "tcp").into_iter().for_each(connect_and_disconnect);
    for address in announced(&broker, "http") {
        let mut http = crate::support::http::Http::connect(address);
        assert_eq!(http.exchange(&crate::support::http::Request::get("/ws/info")).status, 200, "{address}");
    }
    // All listeners belong to the same broker.
    let mut subscriber = broker.connect(Wire::WebSocket);
    subscriber.subscribe("1", "/topic/a", "");
    let last = announced(&broker, "tcp")[2];
    let mut publisher = Client::new(Wire::Tcp, TcpStream::connect(last).expect("the port accepts"));
    publisher.send("CONNECT\naccept-version:1.2\nhost:a\n\n\0");
    publisher.expect("CONNECTED", &[], "");
    publisher.publish("/topic/a", "hi");
    subscriber.expect("MESSAGE", &[], "hi");
    publisher.disconnect();
    subscriber.disconnect();
}

#[test]
fn an_ipv6_wildcard_accepts_ipv4_clients_and_uses_their_ipv4_addresses() {
    let flags = ["--tcp=[::]:0", "--http=[::]:0", "--allow-anonymous", "--metrics-from=loopback"];
    let broker = Broker::start(&flags);
    for host in [IpAddr::from([127, 0, 0, 1]), "::1".parse().expect("an address")] {
        let at = |scheme| SocketAddr::new(host, announced(&broker, scheme)[1].port());
        connect_and_disconnect(at("tcp"));
        let line = broker
            .log_line(|line| line.contains("connection closed") && line.contains(&format!("address={host}")));
        assert!(line.contains("transport=\"tcp\""), "{line}");
        let mut http = crate::support::http::Http::connect(at("http"));
        let metrics = http.exchange(&crate::support::http::Request::get("/metrics"));
        assert_eq!(metrics.status, 200, "{host} is a loopback address: {metrics:?}");
    }
    assert!(!broker.whole_log().contains("::ffff:"), "addresses are shown in one form");
}
