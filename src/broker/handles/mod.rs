//! The handles that a connection holds in the broker, such as its subscriptions. Dropping a handle unsubscribes, closes
//! the queue or ends the registration.

pub(super) mod queue_consumer;
pub(super) mod session_registration;
pub(super) mod subscription;
pub(super) mod subscription_target;
pub(super) mod temp_queue;
