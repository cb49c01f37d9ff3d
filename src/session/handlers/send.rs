//! The handler of SEND.

use crate::command::{Publish, Step};
use crate::operations::{ReplyTo, request_bytes};
use crate::rejection::Rejection;
use crate::session::action::{Action, Receipt};
use crate::session::errors::required;
use crate::session::machine::Session;
use bytes::Bytes;
use stompbox_frames::stomp::Frame;

impl Session {
    pub(super) fn send(
        &mut self,
        frame: Frame,
        receipt: &mut Option<Receipt>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        self.check_extensions(&frame, actions)?;
        let route = match self.client.route_again(&frame.headers)? {
            Some(route) => route,
            None => match self.client.route(&required(&frame, "destination")?, &frame.headers)? {
                Some(route) => route,
                None => return self.renew_token(&frame, receipt, actions),
            },
        };
        let transaction =
            frame.header("transaction").map(|name| (Box::<str>::from(name), frame_bytes(&frame)));
        if let Some((transaction, bytes)) = &transaction {
            self.transactions.check_capacity(frame.command, transaction, *bytes, &self.options)?;
        }
        let reply_to = match self.client.reply_to(&route, &frame.headers)? {
            ReplyTo::Unchanged => None,
            ReplyTo::Address(address) => Some(address),
            ReplyTo::TempQueue(name) => self.open_reply_queue(&frame, &name, actions)?,
        };
        let Frame { headers, body, .. } = frame;
        let publish = Box::new(self.client.publish(route, reply_to, headers, body));
        match transaction {
            Some((transaction, bytes)) => {
                self.transactions.park(&transaction, Step::Publish(compact(publish)), bytes);
                self.receipt(receipt.take(), actions);
            }
            None => actions.push(Action::Publish { publish, receipt: self.register_receipt(receipt) }),
        }
        Ok(())
    }

    /// Opens the temporary queue that the header `reply-to` names, and subscribes to it if necessary: the client expects
    /// an answer, so it need not send a SUBSCRIBE. Returns the address of the queue.
    fn open_reply_queue(
        &mut self,
        frame: &Frame,
        name: &str,
        actions: &mut Vec<Action>,
    ) -> Result<Option<Box<str>>, Rejection> {
        if !self.client.receives_from_temp_queue(name) {
            self.subscribe_implicitly(&frame.header("reply-to").unwrap_or_default(), actions)?;
        }
        Ok(self.client.temp_queue_address(name).map(|address| address.as_str().into()))
    }
}

/// Returns the size of a frame for the limits of a transaction.
pub(super) fn frame_bytes(frame: &Frame) -> usize {
    request_bytes(frame.headers.iter(), &frame.body)
}

/// Returns the command with copies of its headers and body in their own memory. Those of a received frame are slices of
/// a read buffer, which they would keep alive.
fn compact(mut publish: Box<Publish>) -> Box<Publish> {
    let lines: Vec<_> = publish.headers.iter().collect();
    let headers = lines.iter().map(|(name, value)| (&**name, &**value)).collect();
    drop(lines);
    publish.headers = headers;
    publish.body = Bytes::copy_from_slice(&publish.body);
    publish
}
