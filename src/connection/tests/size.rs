//! The size of a connection task, which is most of the memory of an idle connection.

use super::*;
use crate::connection::task::ConnectionTask;
use tokio::net::TcpStream;

/// The largest allocation that holds a task. It is a size class of jemalloc: the next one is 2,048 bytes.
const ALLOCATION_BYTES: usize = 1792;
/// What the runtime adds to a task: its header, the scheduler, the links to other tasks, and the task tracker.
const RUNTIME_BYTES: usize = 112;

#[test]
fn connection_task_fits_its_size_class() {
    for (transport, bytes) in [
        ("TCP", size_of::<ConnectionTask<TcpWire<TcpStream>>>()),
        ("WebSocket", size_of::<ConnectionTask<WebSocketWire<TcpStream>>>()),
    ] {
        let bytes = bytes + RUNTIME_BYTES;
        assert!(bytes <= ALLOCATION_BYTES, "{transport}: {bytes} bytes of at most {ALLOCATION_BYTES}");
    }
}
