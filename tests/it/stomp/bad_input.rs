//! Malformed input: the broker survives it, and other clients are not affected.

use crate::support::{Broker, Client, Event, Wire, on_each_wire};
use std::path::Path;

/// Skips all events until the connection ends.
fn read_to_end_of_connection(client: &mut Client) {
    while !matches!(client.event(), Event::End | Event::Reset) {}
}

/// Opens a connection, sends CONNECT if `connected`, sends `bytes`, and closes the connection.
fn send_on_new_connection(broker: &Broker, wire: Wire, connected: bool, bytes: &[u8]) {
    let mut client = if connected { broker.connect(wire) } else { broker.open(wire) };
    // An error means that the broker has closed the connection before it received all bytes.
    let _ = client.try_send_bytes(bytes);
    client.shutdown_write();
    if connected {
        read_to_end_of_connection(&mut client);
    } else {
        // The bytes may look like another protocol. The broker then answers in that protocol, not with STOMP frames.
        while client.read_ahead(1) {}
    }
}

/// A pseudorandom number generator. The same seed gives the same numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

on_each_wire! {
    fn broker_survives_every_bad_stream_of_the_corpus(wire: Wire) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("frames/corpus/bad");
        let mut files: Vec<_> = std::fs::read_dir(&corpus)
            .expect("the corpus exists")
            .map(|entry| entry.expect("the corpus can be listed").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "stomp"))
            .collect();
        files.sort();
        assert!(files.len() > 10, "{} files", files.len());
        let broker = Broker::start(&[]);
        let mut bystander = broker.connect(wire);
        for file in files {
            let bytes = std::fs::read(&file).expect("the corpus can be read");
            send_on_new_connection(&broker, wire, false, &bytes);
            send_on_new_connection(&broker, wire, true, &bytes);
            bystander.expect_quiet();
        }
        bystander.disconnect();
    }

    fn broker_survives_random_bytes(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut bystander = broker.connect(wire);
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        for round in 0..200 {
            let count = (random.next() % 3000) as usize;
            send_on_new_connection(&broker, wire, round % 2 == 0, &random.bytes(count));
        }
        bystander.expect_quiet();
        bystander.disconnect();
    }

    fn broker_survives_a_frame_with_any_byte_changed(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut bystander = broker.connect(wire);
        let mut random = Random(0xD1B5_4A32_D192_ED03);
        let good = b"SEND\ndestination:/topic/a\ncontent-length:2\nreceipt:r\\c\n\nhi\0";
        for at in 0..good.len() {
            let mut bytes = good.to_vec();
            bytes[at] = random.next() as u8;
            send_on_new_connection(&broker, wire, true, &bytes);
        }
        bystander.expect_quiet();
        bystander.disconnect();
    }
}

#[test]
fn broker_survives_random_bytes_in_place_of_websocket_frames() {
    let broker = Broker::start(&[]);
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    for _ in 0..200 {
        let mut client = broker.connect(Wire::WebSocket);
        let count = (random.next() % 300) as usize + 1;
        client.write_bytes(&random.bytes(count));
        client.shutdown_write();
        read_to_end_of_connection(&mut client);
    }
    broker.assert_serves();
}

#[test]
fn broker_survives_http_on_the_stomp_port_and_stomp_on_the_http_port() {
    let broker = Broker::start(&[]);
    for address in [broker.tcp, broker.http] {
        for bytes in
            [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"CONNECT\naccept-version:1.2\n\n\0", b"\x16\x03\x01"]
        {
            use std::io::{Read, Write};
            let mut stream = std::net::TcpStream::connect(address).expect("the port accepts");
            stream.write_all(bytes).expect("bytes can be sent");
            stream.shutdown(std::net::Shutdown::Write).expect("a socket can be shut down");
            stream.set_read_timeout(Some(crate::support::HANG_TIMEOUT)).expect("the timeout is valid");
            stream.read_to_end(&mut Vec::new()).expect("the broker closes");
        }
    }
    broker.assert_serves();
}
