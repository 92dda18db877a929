//! End to end: the built binary, a real engine, and what comes out of it.
//!
//! `cargo xtask engine up` starts the engine; without it these tests fail and say so. [`examples`] builds
//! everything under `examples/`, and holds it against the `expect.toml` beside each script.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test ends where something is not as expected"
)]

mod attestations;
mod build;
mod caches;
mod docker;
mod endpoints;
mod equal;
mod examples;
mod expect;
mod failures;
mod faults;
mod frontend;
mod frontend_contexts;
mod frontend_errors;
mod frontend_image;
mod frontend_options;
mod frontend_questions;
mod git;
mod graph_driver;
mod guide;
mod habits;
mod loaded;
mod multi_platform;
mod nodes;
mod options;
mod options_contexts;
mod options_secrets;
mod outputs;
mod pipes;
mod prelude;
mod progress;
mod published;
mod registries;
mod stand_ins;
mod workbench;
