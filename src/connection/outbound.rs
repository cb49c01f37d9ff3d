//! The writing side of a connection. It takes deliveries out of the outbound queue, encodes them as frames, and writes
//! the frames to the socket.

use super::state::Connection;
use crate::command::Settlement;
use crate::outbound_queue::Delivery;
use crate::session::{DeliveryAction, Slowness};
use crate::wire::output_buffer::AwaitedWrite;
use crate::wire::{OutgoingFrame, Tail, Wire};
use crate::work;
use bytes::BytesMut;
use std::task::{Context, Poll};
use std::time::Instant;

/// Maximum number of unsettled broadcasts of a session while the byte budget is nearly used up.
const UNSETTLED_BROADCASTS_MAX: usize = 2048;
/// Memory in bytes that the session needs to record that many unsettled broadcasts.
const UNSETTLED_BYTES: usize = UNSETTLED_BROADCASTS_MAX * 32;

impl<W: Wire> Connection<W> {
    /// Takes about `batch_bytes` bytes of deliveries and encodes them as frames. Returns whether there may be more
    /// deliveries. If not, the next delivery wakes the task.
    pub(super) fn receive(&mut self, cx: &mut Context<'_>, batch_bytes: usize, now: Instant) -> bool {
        let mut batch = Vec::new();
        let drained = match self.outbound_queue.poll_take(cx, &mut batch, batch_bytes, now) {
            Poll::Pending => return false,
            Poll::Ready(Err(_)) => {
                self.end_slow_consumer(Slowness::Overflow, now);
                return true;
            }
            Poll::Ready(Ok(drained)) => drained,
        };
        if batch.is_empty() {
            // The batch consisted of withdrawn deliveries only. Removing them has made room in the outbound queue.
            self.executor.resume_blocked_queues(&self.outbound_queue, now);
        }
        work::add(batch.len() * work::DELIVERY);
        let mut prefix = BytesMut::with_capacity(128);
        let mut delivered = 0;
        for (position, delivery) in batch.iter().enumerate() {
            if !self.carries(delivery) {
                continue;
            }
            prefix.clear();
            match self.session.deliver(delivery, &mut prefix) {
                DeliveryAction::Write { settle_when_written } => {
                    self.write_delivery(delivery, &prefix, settle_when_written);
                    delivered += 1;
                }
                DeliveryAction::Skip => {}
                full @ (DeliveryAction::UnsettledCountExceeded | DeliveryAction::UnsettledBytesExceeded) => {
                    let unsent =
                        batch[position..].iter().map(|delivery| (delivery.key, delivery.tag)).collect();
                    self.executor.return_unsent(unsent, now);
                    let many = full == DeliveryAction::UnsettledCountExceeded;
                    let slowness =
                        if many { Slowness::Unsettled(delivery.key) } else { Slowness::UnsettledBytes };
                    self.end_slow_consumer(slowness, now);
                    break;
                }
            }
        }
        self.context.metrics.deliveries.inc_by(delivered);
        if self.ending.is_none() && batch.iter().any(|delivery| delivery.tag == 0) {
            self.end_near_budget(now);
        }
        !drained
    }

    /// Closes the connection of a client that does not acknowledge broadcasts while the byte budget is nearly used up.
    /// Without this limit, such broadcasts could use up the memory, and the broker would reject messages of publishers.
    /// Deliveries of work queues do not count, because prefetch limits their number.
    fn end_near_budget(&mut self, now: Instant) {
        if self.session.held_bytes() <= UNSETTLED_BYTES {
            return;
        }
        self.charge_held_memory();
        if self.context.budget.is_nearly_exhausted()
            && self.session.unsettled_broadcasts() > UNSETTLED_BROADCASTS_MAX
        {
            self.end_slow_consumer(Slowness::UnsettledMemory, now);
        }
    }

    /// Returns whether the wire can carry the message unchanged. Only broadcasts are skipped here. If this client's
    /// wire cannot carry a message of a work queue, the queue gives the message to another consumer.
    fn carries(&mut self, delivery: &Delivery) -> bool {
        let carries = self.io.wire.carries_binary() || delivery.message.is_text();
        if !carries {
            self.context.metrics.messages_skipped.inc();
            self.io.messages_skipped += 1;
            // Logs only the first one. The log line at the end of the connection contains the number of skipped
            // messages.
            if self.io.messages_skipped == 1 {
                tracing::warn!(
                    destination = delivery.message.destination(),
                    message = delivery.message.id(),
                    session = self.session.id(),
                    transport = self.io.wire.name(),
                    "skipped a message that is not UTF-8: this transport carries text only"
                );
            }
        }
        carries
    }

    fn write_delivery(&mut self, delivery: &Delivery, prefix: &[u8], settles: bool) {
        let mark =
            (delivery.tag != 0).then_some(AwaitedWrite { key: delivery.key, tag: delivery.tag, settles });
        let tail = Tail::Shared(&delivery.message, self.session.version());
        self.io.wire.write_frame(
            OutgoingFrame { prefix, tail, text: delivery.message.is_text(), mark },
            &mut self.io.out,
        );
    }

    /// Writes until the socket accepts no more bytes or everything is written. Returns whether any byte was written.
    ///
    /// If a client was killed, or closes with messages unread, its system resets the connection, and the next write
    /// fails. Frames that the client sent earlier, such as acknowledgements, may still be in the receive buffer. They
    /// are read before the connection ends.
    pub(super) fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if self.io.output_failed.is_some() && self.ending.is_some() {
            self.end_at_once(now);
        }
        if self.io.out.pending() == 0 || self.io.output_failed.is_some() {
            return false;
        }
        let written = self.io.poll_write(cx, now);
        if written.has_failed {
            if self.ending.is_none() {
                self.io.output_failed = Some(now);
            } else {
                self.end_at_once(now);
            }
        }
        if written.bytes == 0 {
            return false;
        }
        self.session.note_output(now);
        self.context.metrics.frames_sent.inc_by(written.frames);
        self.context.metrics.bytes_sent.inc_by(written.bytes as u64);
        if !written.settled.is_empty() {
            self.executor.settle(&written.settled, Settlement::Accepted, now);
        }
        self.drop_written_subscriptions();
        self.executor.resume_blocked_queues(&self.outbound_queue, now);
        true
    }

    /// Drops the ending subscriptions whose messages are all written.
    pub(super) fn drop_written_subscriptions(&mut self) {
        if !self.executor.may_drop_written() {
            return;
        }
        let keys_in_output = self.io.keys_in_output();
        match self.ending {
            None => self.executor.drop_written(&keys_in_output),
            Some(_) => self.executor.release_written(&keys_in_output),
        }
    }
}
