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
        "Origins of web pages that may use the endpoint at ws-path, separated by commas. Pages of the same origin and \
         of the user's own machine (localhost) may always use it. Examples: https://app.example.com, \
         https://*.example.com (one or more labels in place of the *), https://app.example.com:* (any port), the \
         schemes of apps (file://, capacitor://localhost), null (files and sandboxed frames), or * for every page.",
        |c, v| store(&mut c.http.origins, Origins::parse(v)),
    ),
    text(
        "allowed-hosts",
        "LIST",
        "",
        "Names by which browsers may address the broker (the header Host, without its port), separated by commas: \
         chat.example.com, *.example.com, or * for every name. If none is set, a loopback HTTP address accepts only \
         localhost, loopback addresses and the hosts in allowed-origins, and any other HTTP address accepts every \
         name.",
        |c, v| store(&mut c.http.hosts, Hosts::parse(v)),
    ),
    text(
        "trusted-proxies",
        "LIST",
        "",
        "Addresses and networks of reverse proxies in front of the broker, separated by commas: 127.0.0.1, \
         10.0.0.0/8, ::1. The headers X-Forwarded-For and Forwarded, which give the address of the client, are \
         accepted only from these addresses.",
        |c, v| store(&mut c.http.proxies, Proxies::parse(v)),
    ),
];
