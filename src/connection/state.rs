//! The state of one connection, which its task owns. The modules in this directory define the state. The other modules
//! of [`crate::connection`] define what a [`Connection`] does.

pub(crate) mod ending;
pub(crate) mod pending_authentication;
pub(crate) mod poll_budget;
pub(crate) mod read_pause;
pub(crate) mod subscription_map;
pub(crate) mod timer;

use self::ending::Ending;
use self::pending_authentication::PendingAuthentication;
use self::poll_budget::{PollBudget, PollQueuePosition};
use self::read_pause::ReadPause;
use self::subscription_map::SubscriptionMap;
use self::timer::Timer;
use super::context::{ConnectionContext, random_name};
use super::executor::pending_commit::PendingCommit;
use crate::auth::ClientHandshake;
use crate::broker::{SessionRegistration, Subscription, TempQueueHandle};
use crate::budget::Charge;
use crate::destination::Destination;
use crate::limits::input::Input;
use crate::outbound_queue::OutboundQueue;
use crate::session::Session;
use crate::wire::first_bytes::FirstBytes;
use crate::wire::output_buffer::OutputBuffer;
use crate::wire::{ReadEnd, Wire};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use stompbox_frames::stomp::Decoder;

/// The connection of one client.
///
/// `repr(C)` keeps the fields in this order. The fields that every poll of a receiver uses come first, so that they
/// share few cache lines. With many connections, each cache line is a cache miss. The socket in `wire` is used as
/// often, but comes later.
#[repr(C)]
pub(super) struct Connection<W> {
    pub(super) context: Arc<ConnectionContext>,
    pub(super) outbound_queue: Arc<OutboundQueue>,
    /// Time at which the stall clock last restarted. It restarts when the socket accepts bytes, when nothing waits to
    /// be written, or when the wire is not writable.
    pub(super) progress_at: Instant,
    /// Time at which the connection acts on a timeout that it has detected, if the timeout still applies then.
    pub(super) timeout_confirmed_at: Option<Instant>,
    pub(super) timer: Timer,
    /// Version of the rules and users with which the client was last checked.
    pub(super) access_version: u64,
    /// The budget of the current poll.
    pub(super) poll_budget: PollBudget,
    pub(super) frames_sent: u64,
    pub(super) frames_received: u64,
    /// Number of bytes of answers (RECEIPT, ERROR) appended since the output was last empty.
    pub(super) answers_bytes: usize,
    /// The COMMIT in progress.
    pub(super) commit: Option<Box<PendingCommit>>,
    /// Subscriptions that have ended and are kept until their messages in the output are written.
    pub(super) ending_subscriptions: SubscriptionMap<Subscription>,
    pub(super) pause: ReadPause,
    /// Whether the client has signed in. The limits for authenticated clients then apply.
    pub(super) established: bool,
    /// Time at which writing failed. Input that the client sent before is still handled. Then the connection ends.
    pub(super) output_failed: Option<Instant>,
    /// Whether the failed login was not logged individually. The end of the connection is then logged at debug.
    pub(super) login_failure_suppressed: bool,
    pub(super) ending: Option<Box<Ending>>,
    /// The authentication in progress. Frames are not handled until the authentication is complete.
    pub(super) pending_authentication: Option<PendingAuthentication>,
    /// The reason why the input ended. Input that arrived before is handled first.
    pub(super) input_ended: Option<ReadEnd>,
    /// The charge for the output and for the lists that the session holds.
    pub(super) held_charge: Charge,
    /// The charge for input that is not handled yet: the unfinished frame, and complete frames that wait.
    pub(super) input: Input,
    pub(super) out: OutputBuffer,
    /// Position in the queue of connections that have used up a poll budget. `None` if this connection has not.
    pub(super) queue_position: Option<Box<PollQueuePosition>>,
    pub(super) session: Session,
    pub(super) decoder: Decoder,
    pub(super) wire: W,
    pub(super) subscriptions: SubscriptionMap<Subscription>,
    pub(super) temp_queues: Vec<TempQueueHandle>,
    /// The address of the temporary queue that is opened with the next subscription.
    pub(super) next_temp_queue: Option<Destination>,
    /// The charge for the lists of subscriptions in this connection and in its session, and for open transactions.
    pub(super) subscription_charge: Charge,
    /// Number of bytes that the broker holds for the subscriptions and temporary queues of this connection. Memory that
    /// is shared with other sessions counts in full.
    pub(super) subscription_bytes: usize,
    /// Credentials and other information that the client sent before CONNECT. `None` once the login has begun.
    pub(super) handshake: Option<Arc<ClientHandshake>>,
    /// The registration of the session as online.
    pub(super) registration: Option<SessionRegistration>,
    pub(super) parked_charge: Charge,
    pub(super) transactions: usize,
    /// Checks whether the input is STOMP until this is decided.
    pub(super) first_bytes: FirstBytes,
    pub(super) address: IpAddr,
    pub(super) connection_number: u64,
    pub(super) began_at: Instant,
    pub(super) bytes_received: u64,
    /// Number of broadcasts that the wire could not carry.
    pub(super) messages_skipped: u64,
    /// Number of requests that a rule denied.
    pub(super) requests_denied: u64,
}

impl<W: Wire> Connection<W> {
    pub(super) fn new(
        context: Arc<ConnectionContext>,
        wire: W,
        address: IpAddr,
        handshake: Arc<ClientHandshake>,
    ) -> Connection<W> {
        let now = Instant::now();
        let (held_charge, input) =
            (context.unauthenticated.charge(0), context.unauthenticated_input.input(0));
        let outbound_queue =
            OutboundQueue::new(context.outbound_queue, &context.budget, context.metrics.clone(), now);
        Connection {
            connection_number: context.register(&outbound_queue),
            session: Session::new(
                context.session.clone(),
                random_name(),
                context.new_temp_address.clone(),
                now,
            ),
            decoder: Decoder::new(context.options.connect_limits),
            parked_charge: context.budget.charge(0),
            subscription_charge: context.broker.subscription_budget().charge(0),
            subscription_bytes: 0,
            next_temp_queue: None,
            context,
            wire,
            address,
            outbound_queue,
            out: OutputBuffer::default(),
            subscriptions: SubscriptionMap::default(),
            commit: None,
            ending_subscriptions: SubscriptionMap::default(),
            temp_queues: Vec::new(),
            first_bytes: FirstBytes::default(),
            handshake: Some(handshake),
            pending_authentication: None,
            registration: None,
            access_version: 0,
            pause: ReadPause::default(),
            transactions: 0,
            poll_budget: PollBudget::new(now),
            queue_position: None,
            established: false,
            output_failed: None,
            login_failure_suppressed: false,
            ending: None,
            input_ended: None,
            answers_bytes: 0,
            held_charge,
            input,
            timeout_confirmed_at: None,
            timer: Timer::new(now),
            progress_at: now,
            began_at: now,
            frames_received: 0,
            bytes_received: 0,
            frames_sent: 0,
            messages_skipped: 0,
            requests_denied: 0,
        }
    }
}
