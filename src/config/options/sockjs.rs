//! Options of SockJS.

use crate::config::builders::{COUNT_MAX, KIB, MILLISECOND, TIB, ZERO, bytes, duration, number, text};
use crate::config::row::{OptionRow, ValueKind};
use crate::config::value::{count, names, size, store, switch, time, transports, url};

pub(crate) const SOCKJS: &[OptionRow] = &[
    duration(
        "sockjs-heartbeat",
        "25s",
        "Time without output after which the broker sends a heartbeat to a SockJS client. Heartbeats prevent proxies \
         from closing the connection. A client that receives STOMP heartbeats at least every 25 s gets none. 0 turns \
         SockJS heartbeats off.",
        |c, v| store(&mut c.sockjs.heartbeat, time(v, ZERO)),
    ),
    duration(
        "sockjs-disconnect-delay",
        "5s",
        "Time after which a SockJS session ends if its client does not request messages.",
        |c, v| store(&mut c.sockjs.disconnect_delay, time(v, MILLISECOND)),
    ),
    bytes(
        "sockjs-stream-bytes-max",
        "128KiB",
        "Size at which a streaming response ends. The frame that reaches this size is the last one of the response. \
         The client then requests the next response. Browsers keep all of a response in memory.",
        |c, v| store(&mut c.sockjs.stream_bytes_max, size(v, 1..=TIB)),
    ),
    bytes(
        "sockjs-send-bytes-max",
        "16MiB",
        "Maximum size of the body of one request with which a SockJS client sends. The broker rejects a larger body \
         with 413. In JSON one byte of a frame can take six bytes. Before the client has logged in, the limit is six \
         times connect-frame-bytes-max.",
        |c, v| store(&mut c.sockjs.send_bytes_max, size(v, KIB..=TIB)),
    ),
    number(
        "sockjs-sessions-max",
        "16384",
        "Maximum number of SockJS sessions over HTTP. The broker rejects a further session with 503. Sessions of \
         SockJS over WebSocket do not count, because connections-max limits them.",
        |c, v| store(&mut c.sockjs.sessions_max, count(v, 1..=COUNT_MAX)),
    ),
    number(
        "sockjs-sessions-per-address-max",
        "0",
        "Maximum number of SockJS sessions over HTTP from one IP address. The broker rejects a further session with \
         503. 0 means no separate limit.",
        |c, v| store(&mut c.sockjs.sessions_per_address_max, count(v, 0..=COUNT_MAX)),
    ),
    text(
        "sockjs-transports",
        "NAMES",
        "websocket,xhr-streaming,xhr-polling,eventsource,htmlfile,jsonp-polling",
        "Transports that SockJS clients may use. The broker answers requests for other transports with 404. Native \
         WebSocket at ws-path itself is always available.",
        |c, v| store(&mut c.sockjs.transports, transports(v)),
    ),
    OptionRow {
        key: "sockjs-cookie",
        value: "true|false",
        default: "false",
        help: "Sets the cookie JSESSIONID. With this cookie a load balancer keeps a client on one server.",
        kind: ValueKind::Switch,
        set: |c, v| store(&mut c.sockjs.cookie, switch(v)),
    },
    text(
        "sockjs-client-url",
        "URL",
        "auto",
        "URL of the SockJS client library for the page of the iframe transports. The library must have the version \
         that your pages use. The value auto selects sockjs.min.js below ws-path if the demo page is built in. This \
         file has the version of the demo page. Otherwise auto selects \
         https://cdn.jsdelivr.net/npm/sockjs-client@1/dist/sockjs.min.js.",
        |c, v| store(&mut c.sockjs.client_url, if v == "auto" { Ok(None) } else { url(v).map(Some) }),
    ),
    text(
        "sockjs-identity-cookies",
        "NAMES",
        "JSESSIONID,SESSION,session,sessionid,connect.sid,PHPSESSID",
        "Cookies that distinguish users. All requests of a SockJS session must have the same values of these cookies. \
         Authorization and access_token must also be the same. The broker rejects other requests with 404.",
        |c, v| store(&mut c.sockjs.identity_cookies, names(v)),
    ),
    OptionRow {
        key: "sockjs-check-address",
        value: "true|false",
        default: "false",
        help: "Requires that all requests of a SockJS session come from one IP address. Phones that change networks \
               then lose their sessions.",
        kind: ValueKind::Switch,
        set: |c, v| store(&mut c.sockjs.check_address, switch(v)),
    },
];
