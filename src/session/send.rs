//! SEND, and what it has to do with temporary queues.

use super::action::{Action, Publish, Receipt};
use super::temp::Place;
use super::transactions::Parked;
use super::{Rejection, Session, required};
use crate::destination::{Destination, Kind};
use bytes::Bytes;
use std::borrow::Cow;
use stompbox_frames::stomp::Frame;

impl Session {
    pub(super) fn send(
        &mut self,
        frame: Frame,
        receipt: &mut Option<Receipt>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        let shown: Box<str> = required(&frame, "destination")?.into();
        let destination = self.resolve(&shown)?;
        let transaction: Option<Box<str>> = frame.header("transaction").map(Cow::into);
        let bytes = octets(&frame);
        if let Some(transaction) = &transaction {
            self.transactions.admit(frame.command, transaction, bytes, &self.options)?;
        }
        let reply_to = self.reply_to(&frame, actions)?;
        let publish = Publish { destination, shown, frame, reply_to, receipt: None };
        match transaction {
            Some(transaction) => {
                let publish = Publish { frame: compact(&publish.frame), ..publish };
                self.transactions.park(&transaction, Parked::Publish(Box::new(publish)), bytes);
                self.receipt(receipt.take(), actions);
            }
            None => actions.push(Action::Publish(Publish { receipt: self.owe(receipt), ..publish })),
        }
        Ok(())
    }

    /// Where a message goes: a temporary queue of this session's own is sent to by its address.
    fn resolve(&self, shown: &str) -> Result<Destination, Rejection> {
        let destination = self.destination(shown)?;
        match Place::of(&destination) {
            Place::Address | Place::Elsewhere => Ok(destination),
            Place::Own(name) => match self.temps.get(name) {
                Some(temp) => Ok(temp.address.clone()),
                None => Err(Rejection::unknown_temp_queue(shown)),
            },
        }
    }

    /// The address for a `reply-to` that names a temporary queue of this session, which is opened and
    /// subscribed to if it must be: whoever asks for an answer so waits for it, and need not say so.
    fn reply_to(
        &mut self,
        frame: &Frame,
        actions: &mut Vec<Action>,
    ) -> Result<Option<Destination>, Rejection> {
        let Some(shown) = frame.header("reply-to").filter(|text| text.starts_with(Kind::TempQueue.prefix()))
        else {
            return Ok(None);
        };
        let destination = self.destination(&shown)?;
        let Place::Own(name) = Place::of(&destination) else { return Ok(None) };
        self.temps.admit(name, &self.options)?;
        if self.temps.get(name).is_none_or(|temp| temp.subscribers == 0) {
            self.subscribe_implicitly(&shown, name, actions)?;
        }
        Ok(self.temps.get(name).map(|temp| temp.address.clone()))
    }

    fn destination(&self, text: &str) -> Result<Destination, Rejection> {
        Destination::parse(text, self.options.destination_bytes_max).map_err(Rejection::destination)
    }
}

/// What a frame counts for in a transaction: its header lines and its body.
pub(super) fn octets(frame: &Frame) -> usize {
    let lines = frame.headers.iter().map(|(name, value)| name.len() + ":".len() + value.len() + "\n".len());
    lines.sum::<usize>() + frame.body.len()
}

/// A copy that keeps nothing alive beside itself: a received frame is a slice of what was read with it.
fn compact(frame: &Frame) -> Frame {
    let lines: Vec<_> = frame.headers.iter().collect();
    let headers = lines.iter().map(|(name, value)| (&**name, &**value)).collect();
    Frame { command: frame.command, headers, body: Bytes::copy_from_slice(&frame.body) }
}
