//! A web server that the broker asks: a thread per connection, one answer per request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What somebody asked.
pub(super) struct Asked {
    pub(super) body: String,
}

/// What it answers.
pub(super) enum Reply {
    /// A status and a body.
    Say(u16, String),
    /// Nothing for as long as the other side waits.
    Silence,
}

impl Reply {
    pub(super) fn say(status: u16, body: serde_json::Value) -> Reply {
        Reply::Say(status, body.to_string())
    }
}

type Answers = dyn Fn(&Asked) -> Reply + Send + Sync;

/// The server; its threads end with the test's process.
pub(super) struct Site {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Site {
    pub(super) fn start(answers: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, answers): (_, Arc<Answers>) = (asked.clone(), Arc::new(answers));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (count, answers) = (count.clone(), answers.clone());
                thread::spawn(move || converse(stream, &count, &*answers));
            }
        });
        Site { address, asked }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How often it was asked.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// A URL where nobody listens.
    pub(super) fn closed() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        format!("http://{}/", listener.local_addr().expect("an address"))
    }
}

fn converse(stream: TcpStream, count: &AtomicUsize, answers: &Answers) {
    let mut writer = stream.try_clone().expect("a handle");
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read(&mut reader) {
        count.fetch_add(1, Ordering::SeqCst);
        match answers(&asked) {
            Reply::Say(status, body) => {
                let head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n\r\n", body.len());
                if writer.write_all(format!("{head}{body}").as_bytes()).is_err() {
                    return;
                }
            }
            // Until the other side gives up and closes.
            Reply::Silence => return drop(reader.read(&mut [0])),
        }
    }
}

/// The next request; `None` at the end.
fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().expect("a length");
            }
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { body: String::from_utf8(body).expect("text") })
}
