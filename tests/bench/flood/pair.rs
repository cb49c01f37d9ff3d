//! Two clients that measure round trips, and functions that read from a broker and block.

use crate::Result;
use crate::broker::{Broker, cpu_time};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Time after which an incomplete round trip ends the run.
const TRIP_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between two round trips.
const PAUSE: Duration = Duration::from_micros(500);
const WARM_UP_TRIPS: usize = 50;

/// Two clients over TCP that send each other one message at a time.
pub struct Pair {
    ping: TcpStream,
    pong: TcpStream,
}

/// The times of the round trips of one run, and the CPU times of the broker during them. Both lists are sorted.
pub struct Trips {
    times: Vec<Duration>,
    cpu: Vec<Duration>,
    /// Total time of the round trips and pauses.
    pub measured: Duration,
}

impl Trips {
    pub fn count(&self) -> usize {
        self.times.len()
    }

    /// Returns a quantile of the times of the round trips.
    pub fn time(&self, quantile: f64) -> Duration {
        at(&self.times, quantile)
    }

    /// Returns a quantile of the CPU time.
    pub fn cpu(&self, quantile: f64) -> Duration {
        at(&self.cpu, quantile)
    }
}

fn at(sorted: &[Duration], quantile: f64) -> Duration {
    let index = (sorted.len() as f64 * quantile).ceil() as usize;
    sorted[index.clamp(1, sorted.len()) - 1]
}

impl Pair {
    pub fn connect(broker: &Broker) -> Result<Pair> {
        let open = |user: &str| -> Result<TcpStream> {
            let mut socket = open(broker.tcp)?;
            socket.write_all(connect_frame(user).as_bytes())?;
            read_until(&mut socket, "CONNECTED")?;
            write!(socket, "SUBSCRIBE\nid:1\nreceipt:r\ndestination:/topic/pair.{user}\n\n\0")?;
            read_until(&mut socket, "receipt-id:r")?;
            Ok(socket)
        };
        let mut pair = Pair { ping: open("ping")?, pong: open("pong")? };
        for _ in 0..WARM_UP_TRIPS {
            pair.trip()?;
        }
        Ok(pair)
    }

    /// Sends a message in each direction. Returns whether both arrived in time.
    fn trip(&mut self) -> Result<bool> {
        self.ping.write_all(b"SEND\ndestination:/topic/pair.pong\n\nping\0")?;
        if !read_frame(&mut self.pong)? {
            return Ok(false);
        }
        self.pong.write_all(b"SEND\ndestination:/topic/pair.ping\n\npong\0")?;
        read_frame(&mut self.ping)
    }

    /// Measures round trips during `time`. `id` is the process of the broker.
    pub fn measure(&mut self, time: Duration, id: u32) -> Result<Trips> {
        let (start, mut times, mut cpu) = (Instant::now(), Vec::new(), Vec::new());
        while start.elapsed() < time {
            let cpu_before = cpu_time(id)?;
            let sent = Instant::now();
            let is_complete = self.trip()?;
            times.push(sent.elapsed());
            cpu.push(cpu_time(id)?.saturating_sub(cpu_before));
            if !is_complete {
                break;
            }
            std::thread::park_timeout(PAUSE);
        }
        let measured = start.elapsed();
        times.sort_unstable();
        cpu.sort_unstable();
        Ok(Trips { times, cpu, measured })
    }
}

/// Reads to the end of a frame. Returns whether it arrived in time.
fn read_frame(socket: &mut TcpStream) -> Result<bool> {
    let mut buffer = [0; 4096];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return Err("the broker closed a connection of the pair".into()),
            Ok(length) if buffer[..length].contains(&0) => return Ok(true),
            Ok(_) => {}
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

// ---- functions shared with flooders ----

pub fn connect_frame(user: &str) -> String {
    format!("CONNECT\naccept-version:1.2\nhost:localhost\nheart-beat:0,0\nlogin:{user}\npasscode:x\n\n\0")
}

pub fn open(address: SocketAddr) -> Result<TcpStream> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(TRIP_TIMEOUT))?;
    Ok(socket)
}

/// Reads until `wanted` has arrived. Returns an error if an ERROR arrives first.
pub fn read_until(socket: &mut TcpStream, wanted: &str) -> Result<()> {
    /// Maximum number of bytes to search. No expected frame is longer.
    const SEARCHED_BYTES: usize = 64 * 1024;
    let (mut all, mut buffer) = (Vec::new(), vec![0; SEARCHED_BYTES]);
    loop {
        let read = socket.read(&mut buffer);
        let length = read.map_err(|error| format!("no {wanted:?} from the broker: {error}"))?;
        all.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&all);
        if text.contains(wanted) {
            return Ok(());
        }
        if length == 0 || text.contains("ERROR") {
            return Err(format!("expected {wanted:?} from the broker, got {text:?}").into());
        }
        all.drain(..all.len().saturating_sub(SEARCHED_BYTES));
    }
}
