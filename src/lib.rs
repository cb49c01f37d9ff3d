//! Stompbox: a STOMP broker for the web, as a command and as a crate.
//!
//! This page describes the architecture. [`Server`] shows how to use the crate.
//!
//! # Overview
//! The design follows three rules:
//!
//! - A message is encoded once.
//! - Each transport is an implementation of [`wire::Wire`].
//! - A session never touches a socket.
//!
//! ```text
//!   socket A                                                                      socket B
//!     | bytes                                                                 bytes ^
//!     v                                                                             |
//!   connection: wire -> Decoder -> Session -> actions -> Broker -> OutboundQueue -> connection: prefix + shared tail
//!                       (frames)  (session)             (broker)  (outbound_queue)             (frames)
//! ```
//!
//! 1. The connection task ([`connection::task`]) reads bytes into a `Decoder`. The decoder finds complete frames and
//!    checks their limits before it parses them.
//! 2. [`session::Session`] validates each frame. Its [`operations::Client`] checks the permissions, and turns a request
//!    into a [`command`]. The session returns [`session::Action`]s, which the connection task executes.
//! 3. [`broker::Broker`] routes a SEND. It encodes the headers and the body once, and pushes a pointer to the encoded
//!    message into the [`outbound_queue::OutboundQueue`] of every subscriber. Receivers are usually woken at the end of
//!    the publisher's poll iteration. Each then finds all messages of this iteration at once.
//! 4. The connection task of each receiver takes deliveries from its outbound queue in batches. It puts a small prefix
//!    before the shared tail of each message, and sends a batch with one write.
//!
//! # Code map
//! | layer | module | contents | may import |
//! |---|---|---|---|
//! | 0 | `stompbox-frames`, [`metrics`], [`budget`], [`work`], [`networks`], [`rejection`] | wire formats, counters, byte budget, estimates of work, IP networks | none |
//! | 1 | [`destination`] | names and patterns of destinations | layer 0 |
//! | 1 | [`outbound_queue`] | the bounded queue of deliveries of one connection | layer 0 |
//! | 2 | [`command`] | the requests that the broker executes: publish, subscribe, settle, steps of a transaction | 0, 1 |
//! | 2 | [`auth`] | authentication: `sources` of users (one file each), `password` (hashing), `throttle` | 0, 1 |
//! | 2 | [`permissions`] | authorization: permission rules and presets | 0, 1, `auth` |
//! | 2 | [`limits`] | limits that all connections share: connection permits, unfinished input, log lines | 0, 1 |
//! | 3 | [`operations`] | what a client may do: requests to commands, or rejections | 0–2 |
//! | 3 | [`session`] | the STOMP session, sans-IO | 0–2, `operations` |
//! | 3 | [`broker`] | routing to subscribers: `topics`, `queues`, `presence`, transactions | 0–2 |
//! | 4 | (reserved) | storing messages on disk, linking nodes | 0–2 and `broker` |
//! | 5 | [`wire`] | framing: the trait [`wire::Wire`], TCP, WebSocket, recognition of protocols | 0–3 |
//! | 5 | [`connection`] | the connection task: reading, writing, `executor` of actions, login, closing | 0–3, `wire` |
//! | 6 | [`http`] | HTTP: connections, client information, `policy` (hosts, origins, proxies), `sockjs`, the embedded site | 0–5 |
//! | 7 | [`config`], [`server`], [`cli`] | options, the running broker, the command | 0–6; `server` also `config`; `cli` also `config`, `server`, `bench` |
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
//! | change how the size of frames is limited | `frames/src/stomp/frame_scanner.rs` |
//! | change how the number of connections is limited | `limits/connection_limiter.rs` |
//! | change which origins and `Host` names are accepted | `http/policy` |
//! | read cookies and query parameters | `http/client_info.rs` |
//! | add a path to the HTTP server, such as `/metrics` | `http/router.rs` |
//! | change when a message is redelivered | `broker/queues/queue.rs`; `broker/queues/mod.rs` lists the steps |
//! | add a family of destinations | a row in `destination/family.rs` |
//! | change when a receiver counts as a slow consumer | `outbound_queue`; `connection/slow_consumer_error.rs` lists all places |
//!
//! `tests/tidy` fails in these cases:
//!
//! - A module imports a module that the code map does not allow.
//! - Files import each other in a cycle.
//! - A file, function or folder exceeds its size limit.
//! - A pure module uses a clock, socket, file, lock or log.
//!
//! # Invariants
//! - `stompbox-frames`, [`rejection`], [`destination`], [`command`], [`permissions`], [`operations`], [`session`] and
//!   [`http::sockjs::session::lifecycle`] are pure. They use no clock (time is an argument), no socket, no lock, no
//!   randomness and no log.
//! - All work for a frame is added to a counter of the thread ([`work`]). A poll of a connection ends when its poll
//!   budget is used up. This takes about half a millisecond, plus the time of at most one frame. The most expensive
//!   frames are SEND to thousands of users and UNSUBSCRIBE. They take a few milliseconds, and `connection/tests.rs`
//!   counts their work. A COMMIT and the end of a connection are divided into steps and take as many polls as they
//!   need. The cost of a step does not grow with the messages and subscriptions of other clients.
//! - One task owns a connection. Other tasks reach it only by pushing into its outbound queue. No lock is held across
//!   an await.
//! - Each destination has a lock of its own. Every SEND and SUBSCRIBE to the destination takes this lock. All
//!   subscribers of a destination therefore receive its messages in the same order, and destinations do not wait for
//!   one another.
//! - Everything that can grow has a named limit. Memory that a client can make grow is charged to one budget, at the
//!   size that the allocator needs. This includes outbound queues, queues, transactions, partially read and written
//!   frames, and subscriptions with their names. The owner of the memory holds the charge. Dropping the charge releases
//!   its bytes.
//! - Subscriptions have a share of the budget. The broker checks that a subscription fits before it creates the
//!   subscription. Subscribers therefore cannot use up the memory for messages. A part of the share stays available
//!   even if messages fill the budget. Consumers can then still subscribe and drain the queues.
//! - Resources are released by `drop`. The connection task owns the subscriptions, temporary queues, charges and
//!   connection permit of its connection. The end of the task releases them, whatever the reason. Dropping a
//!   subscription returns its deliveries to the queue without counting them as failed. If the client was lost, the task
//!   first settles the deliveries that the client was working on as [`command::Settlement::Lost`]. The broker counts
//!   these deliveries as failed.
//!
//! # Design decisions that may be unexpected
//! - A login is checked in a task of its own. Equal logins share one task, and a check that has begun continues after
//!   its client disconnects. When a client that gave up waiting reconnects, the result is available. A storm of
//!   reconnects therefore comes to an end. The length of the queue for password hashing limits the wait
//!   (`auth-waiting-max`). There is no timeout.
//! - Failed logins are throttled by address and name together. Throttling by the name alone or the address alone begins
//!   only at much higher counts. It does not apply to a name that has logged in from the same address before. A client
//!   that guesses passcodes therefore delays itself, not others. A passcode that was correct before is checked at once.
//!   After the guesses that are free (`auth-failures-free`), each new guess waits for a slot. All waiting logins try to
//!   take the slot at a random time, so a client gains nothing by retrying faster.
//! - User names are validated in one place, for all sources of users ([`auth::Names`]).
//! - Destinations of users and of application services are stored in maps and tries of their own. A subscription to a
//!   pattern below `/topic` therefore cannot receive their messages, even if a check elsewhere has an error. A session
//!   can subscribe only to its own user's destinations. There is no syntax for those of another user.
//! - In a SEND to an application service, `reply-to` must lead to the session of the sender: `/user/~ID/…`, or a
//!   temporary queue of the session. The broker rejects other addresses. A service may have more permissions than its
//!   clients. Without this rule, a client could make a service send to destinations to which the client itself may not
//!   send.
//! - Browsers add some credentials to requests automatically: cookies, Basic authentication, and the headers that a
//!   proxy derives from these. The broker uses such credentials only for pages of its own origin and of origins that
//!   `allowed-origins` lists by name. It ignores them if only `*` allows the origin.
//! - A session caches the result of its last permission check. It therefore does not evaluate the rules for each SEND
//!   to the same destination. Rules and users have a version number, which every connection compares at each poll. If
//!   the number has changed, the session checks its permissions again.
//! - A delivery counts for `max-deliveries` if it gets a NACK. If the connection is lost, only the oldest unsettled
//!   delivery of each subscription counts. The session determines the oldest delivery ([`session::Session::finish`]),
//!   the connection task checks whether it was written, and the broker counts it. The header `delivery-count` counts
//!   every time that the message was sent.
//! - The header `ack` of a MESSAGE begins with a part of the session's random ID. Some clients still send values that
//!   they received before a reconnect. These must not identify a delivery of the new session.
//! - If writing fails, the connection task first reads and handles the frames that the client has sent. It then closes
//!   the connection. A client resets the connection if it closes its socket while messages are unread. Its last
//!   acknowledgements are then still in the receive buffer.
//! - The charge for a message is part of the message: `Message` has a type parameter for it. If a message is in a
//!   thousand outbound queues, its memory is therefore counted once.
//! - A streaming reader of this crate reads WebSocket frames. It decodes frame headers with tungstenite's codec. The
//!   payload goes directly to the STOMP decoder, and an idle connection holds no buffer.
//! - A SockJS session over HTTP is an implementation of [`wire::Wire`], too. It sends a batch as a chunk of the HTTP
//!   response that is attached. The chunk reports when the socket has taken it. While no response is attached, the wire
//!   is not ready and deliveries wait in the outbound queue. The connection task runs the timers of a session. A
//!   session that has ended answers requests with its close frame until a deadline, which the ticker checks.
//! - A small batch of a SockJS session counts as written as soon as the response has it, before the socket has taken
//!   it. If the batch is lost, the session ends. This saves one poll of the task for each batch, which is a third of
//!   the cost of a streaming subscriber.
//! - If the outbound queues of most receivers of a message are more than half full, the machine is saturated. In this
//!   case no single receiver is slow. Publishers then wait for these receivers as long as they continue to take
//!   batches, even beyond `slow-consumer-grace`. Otherwise a long burst would disconnect all of them. During the grace
//!   period an outbound queue may hold four times its limit. Many publishers may already have sent messages when the
//!   queue became half full.
//! - A COMMIT is admitted as a whole and applied in steps. Messages of other clients may arrive between two steps.
//!   Before the last step, no other frame of the same connection is handled. If the connection ends, the remaining
//!   steps are still applied, because an admitted COMMIT cannot be undone.
//! - The members of a topic are counted only while the topic has a watcher. The ticker sends the reports to the
//!   watchers under a lock of its own. Clients that publish to the topic, join it or leave it do not take this lock.
//!   Ten thousand watchers therefore do not slow down members that join.
//! - The options are one declarative table (`config`). Flags, environment variables, file keys and the table in
//!   `web/docs/options.md` are derived from this table.
//!
//! # Glossary
//! | term | meaning | type |
//! |---|---|---|
//! | action | An instruction of a session to its connection task, such as to publish or to subscribe. | [`session::Action`] |
//! | application service | A client that subscribes to a destination under `/app`. Each message goes to one service, in round robin. | `broker::topics::services` |
//! | audience | The destinations and sessions that a message is for. | [`command::Audience`] |
//! | backlog | The messages of a queue that no consumer has. | `broker::queues::backlog::Backlog`, in `PartitionedBacklog` |
//! | budget | The limit on the memory that the broker uses for its clients (`memory-bytes-max`). | [`budget::Budget`] |
//! | charge | A value that counts bytes in the budget until it is dropped. | [`budget::Charge`] |
//! | command | A request that the broker executes. It is complete, and its permissions are checked. | [`command`] |
//! | congested, widespread | A receiver is congested if its outbound queue is more than half full. The congestion of a message is widespread if most of its receivers are congested. | [`broker::Congested`] |
//! | connection | One open transport connection or SockJS session, owned by one task. | [`connection::task::ConnectionTask`] |
//! | connection permit | A value that counts a connection for `connections-max` and `connections-per-address-max` until it is dropped. | [`limits::connection_limiter::ConnectionPermit`] |
//! | consumer | A subscription to a queue. | `broker::queues::consumer` |
//! | credit | The number and size of the messages that a consumer may still get before it settles one. The prefetch is the credit of a consumer without unsettled messages. | `broker::queues::consumer` |
//! | dead letter | A message that was moved to `/queue/dead.NAME`. Its delivery failed `max-deliveries` times, a consumer rejected it, or no consumer could take it. | `broker::queues::dead_letter::Undeliverable` |
//! | delivery | A message on its way to one subscription. | [`outbound_queue::Delivery`] |
//! | destination | An address to which messages can be routed. | [`destination::Destination`] |
//! | dispatch | The assignment of messages in a backlog to consumers that have not reached their prefetch limit. | `broker::queues::dispatch` |
//! | drain time | The maximum time of a stop (`drain-time`). The broker sends waiting messages, and then closes the remaining connections. | [`Server::shut_down`] |
//! | extension header | A header of another broker that STOMP does not define, such as `prefetch-count`. | `session::extensions::table` |
//! | family | The destinations with the same prefix, such as `/topic/`. The family decides how messages are routed. | [`destination::DestinationKind`] |
//! | fan-out | Pushing one message to all subscribers of a topic. | `broker::topics::fan_out` |
//! | grace period | The time for which publishers wait for a receiver whose outbound queue is more than half full. | [`outbound_queue::OutboundQueue`] |
//! | handshake | The address, credentials and other facts about a client that are known before CONNECT. | [`auth::ClientHandshake`] |
//! | journal | A listener for the changes of queues and topics, such as a store. | [`broker::Journal`] |
//! | key | The number that identifies a subscription within its connection. | [`outbound_queue::Key`] |
//! | member counts | The subscribed users of one topic, the number of sessions of each user, and the changes that watchers have not received yet. | `broker::presence::MemberCounts` |
//! | options | The settings of one module. Each module has a type `Options`. Other modules always write it with the name of its module. | [`broker::Options`], [`session::Options`] |
//! | outbound queue | The bounded queue of deliveries that wait to be written to one connection. | [`outbound_queue::OutboundQueue`] |
//! | owner | The owner of a user destination: a user, or an anonymous session. | [`destination::Owner`] |
//! | parked frame | A frame that a session keeps in a transaction until COMMIT. | [`command::Step`] |
//! | partition | One of the two parts of a backlog. One has the messages that every consumer can take. The other has messages with a body that is not UTF-8. Text-only consumers cannot take these messages. | `broker::queues::partitioned_backlog::Partition` |
//! | pattern | A destination with wildcards, to which clients subscribe. | [`destination::Pattern`] |
//! | peer | An accepted client, with its connection permit, its address and the credentials of its handshake. | [`connection::peer::Peer`] |
//! | permission rule | A rule that allows or denies a group of clients to send or subscribe to a destination or pattern. | [`permissions::Rule`] |
//! | poll budget | The limit on the work, the number of pushes and the time of one poll of a connection. At the limit the poll ends, so that other connections are served. | `connection::state::poll_budget::PollBudget` |
//! | poll iteration | One round of a connection's poll: writes deliveries, then reads and handles frames. | [`connection::task`] |
//! | prefetch | The maximum number and size of the unsettled messages of a consumer. | [`command::ConsumerOptions`] |
//! | presence tracker | Counts the members of one watched topic and reports changes to the watchers. | `broker::presence::PresenceTracker` |
//! | preset | A set of predefined permission rules that follow the rules of the operator: `safe` or `open`. | [`permissions::Preset`] |
//! | principal | The authenticated identity of a session: name, roles and claims of its user. | [`auth::Principal`] |
//! | queue, work queue | A destination that stores messages and delivers each of them to one consumer. | `broker::queues::queue::Queue` |
//! | read pause | A time during which the connection task does not read from its client (backpressure). | `connection::state::read_pause::ReadPause` |
//! | receiver | A connection as the target of deliveries, in contrast to the publisher. | [`outbound_queue::OutboundQueue`] |
//! | rejection | The reason for which the broker rejects a request. | [`rejection::Rejection`] |
//! | reservation | A value that keeps bytes of the budget free for admitted work, until the work charges them. | [`budget::Reservation`] |
//! | session | The state of the STOMP protocol between one client and the broker, from CONNECT to the end. | [`session::Session`] |
//! | settlement | The outcome of a delivery from a work queue, such as accepted, returned or lost. | [`command::Settlement`] |
//! | share | A part of the budget with a limit of its own, such as the quarter for subscriptions. | [`budget::Budget::share`] |
//! | shared tail | The part of a MESSAGE frame that is the same for all subscribers and is encoded once. | [`outbound_queue::Message`] |
//! | slow consumer | A client whose connection is closed because it reads or acknowledges too slowly. | [`session::Slowness`] |
//! | source | A source of users: one method of authentication, such as the users file, tokens or the hook. | `auth::source::Source` |
//! | subscriber | The target of a subscription: an outbound queue, and the key that identifies the subscription in it. | [`broker::Subscriber`] |
//! | subscription | A registration for the messages of a destination. Dropping it unsubscribes. | [`broker::Subscription`] |
//! | tag | The position of a message in its work queue. It identifies the delivery when it is settled. | [`outbound_queue::Tag`] |
//! | temporary queue | A queue that belongs to one session and ends with it. | [`broker::TempQueueHandle`] |
//! | ticket | The outcome of a change that a journal reports later. Receipts and `Client::publish` wait for it. | [`broker::Ticket`] |
//! | ticker | The task for periodic work that no connection does, such as redelivery and presence reports. | `server::ticker` |
//! | topic | A destination that delivers each message to all of its subscribers, and stores none. | `broker::topics::topic::Topic` |
//! | transaction | Requests of a client that are stored until COMMIT and then applied in order. | `session::transactions::Transactions`, [`Transaction`], [`broker::StepwiseCommit`] |
//! | transport | The protocol that carries STOMP, such as `tcp`, `websocket` or `xhr-streaming` of SockJS. The word is used in documentation, metrics and logs. The code that implements a transport is a wire. | [`wire::Wire::name`] |
//! | unsettled | The state of a delivery until it is acknowledged, rejected or lost. | `session::unsettled::Unsettled` |
//! | wake batch | The wakes of receivers that a publisher collects in one poll iteration and sends at the end of it. | `outbound_queue::wake_batch::WakeBatch` |
//! | watcher | A subscriber of `/presence/…`. | `broker::presence::PresenceTracker` |
//! | wire | The implementation of a transport for one connection: TCP, WebSocket or SockJS. | [`wire::Wire`] |
//! | work | The estimated cost of a step, in units of about 100 ns. | [`work`] |

// Warn about missing documentation only if the modules are private, that is, for the public API.
#![cfg_attr(not(feature = "internals"), warn(missing_docs))]
#![allow(rustdoc::private_intra_doc_links)]

// The modules are private. The feature `internals` makes them public for the tests and benchmarks of this repository.
// No other program may rely on this feature.
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
mod command;
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
mod operations;
#[cfg(not(feature = "internals"))]
mod outbound_queue;
#[cfg(not(feature = "internals"))]
mod permissions;
#[cfg(not(feature = "internals"))]
mod rejection;
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
pub mod command;
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
pub mod operations;
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
pub mod rejection;
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
pub use server::{
    Actor, BindError, Client, ClientError, Listeners, PublishError, Published, Received, Rules, Server,
    StartError, SubscriptionId, Transaction,
};
