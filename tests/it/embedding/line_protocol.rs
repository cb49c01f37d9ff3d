//! A protocol of lines over TCP, as a program could add it to the broker. It uses the public API only, and so has the
//! same permissions and limits as STOMP.
//!
//! | line | meaning |
//! |---|---|
//! | `USER name` | must be first; the server answers `OK` |
//! | `SUB destination` | `OK number`, then `MSG number text` for each message |
//! | `UNSUB number` | `OK` |
//! | `PUB destination text` | `OK subscriptions` |
//!
//! An error is answered by `ERR reason`, and the connection stays open.

use super::server;
use futures_util::StreamExt;
use std::collections::HashMap;
use std::sync::Arc;
use stompbox::{Client, ClientError, Server, SubscriptionId};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Longest line that the server accepts, in bytes.
const LINE_BYTES_MAX: u64 = 4096;

/// One connection of the line protocol.
struct Connection {
    client: Client,
    numbers: HashMap<SubscriptionId, usize>,
}

impl Connection {
    /// Handles one line, and returns the answer.
    async fn handle(&mut self, line: &str) -> Result<String, ClientError> {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        match command {
            "SUB" => {
                let (subscription, number) = (self.client.subscribe(rest)?, self.numbers.len() + 1);
                self.numbers.insert(subscription, number);
                Ok(format!("OK {number}"))
            }
            "UNSUB" => {
                let ended = self.numbers.iter().find(|(_, number)| number.to_string() == rest);
                ended.map(|(id, _)| *id).into_iter().for_each(|id| self.client.unsubscribe(id));
                Ok("OK".into())
            }
            "PUB" => {
                let (destination, text) = rest.split_once(' ').unwrap_or((rest, ""));
                let published = self.client.publish(destination, &[], text.to_owned()).await?;
                Ok(format!("OK {}", published.subscriptions))
            }
            _ => Ok(format!("ERR unknown command {command:?}; expected SUB, UNSUB or PUB")),
        }
    }

    /// Handles the next line or message, and returns what to write. Returns `None` at the end of the connection.
    async fn next(&mut self, lines: &mut Lines) -> Option<String> {
        tokio::select! {
            line = lines.next() => Some(match self.handle(&line?).await {
                Ok(answer) => answer,
                Err(error) => format!("ERR {}", error.summary()),
            }),
            message = self.client.next() => Some(match message? {
                Ok(message) => {
                    let number = self.numbers[&message.subscription()];
                    format!("MSG {number} {}", String::from_utf8_lossy(message.body()))
                }
                Err(error) => format!("ERR {}", error.summary()),
            }),
        }
    }
}

/// The lines of a socket.
struct Lines {
    reader: BufReader<tokio::net::tcp::OwnedReadHalf>,
    line: String,
}

impl Lines {
    /// Returns the next line. It may be dropped before it is ready: what was read before is kept.
    async fn next(&mut self) -> Option<String> {
        let mut limited = tokio::io::AsyncReadExt::take(&mut self.reader, LINE_BYTES_MAX);
        limited.read_line(&mut self.line).await.ok()?;
        let line = std::mem::take(&mut self.line);
        line.strip_suffix('\n').map(|line| line.trim_end_matches('\r').to_owned())
    }
}

async fn serve(server: Arc<Server>, socket: TcpStream) -> Option<()> {
    let (reader, mut writer) = socket.into_split();
    let mut lines = Lines { reader: BufReader::new(reader), line: String::new() };
    let first = lines.next().await?;
    let client = server.client(Some(first.strip_prefix("USER ")?), &[]);
    let mut connection = Connection { client, numbers: HashMap::new() };
    let mut answer = "OK".to_owned();
    loop {
        writer.write_all(format!("{answer}\n").as_bytes()).await.ok()?;
        answer = connection.next(&mut lines).await?;
    }
}

async fn listen(server: Arc<Server>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(server.clone(), socket));
        }
    });
    address
}

/// A client of the line protocol.
struct Terminal(BufReader<TcpStream>);

impl Terminal {
    async fn connect(address: std::net::SocketAddr, user: &str) -> Terminal {
        let mut terminal = Terminal(BufReader::new(TcpStream::connect(address).await.expect("connected")));
        terminal.send(&format!("USER {user}"), "OK").await;
        terminal
    }

    /// Sends a line, and expects the answer.
    async fn send(&mut self, line: &str, answer: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).await.expect("written");
        self.expect(answer).await;
    }

    async fn expect(&mut self, line: &str) {
        let mut received = String::new();
        self.0.read_line(&mut received).await.expect("a line");
        assert_eq!(received.trim_end(), line);
    }
}

#[tokio::test]
async fn protocol_of_a_program_has_the_permissions_and_limits_of_the_broker() {
    let rules =
        "permission = [\"allow all users /topic/chat.**\", \"allow send users /user/*/queue/notes\"]\n";
    let server = Arc::new(server(&format!("default-permissions = \"safe\"\n{rules}subscriptions-max = 2\n")));
    let address = listen(server.clone()).await;
    let mut alice = Terminal::connect(address, "alice").await;
    let mut bob = Terminal::connect(address, "bob").await;
    alice.send("SUB /topic/chat.*", "OK 1").await;
    alice.send("SUB /queue/admin", "ERR access denied").await;
    alice.send("SUB /user/queue/notes", "OK 2").await;
    alice.send("SUB /topic/chat.x", "ERR too many subscriptions").await;
    bob.send("PUB /topic/chat.1 hello alice", "OK 1").await;
    alice.expect("MSG 1 hello alice").await;
    bob.send("PUB /user/alice/queue/notes psst", "OK 1").await;
    alice.expect("MSG 2 psst").await;
    bob.send("PUB /topic/admin x", "ERR access denied").await;
    bob.send("PUB nowhere x", "ERR invalid destination").await;
    bob.send("SAY x", "ERR unknown command \"SAY\"; expected SUB, UNSUB or PUB").await;
    alice.send("UNSUB 1", "OK").await;
    bob.send("PUB /topic/chat.1 nobody", "OK 0").await;
}
