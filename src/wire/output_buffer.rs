//! The output of one connection: the bytes that wait to be written to its socket.
//!
//! Small pieces are copied into one buffer, and large ones are kept in a list without copying. One write can thus send
//! a whole batch. The write is vectored if there are several pieces. The buffer records where each frame ends. It can
//! therefore report when a frame is written completely, and never drops a part of a frame.

use crate::outbound_queue::{Key, Message, Tag};
use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;
use std::io::IoSlice;

/// Maximum size of a piece that is copied, in bytes. Copying it costs less than a separate slice in the vectored write.
const COPY_BYTES_MAX: usize = 1024;
/// Maximum number of slices in one vectored write. The kernel accepts 1024, but more than 64 gain nothing.
const SLICES_MAX: usize = 64;

/// A delivery of a work queue that is reported when its frame is written completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AwaitedWrite {
    /// The key of the subscription that the delivery is for.
    pub key: Key,
    /// The tag of the message in its work queue.
    pub tag: Tag,
    /// Whether writing the frame settles the delivery (auto mode).
    pub settles: bool,
}

#[derive(Clone, Copy, Debug)]
struct FrameEnd {
    /// Position of the end of this frame in the output, in bytes since the beginning of the connection.
    at: u64,
    mark: Option<AwaitedWrite>,
}

#[derive(Debug)]
struct Chunk {
    bytes: Bytes,
    /// The message that owns the bytes and is charged for them. It is kept alive as long as the bytes are.
    guard: Option<Message>,
}

/// The output of one connection. It holds no memory while it is empty.
#[derive(Debug, Default)]
pub struct OutputBuffer {
    chunks: VecDeque<Chunk>,
    /// Number of bytes in `chunks` that belong to messages.
    shared_bytes: usize,
    /// Copied pieces, which follow those in `chunks`.
    copied: BytesMut,
    ends: VecDeque<FrameEnd>,
    appended: u64,
    written: u64,
    /// Position of the end of the last frame that is written completely, in bytes since the beginning of the
    /// connection.
    complete_to: u64,
    /// Position up to which the output is sealed ([`OutputBuffer::seal`]). The wire has taken the sealed bytes as one
    /// unit, which it writes completely or not at all.
    sealed_to: u64,
    /// Number of frames written completely since the last call of [`OutputBuffer::take_frames_written`].
    frames_written: u64,
}

impl OutputBuffer {
    /// Reserves memory for a whole frame of `bytes` bytes. Does nothing if the frame is so large that it is not copied.
    pub fn reserve(&mut self, bytes: usize) {
        if bytes <= COPY_BYTES_MAX {
            self.copied.reserve(bytes);
        }
    }

    /// Appends a copy of a small piece.
    pub fn copy(&mut self, piece: &[u8]) {
        self.copied.extend_from_slice(piece);
        self.appended += piece.len() as u64;
    }

    /// Calls `encode`, which appends bytes to the output.
    pub fn encode(&mut self, encode: impl FnOnce(&mut BytesMut)) {
        let before = self.copied.len();
        encode(&mut self.copied);
        self.appended += (self.copied.len() - before) as u64;
    }

    /// Appends a piece. Copies it only if it is small. `guard` is the message that owns the bytes, if there is one.
    pub fn chain(&mut self, piece: &Bytes, guard: Option<&Message>) {
        self.chain_front(piece, piece.len(), guard);
    }

    /// Appends the first `length` bytes of a piece, in the same way as [`chain`](OutputBuffer::chain).
    pub fn chain_front(&mut self, piece: &Bytes, length: usize, guard: Option<&Message>) {
        if length <= COPY_BYTES_MAX {
            return self.copy(&piece[..length]);
        }
        self.chain_copied();
        self.appended += length as u64;
        if guard.is_some() {
            self.shared_bytes += length;
        }
        self.chunks.push_back(Chunk { bytes: piece.slice(..length), guard: guard.cloned() });
    }

    /// Ends a frame, which consists of the bytes appended since the last call. `mark` is the delivery to report when
    /// the frame is written completely.
    pub fn end_frame(&mut self, mark: Option<AwaitedWrite>) {
        self.ends.push_back(FrameEnd { at: self.appended, mark });
    }

    /// Returns the number of bytes that are not written yet.
    pub fn pending(&self) -> usize {
        (self.appended - self.written) as usize
    }

    /// Returns the number of bytes that must be charged to the connection. These are the pieces that no message is
    /// charged for, and the lists of frames and pieces.
    pub fn held_bytes(&self) -> usize {
        let lists = self.ends.len() * size_of::<FrameEnd>() + self.chunks.len() * size_of::<Chunk>();
        self.pending() - self.shared_bytes + lists
    }

    /// Returns the number of bytes written since the beginning of the connection.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Fills `slices` with the next bytes to write. Returns the number of slices used.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES_MAX]) -> usize {
        let pieces =
            self.chunks.iter().map(|chunk| &chunk.bytes[..]).chain(std::iter::once(&self.copied[..]));
        let mut used = 0;
        for (slot, piece) in slices.iter_mut().zip(pieces.filter(|piece| !piece.is_empty())) {
            *slot = IoSlice::new(piece);
            used += 1;
        }
        used
    }

    /// Returns all bytes as one slice, or `None` if they are in several pieces.
    pub fn as_single_slice(&self) -> Option<&[u8]> {
        self.chunks.is_empty().then_some(&self.copied[..])
    }

    /// Returns an array of empty slices for [`OutputBuffer::slices`].
    pub fn empty_slices<'a>() -> [IoSlice<'a>; SLICES_MAX] {
        [IoSlice::new(&[]); SLICES_MAX]
    }

    /// Removes the first `bytes` bytes, because they are written. Calls `done` for each marked frame that is now
    /// written completely.
    pub fn advance(&mut self, bytes: usize, mut done: impl FnMut(AwaitedWrite)) {
        self.written += bytes as u64;
        let mut left = bytes;
        while left > 0
            && let Some(chunk) = self.chunks.front_mut()
        {
            let taken = left.min(chunk.bytes.len());
            chunk.bytes.advance(taken);
            left -= taken;
            if chunk.guard.is_some() {
                self.shared_bytes -= taken;
            }
            if chunk.bytes.is_empty() {
                self.chunks.pop_front();
            }
        }
        self.copied.advance(left);
        while let Some(end) = self.ends.front()
            && end.at <= self.written
        {
            self.frames_written += 1;
            self.complete_to = end.at;
            if let Some(mark) = end.mark {
                done(mark);
            }
            self.ends.pop_front();
        }
        if self.pending() == 0 {
            *self = OutputBuffer {
                appended: self.appended,
                written: self.written,
                complete_to: self.complete_to,
                sealed_to: self.sealed_to,
                frames_written: self.frames_written,
                ..OutputBuffer::default()
            };
        }
    }

    /// Returns the number of frames written completely since the last call.
    pub fn take_frames_written(&mut self) -> u64 {
        std::mem::take(&mut self.frames_written)
    }

    /// Seals all pieces and returns them, for a wire that passes them on as one unit. [`cut`](OutputBuffer::cut) does
    /// not drop sealed pieces. They stay in the buffer until [`advance`](OutputBuffer::advance) removes them.
    pub fn seal(&mut self) -> impl Iterator<Item = Bytes> + '_ {
        self.chain_copied();
        self.sealed_to = self.appended;
        self.chunks.iter().map(|chunk| chunk.bytes.clone())
    }

    /// Replaces each frame by the result of `rewrite`. The caller must make sure that no byte of the frames is written
    /// or sealed.
    pub fn rewrite(&mut self, mut rewrite: impl FnMut(&[u8]) -> Bytes) {
        self.chain_copied();
        let mut whole = BytesMut::with_capacity(self.pending());
        self.chunks.drain(..).for_each(|chunk| whole.extend_from_slice(&chunk.bytes));
        self.shared_bytes = 0;
        let mut whole = whole.freeze();
        let mut begins = self.written;
        self.appended = self.written;
        for end in &mut self.ends {
            let frame = rewrite(&whole.split_to((end.at - begins) as usize));
            begins = end.at;
            self.appended += frame.len() as u64;
            end.at = self.appended;
            self.chunks.push_back(Chunk { bytes: frame, guard: None });
        }
    }

    /// Drops every frame that is neither sealed nor partly written. Calls `dropped` for each marked frame that it
    /// drops.
    pub fn cut(&mut self, mut dropped: impl FnMut(AwaitedWrite)) {
        let mut in_flight = self.written > self.complete_to;
        let (sealed_to, mut kept_to) = (self.sealed_to, self.written);
        self.ends.retain(|end| {
            let stays = std::mem::take(&mut in_flight) || end.at <= sealed_to;
            if stays {
                kept_to = end.at;
            } else if let Some(mark) = end.mark {
                dropped(mark);
            }
            stays
        });
        self.chain_copied();
        let mut surplus = (self.appended - kept_to) as usize;
        while surplus > 0
            && let Some(chunk) = self.chunks.back_mut()
        {
            let cut = surplus.min(chunk.bytes.len());
            chunk.bytes.truncate(chunk.bytes.len() - cut);
            surplus -= cut;
            if chunk.guard.is_some() {
                self.shared_bytes -= cut;
            }
            if chunk.bytes.is_empty() {
                self.chunks.pop_back();
            }
        }
        self.appended = kept_to;
    }

    /// Returns whether any frame that is not written completely has a mark.
    pub fn is_marked(&self) -> bool {
        self.ends.iter().any(|end| end.mark.is_some())
    }

    /// Returns the number of frames that are not written completely.
    pub fn frames_unwritten(&self) -> usize {
        self.ends.len()
    }

    /// Returns the marks of the frames that are not written completely, in order.
    pub fn unwritten(&self) -> impl Iterator<Item = AwaitedWrite> + '_ {
        self.ends.iter().filter_map(|end| end.mark)
    }

    fn chain_copied(&mut self) {
        if !self.copied.is_empty() {
            self.chunks.push_back(Chunk { bytes: self.copied.split().freeze(), guard: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::wire::Tail;
    use stompbox_frames::message::MessageParts;
    use stompbox_frames::stomp::{Headers, Version};

    const fn mark(tag: Tag) -> Option<AwaitedWrite> {
        Some(AwaitedWrite { key: 1, tag, settles: true })
    }

    /// Returns three frames of 10, 3010 and 6 bytes with the marks 1, 2 and 3, and the bytes of these frames.
    fn three_frames() -> (OutputBuffer, Vec<u8>) {
        let mut out = OutputBuffer::default();
        let large = Bytes::from(vec![b'L'; 3000]);
        out.copy(b"first-----");
        out.end_frame(mark(1));
        out.copy(b"head------");
        out.chain(&large, None);
        out.end_frame(mark(2));
        out.chain(&Bytes::from_static(b"small-"), None);
        out.end_frame(mark(3));
        (out, [b"first-----head------".as_slice(), &large, b"small-"].concat())
    }

    /// Returns the bytes that one vectored write would write next.
    fn rest(out: &OutputBuffer) -> Vec<u8> {
        let mut slices = OutputBuffer::empty_slices();
        let used = out.slices(&mut slices);
        slices[..used].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn bytes_are_written_in_order_for_any_write_size() {
        let (_, whole) = three_frames();
        for step in [1, 2, 7, 1000, 3026] {
            let (mut out, _) = three_frames();
            let mut seen = Vec::new();
            while out.pending() > 0 {
                let next = rest(&out);
                assert_eq!(next.len(), out.pending());
                let taken = step.min(next.len());
                seen.extend_from_slice(&next[..taken]);
                out.advance(taken, |_| {});
            }
            assert_eq!(seen, whole, "by {step}");
            assert_eq!(out.take_frames_written(), 3);
            assert_eq!(
                out.copied.capacity() + out.chunks.capacity() + out.ends.capacity(),
                0,
                "an empty buffer holds no memory"
            );
        }
    }

    #[test]
    fn mark_is_reported_when_the_last_byte_of_its_frame_is_written() {
        let (mut out, whole) = three_frames();
        for (bytes, reported) in [(9, vec![]), (1, vec![1]), (3009, vec![]), (1, vec![2]), (6, vec![3])] {
            let mut tags = Vec::new();
            out.advance(bytes, |mark| tags.push(mark.tag));
            assert_eq!(tags, reported);
        }
        assert_eq!(out.written() as usize, whole.len());
    }

    #[test]
    fn cut_keeps_sealed_frames_until_they_are_written() {
        let (mut out, whole) = three_frames();
        assert_eq!(out.seal().collect::<Vec<_>>().concat(), whole);
        out.copy(b"behind");
        out.end_frame(mark(4));
        let mut dropped = Vec::new();
        out.cut(|mark| dropped.push(mark.tag));
        assert_eq!((rest(&out), dropped), (whole.clone(), vec![4]));
        let mut done = Vec::new();
        out.advance(whole.len(), |mark| done.push(mark.tag));
        assert_eq!((out.pending(), done), (0, vec![1, 2, 3]));
    }

    #[test]
    fn large_chunk_keeps_its_message_until_written_and_is_charged_once() {
        let budget = Budget::new(usize::MAX);
        let headers = Headers::default();
        let parts = MessageParts {
            id: "1",
            destination: "/topic/a",
            headers: &headers,
            extra: &[],
            body: &[b'x'; 3000],
        };
        let message = Message::new(parts, |bytes| budget.charge(bytes));
        let tail = message.tail(Version::V1_2, |_, _| None).into_owned();
        let mut out = OutputBuffer::default();
        out.copy(b"MESSAGE\n");
        out.chain(&tail, Some(&message));
        out.end_frame(None);
        drop(message);
        assert!(budget.used() >= 3000);
        let lists = |chunks: usize| chunks * size_of::<Chunk>() + size_of::<FrameEnd>();
        assert_eq!(out.held_bytes(), 8 + lists(2));
        out.advance(100, |_| {});
        assert_eq!((out.held_bytes(), out.pending()), (lists(1), tail.len() - 92));
        out.advance(tail.len() - 92, |_| {});
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn copy_for_an_older_version_is_charged_to_the_message_or_the_connection() {
        for (memory, stores_messages) in [(usize::MAX, true), (5500, false)] {
            let budget = Budget::new(memory);
            let headers: Headers = [("x", "\r")].into_iter().collect();
            let parts = MessageParts {
                id: "1",
                destination: "/topic/a",
                headers: &headers,
                extra: &[],
                body: &[b'x'; 5000],
            };
            let message = Message::new(parts, |bytes| budget.charge(bytes));
            let before = budget.used();
            let (tail, _) = Tail::Shared(&message, Version::V1_0).plain();
            let mut out = OutputBuffer::default();
            out.chain(&tail.bytes, tail.guard);
            out.end_frame(None);
            assert_eq!(budget.used() >= before + 5000, stores_messages, "{} bytes", budget.used());
            assert_eq!(out.held_bytes() >= 5000, !stores_messages, "{} bytes", out.held_bytes());
        }
    }

    #[test]
    fn rewritten_frame_keeps_its_position_and_its_mark() {
        let (mut out, whole) = three_frames();
        out.rewrite(|frame| [b"<", frame, b">"].concat().into());
        let expected = [b"<", &whole[..10], b"><", &whole[10..3020], b"><", &whole[3020..], b">"].concat();
        assert_eq!(rest(&out), expected);
        assert_eq!(out.pending(), expected.len());
        let mut done = Vec::new();
        out.advance(12 + 3012, |mark| done.push(mark.tag));
        assert_eq!(done, [1, 2]);
    }

    #[test]
    fn cut_keeps_the_partly_written_frame_and_drops_the_rest() {
        let (_, whole) = three_frames();
        for written in 0..whole.len() {
            let (mut out, _) = three_frames();
            out.advance(written, |_| {});
            let (kept_to, kept_tag) = match written {
                0 | 10 | 3020 => (written, None),
                1..10 => (10, Some(1)),
                11..3020 => (3020, Some(2)),
                _ => (3026, Some(3)),
            };
            let mut dropped = Vec::new();
            out.cut(|mark| dropped.push(mark.tag));
            assert_eq!(rest(&out), &whole[written..kept_to], "cut at {written}");
            assert_eq!(out.unwritten().map(|mark| mark.tag).next(), kept_tag);
            let first_dropped = [0, 10, 3020].iter().filter(|start| **start < kept_to).count() as u64 + 1;
            assert_eq!(dropped, (first_dropped..=3).collect::<Vec<_>>(), "cut at {written}");
            out.copy(b"ERROR");
            out.end_frame(None);
            assert_eq!(rest(&out), [&whole[written..kept_to], b"ERROR"].concat());
        }
    }
}
