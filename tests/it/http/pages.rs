//! HTTP endpoints other than WebSocket.

use crate::support::http::{Http, Request, exchange, read_response};
use crate::support::{Broker, Wire};
use std::io::{Read, Write};

#[test]
fn health_and_ready_are_ok() {
    let broker = Broker::start(&[]);
    for path in ["/health", "/ready"] {
        assert_eq!(broker.get(path).status, 200, "{path}");
    }
}

#[test]
fn metrics_are_openmetrics_with_help_lines() {
    let broker = Broker::start(&[]);
    let response = broker.get("/metrics");
    let media = response.header("content-type").unwrap_or_default();
    assert!(media.starts_with("application/openmetrics-text") || media.starts_with("text/plain"), "{media}");
    for name in ["queue_messages", "subscriptions", "memory_used_bytes"] {
        assert!(response.body.contains(&format!("# HELP stompbox_{name} ")), "{}", response.body);
    }
    assert!(response.body.ends_with("# EOF\n"));
}

#[test]
fn every_series_starts_at_0() {
    let broker = Broker::start(&[]);
    let metrics = broker.get("/metrics").body;
    for series in [
        "connections{transport=\"tcp\"}",
        "connections_accepted_total{transport=\"sockjs-jsonp-polling\"}",
        "connections_closed_total{reason=\"heart-beat-lost\"}",
        "connections_closed_total{reason=\"no-data\"}",
        "connections_closed_total{reason=\"shutdown\"}",
        "limit_hits_total{limit=\"connections-max\"}",
        "limit_hits_total{limit=\"stall-timeout\"}",
        "limit_hits_total{limit=\"sockjs-sessions-max\"}",
        "requests_refused_total{option=\"allowed-origins\"}",
    ] {
        assert!(metrics.contains(&format!("\nstompbox_{series} 0\n")), "{series} in {metrics}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn process_metrics_are_exported_under_the_usual_names() {
    let broker = Broker::start(&[]);
    let held = Wire::ALL.map(|wire| broker.connect(wire));
    let metrics = broker.get("/metrics").body;
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} in {metrics}")).parse().expect("a number")
    };
    let process = format!("/proc/{}", broker.process_id());
    let files = std::fs::read_dir(format!("{process}/fd")).expect("Linux has /proc").count();
    assert!(value("process_open_fds") >= (files - 1) as f64, "the scrape itself uses one descriptor more");
    assert!(value("process_max_fds") >= value("process_open_fds"));
    assert!(value("process_resident_memory_bytes") > 1_000_000.0);
    assert!(value("process_cpu_seconds_total") < 60.0);
    assert!(value("process_start_time_seconds") > 1_600_000_000.0);
    drop(held);
}

#[test]
fn the_iframe_page_loads_the_built_in_client_library_if_there_is_one() {
    for demo in ["--demo=true", "--demo=false"] {
        let broker = Broker::start(&["--ws-path=/a/b", demo]);
        let page = broker.get("/a/b/iframe.html").body;
        let beside = broker.get("/a/b/sockjs.min.js");
        assert_eq!(beside.status, broker.get("/sockjs.min.js").status, "{demo}");
        let url = match beside.status {
            200 => "sockjs.min.js",
            _ => "https://cdn.jsdelivr.net/npm/sockjs-client@1/dist/sockjs.min.js",
        };
        assert!(page.contains(&format!("<script src=\"{url}\"></script>")), "{demo}: {page}");
        if beside.status == 200 {
            assert!(beside.body.contains("SockJS"), "the file must be the client library");
        }
    }
    let broker = Broker::start(&["--sockjs-client-url=/own.js"]);
    assert!(broker.get("/ws/iframe.html").body.contains("<script src=\"/own.js\"></script>"));
}

#[test]
fn connections_are_counted_by_transport() {
    let broker = Broker::start(&[]);
    for wire in Wire::ALL {
        let name = format!("connections{{transport=\"{}\"}}", wire.label());
        let client = broker.connect(wire);
        assert_eq!(broker.metric(&name), 1);
        client.disconnect();
        broker.wait_for_metric(&name, 0);
    }
}

#[test]
fn an_unknown_path_is_404() {
    let broker = Broker::start(&[]);
    for path in ["/nowhere", "/ws/a", "/wsa", "/healthy", "//", "/metrics/x"] {
        assert_eq!(broker.get(path).status, 404, "{path}");
    }
}

#[test]
fn a_wrong_method_is_405_and_lists_the_allowed_ones() {
    let broker = Broker::start(&[]);
    for path in ["/ws", "/health", "/ready", "/metrics"] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let (_, response) = exchange(broker.http, request.as_bytes());
        assert_eq!(response.status, 405, "{path}");
        assert!(response.header("allow").is_some_and(|allow| allow.contains("GET")), "{response:?}");
    }
}

#[test]
fn a_bad_upgrade_is_400() {
    let broker = Broker::start(&[]);
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    let table = [
        format!("{key}Sec-WebSocket-Version: 13\r\n"),
        format!("Upgrade: websocket\r\nConnection: close\r\n{key}Sec-WebSocket-Version: 13\r\n"),
        format!("{upgrade}Sec-WebSocket-Version: 13\r\n"),
    ];
    for headers in table {
        let request = format!("GET /ws HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", broker.http);
        let (_, response) = exchange(broker.http, request.as_bytes());
        assert_eq!(response.status, 400, "{headers:?}");
    }
    let request =
        format!("GET /ws HTTP/1.1\r\nHost: localhost\r\n{upgrade}{key}Sec-WebSocket-Version: 6\r\n\r\n");
    let (_, response) = exchange(broker.http, request.as_bytes());
    assert!([400, 426].contains(&response.status), "{response:?}");
}

#[test]
fn a_connection_serves_several_requests() {
    let broker = Broker::start(&[]);
    let request = format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", broker.http);
    let (mut stream, response) = exchange(broker.http, request.as_bytes());
    assert_eq!(response.status, 200);
    stream.write_all(request.as_bytes()).expect("the connection stays open");
    assert_eq!(read_response(&mut stream).status, 200);
}

#[test]
fn an_unfinished_request_is_closed_after_the_header_timeout() {
    let broker = Broker::start(&["--http-header-timeout", "200ms"]);
    let mut stream = std::net::TcpStream::connect(broker.http).expect("the HTTP port accepts");
    stream.set_read_timeout(Some(crate::support::HANG_TIMEOUT)).expect("the timeout is valid");
    stream.write_all(b"GET /health HTTP/1.1\r\nHost:").expect("bytes can be sent");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the broker closes");
    broker.assert_serves();
}

#[test]
fn metrics_are_rejected_to_requests_forwarded_by_a_proxy() {
    for options in [&[][..], &["--trusted-proxies", "127.0.0.1"]] {
        let broker = Broker::start(options);
        for header in [
            "X-Forwarded-For: 127.0.0.1",
            "Forwarded: for=10.0.0.1",
            "Forwarded: for=a\r\nX-Forwarded-For: b",
        ] {
            let request = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n");
            let (_, response) = exchange(broker.http, request.as_bytes());
            assert_eq!(response.status, 403, "{header:?}");
        }
    }
}

#[test]
fn metrics_can_be_switched_off() {
    let broker = Broker::start(&["--metrics-from", "off"]);
    assert!([403, 404].contains(&broker.get("/metrics").status));
    assert_eq!(broker.get("/health").status, 200);
}

#[test]
fn an_http_1_1_request_without_exactly_one_host_header_is_400() {
    let broker = Broker::start(&[]);
    for path in ["/", "/health", "/metrics", "/ws", "/ws/info", "/nowhere"] {
        for (headers, status) in [("", 400), ("Host: a\r\nHost: a\r\n", 400)] {
            let request = format!("GET {path} HTTP/1.1\r\n{headers}\r\n");
            let (_, response) = exchange(broker.http, request.as_bytes());
            assert_eq!(response.status, status, "{path} {headers:?}");
            assert!(response.body.contains("header Host"), "{response:?}");
        }
    }
    for request in ["GET /health HTTP/1.0\r\n\r\n", "GET /health HTTP/1.1\r\nHost:\r\n\r\n"] {
        let (_, response) = exchange(broker.http, request.as_bytes());
        assert_eq!(response.status, 200, "{request:?}");
    }
}

#[test]
fn a_client_that_half_closes_after_a_whole_request_is_answered() {
    let broker = Broker::start(&[]);
    for path in ["/health", "/metrics", "/ws/info", "/ws"] {
        for _ in 0..20 {
            let mut http = Http::connect(broker.http);
            http.send_request(&Request::get(path));
            http.shutdown_write();
            assert_eq!(http.read_response().status, 200, "{path}");
            assert_eq!(http.rest(), "", "the broker closes the connection after its answer");
        }
    }
}
