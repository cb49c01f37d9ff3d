//! Periodic work that belongs to no connection.

use crate::connection::ConnectionContext;
use crate::http::Stomp;
use crate::http::sockjs::Endpoints;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Interval at which work that belongs to no connection is done, such as redelivery after a backoff.
const TICK: Duration = Duration::from_millis(10);

/// Interval at which the sources of users check whether their data has changed.
const USER_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Runs the periodic work that belongs to no connection.
pub(super) async fn tick(context: Arc<ConnectionContext>, sockjs: Arc<Endpoints<Stomp>>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let now = Instant::now();
        context.broker.expire(now);
        context.log_failed_logins(now);
        sockjs.expire(now);
    }
}

/// Lets the sources of users check for changes periodically, so that changes apply to live sessions without a new
/// login.
pub(super) async fn watch_users(context: Arc<ConnectionContext>) {
    let mut interval = tokio::time::interval(USER_CHECK_INTERVAL);
    loop {
        interval.tick().await;
        context.reload_users().await;
    }
}
