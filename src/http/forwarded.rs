//! Who asks, when a proxy asks for them.

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName};
use ipnet::{IpNet, Ipv4Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Octets of the prefix by which IPv4 addresses are mapped into IPv6 (RFC 4291, 2.5.5.2), in bits.
const MAPPED_BITS: u8 = 96;

/// The proxies whose word on their clients is taken (`trusted-proxies`). Without any, headers count for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    networks: Vec<IpNet>,
}

impl Proxies {
    /// Reads a list with commas of networks and addresses: `10.0.0.0/8, 127.0.0.1, ::1`. An empty text is an empty
    /// list. The error says what was expected.
    pub fn parse(list: &str) -> Result<Proxies, String> {
        if list.trim().is_empty() {
            return Ok(Proxies::default());
        }
        let networks = list.split(',').map(|item| network(item.trim())).collect::<Result<_, _>>()?;
        Ok(Proxies { networks })
    }

    /// Whether that is a proxy of ours.
    pub fn is_trusted(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.networks.iter().any(|network| network.contains(&peer))
    }

    /// The address of the client: the peer's own, unless the peer is a proxy of ours.
    ///
    /// Then `X-Forwarded-For` and `Forwarded` (RFC 7239) are read from the right, where the nearest proxy wrote, over
    /// our own proxies to the first address that is none of them. What is no address ends the way at the last that
    /// was one. If both headers are there and do not agree, the peer's own address is taken: the client may have sent
    /// the one which its proxy does not know.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.is_trusted(peer) {
            return peer;
        }
        let listed = headers.get_all(X_FORWARDED_FOR).iter().rev();
        let listed = listed.flat_map(|line| line.as_bytes().rsplit(|&octet| octet == b',')).map(address);
        let forwarded = headers.get_all(FORWARDED).iter().rev();
        let forwarded = forwarded.flat_map(|line| Elements { rest: Some(line.as_bytes()) }).map(node);
        match (headers.contains_key(X_FORWARDED_FOR), headers.contains_key(FORWARDED)) {
            (true, false) => self.walk(peer, listed),
            (false, true) => self.walk(peer, forwarded),
            (true, true) => {
                let client = self.walk(peer, listed);
                if client == self.walk(peer, forwarded) { client } else { peer }
            }
            (false, false) => peer,
        }
    }

    /// From the peer over our own proxies to the first address that is none of them.
    fn walk(&self, peer: IpAddr, addresses: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut last = peer;
        for address in addresses {
            let Some(address) = address else { break };
            last = address;
            if !self.is_trusted(address) {
                break;
            }
        }
        last
    }
}

/// A network or a single address; addresses that are IPv4 mapped into IPv6 become IPv4.
fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let network = network.map_err(|_| {
        format!(
            "{text:?} is no network; expected an address or a network such as 127.0.0.1, 10.0.0.0/8, ::1 or \
             fd00::/8"
        )
    })?;
    Ok(canonical(network).trunc())
}

fn canonical(network: IpNet) -> IpNet {
    let (IpAddr::V4(address), IpNet::V6(_)) = (network.addr().to_canonical(), network) else {
        return network;
    };
    match network.prefix_len().checked_sub(MAPPED_BITS).map(|bits| Ipv4Net::new(address, bits)) {
        Some(Ok(network)) => IpNet::V4(network),
        _ => network,
    }
}

/// The elements of one line of `Forwarded`, from the right.
///
/// A comma between quotes separates nothing. Read from the right, no quote that a client left open can swallow what
/// the proxies wrote behind it: the first quote that is met closes a string, and the next one opens it unless it is
/// escaped (an opening quote stands behind `=`, never behind `\`).
struct Elements<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.rest.take()?;
        let mut quoted = false;
        for (at, octet) in line.iter().enumerate().rev() {
            match octet {
                b'"' if quoted && line[..at].ends_with(b"\\") => {}
                b'"' => quoted = !quoted,
                b',' if !quoted => {
                    self.rest = Some(&line[..at]);
                    return Some(&line[at + 1..]);
                }
                _ => {}
            }
        }
        Some(line)
    }
}

/// The address that an element of `Forwarded` gives with `for`, once.
///
/// ```text
/// element = [ pair ] *( ";" [ pair ] )      pair = name "=" ( word / quoted-string )
/// ```
/// Words may hold colons and brackets, which ought to be quoted and often are not.
fn node(element: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    let mut rest = element.trim_ascii();
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix(b";") {
            rest = behind.trim_ascii_start();
            continue;
        }
        let equals = rest.iter().position(|&octet| octet == b'=')?;
        let (name, behind) = (&rest[..equals], &rest[equals + 1..]);
        let (value, behind) = value(behind)?;
        rest = behind.trim_ascii_start();
        if !(rest.is_empty() || rest.starts_with(b";")) {
            return None;
        }
        if name.eq_ignore_ascii_case(b"for") && found.replace(value).is_some() {
            return None;
        }
    }
    address(&found?)
}

/// A word or a quoted string, and what is behind it.
fn value(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|octet| b"; \t".contains(octet)).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        return (!word.contains(&b'"')).then(|| (word.to_vec(), rest));
    };
    let mut value = Vec::new();
    loop {
        match rest {
            [b'"', behind @ ..] => return Some((value, behind)),
            [b'\\', octet, behind @ ..] | [octet, behind @ ..] => {
                value.push(*octet);
                rest = behind;
            }
            [] => return None,
        }
    }
}

/// An address, perhaps with a port: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]`,
/// `[2001:db8::1]:4711`.
fn address(text: impl AsRef<[u8]>) -> Option<IpAddr> {
    let text = std::str::from_utf8(text.as_ref().trim_ascii()).ok()?;
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, behind) = rest.split_once(']')?;
            let port = if behind.is_empty() { None } else { Some(behind.strip_prefix(':')?) };
            (IpAddr::V6(address.parse::<Ipv6Addr>().ok()?), port)
        }
        None => match text.split_once(':') {
            Some((address, port)) if !port.contains(':') => {
                (IpAddr::V4(address.parse::<Ipv4Addr>().ok()?), Some(port))
            }
            _ => (text.parse().ok()?, None),
        },
    };
    port.is_none_or(is_port).then(|| address.to_canonical())
}

/// A number, or a name instead of it (RFC 7239, 6.2).
fn is_port(text: &str) -> bool {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"._-".contains(&octet);
    match text.strip_prefix('_') {
        Some(name) => !name.is_empty() && name.bytes().all(plain),
        None => text.bytes().all(|octet| octet.is_ascii_digit()) && text.parse::<u16>().is_ok(),
    }
}
