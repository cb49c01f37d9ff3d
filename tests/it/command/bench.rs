//! The load generator: it runs over every transport, and detects the faults of a broker.

use crate::support::{Broker, HANG_TIMEOUT};
use bytes::BytesMut;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use stompbox_frames::stomp::{self, Decoder, Frame, Limits, Version, encode};

/// The exit code and the output of a run of the command.
struct Run {
    code: Option<i32>,
    out: String,
    errors: String,
}

impl Run {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.errors))
    }

    /// Asserts that the run has succeeded without a fault, and returns its JSON.
    #[track_caller]
    fn assert_passed(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.errors);
        let json = self.json();
        for fault in ["lost", "duplicated", "reordered", "corrupt", "foreign", "receipts_missing"] {
            assert_eq!(json[fault], 0, "{fault}: {json}");
        }
        assert_eq!((&json["fine"], &json["failure"]), (&Value::Bool(true), &Value::Null));
        assert!(json["published"].as_u64() > Some(0), "{json}");
        json
    }
}

fn run_with(arguments: &str, variables: &[(&str, &str)]) -> Run {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_stompbox"))
        .arg("bench")
        .args(arguments.split_whitespace())
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("the command runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Run { code: output.status.code(), out: text(output.stdout), errors: text(output.stderr) }
}

fn run(arguments: &str) -> Run {
    run_with(arguments, &[])
}

/// Returns the broker's URL for every transport.
fn urls(broker: &Broker) -> Vec<String> {
    let schemes = ["xhr", "xhr-polling", "eventsource", "htmlfile", "jsonp", "ws"];
    let sockjs = schemes.map(|scheme| format!("sockjs+{scheme}://{}/ws", broker.http));
    let direct = [format!("tcp://{}", broker.tcp), format!("ws://{}/ws", broker.http)];
    direct.into_iter().chain(sockjs).collect()
}

#[test]
fn every_transport_delivers_everything() {
    let broker = Broker::start(&[]);
    for url in urls(&broker) {
        let load = "--publishers 2 --subscribers 3 --destinations 2 --rate 500 --warmup 0 --time 300ms";
        let json = run(&format!("fan-out --url {url} {load} --json -")).assert_passed();
        assert_eq!((&json["url"], &json["shape"]), (&Value::from(url), &Value::from("fan-out")));
        assert!(json["latency_p50_microseconds"].as_f64() > Some(0.0), "{json}");
    }
}

/// A SockJS response ends after `sockjs-stream-bytes-max`. The load must continue with the next response.
#[test]
fn a_closed_loop_continues_across_sockjs_responses() {
    let broker = Broker::start(&["--sockjs-stream-bytes-max", "4KiB"]);
    for url in urls(&broker) {
        let load = "--subscribers 2 --window 16 --body 1KiB --warmup 0 --time 1s";
        let json = run(&format!("fan-out --url {url} {load} --json -")).assert_passed();
        assert!(json["delivered"].as_u64() > Some(32), "{json}");
    }
}

#[test]
fn a_queue_gives_each_message_to_one_consumer() {
    let broker = Broker::start(&[]);
    for ack in ["auto", "client", "client-individual"] {
        for url in [format!("tcp://{}", broker.tcp), format!("sockjs+xhr://{}/ws", broker.http)] {
            let load = "--publishers 2 --subscribers 3 --window 16 --receipts --warmup 0 --time 100ms";
            let json = run(&format!("queue --url {url} --ack {ack} {load} --json -")).assert_passed();
            assert_eq!(json["published"], json["delivered"]);
        }
    }
    broker.wait_for_metric("queue_messages", 0);
}

#[test]
fn ping_pong_receives_every_reply() {
    let broker = Broker::start(&[]);
    let load = "--pairs 2 --warmup 0 --time 100ms";
    let json = run(&format!("ping-pong --url ws://{}/ws {load} --json -", broker.http)).assert_passed();
    assert_eq!(json["published"], json["delivered"]);
}

#[test]
fn idle_reports_memory_and_every_connection_receives_every_broadcast() {
    let broker = Broker::start(&[]);
    let pid = broker.process_id();
    let load = format!("--connections 50 --time 10ms --pid {pid}");
    let json = run(&format!("idle --url tcp://{} {load} --json -", broker.tcp)).assert_passed();
    assert_eq!(json["broadcast_milliseconds"].as_array().map(Vec::len), Some(5));
    assert_eq!(json["delivered"], 250);
    assert!(json["broker_resident_bytes"].as_u64() > Some(1 << 20), "{json}");
    assert!(json["connects_per_second"].as_f64() > Some(0.0), "{json}");
}

#[test]
fn a_summary_goes_to_stdout_and_json_to_the_file() {
    let broker = Broker::start(&[]);
    let path = format!("{}/bench-{}.json", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let load = format!("--subscribers 1 --rate 200 --warmup 0 --time 50ms --json {path}");
    let run = run(&format!("fan-out --url tcp://{} {load}", broker.tcp));
    assert_eq!(run.code, Some(0), "{}", run.errors);
    assert!(
        run.out.starts_with(&format!("fan-out over tcp://{}\n1 publisher, 1 sub", broker.tcp)),
        "{}",
        run.out
    );
    assert!(run.out.contains("0 lost, 0 duplicated, 0 reordered, 0 corrupt\n"), "{}", run.out);
    let written = std::fs::read(&path).expect("the file was written");
    std::fs::remove_file(&path).expect("the file can be deleted");
    let json: Value = serde_json::from_slice(&written).expect("JSON");
    assert_eq!(json["body_bytes"], 128);
}

#[test]
fn a_run_that_cannot_start_says_what_to_do_and_exits_with_1() {
    let broker = Broker::start(&["--user", "alice:sesame"]);
    let free =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let (tcp, http) = (broker.tcp, broker.http);
    for (url, flags, part) in [
        (format!("tcp://{free}"), "", "no server listens at"),
        (format!("ws://{http}/nowhere"), "", "answers 404 to /nowhere. Check the path of --url"),
        (format!("sockjs+jsonp://{http}/nowhere"), "", "Check the path of --url"),
        (format!("ws://{tcp}/ws"), "", "served at the address of the option http"),
        (format!("tcp://{tcp}"), "", "Check --login and --passcode"),
        (format!("tcp://{tcp}"), "--login alice --passcode wrong", "STOMPBOX_BENCH_PASSCODE"),
        (format!("tcp://{tcp}"), "--connections 1000000", "ulimit -n"),
        (format!("tcp://{tcp}"), "--login alice --passcode sesame --pid 4294967295", "cannot read /proc"),
    ] {
        let run = run(&format!("idle --url {url} {flags}"));
        assert_eq!((run.code, run.out.as_str()), (Some(1), ""), "{url} {flags}: {}", run.errors);
        assert!(run.errors.contains(part), "{url} {flags}: {}", run.errors);
        assert!(!run.errors.contains("sesame"), "{}", run.errors);
    }
    let load = "--login alice --connections 2 --time 10ms --json -";
    run_with(&format!("idle --url tcp://{tcp} {load}"), &[("STOMPBOX_BENCH_PASSCODE", "sesame")])
        .assert_passed();
}

/// A fault of the fake broker, on the sixth message or on all messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    NoReceipts,
    Drop,
    Duplicate,
    Swap,
    Corrupt,
    Truncate,
    Error,
    Hangup,
}

/// A broker with at most one subscriber, which gets every message.
struct FakeBroker {
    fault: Fault,
    subscriber: Mutex<Option<TcpStream>>,
    state: Mutex<(u32, Option<Vec<u8>>)>,
}

impl FakeBroker {
    fn start(fault: Fault) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the listener is bound");
        let broker = Arc::new(FakeBroker { fault, subscriber: Mutex::new(None), state: Mutex::default() });
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let broker = broker.clone();
                std::thread::spawn(move || broker.serve(stream));
            }
        });
        address
    }

    fn serve(&self, mut stream: TcpStream) {
        stream.set_read_timeout(Some(HANG_TIMEOUT)).expect("a timeout can be set");
        let limits = Limits {
            frame_bytes_max: 1 << 20,
            header_count_max: 100,
            header_bytes_max: 1 << 12,
            to_bytes_max: 0,
        };
        let (mut decoder, mut chunk) = (Decoder::new(limits), [0; 4096]);
        while let Ok(length @ 1..) = stream.read(&mut chunk) {
            decoder.feed(&chunk[..length]);
            while let Some(frame) = decoder.next().expect("the load generator sends STOMP") {
                if self.handle(&frame, &mut stream).is_none() {
                    return;
                }
            }
        }
    }

    /// Handles a frame. Returns `None` if the connection must be closed.
    fn handle(&self, frame: &Frame, stream: &mut TcpStream) -> Option<()> {
        let reply = |command, headers: &[(&str, &str)]| encode::frame(command, Version::V1_2, headers, b"");
        match frame.command {
            stomp::Command::Connect => {
                stream.write_all(&reply(stomp::Command::Connected, &[("version", "1.2")])).ok()
            }
            stomp::Command::Subscribe => {
                *self.subscriber.lock().expect("no thread panics") = stream.try_clone().ok();
                let receipt = frame.header("receipt").filter(|_| self.fault != Fault::NoReceipts);
                let receipt = receipt.map(|id| reply(stomp::Command::Receipt, &[("receipt-id", &id)]));
                stream.write_all(&receipt.unwrap_or_default()).ok()
            }
            _ => self.forward(frame),
        }
    }

    fn forward(&self, frame: &Frame) -> Option<()> {
        let message = |body: &[u8]| {
            let mut bytes =
                BytesMut::from(&b"MESSAGE\nsubscription:0\nmessage-id:1\ndestination:/topic/x\n"[..]);
            bytes.extend_from_slice(format!("content-length:{}\n\n", body.len()).as_bytes());
            bytes.extend_from_slice(&[body, b"\0"].concat());
            bytes.to_vec()
        };
        let (mut state, body) = (self.state.lock().expect("no thread panics"), &frame.body[..]);
        // Does not count probes, whose publisher number is `ffff`.
        state.0 += u32::from(body[8..12] != *b"ffff");
        let (is_sixth, last) = (state.0 == 6, body.len() - 1);
        let bytes = match self.fault {
            Fault::Drop if is_sixth => Vec::new(),
            Fault::Duplicate if is_sixth => message(body).repeat(2),
            Fault::Corrupt if is_sixth => message(&[&body[..last], b"!"].concat()),
            Fault::Truncate if is_sixth => message(&body[..last]),
            Fault::Error if is_sixth => b"ERROR\nmessage:enough\n\n\0".to_vec(),
            Fault::Hangup if is_sixth => return None,
            Fault::Swap if is_sixth => {
                state.1 = Some(message(body));
                return Some(());
            }
            _ => [message(body), state.1.take().unwrap_or_default()].concat(),
        };
        let mut subscriber = self.subscriber.lock().expect("no thread panics");
        subscriber.as_mut().map_or(Some(()), |stream| stream.write_all(&bytes).ok())
    }
}

#[test]
fn faults_of_a_broker_are_detected_and_exit_with_2() {
    for (fault, expected, failure) in [
        (Fault::Drop, [1, 0, 0, 0], ""),
        (Fault::Duplicate, [0, 1, 0, 0], ""),
        (Fault::Swap, [0, 0, 1, 0], ""),
        (Fault::Corrupt, [1, 0, 0, 1], ""),
        (Fault::Truncate, [1, 0, 0, 1], ""),
        (Fault::Error, [0; 4], "the broker sent an ERROR: enough"),
        (Fault::Hangup, [0; 4], "the broker closed the connection"),
    ] {
        let load = "--subscribers 1 --rate 500 --warmup 0 --time 100ms --stall-timeout 3s --json -";
        let run = run(&format!("fan-out --url tcp://{} {load}", FakeBroker::start(fault)));
        assert_eq!(run.code, Some(2), "{fault:?}: {}{}", run.out, run.errors);
        let json = run.json();
        assert_eq!(json["failure"].as_str().unwrap_or_default(), failure, "{fault:?}: {json}");
        assert_eq!(json["fine"], false);
        if failure.is_empty() {
            let counts = ["lost", "duplicated", "reordered", "corrupt"].map(|name| json[name].clone());
            assert_eq!(counts, expected.map(Value::from), "{fault:?}: {json}");
        }
    }
}

#[test]
fn a_closed_loop_that_stalls_ends_with_a_failure() {
    let load = "--subscribers 1 --window 8 --warmup 0 --time 60s --patience 300ms --json -";
    let run = run(&format!("fan-out --url tcp://{} {load}", FakeBroker::start(Fault::Drop)));
    assert_eq!(run.code, Some(2), "{}{}", run.out, run.errors);
    let failure = run.json()["failure"].to_string();
    assert!(failure.contains("nothing was delivered for 0.3 s"), "{failure}");
}

#[test]
fn a_broker_without_receipts_can_be_measured() {
    for fault in [Fault::None, Fault::NoReceipts] {
        let load = "--subscribers 1 --rate 500 --warmup 0 --time 100ms --json -";
        run(&format!("fan-out --url tcp://{} {load}", FakeBroker::start(fault))).assert_passed();
    }
}
