//! Options of presence.

use crate::config::builders::{COUNT_MAX, MILLISECOND, ZERO, duration, number};
use crate::config::row::OptionRow;
use crate::config::value::{count, store, time};

pub(crate) const PRESENCE: &[OptionRow] = &[
    number(
        "presence-names-max",
        "1000",
        "Maximum number of users of a topic for which presence reports contain names. With more users the reports \
         contain only numbers. A watcher gets names in every case if its SUBSCRIBE has the header \
         presence-names:true.",
        |c, v| store(&mut c.broker.presence_names_max, count(v, 0..=COUNT_MAX)),
    ),
    duration(
        "presence-grace",
        "3s",
        "Time within which a user may leave and return without a report to watchers.",
        |c, v| store(&mut c.broker.presence_grace, time(v, ZERO)),
    ),
    duration(
        "presence-interval",
        "100ms",
        "Minimum time between two presence reports to the watchers of a topic. Each report contains all joins and \
         leaves since the previous report.",
        |c, v| store(&mut c.broker.presence_interval, time(v, MILLISECOND)),
    ),
];
