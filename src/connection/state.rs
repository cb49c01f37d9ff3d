//! The state of one connection, which its task owns. The modules in this directory define the state. The other modules
//! of [`crate::connection`] define what a [`Connection`] does.

pub(crate) mod ending;
pub(crate) mod executor;
pub(crate) mod io;
pub(crate) mod login;
pub(crate) mod pending_commit;
pub(crate) mod pending_outcomes;
pub(crate) mod poll_budget;
pub(crate) mod read_pause;
pub(crate) mod subscription_map;
pub(crate) mod timer;

use self::ending::Ending;
use self::executor::Executor;
use self::io::Io;
use self::login::Login;
use self::poll_budget::{PollBudget, PollQueuePosition};
use self::timer::Timer;
use super::context::ConnectionContext;
use crate::auth::ClientHandshake;
use crate::outbound_queue::OutboundQueue;
use crate::session::Session;
use crate::wire::Wire;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use stompbox_frames::stomp::Decoder;

/// The connection of one client, in three parts: [`Io`] reads and writes, [`Executor`] holds what the broker gives to
/// the client, and [`Login`] holds the state of the login. The session decides, and the methods of the connection carry
/// actions and events from one part to another.
///
/// `repr(C)` keeps the fields in this order. The fields that every poll of a receiver uses come first, so that they
/// share few cache lines. With many connections, each cache line is a cache miss.
#[repr(C)]
pub(super) struct Connection<W> {
    pub(super) context: Arc<ConnectionContext>,
    pub(super) outbound_queue: Arc<OutboundQueue>,
    pub(super) schedule: Schedule,
    pub(super) io: Io<W>,
    pub(super) executor: Executor,
    pub(super) login: Login,
    pub(super) session: Session,
    pub(super) ending: Option<Box<Ending>>,
    pub(super) peer: PeerInfo,
}

/// When the task runs, and for how long.
pub(super) struct Schedule {
    /// Time at which the connection acts on a timeout that it has detected, if the timeout still applies then.
    pub(super) timeout_confirmed_at: Option<Instant>,
    pub(super) timer: Timer,
    /// The budget of the current poll.
    pub(super) poll_budget: PollBudget,
    /// Position in the queue of connections that have used up a poll budget. `None` if this connection has not.
    pub(super) queue_position: Option<Box<PollQueuePosition>>,
}

/// Facts about the client for log lines.
pub(super) struct PeerInfo {
    pub(super) address: IpAddr,
    pub(super) began_at: Instant,
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
        let charges = (context.unauthenticated.charge(0), context.unauthenticated_input.input(0));
        let subscription_charge = context.broker.subscription_budget().charge(0);
        Connection {
            outbound_queue: context.register(now),
            schedule: Schedule {
                timeout_confirmed_at: None,
                timer: Timer::new(now),
                poll_budget: PollBudget::new(now),
                queue_position: None,
            },
            io: Io::new(wire, Decoder::new(context.options.connect_limits), charges, now),
            executor: Executor::new(subscription_charge, context.budget.charge(0)),
            login: Login::new(handshake),
            session: Session::new(context.session.clone(), context.client(), now),
            ending: None,
            peer: PeerInfo { address, began_at: now, requests_denied: 0 },
            context,
        }
    }
}
