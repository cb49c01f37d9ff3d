//! The broker from outside, a module per behaviour.

pub(super) mod fixture;

mod broadcast;
mod dead_letters;
mod model;
mod races;
mod temp_queues;
mod text_only;
mod transactions;
mod work_queues;
