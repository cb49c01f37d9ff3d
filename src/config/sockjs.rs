//! Options of SockJS.

use super::row::{OptionRow, ValueKind};
use super::table::{HUGE, KIB, MANY, NONE, TICK, bytes, number, text, timed};
use super::value::{count, names, put, size, switch, time, transports, url};

pub(super) const SOCKJS: &[OptionRow] = &[
    timed(
        "sockjs-heartbeat",
        "25s",
        "A SockJS client that was sent nothing for so long is sent a heart-beat, so that proxies keep its connection. \
         Left out for clients to which STOMP's own heart-beats go every 25 s or more often. 0: never.",
        |c, v| put(&mut c.sockjs.heartbeat, time(v, NONE)),
    ),
    timed(
        "sockjs-disconnect-delay",
        "5s",
        "A SockJS session whose client asks for no messages for so long has ended.",
        |c, v| put(&mut c.sockjs.disconnect_delay, time(v, TICK)),
    ),
    bytes(
        "sockjs-stream-bytes-max",
        "128KiB",
        "A streaming response ends with the frame that takes it to this size, and the client asks for the next one: \
         browsers keep all of a response in memory.",
        |c, v| put(&mut c.sockjs.stream_bytes_max, size(v, 1..=HUGE)),
    ),
    bytes(
        "sockjs-send-bytes-max",
        "16MiB",
        "Size of the body of one request with which a client sends, in which an octet of a frame may take six of \
         JSON; a larger one is answered with 413. Before the client is signed in six times connect-frame-bytes-max.",
        |c, v| put(&mut c.sockjs.send_bytes_max, size(v, KIB..=HUGE)),
    ),
    number(
        "sockjs-sessions-max",
        "16384",
        "SockJS sessions over HTTP; one more is answered with 503. Over WebSocket connections-max holds alone.",
        |c, v| put(&mut c.sockjs.sessions_max, count(v, 1..=MANY)),
    ),
    number(
        "sockjs-sessions-per-address-max",
        "0",
        "SockJS sessions over HTTP of one IP address; one more is answered with 503. 0: no limit of its own.",
        |c, v| put(&mut c.sockjs.sessions_per_address_max, count(v, 0..=MANY)),
    ),
    text(
        "sockjs-transports",
        "NAMES",
        "websocket,xhr-streaming,xhr-polling,eventsource,htmlfile,jsonp-polling",
        "What SockJS clients may use; the paths of others do not exist. Native WebSocket at ws-path itself is always \
         there.",
        |c, v| put(&mut c.sockjs.transports, transports(v)),
    ),
    OptionRow {
        key: "sockjs-cookie",
        value: "true|false",
        default: "false",
        help: "Sets the cookie JSESSIONID, by which balancers keep a client at one server.",
        kind: ValueKind::Switch,
        set: |c, v| put(&mut c.sockjs.cookie, switch(v)),
    },
    text(
        "sockjs-client-url",
        "URL",
        "auto",
        "Where the page for SockJS's iframe transports finds the client library, which must be the version that your \
         pages use. auto: sockjs.min.js below ws-path, which is the demo page's version from the broker itself, where it \
         is built in; else https://cdn.jsdelivr.net/npm/sockjs-client@1/dist/sockjs.min.js.",
        |c, v| put(&mut c.sockjs.client_url, if v == "auto" { Ok(None) } else { url(v).map(Some) }),
    ),
    text(
        "sockjs-identity-cookies",
        "NAMES",
        "JSESSIONID,SESSION,session,sessionid,connect.sid,PHPSESSID",
        "Cookies that tell one user from another. All requests of a SockJS session must carry the same values of these, \
         and the same Authorization and access_token; else they are answered with 404.",
        |c, v| put(&mut c.sockjs.identity_cookies, names(v)),
    ),
    OptionRow {
        key: "sockjs-check-address",
        value: "true|false",
        default: "false",
        help: "All requests of a SockJS session must come from one IP address, too. Phones that change networks lose \
               their sessions then.",
        kind: ValueKind::Switch,
        set: |c, v| put(&mut c.sockjs.check_address, switch(v)),
    },
];
