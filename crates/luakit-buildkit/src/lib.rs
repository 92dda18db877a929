//! A client for BuildKit: engines, sessions, builds.
//!
//! An [`Endpoint`] is dialled into an [`Engine`]; a [`BuildRequest`] holds local directories, exports and
//! whatever else surrounds a build, and [`Engine::build`] runs a frontend in it, which speaks to the engine
//! through a [`Gateway`]. [`Engine::solve`] is for definitions that are ready. The client serves a session
//! to the engine meanwhile: local directories, export targets, credentials. What happens comes back as [`progress::Event`]s, what goes
//! wrong as [`BuildError`]s that hold data. Nothing here prints, reads the environment or knows what made
//! the definitions.

pub mod build;
pub mod endpoint;
pub mod engine;
pub mod engines;
pub mod entitlements;
pub mod error;
pub mod export;
mod fsutil;
pub mod gateway;
mod grpc;
mod ids;
pub mod layout;
mod output_file;
pub mod progress;
mod session;
pub mod source_policy;

pub use build::{
    BuildFailure, BuildRequest, BuildResponse, CacheEntry, FrontendError, Patience, PlatformDefinition, PlatformResult,
};
pub use endpoint::{ConnectError, DockerHost, Endpoint, EndpointError};
pub use engine::{Engine, Worker};
pub use engines::{Candidate, Discovery, DockerStore, Node, SetupError, Source};
pub use error::{BuildError, MissingCap, SourceExcerpt, StepFailure};
pub use export::{Archive, Export, ExportKind, FileOutput};
pub use fsutil::TransferError;
pub use gateway::stdio::{FrontendSetting, Stdio};
pub use gateway::{Gateway, GatewayError, ResultRef};
pub use ids::random_id as build_id;
pub use output_file::{OutputFile, OutputWriter, real_path};
pub use session::attachments::{Attachments, ServiceError};
pub use session::auth::RegistryAccess;
pub use session::content::ContentStore;
pub use session::secrets::{SECRET_LIMIT, SecretSource, read_secret};
pub use session::ssh::{DEFAULT_SSH, KeyError, SshSource};
pub use session::upload::{UPLOAD_URL, Upload};
pub use tokio_util::sync::CancellationToken;
