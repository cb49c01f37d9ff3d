//! Stompbox: a STOMP broker for the web, as a command and as a crate.
//!
//! This page describes the architecture. [`Server`] shows how to use the crate.
//!
//! # Overview
//! **A message is encoded once, a transport is one [`wire::Wire`], a session never touches a socket.**
//!
//! ```text
//!   socket A                                                                      socket B
//!     | bytes                                                                 bytes ^
//!     v                                                                             |
//!   transport: wire -> Decoder -> Session -> actions -> Broker -> OutboundQueue -> transport: prefix + shared tail
//!                      (frames)  (session)             (broker)  (outbound_queue)             (frames)
//! ```
//!
//! 1. The connection task ([`connection::task`]) reads bytes into a `Decoder`, which finds whole frames and checks
//!    their limits before it parses them.
//! 2. [`session::Session`] stores the identity of its client ([`auth`]), validates each frame and returns
//!    [`session::Action`]s, which the connection task executes.
//! 3. [`broker::Broker`] routes a SEND: it creates a message whose headers and body are encoded once, and pushes a
//!    pointer to it into the [`outbound_queue::OutboundQueue`] of every subscriber. Receivers are usually woken at the
//!    end of the publisher's poll iteration, and so find all of its messages at once.
//! 4. Each receiver's own task takes deliveries in batches, puts a small prefix before the shared tail of each and
//!    sends a batch with one write.
//!
//! # Code map
//! | layer | module | contents | may import |
//! |---|---|---|---|
//! | 0 | `stompbox-frames`, [`metrics`], [`budget`], [`work`], [`networks`] | wire formats, counters, byte budget, work, IP networks | none |
//! | 1 | [`destination`] | names and patterns of destinations | layer 0 |
//! | 1 | [`outbound_queue`] | the bounded queue of deliveries of one connection | layer 0 |
//! | 2 | [`auth`] | who a client is: `sources` (one file each), `password` (hashing), throttle | 0, 1 |
//! | 2 | [`permissions`] | what a client may do: rules and presets | 0, 1, `auth` |
//! | 2 | [`limits`] | limits that all connections share: permits, unfinished input, log lines | 0, 1 |
//! | 3 | [`session`] | the STOMP session, sans-IO | 0–2 |
//! | 3 | [`broker`] | routing to subscribers: `topics`, `queues`, `presence`, transactions | 0–2 |
//! | 4 | (reserved for storing messages on disk and for linking nodes) | | 0–2 and `broker` |
//! | 5 | [`wire`] | framing: the trait [`wire::Wire`], TCP, WebSocket, recognition of protocols | 0–3 |
//! | 5 | [`connection`] | the connection task: reading, writing, `executor` of actions, login, closing | 0–3, `wire` |
//! | 6 | [`http`] | HTTP: connections, client information, `policy` (hosts, origins, proxies), `sockjs`, pages | 0–5 |
//! | 7 | [`config`] < [`server`] < [`cli`] | options, the running broker, the command | all below |
//! | 7 | [`mod@bench`] | the load generator: a client for any broker | `stompbox-frames` |
//!
//! # Where to change what
//! | change | place |
//! |---|---|
//! | add an option | a row in `config` (one file for each group of options) |
//! | add a source of users | a file in `auth/sources`, and a row in `auth/sources/mod.rs` |
//! | check a password differently | `auth/password` |
//! | add a STOMP command or header | `session`, one file for each command; `session/extensions/table.rs` for headers of other brokers |
//! | execute an action of a session | `connection/executor` |
//! | add a transport | a [`wire::Wire`] in `wire`; for SockJS a row in `http/sockjs/routes.rs` |
//! | change the size limit of frames | `frames/src/stomp/boundary.rs` |
//! | change the limit of connections | `limits/connection_limiter.rs` |
//! | change which pages and hosts are accepted | `http/policy` |
//! | read cookies and query parameters | `http/client_info.rs` |
//! | add a path of the HTTP port, such as `/metrics` | `http/router.rs` |
//! | change when a message is redelivered | `broker/queues/queue.rs`, `broker/queues/backoff.rs`; the ticker is in `server/ticker.rs` |
//! | change when a receiver is too slow | `outbound_queue` |
//!
//! `tests/tidy` fails on any other import between these modules, on files that import each other in a circle, on files,
//! functions and folders that exceed their size limit, and on a clock, socket, file, lock or log in a pure module.
//!
//! # Invariants
//! - `stompbox-frames`, [`session`], [`destination`], [`permissions`] and [`http::sockjs::session::lifecycle`] are
//!   pure: no clock (time is an argument), no socket, no lock, no randomness, no log.
//! - All work for a frame is reported to the account of the thread ([`work`]), and a poll of a connection ends when its
//!   share is used up: after about half a millisecond, plus at most one frame. The most expensive frames are SEND to
//!   thousands of users and UNSUBSCRIBE (a few milliseconds); `connection/tests.rs` counts the work of each. A COMMIT
//!   and the end of a connection take as many polls as they need. The cost of a single step does not grow with the
//!   messages and subscriptions of other clients.
//! - One task owns a connection. Other tasks reach it only by pushing into its outbound queue. No lock is held across
//!   an await.
//! - Publishing to and subscribing on one destination is linearised by that destination's own lock: all subscribers see
//!   the same order, and destinations do not wait for one another.
//! - Everything that can grow has a named limit. Memory that a client can make grow (outbound queues, queues,
//!   transactions, partially read and written frames, subscriptions and their names) is charged to one budget, at the
//!   size that the allocator needs. The owner of the memory holds the charge, which is released when it is dropped.
//! - Subscriptions are charged to a share of that budget, and each is admitted before it is created. A subscriber
//!   cannot lock out publishers, and publishers cannot lock out the consumers that would drain their queues.
//! - Resources are released by `drop`: a connection's subscriptions, temporary queues, charges and connection permit
//!   are values that clean up when dropped, so the end of the task releases them, whatever its cause. A drop counts no
//!   delivery as failed: deliveries that a lost client was working on are settled as [`broker::Settlement::Lost`]
//!   before.
//!
//! # Design decisions that may be unexpected
//! - A login runs in its own task, which outlives its client, and equal logins share one task. When a client that gave
//!   up waiting reconnects, the result is available, so a storm of reconnects comes to an end. The wait for password
//!   hashing is bounded by the length of the queue (`auth-waiting-max`), not by time.
//! - Failed logins are throttled by address and name together. Throttling by name or address alone begins only at much
//!   higher counts, and never applies where a login has succeeded before: a client that guesses passcodes delays
//!   itself, not others. Replies to failed logins are delayed and checks are not, so that a correct passcode is checked
//!   at once. Where checks have to wait, the waiting logins draw lots for each slot: a client gains nothing by retrying
//!   faster.
//! - User names are validated in one place, for all sources of users ([`auth::Names`]).
//! - Destinations of users and of application services are topics in separate maps and tries: no pattern over `/topic`
//!   can reach one, whatever error is made elsewhere. A session can subscribe only to its own user's destinations;
//!   there is no syntax for those of another user.
//! - A service replies to an address that leads to one session (`/user/~ID/…`, or a temporary queue). Other reply
//!   addresses are rejected, because a service may have more permissions than its clients.
//! - Credentials that browsers add to requests by themselves (cookies, Basic authentication, headers that a proxy
//!   derives from them) count only for pages of the same origin or of an origin listed by name. They are ignored for an
//!   origin that only `*` allows.
//! - A session checks access to a destination once and caches the last result. A version number, which every connection
//!   compares at each poll, shows that the rules have changed.
//! - Only a NACK, and the oldest unsettled delivery of each subscription of a lost connection, count for
//!   `max-deliveries`; `delivery-count` counts every time a message was sent. The session determines the oldest
//!   delivery ([`session::Session::finish`]), the connection task checks whether it was written, and the broker counts.
//! - A value of `ack` begins with a part of the session's random id. Clients keep values over a reconnect, and a value
//!   of an earlier connection must not identify another delivery.
//! - When writing fails, the frames that the client had sent before are read and handled first. A client that closes
//!   with messages unread resets its connection, and its last acknowledgements are still in the receive buffer.
//! - A delivery carries the charge for its message through the type parameter of `Message`, so that the memory of a
//!   message shared by a thousand outbound queues is counted once.
//! - WebSocket frames are read by our own streaming reader over tungstenite's header codec: the payload goes straight
//!   to the STOMP decoder, and an idle connection holds no buffer.
//! - A SockJS session over HTTP is a wire like any other: its batches go to the response that is attached, as chunks
//!   that report when the socket has taken them. Without a response the wire is not ready and the outbound queue waits.
//!   The connection task of a session times its life; the ticker times only sessions that have ended and still answer
//!   requests with their end.
//! - A small batch for a SockJS response counts as written when the response has it; if it is lost, the session ends.
//!   This saves a poll of the task for each batch, a third of the cost of a streaming subscriber.
//! - If most connections that receive a message are behind, the machine is saturated and no single receiver is slow.
//!   Publishers then wait for these receivers as long as they take batches, even beyond `slow-consumer-grace`; otherwise a
//!   long burst to healthy receivers would disconnect all of them. During the grace period an outbound queue may hold
//!   four times its limit, for messages of many publishers that were already on their way when it passed one half.
//! - A COMMIT is admitted as a whole and applied in steps, so messages of other clients may come between its steps. No
//!   other frame of its connection is handled in the meantime. If the connection ends, the remaining steps are still
//!   applied: an admitted COMMIT cannot be undone.
//! - Presence is counted for a topic only while it is watched. The ticker sends the reports to watchers under a lock
//!   that publishers never take: ten thousand watchers do not slow down joining members.
//! - The options are one declarative table (`config`), from which flags, environment variables, file keys and the
//!   table in `web/docs/options.md` are derived.
//!
//! # Glossary
//! | term | meaning | type |
//! |---|---|---|
//! | action | An instruction of a session to its connection task, such as to publish or to subscribe. | [`session::Action`] |
//! | application service | A client that subscribes to a destination under `/app`; each message goes to one service, in round robin. | `broker::topics::services` |
//! | backlog | The messages of a queue that no consumer has. | `broker::queues::backlog::Backlog`, in `PartitionedBacklog` |
//! | budget | The limit on the memory that clients can make the broker hold (`memory-bytes-max`). | [`budget::Budget`] |
//! | charge | Bytes that are counted in the budget until the value is dropped. | [`budget::Charge`] |
//! | connection | One open transport connection or SockJS session, owned by one task. | [`connection::task::ConnectionTask`] |
//! | connection permit | A slot under `connections-max` and `connections-per-address-max`, which is released when it is dropped. | [`limits::connection_limiter::ConnectionPermit`] |
//! | consumer | A subscription to a queue. | [`broker::Consumer`] |
//! | dead letter | A message that failed `max-deliveries` times, was rejected, or suits no consumer; it moves to `/queue/dead.NAME`. | `broker::queues::dead_letter::Undeliverable` |
//! | delivery | A message on its way to one subscription. | [`outbound_queue::Delivery`] |
//! | destination | An address to which messages can be routed. | [`destination::Destination`] |
//! | dispatch | The assignment of messages in a backlog to consumers that have prefetch left. | `broker::queues::dispatch` |
//! | drain time | The time in which a stopping broker sends waiting messages, before it closes the remaining connections. | [`Server::shut_down`] |
//! | fan-out | The pushes of one message to all subscribers of a topic. | `broker::topics::fan_out` |
//! | grace period | The time for which publishers wait for a receiver whose outbound queue is more than half full. | [`outbound_queue::OutboundQueue`] |
//! | handshake | The address, credentials and other facts about a client that are known before CONNECT. | [`auth::Handshake`] |
//! | member counts | The users that are subscribed to a topic, the numbers of their sessions, and the changes that are not reported yet. | `broker::presence::MemberCounts` |
//! | multicast | One message for the same user destination of many users (`/users/…`). | [`broker::Multicast`] |
//! | outbound queue | The bounded queue of deliveries that wait to be written to one connection. | [`outbound_queue::OutboundQueue`] |
//! | owner | The user, or the session without a user, whose user destinations an address names. | [`destination::Owner`] |
//! | partition | One of the two parts of a backlog: messages that every consumer can take, and bodies that are not UTF-8, which text-only consumers cannot take. | `broker::queues::partitioned_backlog::Partition` |
//! | pattern | A destination with wildcards, to which clients subscribe. | [`destination::Pattern`] |
//! | peer | An accepted client: its connection permit, its address, and the credentials of its handshake. | [`connection::peer::Peer`] |
//! | permission rule | A rule that allows or denies sending or subscribing for a group of clients and a destination. | [`permissions::Rule`] |
//! | poll budget | The limit on the work, pushes and time of one poll of a connection, after which other connections are served. | `connection::state::poll_budget::PollBudget` |
//! | poll iteration | One round of a connection's poll: writes deliveries, then reads and handles frames. | [`connection::task`] |
//! | prefetch | The number and size of unsettled messages that a consumer may hold. | [`broker::ConsumerOptions`] |
//! | presence tracker | The object that counts the members of one watched topic and reports changes to its watchers. | `broker::presence::PresenceTracker` |
//! | principal | The authenticated identity of a session: name, roles and claims of its user. | [`auth::Principal`] |
//! | publication | A message on its way from a SEND to its destination. | [`broker::Publication`] |
//! | queue, work queue | A destination that keeps messages and gives each to one consumer. | `broker::queues::queue::Queue` |
//! | read pause | A time in which a connection does not read from its client (backpressure). | `connection::state::read_pause::ReadPause` |
//! | receiver | A connection to which deliveries are pushed, in contrast to the publisher. | [`outbound_queue::OutboundQueue`] |
//! | reservation | Bytes of the budget that are held for admitted work until they are charged. | [`budget::Reservation`] |
//! | session | The state of the STOMP protocol between one client and the broker, from CONNECT to the end. | [`session::Session`] |
//! | settlement | The outcome of a delivery from a work queue, such as accepted, returned or lost. | [`broker::Settlement`] |
//! | share | A part of the budget with a limit of its own, such as a quarter for subscriptions. | [`budget::Budget::share`] |
//! | shared tail | The part of a MESSAGE frame that is the same for all subscribers and is encoded once. | [`outbound_queue::Message`] |
//! | slow consumer | A client that is closed because it reads or acknowledges too slowly. | [`session::Slowness`] |
//! | source | A method of authentication, such as the users file, tokens or the hook. | `auth::source::Source` |
//! | subscriber | The target of a subscription: an outbound queue, and the key of the subscription in it. | [`broker::Subscriber`] |
//! | subscription | The registration of a session for the messages of a destination, which ends when it is dropped. | [`broker::Subscription`] |
//! | temporary queue | A queue that belongs to one session and ends with it. | [`broker::TempQueue`] |
//! | ticker | The task that does periodic work that belongs to no connection, such as redelivery and presence reports. | `server::ticker` |
//! | topic | A destination whose messages go to all of its subscribers, and that keeps no message. | `broker::topics::topic::Topic` |
//! | transaction | Frames of a session that are kept until COMMIT, and are then applied in order. | `session::transactions::Transactions`, [`broker::Commit`] |
//! | unsettled | A delivery is unsettled until it is acknowledged, rejected or lost. | `session::unsettled::Unsettled` |
//! | wake batch | The wakes of receivers that one poll iteration of a publisher collects and sends at its end. | `outbound_queue::wake_batch::WakeBatch` |
//! | watcher | A subscription to `/presence/…`. | `broker::presence::PresenceTracker` |
//! | wire | The transport of one connection, which sends and receives bytes: TCP, WebSocket or SockJS. | [`wire::Wire`] |
//! | work | An estimate of the cost of a step, in units of about 100 ns. | [`work`] |

// Missing documentation is reported for the public API only: the modules are private to the crate.
#![cfg_attr(not(feature = "internals"), warn(missing_docs))]
#![allow(rustdoc::private_intra_doc_links)]

// The modules are private to the crate. The feature `internals` makes them public for the tests and benchmarks of this
// repository; no other program may rely on it.
#[cfg(not(feature = "internals"))]
mod auth;
#[cfg(not(feature = "internals"))]
mod bench;
#[cfg(not(feature = "internals"))]
mod broker;
#[cfg(not(feature = "internals"))]
mod budget;
#[cfg(not(feature = "internals"))]
mod cli;
#[cfg(not(feature = "internals"))]
mod config;
#[cfg(not(feature = "internals"))]
mod connection;
#[cfg(not(feature = "internals"))]
mod destination;
#[cfg(not(feature = "internals"))]
mod http;
#[cfg(not(feature = "internals"))]
mod limits;
#[cfg(not(feature = "internals"))]
mod metrics;
#[cfg(not(feature = "internals"))]
mod networks;
#[cfg(not(feature = "internals"))]
mod outbound_queue;
#[cfg(not(feature = "internals"))]
mod permissions;
#[cfg(not(feature = "internals"))]
mod server;
#[cfg(not(feature = "internals"))]
mod session;
#[cfg(not(feature = "internals"))]
mod wire;
#[cfg(not(feature = "internals"))]
mod work;

#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod auth;
#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod bench;
#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod broker;
#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod budget;
#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod cli;
#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod config;
#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod connection;
#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod destination;
#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod http;
#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod limits;
#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod metrics;
#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod networks;
#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod outbound_queue;
#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod permissions;
#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod server;
#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod session;
#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod wire;
#[cfg(feature = "internals")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod work;

pub use cli::main;
pub use config::{Config, ConfigError, ConfigErrors, ConfigSource};
pub use server::{BindError, Listeners, PublishError, Rules, Server, StartError};
