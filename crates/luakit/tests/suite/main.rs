//! The built binary, from the outside.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as expected"
)]

mod determinism;
mod documents;
mod golden;
mod limits;
mod lock;
mod patterns;
mod project;
mod sandbox;
mod usage;
