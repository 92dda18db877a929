//! The built binary, from the outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "a test ends where something is not as expected"
)]

mod calls;
mod determinism;
mod documents;
mod golden;
mod limits;
mod lock;
mod patterns;
mod piped;
mod project;
mod sandbox;
mod usage;
