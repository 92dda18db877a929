//! What Luakit's tests share. A dev-dependency: nothing here reaches the binary.
//!
//! [`engine`] finds the real test engine that `cargo xtask engine up` started; [`relay`] makes BuildKit's own socket
//! of its Docker's; [`http`] is the small blocking client that reads its registry. [`image`] and [`rootfs`] read back
//! what was exported. [`registry`] is a fake registry that can be made to misbehave; [`tls`] puts TLS
//! before a socket; [`actions_cache`] is GitHub's cache service. Helpers fail with a message for
//! the person who runs the tests; they never skip.

pub mod actions_cache;
pub mod engine;
pub mod guard;
pub mod http;
pub mod image;
pub mod registry;
pub mod relay;
pub mod rootfs;
mod server;
pub mod tls;
