//! The memory for unfinished input: frames and request bodies of which only a part has arrived.
//!
//! A client that stops in the middle of a frame must not keep this memory from other clients for ever:
//!
//! - While unfinished input is charged, at least [`HELD_BYTES_MIN`] more bytes of it must arrive in every
//!   `stall-timeout`. Otherwise its connection or request ends. Bytes count when they arrive, not when they are
//!   charged. A growing buffer is charged in a few large steps.
//! - If there is no memory for more input, the broker drops the input that has stalled longest. It rejects the client
//!   of this input. Input can be dropped only if it has stalled for a tenth of `stall-timeout`. The broker drops it
//!   [`TIMEOUT_CONFIRMATION`] after it has detected the stall. A broker that was itself suspended therefore first reads
//!   the bytes that have arrived in the meantime.
//! - If dropping stalled input would not free enough memory, the broker drops nothing. It rejects the client that needs
//!   the memory.
//! - If there is no other input, input of any size fits.
//!
//! Input of less than [`HELD_BYTES_MIN`] bytes is not charged and may stall. The stall clock stops while the broker
//! does not read from the client.

use crate::budget::{Budget, Charge};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Minimum size, in bytes, of input that is charged to the budget. It also applies to output that has left the outbound
/// queue.
pub(crate) const HELD_BYTES_MIN: usize = 4 * 1024;
/// Divisor of `stall-timeout` that gives the time after which stalled input may be dropped in favour of other input.
const STALLED_DIVISOR: u32 = 10;
/// Time between detecting a timeout, or stalled input, and acting on it. In this time, the broker reads bytes that have
/// already arrived.
pub(crate) const TIMEOUT_CONFIRMATION: Duration = Duration::from_millis(50);
/// Time after which the detection of stalled input expires and must be repeated.
const STALL_SEEN_VALIDITY: Duration = Duration::from_secs(1);
/// Maximum number of frames and bodies that are dropped at a time. Dropping this many frees enough memory for one read.
const DROPPED_MAX: usize = 64;

/// The memory for the input of a group of clients, charged to one budget.
#[derive(Debug)]
pub struct InputShare {
    budget: Arc<Budget>,
    stall_timeout: Duration,
    state: Mutex<State>,
    next_number: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// Unfinished input. The input that has stalled longest is first.
    unfinished: BTreeMap<Progress, Unfinished>,
    /// Bytes of dropped input that the tasks of its clients still hold.
    dropped_bytes: usize,
}

/// The time of the last progress of unfinished input, and a number that makes it unique.
type Progress = (Instant, u64);

#[derive(Debug)]
struct Unfinished {
    bytes: usize,
    owner: Arc<Owner>,
    /// The time at which the input was found stalled, if it has made no progress since.
    stall_seen_at: Option<Instant>,
}

/// The result of an attempt to grow input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    /// The input has grown.
    Admitted,
    /// There is no memory now. Try again at this time, when other input may be dropped.
    RetryAt(Instant),
    /// There is no memory for the input.
    Rejected,
}

/// State that the [`InputShare`] and the client's task have in common.
#[derive(Debug, Default)]
struct Owner {
    /// Bytes of the client's input that were dropped. 0 if the input was not dropped.
    dropped_bytes: AtomicUsize,
    waker: AtomicWaker,
}

impl InputShare {
    /// Creates a share that is charged to `budget`.
    pub fn new(budget: Arc<Budget>, stall_timeout: Duration) -> Arc<InputShare> {
        Arc::new(InputShare {
            budget,
            stall_timeout,
            state: Mutex::default(),
            next_number: AtomicU64::default(),
        })
    }

    /// Returns the budget that input is charged to.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Charges `bytes` bytes of one client's input. The input counts as finished until it grows.
    pub(crate) fn input(self: &Arc<InputShare>, bytes: usize) -> Input {
        Input {
            charge: self.budget.charge(bytes),
            share: self.clone(),
            arrived_bytes: 0,
            retry_at: None,
            unfinished: None,
        }
    }

    /// Returns the latest time at which any unfinished input made progress.
    #[cfg(test)]
    pub(crate) fn last_progress(&self) -> Option<Instant> {
        self.state.lock().unfinished.last_key_value().map(|(progress, _)| progress.0)
    }

    /// Frees memory for `input` to grow to `bytes` bytes, by dropping stalled input of other clients. Drops nothing if
    /// too little input has stalled. Also drops nothing if some of the stalled input was not detected before.
    fn make_room(&self, bytes: usize, input: &Input, now: Instant) -> Growth {
        let own = input.unfinished.as_ref().map(|unfinished| unfinished.0);
        let mut state = self.state.lock();
        let (mut freed, mut stalled, mut all_confirmed) = (state.dropped_bytes, Vec::new(), true);
        let others = state.unfinished.iter().filter(|(progress, _)| Some(**progress) != own);
        let mut candidates = others.take(DROPPED_MAX);
        while !input.charge.may_grow_after(bytes, freed) {
            let Some((progress, unfinished)) = candidates.next() else { return Growth::Rejected };
            if !self.has_stalled(*progress, now) {
                return Growth::Rejected;
            }
            freed += unfinished.bytes;
            all_confirmed &= unfinished.is_confirmed_stalled(now);
            stalled.push(*progress);
        }
        if !all_confirmed {
            // Records all stalled input, not only what is needed now. Otherwise `input` would wait again for its next
            // bytes.
            let stalled = state.unfinished.iter_mut().take(DROPPED_MAX);
            for (_, unfinished) in stalled.filter(|(progress, _)| self.has_stalled(**progress, now)) {
                unfinished.record_stall(now);
            }
            return Growth::RetryAt(now + TIMEOUT_CONFIRMATION);
        }
        let dropped: Vec<_> =
            stalled.iter().filter_map(|progress| state.unfinished.remove(progress)).collect();
        state.dropped_bytes = freed;
        for unfinished in &dropped {
            unfinished.owner.dropped_bytes.store(unfinished.bytes, Ordering::Release);
        }
        drop(state);
        dropped.iter().for_each(|unfinished| unfinished.owner.waker.wake());
        Growth::Admitted
    }

    /// Returns whether input whose last progress was `progress` has stalled for so long that it may be dropped.
    fn has_stalled(&self, progress: Progress, now: Instant) -> bool {
        now.saturating_duration_since(progress.0) >= self.stall_timeout / STALLED_DIVISOR
    }
}

impl Unfinished {
    /// Returns the time since the input was found stalled, or `None` if it was not found stalled.
    fn time_since_stall_seen(&self, now: Instant) -> Option<Duration> {
        self.stall_seen_at.map(|at| now.saturating_duration_since(at))
    }

    /// Returns whether the input was found stalled long enough ago. The broker has then read all bytes that had arrived
    /// by that time.
    fn is_confirmed_stalled(&self, now: Instant) -> bool {
        self.time_since_stall_seen(now)
            .is_some_and(|time| (TIMEOUT_CONFIRMATION..STALL_SEEN_VALIDITY).contains(&time))
    }

    /// Records that the input was found stalled at `now`. Keeps an earlier detection that is still valid.
    fn record_stall(&mut self, now: Instant) {
        if self.time_since_stall_seen(now).is_none_or(|time| time >= STALL_SEEN_VALIDITY) {
            self.stall_seen_at = Some(now);
        }
    }
}

/// Input of one client that the broker holds in memory.
#[derive(Debug)]
pub(crate) struct Input {
    share: Arc<InputShare>,
    charge: Charge,
    /// Bytes that have arrived since the last progress was recorded.
    arrived_bytes: usize,
    /// The time at which to try again, while the input waits for memory.
    retry_at: Option<Instant>,
    /// The entry of the input in the share. It is set while the input is unfinished and charged, and the broker reads
    /// from the client.
    unfinished: Option<Box<(Progress, Arc<Owner>)>>,
}

impl Input {
    /// Returns the bytes charged.
    pub(crate) fn bytes(&self) -> usize {
        self.charge.bytes()
    }

    /// Counts `bytes` bytes that have arrived.
    pub(crate) fn receive(&mut self, bytes: usize) {
        self.arrived_bytes = self.arrived_bytes.saturating_add(bytes);
    }

    /// Grows the charge of unfinished input to `bytes` bytes. Records progress if [`HELD_BYTES_MIN`] bytes have arrived
    /// since the last progress.
    pub(crate) fn grow(&mut self, bytes: usize, now: Instant) -> Growth {
        self.retry_at = None;
        if bytes < HELD_BYTES_MIN {
            return Growth::Admitted;
        }
        if self.arrived_bytes >= HELD_BYTES_MIN && self.unfinished.is_some() {
            self.record_progress(now);
        }
        let more = bytes.saturating_sub(self.charge.bytes());
        if more >= HELD_BYTES_MIN {
            if !self.charge.try_grow(bytes) {
                let growth = self.share.make_room(bytes, self, now);
                if let Growth::RetryAt(at) = growth {
                    self.retry_at = Some(at);
                }
                if growth != Growth::Admitted {
                    return growth;
                }
                self.charge.resize(bytes);
            }
            self.record_size();
        }
        if self.unfinished.is_none() {
            self.record_progress(now);
        }
        Growth::Admitted
    }

    /// Returns the time until which the input waits for memory. The caller must not read more of it before this time.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Records the new size of the input. Does nothing if the input was dropped.
    fn record_size(&self) {
        let Some(unfinished) = &self.unfinished else { return };
        if let Some(listed) = self.share.state.lock().unfinished.get_mut(&unfinished.0) {
            listed.bytes = self.charge.bytes();
        }
    }

    /// Restarts the stall clock of the input.
    fn record_progress(&mut self, now: Instant) {
        self.arrived_bytes = 0;
        let progress = (now, self.share.next_number.fetch_add(1, Ordering::Relaxed));
        let mut state = self.share.state.lock();
        let owner = match self.unfinished.take() {
            // Input that was dropped stays dropped.
            Some(before) if state.unfinished.remove(&before.0).is_none() => {
                return self.unfinished = Some(before);
            }
            Some(before) => before.1,
            None => Arc::default(),
        };
        state.unfinished.insert(
            progress,
            Unfinished { bytes: self.charge.bytes(), owner: owner.clone(), stall_seen_at: None },
        );
        self.unfinished = Some(Box::new((progress, owner)));
    }

    /// Stops the stall clock, because the input is complete or the broker does not read. The charge stays.
    pub(crate) fn finish(&mut self) {
        if let Some(unfinished) = self.unfinished.take() {
            let mut state = self.share.state.lock();
            if state.unfinished.remove(&unfinished.0).is_none() {
                state.dropped_bytes -= unfinished.1.dropped_bytes.load(Ordering::Acquire);
            }
        }
    }

    /// Moves the charge to another share. The input counts as finished until it grows.
    pub(crate) fn move_to(&mut self, share: &Arc<InputShare>) {
        *self = share.input(self.bytes());
    }

    /// Returns the charge, to change it without a check.
    pub(crate) fn charge_mut(&mut self) -> &mut Charge {
        &mut self.charge
    }

    /// Returns the time at which `stall-timeout` expires if no more input arrives.
    pub(crate) fn stalls_at(&self) -> Option<Instant> {
        self.unfinished.as_ref()?.0.0.checked_add(self.share.stall_timeout)
    }

    /// Returns `Ready` if the input was dropped in favour of other clients. Otherwise the task is woken when this
    /// happens.
    pub(crate) fn poll_dropped(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(unfinished) = &self.unfinished else { return Poll::Pending };
        unfinished.1.waker.register(cx.waker());
        if unfinished.1.dropped_bytes.load(Ordering::Acquire) > 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Waits until the input is dropped in favour of other clients.
    pub(crate) async fn dropped(&self) {
        poll_fn(|cx| self.poll_dropped(cx)).await;
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // The charge is released first. Otherwise dropped bytes would count as used between the two steps.
        self.charge.resize(0);
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL_TIMEOUT: Duration = Duration::from_secs(10);

    /// Returns a share of 100,000 bytes, and the current time.
    fn share() -> (Arc<InputShare>, Instant) {
        (InputShare::new(Budget::new(400_000).share(), STALL_TIMEOUT), Instant::now())
    }

    /// Grows `input` to `bytes` bytes, if necessary after the confirmation time. Returns whether it was admitted.
    fn grow(input: &mut Input, bytes: usize, now: Instant) -> bool {
        input.receive(bytes.saturating_sub(input.bytes()));
        let growth = match input.grow(bytes, now) {
            Growth::RetryAt(at) => input.grow(bytes, at),
            growth => growth,
        };
        growth == Growth::Admitted
    }

    fn is_dropped(input: &Input) -> bool {
        input.poll_dropped(&mut Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    fn after(now: Instant, seconds: u64) -> Instant {
        now + Duration::from_secs(seconds)
    }

    #[test]
    fn new_input_gets_the_memory_of_the_input_that_has_stalled_longest() {
        let (share, now) = share();
        let mut stalled: Vec<_> = (0..10).map(|_| share.input(0)).collect();
        for (number, input) in stalled.iter_mut().enumerate() {
            assert!(grow(input, 10_000, now + Duration::from_millis(number as u64)));
        }
        let mut new_input = share.input(0);
        assert!(
            !grow(&mut new_input, 5000, now + Duration::from_millis(900)),
            "no input has stalled for a second"
        );
        assert!(!stalled.iter().any(is_dropped));
        assert!(grow(&mut new_input, 5000, after(now, 2)));
        assert_eq!(stalled.iter().map(is_dropped).collect::<Vec<_>>(), [&[true][..], &[false; 9]].concat());
        assert!(grow(&mut new_input, 10_000, after(now, 2)) && grow(&mut new_input, 40_000, after(now, 2)));
        let dropped = stalled.iter().filter(|input| is_dropped(input)).count();
        assert_eq!(dropped, 4, "dropped input that is still charged counts as available memory");
        drop(stalled);
        assert_eq!(share.state.lock().dropped_bytes, 0);
        assert_eq!((share.budget.used(), share.state.lock().unfinished.len()), (40_000, 1));
        drop(new_input);
        assert_eq!((share.budget.used(), share.state.lock().unfinished.len()), (0, 0));
    }

    #[test]
    fn input_larger_than_the_share_fits_once_all_other_input_has_stalled() {
        let (share, now) = share();
        let (mut stalled, mut active, mut large) = (share.input(0), share.input(0), share.input(0));
        assert!(grow(&mut stalled, 5000, now) && grow(&mut active, 5000, after(now, 2)));
        assert!(grow(&mut large, 60_000, after(now, 2)));
        assert!(
            !grow(&mut large, 200_000, after(now, 2)) && !is_dropped(&stalled),
            "one input is still active"
        );
        drop(active);
        assert!(grow(&mut large, 200_000, after(now, 2)) && is_dropped(&stalled));
        assert!(grow(&mut large, 300_000, after(now, 2)), "dropped input does not count");
        assert!(!grow(&mut share.input(0), 5000, after(now, 2)));
    }

    #[test]
    fn input_that_makes_progress_is_not_dropped() {
        let (share, now) = share();
        let (mut active, mut stalled, mut new_input) = (share.input(0), share.input(0), share.input(0));
        assert!(grow(&mut active, 50_000, now) && grow(&mut stalled, 41_000, after(now, 1)));
        assert!(grow(&mut active, 54_096, after(now, 5)), "one step is progress");
        assert!(grow(&mut active, 54_097, after(now, 9)), "one byte is not progress");
        assert!(!grow(&mut new_input, 50_000, after(now, 5)), "too little input has stalled");
        assert!(!is_dropped(&stalled));
        assert!(grow(&mut new_input, 20_000, after(now, 5)));
        assert!(is_dropped(&stalled) && !is_dropped(&active));
        assert_eq!(active.stalls_at(), Some(after(now, 15)));
    }

    #[test]
    fn bytes_that_arrive_are_progress_even_if_the_buffer_does_not_grow() {
        let (share, now) = share();
        let mut steady = share.input(0);
        for second in 0..10 {
            steady.receive(HELD_BYTES_MIN);
            assert_eq!(steady.grow(60_000, after(now, second)), Growth::Admitted);
            assert_eq!(steady.stalls_at(), Some(after(now, second + 10)));
        }
        let (mut idle, mut new_input) = (share.input(0), share.input(0));
        assert!(grow(&mut idle, 10_000, now));
        assert_eq!(idle.grow(20_000, after(now, 5)), Growth::Admitted);
        assert_eq!(idle.stalls_at(), Some(after(now, 10)), "a larger buffer is not progress");
        assert!(grow(&mut new_input, 35_000, after(now, 9)), "all of the larger buffer is free");
        assert!(is_dropped(&idle) && !is_dropped(&steady));
        drop(idle);
        assert_eq!(share.state.lock().dropped_bytes, 0);
    }

    #[test]
    fn input_is_read_once_more_before_it_is_dropped() {
        let (share, now) = share();
        let (mut upload, mut stalled, mut new_input) = (share.input(0), share.input(0), share.input(0));
        assert!(grow(&mut upload, 60_000, now) && grow(&mut stalled, 35_000, now));
        // The broker stands still for three seconds, and then handles the new input first.
        let now = after(now, 3);
        let later = Growth::RetryAt(now + TIMEOUT_CONFIRMATION);
        assert_eq!(
            (new_input.grow(50_000, now), new_input.retry_at()),
            (later, Some(now + TIMEOUT_CONFIRMATION))
        );
        assert!(grow(&mut upload, 64_096, now), "these bytes had already arrived");
        let now = now + TIMEOUT_CONFIRMATION;
        assert_eq!((new_input.grow(50_000, now), new_input.retry_at()), (Growth::Rejected, None));
        assert_eq!(new_input.grow(30_000, now), Growth::Admitted);
        assert!(is_dropped(&stalled) && !is_dropped(&upload));
        // A detection of stalled input expires.
        let (now, mut other) = (after(now, 3), share.input(0));
        assert_eq!(other.grow(60_000, now), Growth::RetryAt(now + TIMEOUT_CONFIRMATION));
        let now = now + STALL_SEEN_VALIDITY;
        assert_eq!(other.grow(60_000, now), Growth::RetryAt(now + TIMEOUT_CONFIRMATION));
        assert_eq!(other.grow(60_000, now + TIMEOUT_CONFIRMATION), Growth::Admitted);
        assert!(is_dropped(&upload));
    }

    #[test]
    fn complete_input_and_small_input_do_not_stall() {
        let (share, now) = share();
        let (mut complete, mut small, mut new_input) = (share.input(0), share.input(0), share.input(0));
        assert!(grow(&mut complete, 98_000, now) && grow(&mut small, HELD_BYTES_MIN - 1, now));
        complete.finish();
        assert_eq!((complete.stalls_at(), small.stalls_at()), (None, None));
        assert_eq!((complete.bytes(), small.bytes()), (98_000, 0));
        assert!(!grow(&mut new_input, 5000, after(now, 60)) && !is_dropped(&complete));
        assert!(grow(&mut complete, 98_000, after(now, 60)), "the clock starts again");
        assert_eq!(complete.stalls_at(), Some(after(now, 70)));
    }

    #[test]
    fn dropped_input_cannot_grow_back() {
        let (share, now) = share();
        let (mut stalled, mut new_input) = (share.input(0), share.input(0));
        assert!(grow(&mut stalled, 90_000, now) && grow(&mut new_input, 20_000, after(now, 1)));
        assert!(is_dropped(&stalled));
        stalled.record_progress(after(now, 2));
        assert!(is_dropped(&stalled));
        assert_eq!(share.state.lock().unfinished.len(), 1);
    }
}
