//! Options of presence.

use super::row::OptionRow;
use super::table::{MANY, NONE, TICK, number, timed};
use super::value::{count, put, time};

pub(super) const PRESENCE: &[OptionRow] = &[
    number(
        "presence-names-max",
        "1000",
        "Users present at a topic up to whom those who watch it are told names; beyond it they are told numbers, \
         unless their SUBSCRIBE says presence-names:true.",
        |c, v| put(&mut c.broker.presence_names_max, count(v, 0..=MANY)),
    ),
    timed(
        "presence-grace",
        "3s",
        "Who leaves and is back within this time has not left: nobody is told.",
        |c, v| put(&mut c.broker.presence_grace, time(v, NONE)),
    ),
    timed(
        "presence-interval",
        "100ms",
        "Those who watch a topic are told of who came and left at most once in this time, of all at once.",
        |c, v| put(&mut c.broker.presence_interval, time(v, TICK)),
    ),
];
