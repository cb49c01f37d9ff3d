//! Work queues: acknowledgements, redelivery and what must not be lost.

mod acks;
mod loss;
mod stale_acks;
mod temp_queues;
mod work_queues;
