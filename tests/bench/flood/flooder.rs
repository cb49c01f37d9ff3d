//! Connects a client that floods, and sends the setup frames.

use crate::Result;
use crate::broker::Broker;
use crate::options::Transport;
use crate::pair::{connect_frame, open, read_until};
use crate::scripts::{Flood, Script, USERS};
use socket2::SockRef;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};

/// Size of the block of frames that a flooder writes repeatedly.
const BLOCK_BYTES: usize = 60_000;
/// Size of the frames in the request to `xhr_send` that a flooder writes repeatedly.
const POST_BYTES: usize = 20_000;
/// Number of setup frames in one request to `xhr_send`.
const POST_FRAMES: usize = 200;
/// Size of the receive buffer of a client that does not read, in bytes.
const UNREAD_BYTES: usize = 4096;

pub struct Flooder {
    /// The connection to which the flood is written.
    pub write: TcpStream,
    /// Whether the client reads from `write`.
    pub reads: bool,
    /// The connection that receives messages, if it is not `write`.
    pub stream: Option<Stream>,
    pub block: Vec<u8>,
    /// Number of frames in `block`.
    pub frames: u64,
}

/// A streaming response of SockJS.
pub struct Stream {
    pub socket: TcpStream,
    /// Whether the client reads the response.
    pub reads: bool,
    /// The request that opens the next response after one has ended.
    pub request: Vec<u8>,
}

impl Flooder {
    /// Connects as user `number` and sends the setup frames.
    pub fn connect(broker: &Broker, transport: Transport, flood: Flood, number: usize) -> Result<Flooder> {
        let script = flood.script(number);
        let user = format!("f{}", number % USERS);
        let connected = match transport {
            Transport::Tcp => over_tcp(broker.tcp, &user, &script),
            Transport::WebSocket => over_websocket(broker.http, &user, &script),
            Transport::SockJs => over_sockjs(broker.http, &user, &script, number),
        };
        connected.map_err(|error| format!("flooder {number}: {error}").into())
    }
}

/// Opens a connection that receives messages.
fn open_for(script: &Script, address: SocketAddr) -> Result<TcpStream> {
    let socket = open(address)?;
    if !script.reads {
        SockRef::from(&socket).set_recv_buffer_size(UNREAD_BYTES)?;
    }
    Ok(socket)
}

/// Returns a frame whose RECEIPT confirms that the setup is complete. Returns `None` if the client does not read.
fn last_of_setup(script: &Script) -> Option<String> {
    script.reads.then(|| "SEND\ndestination:/topic/none\nreceipt:setup\n\n\0".into())
}

fn over_tcp(address: SocketAddr, user: &str, script: &Script) -> Result<Flooder> {
    let mut write = open_for(script, address)?;
    write.write_all(connect_frame(user).as_bytes())?;
    read_until(&mut write, "CONNECTED")?;
    write.write_all(script.setup.concat().as_bytes())?;
    if let Some(last) = last_of_setup(script) {
        write.write_all(last.as_bytes())?;
        read_until(&mut write, "receipt-id:setup")?;
    }
    let frames = repeat(&script.cycle, BLOCK_BYTES);
    let (block, frames) = (frames.concat().into_bytes(), frames.len() as u64);
    Ok(Flooder { write, reads: script.reads, stream: None, block, frames })
}

fn over_websocket(address: SocketAddr, user: &str, script: &Script) -> Result<Flooder> {
    let mut write = open_for(script, address)?;
    write.write_all(
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v12.stomp\r\n\
          Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    )?;
    read_until(&mut write, "\r\n\r\n")?;
    write.write_all(&websocket_frames(&[connect_frame(user)]))?;
    read_until(&mut write, "CONNECTED")?;
    write.write_all(&websocket_frames(&script.setup))?;
    if let Some(last) = last_of_setup(script) {
        write.write_all(&websocket_frames(&[last]))?;
        read_until(&mut write, "receipt-id:setup")?;
    }
    let frames = repeat(&script.cycle, BLOCK_BYTES);
    let (block, frames) = (websocket_frames(&frames), frames.len() as u64);
    Ok(Flooder { write, reads: script.reads, stream: None, block, frames })
}

fn over_sockjs(address: SocketAddr, user: &str, script: &Script, number: usize) -> Result<Flooder> {
    let session = format!("/ws/000/flood{number}");
    let mut socket = open_for(script, address)?;
    let request =
        format!("POST {session}/xhr_streaming HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    socket.write_all(request.as_bytes())?;
    read_until(&mut socket, "o\n")?;
    let path = format!("{session}/xhr_send");
    let mut write = open(address)?;
    let mut post = |frames: &[String]| -> Result<()> {
        write.write_all(&xhr_send(&path, frames))?;
        read_until(&mut write, "HTTP/1.1 204")
    };
    post(&[connect_frame(user)])?;
    read_until(&mut socket, "CONNECTED")?;
    for frames in script.setup.chunks(POST_FRAMES) {
        post(frames)?;
    }
    if let Some(last) = last_of_setup(script) {
        post(&[last])?;
        read_until(&mut socket, "receipt-id:setup")?;
    }
    let frames = repeat(&script.cycle, POST_BYTES);
    let (block, frames) = (xhr_send(&path, &frames), frames.len() as u64);
    let stream = Some(Stream { socket, reads: script.reads, request: request.into_bytes() });
    Ok(Flooder { write, reads: true, stream, block, frames })
}

/// Repeats the whole cycle as often as it fits into this number of bytes, but at least once.
fn repeat(cycle: &[String], bytes: usize) -> Vec<String> {
    let length: usize = cycle.iter().map(String::len).sum();
    let count = cycle.len() * (bytes / length).max(1);
    cycle.iter().cycle().take(count).cloned().collect()
}

/// Encodes each frame as one text message with a mask of zeros, which leaves the bytes as they are.
fn websocket_frames(frames: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    for frame in frames {
        out.push(0x81);
        match u16::try_from(frame.len()).expect("frames are shorter than 64 KiB") {
            length @ 0..126 => out.push(0x80 | length as u8),
            length => {
                out.push(0x80 | 126);
                out.extend_from_slice(&length.to_be_bytes());
            }
        }
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(frame.as_bytes());
    }
    out
}

fn xhr_send(path: &str, frames: &[String]) -> Vec<u8> {
    let quoted = |frame: &String| format!("\"{}\"", frame.replace('\n', "\\n").replace('\0', "\\u0000"));
    let body = format!("[{}]", frames.iter().map(quoted).collect::<Vec<_>>().join(","));
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    (head + &body).into_bytes()
}
