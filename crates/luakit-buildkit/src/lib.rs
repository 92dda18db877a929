//! A client for BuildKit: engines, sessions, builds.
//!
//! An [`Endpoint`] is dialled into an [`Engine`]; a [`BuildRequest`] holds definitions, local directories
//! and exports, and [`Engine::build`] solves it. The client plays the frontend itself, so that image
//! configs and several platforms can be returned, and serves a session to the engine meanwhile: local
//! directories, export targets, credentials. What happens comes back as [`progress::Event`]s, what goes
//! wrong as [`BuildError`]s that hold data. Nothing here prints, reads the environment or knows what made
//! the definitions.

pub mod build;
pub mod endpoint;
pub mod engine;
pub mod error;
pub mod export;
mod fsutil;
mod grpc;
mod ids;
mod output_file;
pub mod patterns;
pub mod progress;
mod session;

pub use build::{BuildRequest, BuildResponse, PlatformResult};
pub use endpoint::{ConnectError, Endpoint, EndpointError};
pub use engine::{Engine, Worker};
pub use error::{BuildError, MissingCap, SourceExcerpt, StepFailure};
pub use export::{Archive, Export, ExportKind, FileOutput};
pub use fsutil::TransferError;
pub use output_file::OutputFile;
pub use session::auth::RegistryAccess;
