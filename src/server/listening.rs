//! Opens the listening sockets for the options `tcp` and `http`.

use super::bind::BindError;
use super::listeners::Listeners;
use crate::config::Listen;
use crate::connection::listen;
use rustix::io::Errno;
use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// A configured address, and the socket addresses to which it resolves.
struct ListenAddress<'a> {
    option: &'static str,
    listen: &'a Listen,
    addresses: Vec<SocketAddr>,
}

/// Listens at all of the configured addresses. For a name, listens at each of its addresses that this machine has.
///
/// An IPv6 wildcard address also accepts IPv4 clients. If an IPv4 address with the same port is configured, the
/// wildcard address accepts only IPv6 clients. Otherwise the system would reject one of the two addresses.
pub(super) async fn bind(tcp: &[Listen], http: &[Listen], backlog: i32) -> Result<Listeners, BindError> {
    let mut requested = Vec::new();
    for (option, list) in [("tcp", tcp), ("http", http)] {
        for listen in list {
            let addresses = resolve(listen).await.map_err(|error| bind_error(option, listen, error))?;
            requested.push(ListenAddress { option, listen, addresses });
        }
    }
    let ipv4_ports: HashSet<u16> = requested
        .iter()
        .flat_map(|requested| &requested.addresses)
        .filter(|address| address.is_ipv4() && address.port() != 0)
        .map(SocketAddr::port)
        .collect();
    let mut listeners = Listeners::default();
    for requested in &requested {
        let opened = open(requested, &ipv4_ports, backlog);
        let opened = opened.map_err(|error| bind_error(requested.option, requested.listen, error))?;
        if requested.option == "tcp" { &mut listeners.tcp } else { &mut listeners.http }.extend(opened);
    }
    Ok(listeners)
}

fn bind_error(option: &'static str, listen: &Listen, error: io::Error) -> BindError {
    BindError { option, address: listen.to_string(), error }
}

/// Returns the addresses of a name, each once, in the order in which the system prefers them.
async fn resolve(listen: &Listen) -> io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in tokio::net::lookup_host(listen.to_string()).await? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(addresses) }
}

/// Listens at every address. Skips addresses that this machine does not have. Returns an error if no address is left.
fn open(
    requested: &ListenAddress<'_>,
    ipv4_ports: &HashSet<u16>,
    backlog: i32,
) -> io::Result<Vec<TcpListener>> {
    let mut opened = Vec::new();
    let mut missing = None;
    for address in &requested.addresses {
        let is_wildcard = address.is_ipv6() && address.ip().is_unspecified();
        let accepts_ipv4 = is_wildcard && !ipv4_ports.contains(&address.port());
        match listen::listen(*address, accepts_ipv4, backlog) {
            Ok(listener) => opened.push(listener),
            Err(error) if is_missing(&error) => missing = Some((address, error)),
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some((_, error)) if opened.is_empty() => Err(error),
        Some((address, error)) => {
            let ListenAddress { option, listen, .. } = requested;
            tracing::warn!(
                option, %listen, %address, %error,
                "this machine does not have one of the addresses of this name. The broker listens at the others."
            );
            Ok(opened)
        }
        None => Ok(opened),
    }
}

/// Returns whether the error means that this machine has no such address.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    fn listens(list: &[&str]) -> Vec<Listen> {
        list.iter().map(|text| Listen::parse(text).expect(text)).collect()
    }

    /// Returns a port that is free on every address. Another program is unlikely to take it before the test does.
    fn free_port() -> u16 {
        let listener = std::net::TcpListener::bind("[::]:0").expect("a port is free");
        listener.local_addr().expect("a listener has an address").port()
    }

    #[tokio::test]
    async fn wildcard_addresses_of_ipv4_and_ipv6_share_a_port() {
        let port = free_port();
        let both = listens(&[&format!("[::]:{port}"), &format!("0.0.0.0:{port}")]);
        let listeners = bind(&both, &[], 8).await.expect("both addresses are bound");
        assert_eq!(listeners.tcp.len(), 2);
        for (host, at) in [("[::1]", 0), ("127.0.0.1", 1)] {
            let _client = TcpStream::connect(format!("{host}:{port}")).expect("the port accepts connections");
            let (_, peer) = listeners.tcp[at].accept().await.expect("a client");
            assert_eq!(peer.is_ipv6(), at == 0);
        }
    }

    #[tokio::test]
    async fn host_name_binds_all_of_its_addresses() {
        let found =
            resolve(&Listen::parse("localhost:0").expect("an address")).await.expect("localhost resolves");
        let listeners = bind(&[], &listens(&["localhost:0"]), 8).await.expect("the port accepts connections");
        let bound: Vec<_> =
            listeners.http.iter().map(|listener| listener.local_addr().expect("bound").ip()).collect();
        assert_eq!(bound, found.iter().map(SocketAddr::ip).collect::<Vec<_>>());
        assert!(bound.iter().all(|address| address.is_loopback()), "{bound:?}");
    }

    #[tokio::test]
    async fn bind_error_names_the_address_and_its_option() {
        let occupied = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = occupied.local_addr().expect("a listener has an address").to_string();
        let error = bind(&listens(&["127.0.0.1:0"]), &listens(&["127.0.0.1:0", &address]), 8).await;
        let error = error.expect_err("the second address of http is taken");
        assert_eq!((error.option, error.address), ("http", address));
    }
}
