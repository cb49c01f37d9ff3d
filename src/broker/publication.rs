//! Messages to route, and the results of routing.

use crate::destination::{Destination, Owner, UserPath};
use crate::outbound_queue::OutboundQueue;
use std::sync::Arc;
use stompbox_frames::stomp::Headers;

/// A message to route.
#[derive(Debug)]
pub struct Publication<'a> {
    /// The destination of the message.
    pub destination: &'a Destination,
    /// For a user's destination: if set, only the session with this id gets the message.
    pub to_session: Option<&'a str>,
    /// The `destination` header of MESSAGE. This is the destination of the SEND. For a user's destination, it does not
    /// contain the name of the user.
    pub destination_header: &'a str,
    /// The headers of the SEND.
    pub headers: &'a Headers,
    /// Headers set by the broker or the session (`reply-to`).
    pub extra: &'a [(&'a str, &'a str)],
    /// The body of the message.
    pub body: &'a [u8],
}

/// The parts from which a message is encoded, independent of its receivers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content<'a> {
    pub(super) destination_header: &'a str,
    pub(super) headers: &'a Headers,
    pub(super) extra: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

impl<'a> Publication<'a> {
    pub(super) fn content(&self) -> Content<'a> {
        let &Publication { destination_header, headers, extra, body, .. } = self;
        Content { destination_header, headers, extra, body }
    }
}

/// A message for the same destination of many users.
#[derive(Debug)]
pub struct Multicast<'a> {
    /// The users that get the message. A user that is named twice gets it once.
    pub owners: &'a [Owner],
    /// The part of the destination that is the same for all users.
    pub path: &'a UserPath,
    /// The `destination` header of MESSAGE, without the name of a user.
    pub destination_header: &'a str,
    /// The headers of the SEND.
    pub headers: &'a Headers,
    /// Headers set by the broker or the session (`user-name`).
    pub extra: &'a [(&'a str, &'a str)],
    /// The body of the message.
    pub body: &'a [u8],
}

impl<'a> Multicast<'a> {
    pub(super) fn content(&self) -> Content<'a> {
        let &Multicast { destination_header, headers, extra, body, .. } = self;
        Content { destination_header, headers, extra, body }
    }
}

/// The result of a publication, or of one step of a transaction.
#[derive(Debug, Default)]
pub struct Published {
    /// Number of subscriptions to which the message was pushed. For a queue: 1 if the queue accepted the message.
    pub reached: usize,
    /// For users' destinations: number of sessions to which the message was pushed, each counted once. Otherwise
    /// `None`.
    pub sessions: Option<usize>,
    /// For `/app`: number of services that got the message, 0 or 1. Otherwise `None`.
    pub services: Option<usize>,
    /// Receivers that the publisher should wait for before it reads more frames.
    pub congested: Vec<Congested>,
}

/// A receiver whose outbound queue is above one half of its limit.
#[derive(Debug)]
pub struct Congested {
    /// The outbound queue of the receiver.
    pub outbound_queue: Arc<OutboundQueue>,
    /// Whether the outbound queues of most receivers of the message are above one half.
    pub is_widespread: bool,
}
