//! The frames that flooders send.

/// Number of user names with which the flooders log in.
pub const USERS: usize = 64;
/// Number of messages in each queue, and prefetch of each subscription, for [`Flood::Queue`].
const QUEUE_MESSAGES: usize = 10_000;
/// Number of messages that each flooder leaves unread, for [`Flood::Unread`].
const UNREAD_MESSAGES: usize = 8_000;
const PATTERNS: usize = 900;
/// Number of messages in each transaction, and of recipients of each message, for [`Flood::Commit`].
const COMMIT_MESSAGES: usize = 95;
const COMMIT_USERS: usize = 10_000;

#[derive(Clone, Copy)]
pub enum Flood {
    /// SUBSCRIBE to a queue of 10,000 messages, all prefetched, and UNSUBSCRIBE.
    Queue,
    /// SEND to a destination that is compared with 900 patterns of 61 segments and matches none.
    Patterns,
    /// SUBSCRIBE to the presence of a topic, and UNSUBSCRIBE.
    Presence,
    /// SUBSCRIBE to a topic, and UNSUBSCRIBE.
    Topic,
    /// SEND to a topic without subscribers.
    Send,
    /// BEGIN and ABORT.
    Begin,
    /// SEND with a receipt of 200 bytes.
    Receipt,
    /// SUBSCRIBE and UNSUBSCRIBE while the client does not read 8,000 messages of another subscription.
    Unread,
    /// COMMIT of 95 SENDs to 10,000 users each.
    Commit,
}

/// The frames of one flooder.
pub struct Script {
    pub setup: Vec<String>,
    /// Frames that are sent repeatedly.
    pub cycle: Vec<String>,
    /// Whether the client reads its messages.
    pub reads: bool,
}

impl Flood {
    pub const ALL: [Flood; 9] = [
        Flood::Queue,
        Flood::Patterns,
        Flood::Presence,
        Flood::Topic,
        Flood::Send,
        Flood::Begin,
        Flood::Receipt,
        Flood::Unread,
        Flood::Commit,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Flood::Queue => "queue",
            Flood::Patterns => "patterns",
            Flood::Presence => "presence",
            Flood::Topic => "topic",
            Flood::Send => "send",
            Flood::Begin => "begin",
            Flood::Receipt => "receipt",
            Flood::Unread => "unread",
            Flood::Commit => "commit",
        }
    }

    /// Returns the frames of flooder `number`.
    pub fn script(self, number: usize) -> Script {
        let (setup, cycle) = match self {
            Flood::Queue => {
                let queue = format!("/queue/flood.{number}");
                let headers = format!("ack:client-individual\nprefetch-count:{QUEUE_MESSAGES}\n");
                let setup = (0..QUEUE_MESSAGES).map(|body| send(&queue, "", &body.to_string())).collect();
                (setup, subscribe_and_unsubscribe(&queue, &headers))
            }
            Flood::Patterns => {
                let setup = (0..PATTERNS).map(subscribe_to_pattern).collect();
                (setup, vec![send(&format!("/user/queue/{}c", "a.".repeat(61)), "", "x")])
            }
            Flood::Presence => (Vec::new(), subscribe_and_unsubscribe("/presence/topic/flood", "")),
            Flood::Topic => (Vec::new(), subscribe_and_unsubscribe("/topic/flood", "")),
            Flood::Send => (Vec::new(), vec![send("/topic/none", "", "x")]),
            Flood::Begin => {
                let frames = ["BEGIN", "ABORT"].map(|command| format!("{command}\ntransaction:t\n\n\0"));
                (Vec::new(), frames.into())
            }
            Flood::Receipt => {
                let header = format!("receipt:{}\n", "r".repeat(200));
                (Vec::new(), vec![send("/topic/none", &header, "x")])
            }
            Flood::Unread => {
                let topic = format!("/topic/unread.{number}");
                let mut setup = vec![format!("SUBSCRIBE\nid:unread\ndestination:{topic}\n\n\0")];
                setup.extend((0..UNREAD_MESSAGES).map(|_| send(&topic, "", &"x".repeat(100))));
                (setup, subscribe_and_unsubscribe(&format!("/topic/other.{number}"), ""))
            }
            Flood::Commit => {
                let users: Vec<String> = (0..COMMIT_USERS).map(short_name).collect();
                let headers = format!("transaction:t\nto:{}\n", users.join(","));
                let sends = (0..COMMIT_MESSAGES).map(|_| send("/users/queue/none", &headers, "x"));
                let begin = "BEGIN\ntransaction:t\n\n\0".to_owned();
                let commit = "COMMIT\ntransaction:t\n\n\0".to_owned();
                (Vec::new(), std::iter::once(begin).chain(sends).chain([commit]).collect())
            }
        };
        Script { setup, cycle, reads: !matches!(self, Flood::Unread) }
    }
}

/// Returns a name of three letters. Short names keep the transaction below `transaction-bytes-max`.
fn short_name(user: usize) -> String {
    let letter = |divisor: usize| char::from(b"abcdefghijklmnopqrstuvwxyz"[user / divisor % 26]);
    [letter(676), letter(26), letter(1)].iter().collect()
}

fn send(destination: &str, headers: &str, body: &str) -> String {
    format!("SEND\ndestination:{destination}\n{headers}\n{body}\0")
}

fn subscribe_and_unsubscribe(destination: &str, headers: &str) -> Vec<String> {
    vec![
        format!("SUBSCRIBE\nid:1\ndestination:{destination}\n{headers}\n\0"),
        "UNSUBSCRIBE\nid:1\n\n\0".into(),
    ]
}

/// Returns a SUBSCRIBE to a pattern. Ten segments of the pattern encode `id`. The flood sends to a name with another
/// last segment, so that no pattern matches.
fn subscribe_to_pattern(id: usize) -> String {
    let segment = |bit: usize| if (id >> bit) & 1 == 1 { "a." } else { "*." };
    let pattern = format!("**.a.{}{}b", (0..10).map(segment).collect::<String>(), "*.".repeat(48));
    format!("SUBSCRIBE\nid:p{id}\ndestination:/user/queue/{pattern}\n\n\0")
}
