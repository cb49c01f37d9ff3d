//! Limits: memory, slow consumers, fairness between clients, and attacks.

mod attacks;
mod charges;
mod fairness;
mod frame_limits;
mod idle;
mod kill;
mod memory;
mod slow;
mod subscription_memory;
