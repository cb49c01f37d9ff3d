//! Which names the broker answers to.
//!
//! A page may give its own name a second address, that of this machine (DNS rebinding): its requests to the broker are
//! of the same origin then. What gives it away is the name in `Host`. So a listener that only this machine reaches
//! accepts only names of this machine, unless more are configured.

use super::host::{Host, HostPattern};
use super::origin::{Origins, Refused};
use hyper::HeaderMap;
use hyper::header::HOST;
use std::net::{IpAddr, Ipv6Addr};

/// The option of [`Hosts`].
const OPTION: &str = "allowed-hosts";

/// Which values of the header `Host` are accepted (`allowed-hosts`).
///
/// A loopback listener accepts loopback names (`localhost` and names under it, 127.0.0.0/8, `[::1]`), the hosts that
/// `allowed-origins` names exactly, and those that are listed here. Any other listener accepts every host, or, if any
/// are listed, those.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    any: bool,
    listed: Vec<HostPattern>,
}

impl Hosts {
    /// Reads a list with commas of names and addresses without ports: `chat.example.com`, `*.example.com` (one or
    /// more labels before it), `192.0.2.1`, `[2001:db8::1]`, or `*` for every host. An empty text is an empty list.
    /// The error says what was expected.
    pub fn parse(list: &str) -> Result<Hosts, String> {
        let mut hosts = Hosts::default();
        if list.trim().is_empty() {
            return Ok(hosts);
        }
        for item in list.split(',').map(str::trim) {
            match item {
                "*" => hosts.any = true,
                _ => hosts.listed.push(pattern(item)?),
            }
        }
        Ok(hosts)
    }

    /// Judges a request by its `Host`. Without one (or with an empty one) it was no browser, and is let in.
    pub fn judge(
        &self,
        headers: &HeaderMap,
        listener_is_loopback: bool,
        origins: &Origins,
    ) -> Result<(), Refused> {
        if self.any || (self.listed.is_empty() && !listener_is_loopback) {
            return Ok(());
        }
        let mut values = headers.get_all(HOST).iter();
        let Some(value) = values.next().filter(|value| !value.is_empty()) else { return Ok(()) };
        if values.next().is_some() {
            return Err(Refused::new("more than one header Host", b"", OPTION));
        }
        let host = value.to_str().ok().and_then(Host::parse_with_port).map(|(host, _)| host);
        let accepted = host.is_some_and(|host| {
            self.listed.iter().any(|pattern| pattern.matches(&host))
                || listener_is_loopback
                    && (host.is_loopback() || origins.hosts().any(|named| named == host.as_str()))
        });
        if accepted { Ok(()) } else { Err(Refused::new("host ", value.as_bytes(), OPTION)) }
    }
}

fn pattern(text: &str) -> Result<HostPattern, String> {
    let address = text.parse::<Ipv6Addr>().map(|address| HostPattern::Exactly(IpAddr::V6(address).into()));
    address.ok().or_else(|| HostPattern::parse(text)).ok_or_else(|| {
        format!(
            "{text:?} is no host; expected a name or an address without a port, such as chat.example.com, \
             *.example.com, 192.0.2.1 or [2001:db8::1], or * for every host; letters beyond ASCII are written as xn--"
        )
    })
}
