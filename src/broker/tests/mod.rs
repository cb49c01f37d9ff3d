//! Tests of the broker through its public interface, with one module for each behaviour.

pub(super) mod fixture;

mod broadcast;
mod dead_letters;
mod memory;
mod model;
mod presence;
mod presence_client;
mod presence_model;
mod presence_size;
mod races;
mod records;
mod replica;
mod services;
mod temp_queues;
mod text_only;
mod transactions;
mod users;
mod work_queues;
