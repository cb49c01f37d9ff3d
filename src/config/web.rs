//! Options of browsers and reverse proxies: origins, hosts and forwarded headers.

use super::row::OptionRow;
use super::table::text;
use super::value::put;
use crate::http::forwarded::Proxies;
use crate::http::hosts::Hosts;
use crate::http::origin::Origins;

pub(super) const WEB: &[OptionRow] = &[
    text(
        "allowed-origins",
        "LIST",
        "",
        "Origins of web pages that may use what is under ws-path, besides pages of the same origin and of the user's \
         own machine (localhost): https://app.example.com, https://*.example.com (one or more labels before it), \
         https://app.example.com:* (any port), the schemes of apps (file://, capacitor://localhost), null (files and \
         sandboxed frames), or * for every page; commas between them.",
        |c, v| put(&mut c.http.origins, Origins::parse(v)),
    ),
    text(
        "allowed-hosts",
        "LIST",
        "",
        "Names by which browsers may address the broker (the header Host, without its port): chat.example.com, \
         *.example.com, or * for every name; commas between them. Without any, an HTTP address of this machine only \
         accepts localhost, loopback addresses and the hosts in allowed-origins, and any other HTTP address accepts \
         every name.",
        |c, v| put(&mut c.http.hosts, Hosts::parse(v)),
    ),
    text(
        "trusted-proxies",
        "LIST",
        "",
        "Proxies before the broker, by address or network: 127.0.0.1, 10.0.0.0/8, ::1; commas between them. From \
         these alone the headers X-Forwarded-For and Forwarded are believed, which say who the client is.",
        |c, v| put(&mut c.http.proxies, Proxies::parse(v)),
    ),
];
