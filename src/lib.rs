//! Stompbox: a STOMP broker for the web, as a command and as a crate.
//!
//! This page is the project's architecture. Using the crate is shown at [`Server`].
//!
//! # Bird's eye
//! **A message is encoded once, a transport is one [`transport::wire::Wire`], a session never touches a socket.**
//!
//! ```text
//!   socket A                                                                socket B
//!     | bytes                                                        bytes ^
//!  transport: wire -> Decoder -> Session -> actions -> Broker -> OutboundQueue -> transport: prefix + shared tail
//!             (frames)          (session)            (broker)   (outbound queue)             (frames)
//! ```
//!
//! 1. The connection task ([`transport::connection`]) reads bytes into a `Decoder`, which finds whole frames
//!    under limits before it parses them.
//! 2. [`session::Session`] knows who its client is ([`users`]), judges each frame and answers with [`session::Action`]s: it wishes, the task does.
//! 3. [`broker::Broker`] routes: the SEND becomes a message whose headers and body are encoded once, and a
//!    pointer to it is pushed into the [`outbound_queue::OutboundQueue`] of every subscriber. Whom that wakes is, as a rule, woken when the
//!    publisher's turn ends, and so finds all of its messages at once.
//! 4. Each receiver's own task takes deliveries out in batches, puts a small prefix before the shared tail and
//!    writes a batch with one write.
//!
//! # Code map
//! | layer | room | what it holds | may import |
//! |---|---|---|---|
//! | 0 | `stompbox-frames`, [`metrics`], [`budget`], [`work`] | wire formats; counters; the byte budget; the account of work | nothing of ours |
//! | 1 | [`destination`], [`outbound_queue`] | names and patterns; the mailbox of a connection | layer 0 |
//! | 2 | [`users`] | who a client is: one file a source; what it may do: [`users::permissions`] | 0, 1 |
//! | 3 | [`session`], [`broker`] | one conversation, sans-IO; destinations to subscribers | 0–2, not each other |
//! | 5 | [`transport`] | sockets, SockJS and the connection task | 0–3 |
//! | 6 | [`http`] | the HTTP listener: who may ask, pages | 0–5 |
//! | 4 | (nothing yet: what will keep messages on disk and link nodes) | | 0–2 and `broker` |
//! | 7 | [`config`], [`cli`], [`server`] | options, the command, the running broker | all |
//! | 7 | [`mod@bench`] | the load generator, for any broker: a client, which shares nothing with the rooms above but the wire formats | layer 0: `stompbox-frames` |
//!
//! A *room* is a module with a layer of its own. `tests/tidy.rs` fails on any other edge, on a file that grows too long, and on a clock, socket or lock in
//! a pure room.
//!
//! # Invariants
//! - `stompbox-frames`, [`session`], [`destination`], [`users::permissions`] and [`transport::sockjs::session`] are pure: no clock (time is an argument), no socket,
//!   no lock, no randomness, no log.
//! - All work for a frame is reported to the account of the thread ([`work`]), and a poll of a connection ends when its
//!   share is used up: after about half a millisecond, plus at most one frame. The most expensive frames are SEND to
//!   thousands of users and UNSUBSCRIBE (a few milliseconds); `transport/tests.rs` counts the work of each. A COMMIT
//!   and the end of a connection take as many polls as they need. The cost of a single step does not grow with the
//!   messages and subscriptions of other clients.
//! - One task owns a connection. Others reach it only by pushing into its outbound queue. No lock is held across an
//!   await.
//! - Publishing to and subscribing on one destination is linearised by that destination's own lock: all
//!   subscribers see one order, and destinations do not wait for one another.
//! - Everything that can grow has a limit with a name. Memory that a client can make grow (outbound queues, queues, transactions,
//!   half-read and half-written frames, subscriptions and their names) is charged to one budget, at the size that the
//!   allocator needs. The owner of the memory holds the charge and gives it back when dropped.
//! - Subscriptions are charged to a share of that budget, and each is admitted before it is made. A subscriber cannot lock
//!   out publishers, and publishers cannot lock out the consumers that would drain their queues.
//! - Leaving is releasing: a connection's subscriptions, temporary queues, charges and seat are values that
//!   clean up in `drop`, so whatever ends the task ends them. A drop counts no delivery as failed: what a lost client was
//!   working on is settled as [`broker::Settlement::Lost`] before.
//!
//! # Decisions that differ from what one might expect
//! - A login is a task of its own that outlives its client, and equal logins are one: what a client was too impatient to
//!   wait for is there when it comes again, so a storm of reconnects comes to an end. Waiting for a turn to be hashed is
//!   bounded by the length of the queue (`auth-waiting-max`), not by time.
//! - Guesses are throttled by address and name; by name or address alone only beyond much higher counts, and never
//!   where a login was right before: a client that guesses delays itself, not its neighbours. The refusal is delayed
//!   and the check is not, so that the right passcode is checked at once. If a new guess comes while a refusal is
//!   delayed, its check has to wait. The waiting login that is checked next is chosen at random: a client gains nothing
//!   by retrying faster.
//! - A user name is checked in one place, behind all sources of users ([`users::Names`]).
//! - Users' destinations, and those of services, are topics in maps and tries of their own: no pattern over `/topic` can
//!   reach one, whatever mistake is made elsewhere. A session subscribes to its user's alone; there is no way to say
//!   another's.
//! - A service answers at an address that leads to one session (`/user/~ID/…`, or a temporary queue's). Where else a
//!   client asks it to answer is refused, for a service may do more than its clients.
//! - What browsers add to requests by themselves (cookies, Basic, what a proxy makes of them) counts only from pages of
//!   the same origin or listed by name: what `*` lets in speaks for nobody.
//! - A session judges a destination once and remembers the last one; rules that change are a number that every
//!   connection compares at each turn.
//! - Only a NACK, and the oldest unsettled delivery of each subscription of a lost connection, count for `max-deliveries`;
//!   `delivery-count` counts every time a message was sent. The session determines the oldest delivery
//!   ([`session::Session::finish`]), the connection task checks whether it was written, and the broker counts.
//! - A value of `ack` begins with a part of the session's random id. Clients keep values over a reconnect, and a value of
//!   an earlier connection must not name another delivery.
//! - When writing fails, the frames that the client had sent before are read and handled first. A client that closes with
//!   messages unread resets its connection, and its last acknowledgements are still in the receive buffer.
//! - A delivery carries the charge for its message through the type parameter of `Message`, so that the memory
//!   of a message shared by a thousand outbound queues is counted once.
//! - WebSocket frames are read by our own streaming reader over tungstenite's header codec: payload goes
//!   straight to the STOMP decoder, and an idle connection holds no buffer.
//! - A SockJS session over HTTP is a wire like any other: its batches go to whatever response is attached, as pieces
//!   that know when the socket has taken them; without one it is not ready and the outbound queue waits. The life of a session
//!   is timed by its own connection task; only sessions that are over and still say so are timed by the ticker.
//! - A small batch for a SockJS response counts as written when the response has it; should it be lost, the session
//!   ends. That saves a turn of the task for each, a third of the cost of a streaming subscriber.
//! - Where most connections that get a message are behind, the machine is saturated and none of them slow: such a
//!   crowd is waited for as long as it takes batches, beyond `burst-patience`; else a long burst to healthy
//!   receivers would cut them all. While patience lasts an outbound queue may hold four times its limit, for what was under
//!   way when it passed one half (many publishers).
//! - A COMMIT is admitted as a whole and applied in portions, so messages of other clients may come between its steps.
//!   No other frame of its connection is handled meanwhile. If the connection ends, the remaining steps are still
//!   applied: an admitted COMMIT cannot be undone.
//! - Presence is counted beside a topic only while it is watched, and told by the ticker under a lock that nobody takes
//!   who publishes: ten thousand who watch cost those who join nothing.
//! - The options are one declarative table (`config`), from which flags, environment, file keys and the
//!   README's table come.

pub mod bench;
pub mod broker;
pub mod budget;
pub mod cli;
pub mod config;
pub mod destination;
pub mod http;
pub mod metrics;
pub mod outbound_queue;
pub mod server;
pub mod session;
pub mod transport;
pub mod users;
pub mod work;

pub use config::Config;
pub use server::{BindError, Listeners, PublishError, Rules, Server, StartError};
pub use stompbox_frames::stomp::{HeartBeat, Limits};
