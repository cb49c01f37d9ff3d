//! A pool of threads that hash passcodes. The threads that run connections never hash.

use super::fair_queue::{ClientKey, FairQueue};
use super::hash::Memory;
use parking_lot::{Condvar, Mutex};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tracing::{debug, error};

/// Amount by which the nice value of hashing threads exceeds that of the threads that run connections.
const NICE_INCREMENT: i32 = 10;

/// A thread pool with a queue that serves client addresses round robin. The pool starts a thread when a job needs it.
/// Dropping the pool ends the threads and drops the waiting jobs.
pub(crate) struct HashPool {
    shared: Arc<Shared>,
}

/// A hashing job. Its argument is the memory of the thread for hashing.
pub(crate) type Job = Box<dyn FnOnce(&mut Memory) + Send>;

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    threads_max: usize,
    waiting_max: usize,
}

#[derive(Default)]
struct State {
    queue: FairQueue<Job>,
    threads: usize,
    idle: usize,
    is_closed: bool,
}

/// Returns the number of cores that this process may use. Returns 1 if the number is unknown.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl HashPool {
    /// Creates a pool of at most `threads` threads and a queue of at most `waiting_max` jobs. 0 threads means one
    /// thread less than the number of cores, but at least one thread.
    pub(crate) fn new(threads: usize, waiting_max: usize) -> HashPool {
        let threads_max = if threads == 0 { cores().saturating_sub(1).max(1) } else { threads };
        let state = Mutex::new(State::default());
        HashPool { shared: Arc::new(Shared { state, work: Condvar::new(), threads_max, waiting_max }) }
    }

    /// Adds a job at the end of the queue of `client`.
    ///
    /// # Errors
    /// Too many jobs are waiting, or the system cannot start a thread. The text is for the log.
    pub(crate) fn submit(&self, client: ClientKey, job: Job) -> Result<(), &'static str> {
        let mut state = self.shared.state.lock();
        if state.queue.len() >= self.shared.waiting_max {
            return Err("too many logins are waiting for a hash (auth-waiting-max)");
        }
        let needs_thread = state.idle <= state.queue.len() && state.threads < self.shared.threads_max;
        if needs_thread && self.start(state.threads) {
            state.threads += 1;
        }
        if state.threads == 0 {
            return Err("cannot start a hashing thread");
        }
        state.queue.push(client, job);
        self.shared.work.notify_one();
        Ok(())
    }

    /// Returns the number of waiting jobs.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.shared.state.lock().queue.len()
    }

    fn start(&self, number: usize) -> bool {
        let shared = self.shared.clone();
        let started = std::thread::Builder::new().name(format!("stompbox-hash-{number}")).spawn(move || {
            lower_priority();
            shared.run_jobs();
        });
        if let Err(error) = &started {
            error!(%error, "cannot start a hashing thread");
        }
        started.is_ok()
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.is_closed = true;
        let dropped = std::mem::take(&mut state.queue);
        self.shared.work.notify_all();
        drop(state);
        drop(dropped);
    }
}

impl fmt::Debug for HashPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashPool").field("threads_max", &self.shared.threads_max).finish_non_exhaustive()
    }
}

impl Shared {
    fn run_jobs(&self) {
        let mut memory = Memory::new();
        let mut state = self.state.lock();
        while !state.is_closed {
            let Some(job) = state.queue.pop() else {
                // Free the memory while no job waits: it is several megabytes.
                memory = Memory::new();
                state.idle += 1;
                self.work.wait(&mut state);
                state.idle -= 1;
                continue;
            };
            drop(state);
            if catch_unwind(AssertUnwindSafe(|| job(&mut memory))).is_err() {
                memory = Memory::new();
            }
            state = self.state.lock();
        }
    }
}

/// Gives this thread a lower priority than the other threads of the process. Only Linux has a priority for each thread.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        let thread = Some(rustix::thread::gettid());
        let lowered = getpriority_process(thread)
            .and_then(|nice| setpriority_process(thread, nice.saturating_add(NICE_INCREMENT).min(19)));
        if let Err(error) = lowered {
            debug!(%error, "cannot lower the priority of a hashing thread");
        }
    }
    #[cfg(not(target_os = "linux"))]
    debug!(
        NICE = NICE_INCREMENT,
        "cannot lower the priority of hashing threads: only Linux has a priority for each thread"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn jobs_run_in_order_on_a_bounded_number_of_threads_and_survive_panics() {
        for threads in [1, 3] {
            let pool = HashPool::new(threads, 100);
            assert_eq!(pool.shared.state.lock().threads, 0, "no thread before the first job");
            let (done, results) = mpsc::channel();
            for number in 0..20 {
                let done = done.clone();
                pool.submit(
                    None,
                    Box::new(move |_| {
                        let name = std::thread::current().name().map(str::to_owned);
                        done.send((number, name)).expect("the test waits");
                        assert_ne!(number, 3, "job 3 panics");
                    }),
                )
                .expect("the queue has space");
            }
            let mut results: Vec<_> = results.iter().take(20).collect();
            if threads > 1 {
                results.sort();
            }
            assert!(results.iter().map(|result| result.0).eq(0..20));
            assert!(
                results
                    .iter()
                    .all(|(_, name)| name.as_ref().is_some_and(|name| name.starts_with("stompbox-hash-")))
            );
            assert!(pool.shared.state.lock().threads <= threads);
        }
    }

    #[test]
    fn job_over_the_queue_limit_is_rejected() {
        let pool = HashPool::new(1, 2);
        let (open, gate) = mpsc::channel::<()>();
        let (begun, began) = mpsc::channel();
        pool.submit(
            None,
            Box::new(move |_| {
                begun.send(()).expect("the test waits");
                let _ = gate.recv();
            }),
        )
        .expect("the queue has space");
        began.recv().expect("the job begins");
        for _ in 0..2 {
            pool.submit(None, Box::new(|_| {})).expect("the queue has space");
        }
        assert_eq!(
            pool.submit(None, Box::new(|_| {})),
            Err("too many logins are waiting for a hash (auth-waiting-max)")
        );
        drop(open);
    }

    #[test]
    fn threads_end_with_the_pool() {
        let pool = HashPool::new(2, 10);
        let (done, results) = mpsc::channel();
        pool.submit(None, Box::new(move |_| done.send(()).expect("the test waits")))
            .expect("the queue has space");
        results.recv().expect("the job is done");
        let shared = Arc::downgrade(&pool.shared);
        drop(pool);
        while shared.strong_count() > 0 {
            std::thread::yield_now();
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn threads_have_a_lower_priority() {
        use rustix::process::getpriority_process;
        let own = getpriority_process(Some(rustix::thread::gettid())).expect("a priority");
        let pool = HashPool::new(1, 10);
        let (sender, receiver) = mpsc::channel();
        pool.submit(
            None,
            Box::new(move |_| {
                sender.send(getpriority_process(Some(rustix::thread::gettid()))).expect("the test waits");
            }),
        )
        .expect("the queue has space");
        assert_eq!(
            receiver.recv().expect("the result of the job").expect("a priority"),
            (own + NICE_INCREMENT).min(19)
        );
        assert_eq!(getpriority_process(Some(rustix::thread::gettid())).expect("a priority"), own);
    }
}
