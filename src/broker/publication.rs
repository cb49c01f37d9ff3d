//! What is published, and what became of it.

use crate::destination::{Destination, Owner, UserPath};
use crate::outbound_queue::OutboundQueue;
use std::sync::Arc;
use stompbox_frames::stomp::Headers;

/// A message to route.
#[derive(Debug)]
pub struct Publication<'a> {
    /// Where to.
    pub destination: &'a Destination,
    /// Of a user's destination only the session of this id gets it.
    pub to_session: Option<&'a str>,
    /// MESSAGE's `destination`: as given on SEND; of a user's destination without its owner.
    pub shown: &'a str,
    /// The SEND's headers.
    pub headers: &'a Headers,
    /// Headers set by the broker or the session (`reply-to`).
    pub extra: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
}

/// What a message is made of, wherever it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content<'a> {
    pub(super) shown: &'a str,
    pub(super) headers: &'a Headers,
    pub(super) extra: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

impl<'a> Publication<'a> {
    pub(super) fn content(&self) -> Content<'a> {
        let &Publication { shown, headers, extra, body, .. } = self;
        Content { shown, headers, extra, body }
    }
}

/// A message for the same destination of many users.
#[derive(Debug)]
pub struct Multicast<'a> {
    /// Whose; who is named twice gets it once.
    pub owners: &'a [Owner],
    /// Which destination of theirs.
    pub path: &'a UserPath,
    /// MESSAGE's `destination`: without an owner.
    pub shown: &'a str,
    /// The SEND's headers.
    pub headers: &'a Headers,
    /// Headers set by the broker or the session (`user-name`).
    pub extra: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Multicast<'a> {
    pub(super) fn content(&self) -> Content<'a> {
        let &Multicast { shown, headers, extra, body, .. } = self;
        Content { shown, headers, extra, body }
    }
}

/// What became of a publication, or of one step of a transaction.
#[derive(Debug, Default)]
pub struct Published {
    /// Subscriptions it was pushed to (a queue: 1 if the queue took it).
    pub reached: usize,
    /// Of users' destinations: sessions that it was pushed to, each counted once. `None` for others.
    pub sessions: Option<usize>,
    /// Of `/app`: services that got it, 0 or 1. `None` for others.
    pub services: Option<usize>,
    /// Receivers that the publisher should wait for before it reads on.
    pub congested: Vec<Congested>,
}

/// A receiver above half of its outbound queue.
#[derive(Debug)]
pub struct Congested {
    /// Whose.
    pub outbound_queue: Arc<OutboundQueue>,
    /// Most of the message's receivers are as far behind.
    pub crowd: bool,
}
