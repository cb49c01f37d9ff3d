//! Options of the requests of a client.

/// Limits and defaults of the requests of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Largest length of a destination in bytes (`destination-bytes-max`, default 1024).
    pub destination_bytes_max: usize,
    /// Largest number of temporary queues of a client (`temp-queues-max`, default 100).
    pub temp_queues_max: usize,
    /// Largest length of a header line in bytes (`header-bytes-max`, default 16 KiB). The decoder enforces it for every
    /// header but `to`.
    pub header_bytes_max: usize,
    /// Largest length in bytes of the header `to` of a message to `/users/` (`to-bytes-max`, default 256 KiB).
    pub to_bytes_max: usize,
    /// Largest number of names in the header `to` (`to-names-max`, default 10000).
    pub to_names_max: usize,
    /// Whether messages of topics and queues name their sender in `user-name` (`show-sender`, default false). Messages
    /// to users and services always do.
    pub show_sender: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            destination_bytes_max: 1024,
            temp_queues_max: 100,
            header_bytes_max: 16 * 1024,
            to_bytes_max: 256 * 1024,
            to_names_max: 10_000,
            show_sender: false,
        }
    }
}
