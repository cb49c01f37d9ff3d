//! Options of browsers and reverse proxies: origins, hosts and forwarded headers.

use crate::config::builders::text;
use crate::config::row::OptionRow;
use crate::config::value::store;
use crate::http::policy::forwarded::Proxies;
use crate::http::policy::host_policy::Hosts;
use crate::http::policy::origin_policy::Origins;

pub(crate) const WEB: &[OptionRow] = &[
    text(
        "allowed-origins",
        "LIST",
        "",
        "Origins of web pages that may use the endpoint at ws-path, separated by commas. Pages from the broker's own \
         origin and from localhost may always use it. https://app.example.com allows one origin. \
         https://*.example.com allows hosts with one or more labels in place of the *. https://app.example.com:* \
         allows any port. file:// and capacitor://localhost allow apps with these schemes. The entry null allows \
         local files and sandboxed frames. The entry * allows every page.",
        |c, v| store(&mut c.http.origins, Origins::parse(v)),
    ),
    text(
        "allowed-hosts",
        "LIST",
        "",
        "Names by which browsers may address the broker, separated by commas. The broker compares these names with \
         the header Host, without its port. Examples: chat.example.com, *.example.com, or * for every name. By \
         default a loopback HTTP address accepts only localhost, loopback addresses and the hosts in allowed-origins. \
         Any other HTTP address accepts every name by default.",
        |c, v| store(&mut c.http.hosts, Hosts::parse(v)),
    ),
    text(
        "trusted-proxies",
        "LIST",
        "",
        "Addresses and networks of reverse proxies in front of the broker, separated by commas. Examples: 127.0.0.1, \
         10.0.0.0/8, ::1. The headers X-Forwarded-For and Forwarded give the address of the client. The broker \
         accepts these headers only from these proxies.",
        |c, v| store(&mut c.http.proxies, Proxies::parse(v)),
    ),
];
