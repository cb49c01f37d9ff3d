//! Lists of IP networks, which are the values of several options.

use ipnet::{IpNet, Ipv4Net};
use std::net::IpAddr;

/// Length in bits of the prefix `::ffff:0:0/96` of IPv4-mapped IPv6 addresses (RFC 4291, 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// A set of IP networks. The default is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Parses a comma-separated list of networks and addresses: `10.0.0.0/8, 127.0.0.1, ::1`. An empty text is an empty
    /// list.
    ///
    /// # Errors
    /// An item is not a network or an address. The error text contains the item and the expected form.
    pub fn parse(list: &str) -> Result<Networks, String> {
        if list.trim().is_empty() {
            return Ok(Networks::default());
        }
        list.split(',').map(|item| network(item.trim())).collect::<Result<_, _>>().map(Networks)
    }

    /// Returns whether one of the networks contains `address`. An IPv4-mapped IPv6 address counts as its IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Parses a network or a single address. IPv4-mapped IPv6 addresses become IPv4 addresses.
fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let network = network.map_err(|_| {
        format!(
            "invalid network {text:?}: expected an address or a network such as 127.0.0.1, 10.0.0.0/8, ::1 or \
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_exactly_the_listed_addresses() {
        let networks =
            Networks::parse("10.0.0.0/8, 127.0.0.1,::1, ::ffff:192.168.0.0/112").expect("networks");
        for (address, expected) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("11.0.0.1", false),
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("::1", true),
            ("::2", false),
            ("192.168.7.7", true),
            ("192.169.0.1", false),
        ] {
            assert_eq!(networks.contains(address.parse().expect(address)), expected, "{address}");
        }
        assert!(
            !Networks::parse(" ").expect("an empty list").contains("127.0.0.1".parse().expect("an address"))
        );
    }

    #[test]
    fn error_for_a_malformed_network_names_the_expected_form() {
        for list in ["10.0.0.0/33", "localhost", "10.0.0.1,", "10.0.0"] {
            let error = Networks::parse(list).expect_err(list);
            assert!(error.contains(": expected an address or a network such as"), "{error}");
        }
    }
}
