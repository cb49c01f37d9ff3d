//! What a connection holds in the broker. Dropping a handle ends what it stands for.

pub(super) mod queue_consumer;
pub(super) mod session_registration;
pub(super) mod subscription;
pub(super) mod subscription_target;
pub(super) mod temp_queue;
