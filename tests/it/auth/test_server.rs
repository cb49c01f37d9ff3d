//! A web server that the broker sends requests to, with a thread for each connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A request of the broker.
pub(super) struct ReceivedRequest {
    pub(super) body: String,
}

/// The reply of the server to a request.
pub(super) enum Reply {
    /// A status and a body.
    Response(u16, String),
    /// No response; the connection stays open until the broker closes it.
    Silence,
}

impl Reply {
    pub(super) fn json(status: u16, body: serde_json::Value) -> Reply {
        Reply::Response(status, body.to_string())
    }
}

type Answers = dyn Fn(&ReceivedRequest) -> Reply + Send + Sync;

/// The server. Its threads end with the process of the test.
pub(super) struct TestServer {
    address: SocketAddr,
    count: Arc<AtomicUsize>,
}

impl TestServer {
    pub(super) fn start(answers: impl Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static) -> TestServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let total = Arc::new(AtomicUsize::new(0));
        let (count, answers): (_, Arc<Answers>) = (total.clone(), Arc::new(answers));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (count, answers) = (count.clone(), answers.clone());
                thread::spawn(move || serve(stream, &count, &*answers));
            }
        });
        TestServer { address, count: total }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns the number of requests so far.
    pub(super) fn request_count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Returns a URL at which no server listens.
    pub(super) fn closed() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        format!("http://{}/", listener.local_addr().expect("an address"))
    }
}

fn serve(stream: TcpStream, count: &AtomicUsize, answers: &Answers) {
    let mut writer = stream.try_clone().expect("a handle");
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        count.fetch_add(1, Ordering::SeqCst);
        match answers(&request) {
            Reply::Response(status, body) => {
                let head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n\r\n", body.len());
                if writer.write_all(format!("{head}{body}").as_bytes()).is_err() {
                    return;
                }
            }
            // Returns when the broker closes the connection.
            Reply::Silence => return drop(reader.read(&mut [0])),
        }
    }
}

/// Reads the next request. Returns `None` at the end of the stream.
fn read(reader: &mut impl BufRead) -> Option<ReceivedRequest> {
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
    Some(ReceivedRequest { body: String::from_utf8(body).expect("text") })
}
