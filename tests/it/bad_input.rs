//! Whatever a client sends, the broker lives and others do not notice.

use crate::support::{Broker, Client, Event, Wire, on_each_wire};
use std::path::Path;

/// Reads until the end, whatever comes.
fn read_out(client: &mut Client) {
    while !matches!(client.event(), Event::End | Event::Reset) {}
}

/// Sends octets on a connection of their own, connected before or not, and leaves.
fn throw(broker: &Broker, wire: Wire, connected: bool, octets: &[u8]) {
    let mut client = if connected { broker.connect(wire) } else { broker.open(wire) };
    // The broker may close before all of it is sent.
    let _ = client.try_raw(octets);
    client.finish();
    if connected {
        read_out(&mut client);
    } else {
        // A client of another protocol gets an answer in that protocol.
        while client.take_in(1) {}
    }
}

/// Numbers that look random and are the same each time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn octets(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

on_each_wire! {
    fn every_bad_stream_of_the_corpus_is_survived(wire: Wire) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("frames/corpus/bad");
        let mut files: Vec<_> = std::fs::read_dir(&corpus)
            .expect("the corpus is there")
            .map(|entry| entry.expect("the corpus can be listed").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "stomp"))
            .collect();
        files.sort();
        assert!(files.len() > 10, "{} files", files.len());
        let broker = Broker::start(&[]);
        let mut bystander = broker.connect(wire);
        for file in files {
            let octets = std::fs::read(&file).expect("the corpus can be read");
            throw(&broker, wire, false, &octets);
            throw(&broker, wire, true, &octets);
            bystander.expect_quiet();
        }
        bystander.disconnect();
    }

    fn random_octets_are_survived(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut bystander = broker.connect(wire);
        let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
        for round in 0..200 {
            let count = (chance.next() % 3000) as usize;
            throw(&broker, wire, round % 2 == 0, &chance.octets(count));
        }
        bystander.expect_quiet();
        bystander.disconnect();
    }

    fn a_frame_with_any_octet_changed_is_survived(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut bystander = broker.connect(wire);
        let mut chance = Chance(0xD1B5_4A32_D192_ED03);
        let good = b"SEND\ndestination:/topic/a\ncontent-length:2\nreceipt:r\\c\n\nhi\0";
        for at in 0..good.len() {
            let mut octets = good.to_vec();
            octets[at] = chance.next() as u8;
            throw(&broker, wire, true, &octets);
        }
        bystander.expect_quiet();
        bystander.disconnect();
    }
}

#[test]
fn random_octets_below_the_websocket_frames_are_survived() {
    let broker = Broker::start(&[]);
    let mut chance = Chance(0x2545_F491_4F6C_DD1D);
    for _ in 0..200 {
        let mut client = broker.connect(Wire::WebSocket);
        let count = (chance.next() % 300) as usize + 1;
        client.octets(&chance.octets(count));
        client.finish();
        read_out(&mut client);
    }
    broker.assert_serves();
}

#[test]
fn http_on_the_stomp_port_and_stomp_on_the_http_port_are_survived() {
    let broker = Broker::start(&[]);
    for address in [broker.tcp, broker.http] {
        for octets in
            [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"CONNECT\naccept-version:1.2\n\n\0", b"\x16\x03\x01"]
        {
            use std::io::{Read, Write};
            let mut stream = std::net::TcpStream::connect(address).expect("the port accepts");
            stream.write_all(octets).expect("octets can be sent");
            stream.shutdown(std::net::Shutdown::Write).expect("a socket can be shut down");
            stream.set_read_timeout(Some(crate::support::PATIENCE)).expect("a socket takes a timeout");
            stream.read_to_end(&mut Vec::new()).expect("the broker closes");
        }
    }
    broker.assert_serves();
}
