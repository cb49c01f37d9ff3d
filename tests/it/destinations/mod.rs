//! Destinations of users and services, presence, and who may use them.

mod permissions;
mod presence;
mod privacy;
mod services;
mod user_destinations;
mod users;
