//! The routing of messages to queues and subscribers.

use super::published::Published;
use super::state::BrokerState;
use super::topics::{services, users};
use crate::command::{Audience, Publish};
use crate::destination::{Destination, Routing};
use crate::rejection::Rejection;
use std::time::Instant;

impl BrokerState {
    /// Routes a message.
    ///
    /// # Errors
    /// The memory limit (`memory-bytes-max`) is reached, or the queue is full or cannot be created.
    pub(super) fn publish(&self, publish: &Publish, now: Instant) -> Result<Published, Rejection> {
        self.context.check_budget()?;
        let published = match publish.audience.queue() {
            Some(queue) => {
                let message = self.context.message(publish);
                self.queues.publish(queue, &message, now)?
            }
            None => self.route(publish, now),
        };
        self.context.metrics.messages_published.inc();
        Ok(published)
    }

    /// Routes a message that no queue stores.
    pub(super) fn route(&self, publish: &Publish, now: Instant) -> Published {
        match &publish.audience {
            Audience::One(destination) => self.route_to_one(destination, publish, now),
            Audience::Session(destination, session) => {
                users::publish(self, destination, Some(session), publish, now)
            }
            Audience::Users(owners, path) => users::publish_to_all(self, owners, path, publish, now),
        }
    }

    fn route_to_one(&self, destination: &Destination, publish: &Publish, now: Instant) -> Published {
        match destination.kind().routing() {
            Routing::User => users::publish(self, destination, None, publish, now),
            Routing::Service => {
                let result = services::publish(self, destination, publish, now);
                if result.reached == 0 {
                    self.send_no_service_notice(publish, now);
                }
                Published { services: Some(result.reached), ..result.into_published(now) }
            }
            // Only the broker itself publishes reports.
            Routing::Report => Published::default(),
            Routing::Broadcast | Routing::Queue => {
                self.family(destination.kind()).publish(destination, publish, now).into_published(now)
            }
        }
    }
}
